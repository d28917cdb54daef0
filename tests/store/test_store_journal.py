"""The journal's contract, in PostgreSQL and in memory."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from contracts.journal_contract import JournalContract

from adapters.simulated.journal import MemoryJournal
from adapters.simulated.ledger import MemoryLedger
from adapters.simulated.rows import MemoryStore
from adapters.store.connect import Pool, readers
from adapters.store.ledger import PostgresLedger
from adapters.store.postgres import PostgresJournal
from trader.ids import ClientOrderId
from trader.orders.order import Status
from trader.records import Lease

TABLES = ("orders", "changes", "fills", "adjustments", "balances", "decisions")


class PostgresStage:
    """A journal and a ledger on a database of their own."""

    def __init__(self, url: str, pool: Pool) -> None:
        self.journal = PostgresJournal(url)
        self.ledger = PostgresLedger(pool, elapsed=lambda: 0.0)
        self.pool = pool

    async def events_of(self, order_id: ClientOrderId) -> list[tuple[str, Status]]:
        rows = await self.pool.fetch(
            "select event, status from order_events where order_id = $1 and n > 1 order by n",
            order_id,
        )
        return [(row["event"], Status(row["status"])) for row in rows]

    async def counts(self) -> dict[str, int]:
        return {t: await self.pool.fetchval(f"select count(*) from {t}") for t in TABLES}

    async def expire(self, lease: Lease) -> None:
        await self.pool.execute(
            "update leases set expires_at = now() - interval '1 second' where account_id = $1",
            lease.account_id,
        )


class MemoryStage:
    """The same in memory, on the wall clock."""

    def __init__(self) -> None:
        self.store = MemoryStore(now=lambda: datetime.now(UTC), elapsed=lambda: 0.0)
        self.journal = MemoryJournal(self.store)
        self.ledger = MemoryLedger(self.store)

    async def events_of(self, order_id: ClientOrderId) -> list[tuple[str, Status]]:
        return [(entry.event, entry.status) for entry in self.store.orders[order_id].events]

    async def counts(self) -> dict[str, int]:
        return {table: len(getattr(self.store, table)) for table in TABLES}

    async def expire(self, lease: Lease) -> None:
        row = self.store.leases[lease.account_id]
        ended = replace(row, expires_at=row.expires_at - timedelta(days=1))
        self.store.commit(ended, "the clock")


class TestPostgresJournal(JournalContract):
    @pytest.fixture
    async def stage(self, database_url: str) -> AsyncIterator[PostgresStage]:
        pool = readers(database_url)
        await pool
        stage = PostgresStage(database_url, pool)
        yield stage
        stage.journal.close()
        await pool.close()


class TestMemoryJournal(JournalContract):
    @pytest.fixture
    def stage(self) -> MemoryStage:
        return MemoryStage()
