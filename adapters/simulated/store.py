"""What a daemon of a simulated world has of its database: every statement travels both ways."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from adapters.simulated.database import Connections, Database
from adapters.simulated.disk import Disk
from adapters.simulated.journal import MemoryJournal
from adapters.simulated.ledger import MemoryLedger
from adapters.simulated.operator import MemoryLimits, MemoryOperator
from adapters.store.connect import READERS_COUNT_MAX
from adapters.store.ledger import ACTING_PART_OF_TTL
from adapters.store.portfolio import StoredLimits
from adapters.store.spool import FileSpool
from trader.accounts.account import Balance
from trader.errors import StoreUnavailable
from trader.ids import AccountId, ClientOrderId, InstrumentId, SessionId
from trader.money import Quantity
from trader.operator import CommandOutcome, CommandRow, TradingStanding, Wanted
from trader.orders.order import Change, Order, Replace, Status
from trader.records import (
    ChangeEntry,
    Entry,
    Fence,
    FillEntry,
    HeldByAnother,
    Lease,
    Outcome,
    SessionRows,
)
from trader.session.events import TradingState
from trader.views import CheckView

SPOOL_RECORDS_COUNT_MAX = 20
PROBE_DEADLINE_S = 2.0


class Clock(Protocol):
    """A machine's own time."""

    def now(self) -> datetime:
        """Its wall clock."""
        ...

    def elapsed(self) -> float:
        """Its seconds."""
        ...


class SimulatedStore:
    """One boot of a daemon: its own connections, its machine's disk. `by`: its name in the history.

    Opening it raises StoreUnsafe where the disk has no room for the spool.
    """

    def __init__(self, database: Database, disk: Disk, clock: Clock, by: str) -> None:
        pool = Connections(database, READERS_COUNT_MAX)
        rows = database.rows
        self.journal = WiredJournal(MemoryJournal(rows, by), Connections(database, 1))
        self.ledger = WiredLedger(MemoryLedger(rows, by), pool, clock.elapsed)
        self.operator = WiredOperator(MemoryOperator(rows, by), pool)
        self.portfolio = WiredLimits(MemoryLimits(rows, by), pool)
        self.spool = FileSpool(disk.spool, clock.now, records_count_max=SPOOL_RECORDS_COUNT_MAX)
        self.jobs = None  # trades are computed after the fact
        self._pool = pool

    async def schema(self) -> CheckView:
        """Whether the database answers."""

        async def probe() -> None:
            """It is there."""

        try:
            async with asyncio.timeout(PROBE_DEADLINE_S):
                await self._pool.read("probe", probe)
        except (StoreUnavailable, TimeoutError):
            return CheckView("database", False, "it does not answer")
        return CheckView("database", True, "simulated")


class WiredJournal:
    """Fulfils `trader.ports.Journal`. Raises StoreUnavailable."""

    def __init__(self, rows: MemoryJournal, connections: Connections) -> None:
        self._rows = rows
        self._connections = connections

    async def write(self, entries: Sequence[Entry]) -> tuple[Outcome, ...]:
        """One commit."""
        if not entries:
            return ()
        return await self._connections.write(
            "journal", lambda: self._rows.write(entries), is_held=_is_one_statement(entries)
        )

    async def adopt(self, records: Sequence[tuple[Order | Change, Fence]]) -> tuple[Outcome, ...]:
        """One transaction."""
        return await self._connections.write(
            "journal", lambda: self._rows.adopt(records), is_held=False
        )


