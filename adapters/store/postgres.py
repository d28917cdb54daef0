"""The journal in PostgreSQL: what must be durable before it leaves, in as few commits as possible.

One connection, so journal order is commit order. A batch of orders alone is one statement and one
flush; what the broker can tell again does not wait for the flush of its own commit. Until a later
commit has flushed it too it is kept here: a lost connection may be that of a server that crashed,
so the next write says it again.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence

import asyncpg

from adapters.store.batch import Step, Written, rows_of, rows_of_item, steps_of
from adapters.store.codec import fence_values
from adapters.store.connect import BAD_DATA, COMMAND_TIMEOUT_S, UNANSWERED, Connection, connect
from adapters.store.settlement import enqueue_settlements
from adapters.store.statements import RECORD_CURSORS, RECORD_FILLS, Commit
from trader.errors import StoreUnavailable
from trader.orders.order import Change, Order
from trader.records import BalanceEntry, Entry, Fence, Kept, NotKept, Outcome, is_decision

UNFLUSHED_COUNT_MAX = 500  # then one commit waits for the flush of them all

_BEGIN = {
    Commit.FLUSHED: "begin",
    Commit.RELAXED: "begin; set local synchronous_commit = off",
}


class PostgresJournal:
    """Fulfils `trader.ports.Journal`. A lost connection is opened again by the next write."""

    def __init__(self, url: str, command_timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        self._url = url
        self._command_timeout_s = command_timeout_s
        self._connection: Connection | None = None
        self._unflushed: list[Entry] = []  # committed, in this order
        self._may_have_crashed = False  # the server, since they were

    async def write(self, entries: Sequence[Entry]) -> tuple[Outcome, ...]:
        """Keep the entries; one outcome each. Raises StoreUnavailable, StoreUnsafe."""
        if not entries:
            return ()
        if self._connection is not None and self._connection.is_closed():
            self.close()
        # In one batch with what is new: an order's row must not go back to where it was.
        again = self._unflushed if self._may_have_crashed else []
        is_full = len(self._unflushed) >= UNFLUSHED_COUNT_MAX
        must_flush = bool(again) or is_full or any(map(is_decision, entries))
        commit = Commit.FLUSHED if must_flush else Commit.RELAXED
        outcomes = await self._write([*again, *entries], commit)
        self._may_have_crashed = False
        self._unflushed = [] if must_flush else self._unflushed + _to_be_said_again(entries)
        return outcomes[len(again) :]

    async def adopt(self, records: Sequence[tuple[Order | Change, Fence]]) -> tuple[Outcome, ...]:
        """Insert spooled records as they are. Raises StoreUnavailable, StoreUnsafe."""
        rows = (
            (place, statement, values)
            for place, (item, fence) in enumerate(records)
            for statement, values in rows_of_item(item, (*fence_values(fence)[:-1], False))
        )
        try:
            async with self._committing(_BEGIN[Commit.FLUSHED]) as connection:
                for step in steps_of(rows):
                    await step.statement.run(connection, step.rows)
            return (Kept(),) * len(records)
        except BAD_DATA as error:
            if len(records) == 1:
                return (NotKept("bad_data", str(error)),)
        middle = len(records) // 2
        return (*await self.adopt(records[:middle]), *await self.adopt(records[middle:]))

    def close(self) -> None:
        """Forget the connection at once, whatever state it is in."""
        self._may_have_crashed = True
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _write(self, entries: Sequence[Entry], commit: Commit) -> tuple[Outcome, ...]:
        try:
            return await self._commit(entries, commit)
        except BAD_DATA as error:
            if len(entries) == 1:
                return (NotKept("bad_data", str(error)),)
        # One of them is poisoned: the halves are written apart, until it is alone.
        middle = len(entries) // 2
        first = await self._write(entries[:middle], commit)
        return (*first, *await self._write(entries[middle:], commit))

    async def _commit(self, entries: Sequence[Entry], commit: Commit) -> tuple[Outcome, ...]:
        steps = steps_of(
            (place, statement, values)
            for place, entry in enumerate(entries)
            for statement, values in rows_of(entry)
        )
        written = Written(entries)
        begin = "" if _is_one_statement(steps) else _BEGIN[commit]
        async with self._committing(begin) as connection:
            for step in steps:
                if step.statement is RECORD_CURSORS:
                    step = written.without_covering_refused_fills(step)
                if step.rows:
                    written.take(step, await step.statement.run(connection, step.rows, commit))
            if written.closing:
                await enqueue_settlements(connection, written.closing)
        if repeated := written.repeated_ids():
            async with self._committing("") as connection:
                await written.read_stored(connection, repeated)
        return written.outcomes()

    @contextlib.asynccontextmanager
    async def _committing(self, begin: str) -> AsyncIterator[Connection]:
        """A connection in a transaction; whatever interrupts it, the outcome is said honestly."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._url, self._command_timeout_s)
        try:
            if begin:
                await self._connection.execute(begin)
            yield self._connection
            if begin:
                await self._connection.execute("commit")
        except BAD_DATA as error:
            if begin:
                self.close()
            if isinstance(error, asyncpg.UniqueViolationError):  # somebody wrote just before us
                raise StoreUnavailable(f"journal: {error}") from error
            raise
        except UNANSWERED as error:
            self.close()
            raise StoreUnavailable(f"journal: {type(error).__name__}: {error}") from error
        except BaseException:
            self.close()  # cancelled in the middle: the answer would be read by the next question
            raise


def _to_be_said_again(entries: Sequence[Entry]) -> list[Entry]:
    """A balance would be a second row; one that is lost gives way to the next one anyhow."""
    return [entry for entry in entries if not isinstance(entry, BalanceEntry)]


def _is_one_statement(steps: list[Step]) -> bool:
    """Nothing else belongs to its transaction, as a job belongs to that of its fill."""
    return len(steps) == 1 and steps[0].statement is not RECORD_FILLS
