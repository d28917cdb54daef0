"""Migrations, safety, and the rules that the database keeps whoever writes."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import asyncpg
import pytest
from store.store_parts import (
    AAPL,
    ACCOUNT,
    SESSION,
    a_cancel,
    a_change_entry,
    a_fill,
    an_adjustment,
    an_id,
    an_order_entry,
    progress,
)

from adapters.store import migrate
from adapters.store.connect import connect, readers
from adapters.store.ledger import PostgresLedger
from adapters.store.migrate import Migration
from adapters.store.postgres import PostgresJournal
from trader.errors import StoreUnsafe
from trader.records import Kept


async def test_an_empty_database_is_upgraded_once(empty_database_url: str):
    connection = await connect(empty_database_url)
    before = await migrate.status(connection)

    after = await migrate.upgrade(connection)
    again = await migrate.upgrade(connection)

    assert (before.version, before.is_current) == (0, False)
    assert after.is_current
    assert after == again
    assert after.version == after.newest == len(migrate.shipped())
    await connection.close()


async def test_four_daemons_may_start_at_once(empty_database_url: str):
    connections = [await connect(empty_database_url) for _ in range(4)]

    results = await asyncio.gather(*(migrate.upgrade(c) for c in connections))

    assert all(result.is_current for result in results)
    applied = await connections[0].fetch("select version from schema_migrations")
    assert len(applied) == len(migrate.shipped())
    for connection in connections:
        await connection.close()


async def test_a_database_newer_than_the_program_is_refused(database_url: str):
    connection = await connect(database_url)
    await connection.execute(
        "insert into schema_migrations (version, name, sha256) values (99, 'future', 'x')"
    )

    with pytest.raises(StoreUnsafe, match=r"schema 0099, this program knows 000\d"):
        await migrate.upgrade(connection)
    with pytest.raises(StoreUnsafe, match="a newer program"):
        await migrate.status(connection)
    await connection.close()


async def test_an_applied_migration_that_was_edited_is_refused(database_url: str):
    connection = await connect(database_url)
    first, *others = migrate.shipped()
    edited = replace(first, sql=first.sql + "-- one more thought")

    with pytest.raises(StoreUnsafe, match="another content"):
        await migrate.upgrade(connection, (edited, *others))
    await connection.close()


async def test_a_migration_that_fails_leaves_nothing_of_itself(empty_database_url: str):
    connection = await connect(empty_database_url)
    good = Migration(1, "0001_good", "create table a (n integer)")
    bad = Migration(2, "0002_bad", "create table b (n integer); select 1 / 0")

    with pytest.raises(Exception, match="division by zero"):
        await migrate.upgrade(connection, (good, bad))

    found = await migrate.status(connection, (good, bad))
    assert found.version == 1
    assert found.pending == ("0002_bad",)
    assert await connection.fetchval("select to_regclass('b')") is None
    await connection.close()


async def test_a_database_that_forgets_what_it_acknowledged_is_refused(database_url: str):
    name = database_url.split("/")[3].split("?")[0]
    plain = await asyncpg.connect(database_url)
    await plain.execute(f"alter database {name} set synchronous_commit = off")

    with pytest.raises(StoreUnsafe, match="synchronous_commit=off"):
        await connect(database_url)
    with pytest.raises(StoreUnsafe, match="synchronous_commit=off"):
        await PostgresJournal(database_url).write([an_order_entry()])

    await plain.execute(f"alter database {name} set synchronous_commit = local")
    await (await connect(database_url)).close()
    await plain.close()


async def test_a_database_that_does_not_flush_is_refused(postgres_server: str):
    plain = await asyncpg.connect(postgres_server)
    try:
        await plain.execute("alter system set fsync = off")
        await _reloaded(plain, "off")

        with pytest.raises(StoreUnsafe, match="fsync=off"):
            await connect(postgres_server)
    finally:
        await plain.execute("alter system reset fsync")
        await _reloaded(plain, "on")
        await plain.close()


async def _reloaded(connection: "asyncpg.Connection[asyncpg.Record]", fsync: str) -> None:
    await connection.execute("select pg_reload_conf()")
    async with asyncio.timeout(5):
        while await connection.fetchval("show fsync") != fsync:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------------- rules


@pytest.fixture
async def full(database_url: str) -> str:
    """A database with one row in each append-only table."""
    async with readers(database_url) as pool:
        ledger = PostgresLedger(pool, elapsed=lambda: 0.0)
        await ledger.claim(ACCOUNT, "house-a", 60.0)
        await ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)
    journal = PostgresJournal(database_url)
    outcomes = await journal.write(
        [an_order_entry(), progress(), a_change_entry(a_cancel()), a_fill(), an_adjustment()]
    )
    assert all(isinstance(outcome, Kept) for outcome in outcomes)
    journal.close()
    return database_url


@pytest.mark.parametrize("table", ["order_events", "fills", "adjustments", "changes"])
@pytest.mark.parametrize(
    "forbidden", ["update {} set recorded_at = now()", "delete from {}", "truncate {}"]
)
async def test_the_audit_is_append_only(full: str, table: str, forbidden: str):
    connection = await asyncpg.connect(full)

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await connection.execute(forbidden.format(table))

    assert await connection.fetchval(f"select count(*) from {table}") >= 1
    await connection.close()


async def test_no_status_without_its_event(full: str):
    connection = await asyncpg.connect(full)

    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="without its event"):
        await connection.execute("update orders set status = 'FILLED'")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="without its event"):
        await connection.execute(
            "insert into orders overriding system value"
            ' select (jsonb_populate_record(o, \'{"id": "t2", "seq": 99}\')).* from orders o'
        )
    status = await connection.fetchval("select status from orders where id = $1", an_id(1))
    assert status == "ACCEPTED"
    await connection.close()


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
async def test_no_number_that_is_none(full: str, number: str):
    connection = await asyncpg.connect(full)

    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute("update positions set qty = $1", Decimal(number))
    await connection.close()