class WiredLedger:
    """Fulfils `trader.ports.Ledger`. Raises StoreUnavailable."""

    def __init__(
        self, rows: MemoryLedger, connections: Connections, elapsed: Callable[[], float]
    ) -> None:
        self._rows = rows
        self._connections = connections
        self._elapsed = elapsed

    async def claim(
        self, account_id: AccountId, holder: str, ttl_s: float
    ) -> Lease | HeldByAnother:
        """Take or retake the account's lease."""
        asked_s = self._elapsed()
        answer = await self._connections.write(
            "claim", lambda: self._rows.claim(account_id, holder, ttl_s)
        )
        return _counted_from(asked_s, ttl_s, answer)

    async def renew(self, lease: Lease, ttl_s: float) -> Lease | HeldByAnother:
        """Prolong it."""
        asked_s = self._elapsed()
        answer = await self._connections.write("renew", lambda: self._rows.renew(lease, ttl_s))
        return _counted_from(asked_s, ttl_s, answer)

    async def release(self, lease: Lease) -> None:
        """Give it back."""
        await self._connections.write("release", lambda: self._rows.release(lease))

    async def begin_session(
        self, session_id: SessionId, account_id: AccountId, instrument: InstrumentId, epoch: int
    ) -> SessionRows:
        """One transaction."""
        return await self._connections.write(
            "begin session",
            lambda: self._rows.begin_session(session_id, account_id, instrument, epoch),
            is_held=False,
        )

    async def position_qtys(self, account_id: AccountId) -> Mapping[SessionId, Quantity]:
        """The position rows."""
        return await self._connections.read(
            "positions", lambda: self._rows.position_qtys(account_id)
        )

    async def open_orders(
        self, account_id: AccountId
    ) -> Mapping[SessionId, Mapping[ClientOrderId, Status]]:
        """The rows of orders that have not ended."""
        return await self._connections.read(
            "open orders", lambda: self._rows.open_orders(account_id)
        )

    async def executions_cursor(self, account_id: AccountId) -> str | None:
        """How far executions were read."""
        return await self._connections.read(
            "cursor", lambda: self._rows.executions_cursor(account_id)
        )

    async def last_balance(self, account_id: AccountId) -> Balance | None:
        """The newest row."""
        return await self._connections.read("balance", lambda: self._rows.last_balance(account_id))


class WiredOperator:
    """Commands and the latched trading state. Raises StoreUnavailable."""

    def __init__(self, rows: MemoryOperator, connections: Connections) -> None:
        self._rows = rows
        self._connections = connections

    async def standing(self) -> TradingStanding:
        """What is allowed now."""
        return await self._connections.read("trading state", self._rows.standing)

    async def allow(self, state: TradingState, reason: str, changed_by: str) -> TradingStanding:
        """Latch it."""
        return await self._connections.write(
            "trading state", lambda: self._rows.allow(state, reason, changed_by)
        )

    async def record(
        self, command_id: str, kind: str, session_id: SessionId | None, reason: str, asked_by: str
    ) -> CommandRow:
        """Before its effect."""
        return await self._connections.write(
            "command", lambda: self._rows.record(command_id, kind, session_id, reason, asked_by)
        )

    async def finish(self, command_id: str, outcome: CommandOutcome, detail: str) -> None:
        """How it ended."""
        await self._connections.write(
            "command", lambda: self._rows.finish(command_id, outcome, detail)
        )

    async def wanted(self) -> Wanted:
        """What he wants."""
        return await self._connections.read("commands", self._rows.wanted)


class WiredLimits:
    """The portfolio's limits. Raises StoreUnavailable."""

    def __init__(self, rows: MemoryLimits, connections: Connections) -> None:
        self._rows = rows
        self._connections = connections

    async def ensure(self, first: StoredLimits, changed_by: str) -> StoredLimits:
        """One transaction."""
        return await self._connections.write(
            "portfolio limits", lambda: self._rows.ensure(first, changed_by), is_held=False
        )


def _is_one_statement(entries: Sequence[Entry]) -> bool:
    """Whether PostgreSQL writes it without a transaction."""
    first = entries[0]
    return not isinstance(first, FillEntry) and all(
        type(each) is type(first)
        and not (isinstance(each, ChangeEntry) and isinstance(each.change.item, Replace))
        for each in entries
    )


def _counted_from(
    asked_s: float, ttl_s: float, answer: Lease | HeldByAnother
) -> Lease | HeldByAnother:
    """Whoever holds it counts from before he asked."""
    if isinstance(answer, HeldByAnother):
        return answer
    return replace(answer, deadline_s=asked_s + ACTING_PART_OF_TTL * ttl_s)
