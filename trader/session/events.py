"""Events of a session that are neither market, order nor position."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from trader.ids import SessionId
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
