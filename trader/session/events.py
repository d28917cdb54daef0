"""Events of a session that are neither market, order nor position."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from trader.ids import SessionId
from trader.records import SessionRows
from trader.session.strategy import Decision


class TradingState(StrEnum):
    """What the operator allows (separate from the heat level)."""

    ACTIVE = "ACTIVE"
    HALTED = "HALTED"  # no entries
    EXITS_ONLY = "EXITS_ONLY"  # no strategy either: exit rules and reconcile run


@dataclass(slots=True)
class StrategyDecided:
    """The runner's answer for one bar."""

    session_id: SessionId
    bar_opened_at: datetime
    decision: Decision
    rebuild: int = 0  # of which rebuild of the strategy; an answer of an older one is dropped


@dataclass(frozen=True, slots=True)
class StrategyReady:
    """Warmed up (again) from the candle window, without deciding."""

    session_id: SessionId
    rebuild: int


@dataclass(frozen=True, slots=True)
class StrategyFailed:
    """It raised, answered nonsense, or was too late; for that bar there is no decision."""

    session_id: SessionId
    bar_opened_at: datetime | None  # None: it failed in its warm-up
    reason_code: str  # strategy_raised | strategy_late | strategy_host_died | bad_decision
    detail: str
    rebuild: int
    must_rebuild: bool  # its state is gone: warm it up again


@dataclass(frozen=True, slots=True)
class TradingStateChanged:
    """The operator's word."""

    state: TradingState
    reason: str


@dataclass(frozen=True, slots=True)
class CloseRequested:
    """`trader close`: flatten from broker truth, in every state."""

    command_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReconcileRequested:
    """Reconcile now: reconnect, doubt, or the operator."""

    reason: str


@dataclass(frozen=True, slots=True)
class SessionLoaded:
    """The rows of this session, read under a new incarnation, and the lease's epoch."""

    rows: SessionRows
    epoch: int


@dataclass(frozen=True, slots=True)
class DutyDue:
    """The trader's own timer: something that the state wants done by now may be due."""


@dataclass(frozen=True, slots=True)
class StoreChanged:
    """The journal is up again, or degraded."""

    is_up: bool
    reason: str
    lost_count: int = 0  # progress that could not be kept meanwhile: rebuild from what is durable


@dataclass(frozen=True, slots=True)
class ClockSuspected:
    """The wall clock jumped against the host's elapsed seconds."""

    jump_s: float


@dataclass(frozen=True, slots=True)
class LeaseChanged:
    """Whether we hold the account; without it nothing new may start."""

    is_held: bool
    reason: str


@dataclass(frozen=True, slots=True)
class HeatAsked:
    """The portfolio wants every session's share now (it was restarted)."""
