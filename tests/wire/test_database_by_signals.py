"""The database server stopped, crashed, restarted, full, read-only or locked, under the journal."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from postgres import with_database
from store.store_parts import ACCOUNT, an_id, an_order_entry
from wire.wire_database import (
    Server,
    a_life,
    begin,
    fetch,
    journal_stage,
    lives,
    order_ids,
    until,
)
from wire.wire_venue import no_longer_than

from adapters.store import migrate
from adapters.store.connect import connect, readers
from adapters.store.embedded import embedded_postgres
from adapters.store.ledger import PostgresLedger
from adapters.store.postgres import PostgresJournal
from trader.errors import StoreUnavailable
from trader.orders.events import OrderRecorded
from trader.proofs import Durability
from trader.records import Kept

BATCH_COUNT = 6
BACKENDS = (
    "select array_agg(pid) from pg_stat_activity"
    " where application_name = 'trader' and datname = current_database()"
)


@pytest.fixture(scope="module")
def folder(in_memory: Path) -> Path:
    """A cluster with a migrated template, at rest; its server takes twelve connections."""
    folder = in_memory / "pg"

    async def make() -> None:
        async with embedded_postgres(folder) as url:
            connection = await asyncpg.connect(url)
            await connection.execute("create database migrated")
            await connection.execute("alter system set max_connections = 12")
            await connection.close()
            migrator = await connect(with_database(url, "migrated"))
            await migrate.upgrade(migrator)
            await migrator.close()

    asyncio.run(make())
    return folder


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[Server]:
    async with embedded_postgres(folder) as url:
        yield Server(folder, url)


@pytest.fixture
async def url(server: Server) -> AsyncIterator[str]:
    """A database of its own, the account held, the session begun."""
    url = await server.database()
    await begin(url)
    yield url
    await server.answers()
    await fetch(server.url, f"drop database {urlsplit(url).path[1:]} with (force)")


# ---------------------------------------------------------------------- ended under load

End = Callable[[Server, int], None]


def to_postmaster(number: signal.Signals) -> End:
    return lambda server, backend: os.kill(server.postmaster, number)


def to_backend(number: signal.Signals) -> End:
    return lambda server, backend: os.kill(backend, number)


def to_everyone(server: Server, backend: int) -> None:
    server.kill_everyone()


@pytest.mark.slow
@pytest.mark.parametrize(
    "end",
    [
        pytest.param(to_postmaster(signal.SIGINT), id="stopped fast"),
        pytest.param(to_postmaster(signal.SIGQUIT), id="stopped immediately"),
        pytest.param(to_postmaster(signal.SIGKILL), id="its postmaster killed"),
        pytest.param(to_everyone, id="all of it killed"),
        pytest.param(to_backend(signal.SIGTERM), id="our backend terminated"),
        pytest.param(to_backend(signal.SIGKILL), id="our backend killed"),
    ],
)
async def test_in_a_storm_of_commits_every_acknowledged_order_outlives_a_server(
    server: Server, url: str, tmp_path: Path, end: End
) -> None:
    """In the middle of commits; afterwards the journal is up by itself, and entries go again."""
    ends_at = [40]
    async with journal_stage(url, tmp_path, 5.0) as stage:
        stage.record(0)
        await stage.answered(0)
        backend = (await fetch(url, BACKENDS))[0]

        def in_the_middle(message: object) -> None:
            is_answer = isinstance(message, OrderRecorded)
            if is_answer and ends_at and len(stage.recorded) >= ends_at[0]:
                ends_at.pop()
                end(server, backend)

        stage.heard = in_the_middle
        for first in range(1, 150, BATCH_COUNT):
            numbers = range(first, first + BATCH_COUNT)
            for n in numbers:
                stage.record(n, is_exit=n % 5 == 0)
            await stage.answered(*numbers)
        await server.answers()
        if not (await stage.view()).is_up:
            await stage.is_up()
        stage.record(1_000)
        await stage.answered(1_000)
        rows = await order_ids(url)
        orphans = await fetch(
            url,
            "select count(*) from orders o where event_count <>"
            " (select count(*) from order_events where order_id = o.id)",
        )

    assert not ends_at
    assert stage.recorded.keys() <= rows
    assert not stage.refused & rows
    assert all(an_id(n) in stage.recorded for n in range(0, 150, 5))  # exits always go
    assert stage.recorded[an_id(1_000)].order.durability is Durability.DATABASE
    assert orphans == 0
    assert stage.spool.record_count() == 0


async def test_the_first_question_after_a_restart_may_fail_and_the_second_does_not(
    server: Server, url: str
) -> None:
    journal = PostgresJournal(url)
    await journal.write([an_order_entry(1)])
    async with readers(url) as pool:
        ledger = PostgresLedger(pool, elapsed=lambda: 0.0)
        await asyncio.gather(*(ledger.executions_cursor(ACCOUNT) for _ in range(3)))
        first = server.postmaster
        os.kill(first, signal.SIGINT)
        await until(lambda: not Path(f"/proc/{first}").exists())
        await server.answers()

        with contextlib.suppress(StoreUnavailable):
            await ledger.executions_cursor(ACCOUNT)
        answers = await asyncio.gather(*(ledger.executions_cursor(ACCOUNT) for _ in range(3)))
        with contextlib.suppress(StoreUnavailable):
            await journal.write([an_order_entry(2)])
        (outcome,) = await journal.write([an_order_entry(2)])

    assert answers == [None] * 3
    assert isinstance(outcome, Kept)
    assert await order_ids(url) == {an_id(1), an_id(2)}
    journal.close()


async def test_what_the_broker_could_tell_again_is_told_again_to_a_server_that_lost_it(
    server: Server, url: str, tmp_path: Path
) -> None:
    """Progress is acknowledged before it is flushed, so a crash may take it; the journal has it."""
    async with journal_stage(url, tmp_path, 5.0) as stage:
        stage.record(1)
        await stage.answered(1)
        with server.without_a_wal_writer():  # who flushes what nobody waits for
            for entry in a_life(1)[1:]:
                stage.keep(entry)
            async with asyncio.timeout(5):
                while await lives(url) != (1, 2, 1, 4, 1, "c1"):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            server.kill_everyone()
        await server.answers()
        assert await lives(url) == (1, 1, 0, None, 0, None)

        stage.record(2, is_exit=True)  # whatever it writes next
        await stage.answered(2)
        if not (await stage.view()).is_up:
            await stage.is_up()
        stage.record(3)  # behind whatever it had still to write
        await stage.answered(3)

        assert await lives(url) == (3, 4, 1, 4, 1, "c1")


# ---------------------------------------------------------------------- there, and of no use


async def test_without_a_free_connection_exits_leave_and_entries_are_refused(
    server: Server, url: str, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as taken:
        with contextlib.suppress(asyncpg.TooManyConnectionsError):
            while True:
                connection = await asyncpg.connect(server.url)
                taken.push_async_callback(connection.close)
        async with journal_stage(url, tmp_path) as stage:
            stage.record(1, is_exit=True)
            await stage.answered(1)
            down = await stage.is_down()
            stage.record(2)
            await stage.answered(2)

            assert "too many" in down.reason.lower() or "connection slots" in down.reason
            assert stage.recorded[an_id(1)].order.durability is Durability.SPOOL
            assert stage.refused == {an_id(2)}
            await taken.aclose()
            await stage.is_up()

            assert await order_ids(url) == {an_id(1)}


async def test_on_a_read_only_server_exits_leave_and_it_is_written_when_it_may_be(
    server: Server, url: str, tmp_path: Path
) -> None:
    """As after a failover to a standby."""
    name = await fetch(url, "select current_database()")
    async with journal_stage(url, tmp_path) as stage:
        stage.record(1)
        await stage.answered(1)
        await fetch(server.url, f"alter database {name} set default_transaction_read_only = on")
        os.kill((await fetch(url, BACKENDS))[0], signal.SIGTERM)

        stage.record(2, is_exit=True)
        await stage.answered(2)
        down = await stage.is_down()
        assert "read-only" in down.reason or "terminat" in down.reason
        await fetch(server.url, f"alter database {name} reset default_transaction_read_only")
        await stage.is_up()

        assert await order_ids(url) == {an_id(1), an_id(2)}


async def test_behind_somebody_elses_lock_exits_leave_within_the_bound_and_nothing_is_doubled(
    url: str, tmp_path: Path
) -> None:
    async with journal_stage(url, tmp_path) as stage:
        stage.record(1)
        await stage.answered(1)
        other = await asyncpg.connect(url)
        await other.execute("begin; lock table orders in access exclusive mode")

        with no_longer_than(1.5):
            stage.record(2)  # under way: nobody may say what became of it
            stage.record(3, is_exit=True)
            await stage.answered(3)
        down = await stage.is_down()
        assert an_id(2) not in stage.recorded.keys() | stage.refused
        await other.execute("rollback")
        await stage.is_up()
        await stage.answered(2)

        assert "no commit" in down.reason or "timeout" in down.reason
        assert await order_ids(url) == {an_id(1), an_id(2), an_id(3)}
        assert await fetch(url, "select count(*) from order_events") == 3
        await other.close()


async def test_a_server_that_is_told_to_forget_while_we_are_connected_still_flushes_for_us(
    server: Server, url: str
) -> None:
    journal = PostgresJournal(url)
    await journal.write([an_order_entry(1)])
    watcher = await asyncpg.connect(url)
    await watcher.execute("alter system set synchronous_commit = off")
    try:
        await watcher.execute("select pg_reload_conf()")
        async with asyncio.timeout(5):
            while await watcher.fetchval("show synchronous_commit") != "off":  # noqa: ASYNC110
                await asyncio.sleep(0.01)

        unflushed = []
        for n in range(2, 42):
            await journal.write([an_order_entry(n)])
            unflushed.append(
                await watcher.fetchval(
                    "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(),"
                    " pg_current_wal_flush_lsn())"
                )
            )
    finally:
        await watcher.execute("alter system reset synchronous_commit")
        await watcher.execute("select pg_reload_conf()")
        await watcher.close()
        journal.close()

    # The server has small writes of its own now and then.
    assert unflushed.count(0) >= 36
