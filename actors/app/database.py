"""`trader db`: the database of a configuration, with or without a daemon on it."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from actors.app.lock import is_held
from actors.app.secrets import database_url
from adapters.clock import SystemClock
from adapters.folders import Folders
from adapters.store import migrate
from adapters.store.connect import Connection, answered, connect
from adapters.store.embedded import embedded_postgres
from adapters.store.migrate import SchemaStatus
from trader.config import Settings


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """What answers there."""

    server: str  # which one it is, and who runs it
    server_version: str
    schema: SchemaStatus
    clock_skew_s: float  # its clock less ours


async def status(settings: Settings, places: Folders) -> DatabaseStatus | None:
    """Look; None where the embedded one was not made yet. Raises StoreUnsafe, StoreUnavailable."""
    if not database_url(settings.store) and not _cluster(places).exists():
        return None
    async with _connected(settings, places) as (connection, server):
        schema = await migrate.status(connection)
        with answered("clock"):
            version = await connection.fetchval("show server_version")
            theirs = await connection.fetchval("select clock_timestamp()")
        skew = theirs - SystemClock().now()
        return DatabaseStatus(server, version, schema, skew / timedelta(seconds=1))


async def upgrade(settings: Settings, places: Folders) -> SchemaStatus:
    """Bring the schema up to date. Raises StoreUnsafe, StoreUnavailable."""
    async with _connected(settings, places) as (connection, _):
        return await migrate.upgrade(connection)


def _cluster(places: Folders) -> Path:
    return places.data / "postgres" / "cluster"


@contextlib.asynccontextmanager
async def _connected(settings: Settings, places: Folders) -> AsyncIterator[tuple[Connection, str]]:
    async with contextlib.AsyncExitStack() as stack:
        url, server = database_url(settings.store), "your own server"
        if not url:
            has_daemon = is_held(places.state)
            server = "embedded, run by the daemon" if has_daemon else "embedded, started to look"
            url = await stack.enter_async_context(embedded_postgres(places.data / "postgres"))
        connection = await connect(url, settings.store.command_timeout_s)
        stack.callback(connection.terminate)
        yield connection, server
