"""The operator's word and the portfolio's limits in memory, as PostgreSQL keeps them."""

from dataclasses import replace

from adapters.simulated.rows import MemoryStore
from adapters.store.portfolio import StoredLimits
from trader.ids import SessionId
from trader.operator import CommandOutcome, CommandRow, TradingStanding, Wanted
from trader.session.events import TradingState


class MemoryOperator:
    """The latched trading state, and commands as rows."""

    def __init__(self, store: MemoryStore, by: str = "us") -> None:
        self._store = store
        self._by = by

    async def standing(self) -> TradingStanding:
        """What is allowed now."""
        standings = self._store.standings
        if standings:
            return standings[-1]
        return TradingStanding(TradingState.ACTIVE, "", "", self._store.now())

    async def allow(self, state: TradingState, reason: str, changed_by: str) -> TradingStanding:
        """Latch it."""
        standing = TradingStanding(state, reason, changed_by, self._store.now())
        self._store.commit(standing, self._by)
        return standing

    async def record(
        self, command_id: str, kind: str, session_id: SessionId | None, reason: str, asked_by: str
    ) -> CommandRow:
        """Before its effect; the same id again gives the row that stands."""
        store = self._store
        if command_id not in store.commands:
            row = CommandRow(
                *(command_id, kind, session_id, reason, asked_by, store.now()), None, "", None
            )
            store.commit(row, self._by)
        return store.commands[command_id]

    async def finish(self, command_id: str, outcome: CommandOutcome, detail: str) -> None:
        """How it ended; the first word stands."""
        row = self._store.commands.get(command_id)
        if row is not None and row.outcome is None:
            finished_at = self._store.now()
            ended = replace(row, outcome=outcome, detail=detail, finished_at=finished_at)
            self._store.commit(ended, self._by)

    async def wanted(self) -> Wanted:
        """What is allowed now, and what was asked and never finished."""
        rows = (row for row in self._store.commands.values() if row.outcome is None)
        oldest_first = tuple(sorted(rows, key=lambda row: (row.asked_at, row.id)))
        return Wanted(await self.standing(), oldest_first)


class MemoryLimits:
    """The portfolio's limits, one version a change."""

    def __init__(self, store: MemoryStore, by: str = "us") -> None:
        self._store = store
        self._by = by

    async def ensure(self, first: StoredLimits, changed_by: str) -> StoredLimits:
        """The newest version; the given one becomes it where there is none."""
        if not self._store.limits:
            now = self._store.now()
            stored = replace(first, version=1, changed_by=changed_by, changed_at=now)
            self._store.commit(stored, self._by)
        return self._store.limits[-1]
