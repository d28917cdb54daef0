"""Connections: how we ask the database, how long we wait, and what its silence means."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from trader.errors import StoreUnavailable, StoreUnsafe

if TYPE_CHECKING:  # generic for the type checker only
    Connection = asyncpg.Connection[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
    AnyConnection = Connection | PoolConnectionProxy[asyncpg.Record]
else:
    Connection, Pool, AnyConnection = asyncpg.Connection, asyncpg.Pool, asyncpg.Connection

COMMAND_TIMEOUT_S = 5.0
READERS_COUNT_MAX = 4

# What a client sees when the server dies includes asyncpg's own InternalClientError, which is
# neither a PostgresError nor an InterfaceError. After any of these nobody knows what happened.
UNANSWERED = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)

# Of these the statement certainly took no effect, and never will: the data itself is wrong.
BAD_DATA = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
)


@contextlib.contextmanager
def answered(what: str) -> Iterator[None]:
    """Translate every way of not answering into StoreUnavailable."""
    try:
        yield
    except UNANSWERED as error:
        raise StoreUnavailable(f"{what}: {type(error).__name__}: {error}") from error


def _server_settings(command_timeout_s: float) -> dict[str, str]:
    return {
        "application_name": "trader",
        # A little sooner than our own patience, so that a slow statement ends with an answer.
        "statement_timeout": str(int(command_timeout_s * 900)),
        "idle_in_transaction_session_timeout": str(int(command_timeout_s * 2000)),
        # A client that vanished keeps its locks no longer than this.
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "2",
        "tcp_keepalives_count": "3",
        "jit": "off",  # our statements are short; compiling one costs more than running it
    }


async def connect(url: str, command_timeout_s: float = COMMAND_TIMEOUT_S) -> Connection:
    """One connection, for writing: refused where it would lose what it acknowledged.

    Raises StoreUnsafe, StoreUnavailable.
    """
    with answered("connect"):
        connection = await asyncpg.connect(
            url,
            timeout=command_timeout_s,
            command_timeout=command_timeout_s,
            server_settings=_server_settings(command_timeout_s),
            max_cached_statement_lifetime=0,  # a few statements, for as long as the connection
        )
        try:
            await _refuse_unsafe(connection)
        except BaseException:
            connection.terminate()
            raise
    return connection


_SAFETY = """
select current_setting('fsync') as fsync,
    set_config('synchronous_commit', current_setting('synchronous_commit'), false)
        as synchronous_commit
"""  # the session's own from now on: the server may be told otherwise while it lasts


async def _refuse_unsafe(connection: Connection) -> None:
    """As this very session sees it: a role or a database may have settings of its own."""
    row = await connection.fetchrow(_SAFETY)
    assert row is not None
    for name, value in row.items():
        if value == "off":
            raise StoreUnsafe(
                f"the database runs with {name}=off and would lose orders that it acknowledged:"
                f" set {name}=on, or take another database"
            )


def readers(
    url: str,
    command_timeout_s: float = COMMAND_TIMEOUT_S,
    connections_max: int = READERS_COUNT_MAX,
) -> Pool:
    """A small pool for everything but the journal; it connects on its first use."""
    return asyncpg.create_pool(
        url,
        min_size=0,
        max_size=connections_max,
        timeout=command_timeout_s,
        command_timeout=command_timeout_s,
        server_settings=_server_settings(command_timeout_s),
        max_cached_statement_lifetime=0,
    )
