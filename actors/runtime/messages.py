"""What the engine room says: lanes, reasons, notices to the house, and a supervisor's commands."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any


class Lane(IntEnum):
    """How urgent a message is: a lower lane is always served before a higher one."""

    CONTROL = 0
    EVENTS = 1
    MARKET = 2


class State(StrEnum):
    """Where the body behind a name is in its life."""

    DOWN = "DOWN"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    QUARANTINED = "QUARANTINED"


class ExitReason(StrEnum):
    """Why an incarnation ended."""

    NORMAL = "NORMAL"  # it stopped itself
    SHUTDOWN = "SHUTDOWN"  # its supervisor stopped it, in order
    KILLED = "KILLED"  # taken down at once, without its on_stop
    CRASH = "CRASH"
    START_FAILED = "START_FAILED"
    START_TIMEOUT = "START_TIMEOUT"
    STUCK = "STUCK"  # the watchdog interrupted its handler
    ESCALATED = "ESCALATED"  # a supervisor whose restarts are used up


class DeadReason(StrEnum):
    """Why a message reached nobody."""

    NO_SUCH_NAME = "NO_SUCH_NAME"
    NAME_CLOSED = "NAME_CLOSED"  # still waiting when its name was closed for good
    POISON = "POISON"  # its handler crashed on it once too often
    NEVER_AGAIN = "NEVER_AGAIN"  # of a type that is not served twice
    UNSORTABLE = "UNSORTABLE"  # its conflation key could not be computed


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of one incarnation, as told to its supervisor and to the listeners."""

    name: str
    incarnation: int
    reason: ExitReason
    error: BaseException | None = None
    message: Any = None  # the message whose handler crashed
    is_repeat: bool = False  # the same message had crashed a predecessor: counted once


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that reached nobody."""

    name: str
    message: Any
    reason: DeadReason
    error: BaseException | None = None
    happened_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A child crashed too often and stays down: its name and its mail are kept."""

    name: str
    last_exit: Exit


@dataclass(frozen=True, slots=True)
class FellBack:
    """A child crashed too often and goes on with its fallback factory, its count fresh."""

    name: str
    last_exit: Exit


@dataclass(frozen=True, slots=True)
class OverloadChanged:
    """A mailbox passed its soft limit, or came back under half of it."""

    name: str
    is_overloaded: bool
    depth_count: int


Notice = Exit | DeadLetter | Quarantined | FellBack | OverloadChanged


@dataclass(frozen=True, slots=True)
class ChildStatus:
    """One name as seen now; `children` in start order, empty for all but supervisors."""

    name: str
    actor_class: str  # empty while it has no body
    state: State
    incarnation: int  # 0 before the first
    mailbox_depth_count: int
    is_overloaded: bool
    restarts_count: int
    last_exit_reason: ExitReason | None
    last_error: str
    children: "tuple[ChildStatus, ...]" = ()


@dataclass(frozen=True, slots=True)
class StopChild:
    """Stop that child and forget its name; its waiting mail becomes dead letters."""

    name: str


@dataclass(frozen=True, slots=True)
class RestartChild:
    """Stop that child and start it anew with its own factory and a fresh count.

    Also the way out of quarantine.
    """

    name: str


@dataclass(frozen=True, slots=True)
class WhichChildren:
    """Ask a supervisor for the `ChildStatus` of each child, in start order."""
