"""The store as a whole: opened once by the house, from a database URL or an embedded server."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from adapters.store import migrate
from adapters.store.connect import COMMAND_TIMEOUT_S, Pool, answered, connect, readers
from adapters.store.embedded import embedded_postgres
from adapters.store.jobs import Jobs
from adapters.store.ledger import PostgresLedger
from adapters.store.migrate import SchemaStatus
from adapters.store.operator import Operator
from adapters.store.portfolio import PortfolioLimitsStore
from adapters.store.postgres import PostgresJournal
from adapters.store.reads import Reads
from adapters.store.sessions import Sessions
from adapters.store.spool import RECORDS_COUNT_MAX, DiskFile, FileSpool


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the rows lie, and how long an answer may take."""

    data_folder: Path  # the embedded server lies in its folder `postgres`; the spool beside it
    database_url: str = ""  # "": the embedded server
    command_timeout_s: float = COMMAND_TIMEOUT_S
    read_connections_max: int = 4
    spool_records_max: int = RECORDS_COUNT_MAX
    decisions_kept_days: int = 90


@dataclass(frozen=True, slots=True)
class StoreProbe:
    """What answers there."""

    server_version: str
    is_embedded: bool
    schema: SchemaStatus


class Store:
    """Everything that reads or writes rows, over one journal connection and one small pool."""

    def __init__(
        self,
        url: str,
        pool: Pool,
        spool: FileSpool,
        settings: StoreSettings,
        elapsed: Callable[[], float],
    ) -> None:
        self.url = url
        self.spool = spool
        self.journal = PostgresJournal(url, settings.command_timeout_s)
        self.ledger = PostgresLedger(pool, elapsed)
        self.reads = Reads(pool)
        self.portfolio = PortfolioLimitsStore(pool)
        self.sessions = Sessions(pool)
        self.operator = Operator(pool)
        self.jobs = Jobs(
            url,
            pool,
            decisions_kept_days=settings.decisions_kept_days,
            command_timeout_s=settings.command_timeout_s,
        )
        self._settings = settings
        self._pool = pool

    async def prepare(self) -> SchemaStatus:
        """Check that the database is safe, and bring its schema up to date. Before all else.

        Raises StoreUnsafe; StoreUnavailable: prepare again later.
        """
        connection = await connect(self.url, self._settings.command_timeout_s)
        try:
            return await migrate.upgrade(connection)
        finally:
            connection.terminate()

    async def probe(self) -> StoreProbe:
        """What answers there now. Raises StoreUnsafe, StoreUnavailable."""
        with answered("probe"):
            async with self._pool.acquire() as connection:
                schema = await migrate.status(connection)
                version = await connection.fetchval("show server_version")
        return StoreProbe(version, not self._settings.database_url, schema)


@contextlib.asynccontextmanager
async def open_store(
    settings: StoreSettings, *, elapsed: Callable[[], float], now: Callable[[], datetime]
) -> AsyncIterator[Store]:
    """Start the embedded server where no URL is given, open the spool; ask nothing yet.

    A database that is away is no reason not to start: `Store.prepare` says so, again and again.
    Raises StoreUnsafe, StoreUnavailable for an embedded server that does not start.
    """
    async with contextlib.AsyncExitStack() as stack:
        settings.data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        url = settings.database_url or await stack.enter_async_context(
            embedded_postgres(settings.data_folder / "postgres")
        )
        file = DiskFile(settings.data_folder / "exits.spool")
        spool = FileSpool(file, now, records_count_max=settings.spool_records_max)
        stack.callback(spool.close)
        pool = readers(url, settings.command_timeout_s, settings.read_connections_max)
        await pool
        stack.callback(pool.terminate)
        store = Store(url, pool, spool, settings, elapsed)
        stack.callback(store.journal.close)
        yield store
