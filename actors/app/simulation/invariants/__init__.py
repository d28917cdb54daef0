"""The promises as checkers; each reads the true history of venue and rows, no daemon's word."""

from actors.app.simulation.invariants.adjustments import BrokerWins
from actors.app.simulation.invariants.bars import OnlyOnFinishedBars
from actors.app.simulation.invariants.budgets import Budgets
from actors.app.simulation.invariants.checker import Broken, Checker
from actors.app.simulation.invariants.convergence import Converged, FillsAgree
from actors.app.simulation.invariants.deadlines import EntriesLeaveInTime
from actors.app.simulation.invariants.every_bar import OnEveryBar, WallClockIsIgnored
from actors.app.simulation.invariants.exits import ExitsNeverBlocked
from actors.app.simulation.invariants.freshness import (
    OnlyInAnOpenMarket,
    OnlyOnAFreshFeed,
    ReconcileIsAlive,
)
from actors.app.simulation.invariants.heat import HeatCovers
from actors.app.simulation.invariants.honesty import HonestStatus
from actors.app.simulation.invariants.liveness import Bounded, NeverHalfDead
from actors.app.simulation.invariants.marks import HeatIsPriced
from actors.app.simulation.invariants.money import MoneyIsExact
from actors.app.simulation.invariants.operator import AcknowledgedIsKept, HaltHolds
from actors.app.simulation.invariants.orders import (
    DurableFirst,
    OneOrderPerIntent,
    UnknownIsNotRejected,
)
from actors.app.simulation.invariants.ownership import NewestIncarnation, SingleWriter
from actors.app.simulation.invariants.poison import PoisonIsPutAside
from actors.app.simulation.invariants.stops import StopsAreOfTheirPosition

CHECKERS: tuple[type[Checker], ...] = (
    DurableFirst,
    OneOrderPerIntent,
    Converged,
    ExitsNeverBlocked,
    OnlyOnFinishedBars,
    OnEveryBar,
    StopsAreOfTheirPosition,
    HeatCovers,
    HeatIsPriced,
    FillsAgree,
    AcknowledgedIsKept,
    UnknownIsNotRejected,
    Budgets,
    HaltHolds,
    SingleWriter,
    NewestIncarnation,
    OnlyInAnOpenMarket,
    OnlyOnAFreshFeed,
    EntriesLeaveInTime,
    ReconcileIsAlive,
    Bounded,
    NeverHalfDead,
    PoisonIsPutAside,
    MoneyIsExact,
    WallClockIsIgnored,
    BrokerWins,
    HonestStatus,
)

__all__ = ["CHECKERS", "Broken", "Checker"]
