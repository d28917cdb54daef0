"""The engine room: actors on one loop, supervised; knows nothing of trading."""

from actors.runtime.actor import Actor, Reminder
from actors.runtime.address import Address, DeadLetters
from actors.runtime.alarm import Alarm
from actors.runtime.engine import Engine
from actors.runtime.future import LoopFuture
from actors.runtime.hosts import AsyncioHost, Host
from actors.runtime.mailbox import Latest, Seals
from actors.runtime.messages import (
    ChildStatus,
    DeadLetter,
    DeadReason,
    Exit,
    ExitReason,
    FellBack,
    Lane,
    Notice,
    OverloadChanged,
    Quarantined,
    RestartChild,
    State,
    StopChild,
    WhichChildren,
)
from actors.runtime.run_queue import HandlerStuck
from actors.runtime.runtime import Runtime, StartFailed
from actors.runtime.simulated_loop import NothingLeft, SimulatedLoop
from actors.runtime.simulated_process import Killed, SimulatedProcess, running_process
from actors.runtime.simulation import SimulationHost
from actors.runtime.specs import (
    Backoff,
    Child,
    Exhausted,
    Restart,
    StartChild,
    Strategy,
    SupervisorSpec,
)
from actors.runtime.supervisor import Supervisor
from actors.runtime.watchdog import Stuck, Watchdog

__all__ = [
    "Actor",
    "Address",
    "Alarm",
    "AsyncioHost",
    "Backoff",
    "Child",
    "ChildStatus",
    "DeadLetter",
    "DeadLetters",
    "DeadReason",
    "Engine",
    "Exhausted",
    "Exit",
    "ExitReason",
    "FellBack",
    "HandlerStuck",
    "Host",
    "Killed",
    "Lane",
    "Latest",
    "LoopFuture",
    "NothingLeft",
    "Notice",
    "OverloadChanged",
    "Quarantined",
    "Reminder",
    "Restart",
    "RestartChild",
    "Runtime",
    "Seals",
    "SimulatedLoop",
    "SimulatedProcess",
    "SimulationHost",
    "StartChild",
    "StartFailed",
    "State",
    "StopChild",
    "Strategy",
    "Stuck",
    "Supervisor",
    "SupervisorSpec",
    "Watchdog",
    "WhichChildren",
    "running_process",
]
