"""The operator's word: what is allowed, and commands as rows that outlive their asker."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from trader.ids import SessionId
from trader.session.events import TradingState


@dataclass(frozen=True, slots=True)
class TradingStanding:
    """What the operator allows, since when and why. It survives restarts."""

    state: TradingState
    reason: str
    changed_by: str
    changed_at: datetime


class CommandOutcome(StrEnum):
    """How a command ended."""

    DONE = "DONE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class CommandRow:
    """One command of the operator's. `outcome` None: asked, and not finished."""

    id: str
    kind: str  # close | halt | resume | ...
    session_id: SessionId | None  # None: the whole house
    reason: str
    asked_by: str
    asked_at: datetime
    outcome: CommandOutcome | None
    detail: str
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the operator wants by the rows, whichever daemon he told."""

    standing: TradingStanding
    unfinished: tuple[CommandRow, ...]  # oldest first
