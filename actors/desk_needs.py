"""What the desk needs of the house: rows to read, commands to record, the latch, facts of the boot.

The house fulfils these with the store and its own latch; a test with a few lines.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from actors.runtime import Address
from trader.config import Settings
from trader.ids import AccountId, ClientOrderId, SessionId
from trader.money import Quantity
from trader.operator import CommandOutcome, CommandRow, TradingStanding, Wanted
from trader.session.events import TradingState, TradingStateChanged
from trader.views import (
    CheckView,
    ConfigKeyView,
    DecisionView,
    FillView,
    OrderView,
    TradeView,
)


class Rows(Protocol):
    """Questions about rows, newest first. Raises StoreUnavailable."""

    async def orders(
        self,
        *,
        session_id: SessionId | None = None,
        open_only: bool = False,
        limit: int = 100,
        after: ClientOrderId | None = None,
    ) -> tuple[OrderView, ...]:
        """Orders, without timelines."""
        ...

    async def order(self, order_id: ClientOrderId) -> OrderView | None:
        """One order with its whole life."""
        ...

    async def fills(
        self, *, session_id: SessionId | None = None, limit: int = 100, after: str | None = None
    ) -> tuple[FillView, ...]:
        """Executions."""
        ...

    async def trades(
        self, *, session_id: SessionId | None = None, limit: int = 100, after: str | None = None
    ) -> tuple[TradeView, ...]:
        """Round trips."""
        ...

    async def decisions(
        self, session_id: SessionId, *, limit: int = 100
    ) -> tuple[DecisionView, ...]:
        """What a session decided."""
        ...


class Commands(Protocol):
    """The operator's commands as rows. Raises StoreUnavailable."""

    async def record(
        self, command_id: str, kind: str, session_id: SessionId | None, reason: str, asked_by: str
    ) -> CommandRow:
        """Before its effect; the same id again gives the row that stands."""
        ...

    async def finish(self, command_id: str, outcome: CommandOutcome, detail: str) -> None:
        """How it ended; the first word stands."""
        ...

    async def wanted(self) -> Wanted:
        """What is allowed now, and what was asked and never finished."""
        ...

    async def allow(self, state: TradingState, reason: str, changed_by: str) -> TradingStanding:
        """Latch what is allowed; durable when this returns."""
        ...


class Latch(Protocol):
    """The trading state in memory and as a file: what the last gates look at."""

    state: TradingStateChanged
    is_resuming: bool  # the row says so already, this house does not yet
    resumed_at: datetime | None  # by the row: an older row stops nobody any more

    def halted(self) -> str:
        """Why no entry may leave now; "" if one may."""
        ...

    def has_file(self) -> bool:
        """Whether the HALT file exists, whoever made it."""
        ...

    def current(self) -> TradingStateChanged:
        """The state in force, the file included."""
        ...

    def write_file(self, reason: str) -> None:
        """Durable when it returns. Raises OSError."""
        ...

    def remove_file(self) -> None:
        """Gone, durably, when it returns. Raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class Boot:
    """What does not change while the daemon runs."""

    version: str
    boot_id: str
    started_at: datetime
    settings: Settings
    config: tuple[ConfigKeyView, ...]  # the effective settings, each with its origin
    feeds: Mapping[AccountId, Address]  # who has the market data of a login


@dataclass(frozen=True, slots=True)
class Needs:
    """Everything the desk works with besides the actors."""

    rows: Rows
    commands: Commands
    latch: Latch
    position_qtys: Callable[[AccountId], Awaitable[Mapping[SessionId, Quantity]]]
    schema: Callable[[], Awaitable[CheckView]]  # does the database answer, is its schema current
