"""Migrations: SQL files in order, a transaction each; several daemons may start at once."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries

from adapters.store.connect import AnyConnection, Connection, answered
from trader.errors import StoreUnsafe

_LOCK = 7_236_103_915  # any number, as long as it never changes: all migrators queue on it
_BOOK = """
create table if not exists schema_migrations (
    version    integer primary key,
    name       text not null,
    sha256     text not null,
    applied_at timestamptz not null default now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: `0001_name.sql`."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """What the book keeps, so that an applied file is never edited unnoticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Where the database's schema stands against this program's."""

    version: int  # 0: empty
    newest: int
    pending: tuple[str, ...]

    @property
    def is_current(self) -> bool:
        """Nothing to apply."""
        return not self.pending


def shipped() -> tuple[Migration, ...]:
    """The files of this program, oldest first."""
    folder = resources.files("adapters.store") / "migrations"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return tuple(
        Migration(int(file.name[:4]), file.name.removesuffix(".sql"), file.read_text("utf-8"))
        for file in files
    )


async def status(
    connection: AnyConnection, migrations: tuple[Migration, ...] | None = None
) -> SchemaStatus:
    """What is applied. Raises StoreUnsafe for a newer or a strange schema, StoreUnavailable."""
    known = shipped() if migrations is None else migrations
    with answered("schema status"):
        has_book = await connection.fetchval("select to_regclass('schema_migrations') is not null")
        rows = (
            await connection.fetch("select version, sha256 from schema_migrations")
            if has_book
            else []
        )
    applied: Mapping[int, str] = {row["version"]: row["sha256"] for row in rows}
    _refuse_strange(applied, known)
    return SchemaStatus(
        version=max(applied, default=0),
        newest=max((m.version for m in known), default=0),
        pending=tuple(m.name for m in known if m.version not in applied),
    )


async def upgrade(
    connection: Connection, migrations: tuple[Migration, ...] | None = None
) -> SchemaStatus:
    """Apply what is missing. Raises StoreUnsafe for a newer or a strange schema."""
    known = shipped() if migrations is None else migrations
    with answered("schema upgrade"):
        # A migration may take longer than an order may; and another migrator as long.
        await connection.execute("set statement_timeout = 0", timeout=None)
        await connection.fetchval("select pg_advisory_lock($1)", _LOCK, timeout=600)
        try:
            await connection.execute(_BOOK)
            before = await status(connection, known)
            for migration in known:
                if migration.name in before.pending:
                    async with connection.transaction():
                        await connection.execute(migration.sql, timeout=600)
                        await connection.execute(
                            "insert into schema_migrations (version, name, sha256)"
                            " values ($1, $2, $3)",
                            *(migration.version, migration.name, migration.sha256),
                        )
            await _upgrade_job_tables(connection)
            return await status(connection, known)
        finally:
            await connection.fetchval("select pg_advisory_unlock($1)", _LOCK)
            await connection.execute("reset statement_timeout")


def _refuse_strange(applied: Mapping[int, str], known: tuple[Migration, ...]) -> None:
    newest = max((m.version for m in known), default=0)
    if applied and max(applied) > newest:
        raise StoreUnsafe(
            f"the database has schema {max(applied):04}, this program knows {newest:04}:"
            " a newer program has used it. Run that one, or restore a backup from before it"
        )
    for migration in known:
        if applied.get(migration.version, migration.sha256) != migration.sha256:
            raise StoreUnsafe(
                f"migration {migration.name} was applied with another content than the one shipped"
            )


async def _upgrade_job_tables(connection: Connection) -> None:
    """The job queue's tables are its library's own business; only the lock is ours."""
    queries = Queries(AsyncpgDriver(connection))
    if not await queries.schema_is_installed():
        await queries.install()
    else:
        await queries.upgrade()
