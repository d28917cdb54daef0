"""What the journal promises when the database stops answering, dies, or is somebody else's."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import pytest
from store.store_parts import (
    AAPL,
    ACCOUNT,
    SESSION,
    a_decision,
    a_fence,
    an_id,
    an_order,
    an_order_entry,
    progress,
)

from adapters.store import migrate
from adapters.store.codec import fence_values, order_values
from adapters.store.connect import connect, readers
from adapters.store.embedded import embedded_postgres
from adapters.store.ledger import PostgresLedger
from adapters.store.postgres import PostgresJournal
from adapters.store.statements import RECORD_ORDERS
from trader.errors import StoreUnavailable
from trader.money import Quantity
from trader.orders.order import Status
from trader.records import HeldByAnother, Kept, Lease, NotKept, Outcome

TIMEOUT_S = 0.4


async def begin(url: str) -> None:
    """Hold the account and begin the session: epoch 1, incarnation 1."""
    async with readers(url) as pool:
        ledger = PostgresLedger(pool, elapsed=lambda: 0.0)
        assert isinstance(await ledger.claim(ACCOUNT, "house-a", 60.0), Lease)
        await ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)


async def order_ids(url: str) -> set[str]:
    """What the rows say."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("select id from orders")
    await connection.close()
    return {row["id"] for row in rows}


async def until_kept(journal: PostgresJournal, n: int) -> Outcome:
    """As the journal actor does: the very same entry again, until there is an answer."""
    while True:
        with contextlib.suppress(StoreUnavailable):
            (outcome,) = await journal.write([an_order_entry(n)])
            return outcome
        await asyncio.sleep(0.005)


class Wire:
    """A relay before the server's socket that can fall silent in either direction."""

    def __init__(self, server_url: str, folder: Path) -> None:
        query = parse_qs(urlsplit(server_url).query)
        self._server = Path(unquote(query["host"][0])) / ".s.PGSQL.5432"
        self._folder = folder
        self.url = urlsplit(server_url)._replace(query=f"host={folder}").geturl()
        self.answers = asyncio.Event()
        self.answers.set()
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Wire":
        self._listening = await asyncio.start_unix_server(
            self._accept, self._folder / ".s.PGSQL.5432"
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, ours: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        theirs, back = await asyncio.open_unix_connection(self._server)
        always = asyncio.Event()
        always.set()
        with contextlib.suppress(ConnectionError):
            async with asyncio.TaskGroup() as both:
                both.create_task(self._relay(ours, back, always))
                both.create_task(self._relay(theirs, out, self.answers))

    async def _relay(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: asyncio.Event
    ) -> None:
        try:
            while piece := await source.read(65_536):
                await gate.wait()
                sink.write(piece)
                await sink.drain()
        finally:
            sink.close()


@pytest.fixture
async def wire(database_url: str, tmp_path: Path) -> AsyncIterator[Wire]:
    await begin(database_url)
    async with Wire(database_url, tmp_path) as wire:
        yield wire


@contextlib.contextmanager
def no_longer_than(limit_s: float) -> Iterator[None]:
    started_s = time.monotonic()
    yield
    assert time.monotonic() - started_s < limit_s


async def test_a_silent_database_is_an_answer_within_the_timeout(wire: Wire, database_url: str):
    journal = PostgresJournal(wire.url, TIMEOUT_S)
    assert isinstance(await until_kept(journal, 1), Kept)
    wire.answers.clear()

    with no_longer_than(TIMEOUT_S * 4), pytest.raises(StoreUnavailable):
        await journal.write([an_order_entry(2)])
    # the server had done it; only its word was lost
    assert await order_ids(database_url) == {an_id(1), an_id(2)}

    wire.answers.set()
    (again,) = await journal.write([an_order_entry(2)])
    assert isinstance(again, Kept)
    assert again.was_stored
    assert await order_ids(database_url) == {an_id(1), an_id(2)}
    journal.close()


async def test_connecting_to_a_silent_database_ends_too(wire: Wire):
    wire.answers.clear()
    journal = PostgresJournal(wire.url, TIMEOUT_S)

    with no_longer_than(TIMEOUT_S * 4), pytest.raises(StoreUnavailable):
        await journal.write([an_order_entry(1)])


async def test_a_silent_database_fails_the_ledger_within_the_timeout(wire: Wire):
    async with readers(wire.url, TIMEOUT_S) as pool:
        ledger = PostgresLedger(pool, elapsed=lambda: 0.0)
        assert await ledger.executions_cursor(ACCOUNT) is None
        wire.answers.clear()

        with no_longer_than(TIMEOUT_S * 4), pytest.raises(StoreUnavailable):
            await ledger.executions_cursor(ACCOUNT)

        wire.answers.set()
        assert await ledger.executions_cursor(ACCOUNT) is None


async def test_no_server_at_all_is_said_at_once(tmp_path: Path):
    journal = PostgresJournal(f"postgresql://trader@/postgres?host={tmp_path}")

    with no_longer_than(1.0), pytest.raises(StoreUnavailable):
        await journal.write([an_order_entry(1)])


async def test_a_write_that_is_given_up_leaves_no_answer_for_the_next(wire: Wire):
    journal = PostgresJournal(wire.url, 30.0)
    await until_kept(journal, 1)
    wire.answers.clear()
    given_up = asyncio.create_task(journal.write([an_order_entry(2)]))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up

    wire.answers.set()
    (outcome,) = await journal.write([an_order_entry(3)])

    assert isinstance(outcome, Kept)
    assert outcome.recorded is not None
    assert outcome.recorded.item == an_order(3)
    journal.close()


async def test_backends_killed_under_load_lose_and_invent_nothing(database_url: str):
    await begin(database_url)
    journal = PostgresJournal(database_url)
    killer = await asyncpg.connect(database_url)
    moments = random.Random(7)
    kills_count = 0
    for n in range(150):
        writing = asyncio.create_task(until_kept(journal, n))
        if n % 3 == 0:
            await asyncio.sleep(moments.uniform(0, 0.002))  # at any moment of the write
            kills_count += await killer.fetchval(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                " where application_name = 'trader' and datname = current_database()"
            )
        assert isinstance(await writing, Kept)

    assert kills_count > 10
    assert await order_ids(database_url) == {an_id(n) for n in range(150)}
    orphans = await killer.fetchval(
        "select count(*) from orders o where event_count <>"
        " (select count(*) from order_events where order_id = o.id)"
    )
    assert orphans == 0
    await killer.close()
    journal.close()


async def test_a_server_killed_under_load_is_back_with_every_acknowledged_order(tmp_path: Path):
    async with embedded_postgres(tmp_path) as url:
        migrator = await connect(url)
        await migrate.upgrade(migrator)
        await migrator.close()
        await begin(url)
        journal = PostgresJournal(url)
        acknowledged: set[str] = set()
        for n in range(60):
            if n in (20, 40):
                postmaster = int((tmp_path / "cluster/postmaster.pid").read_text().split()[0])
                os.kill(postmaster, signal.SIGKILL)
            while not isinstance(outcome := await until_kept(journal, n), Kept):
                pytest.fail(str(outcome))
            acknowledged.add(an_id(n))

        assert await order_ids(url) == acknowledged
        journal.close()


# ---------------------------------------------------------------------- bad data


async def test_a_poisoned_order_fails_alone(database_url: str):
    await begin(database_url)
    journal = PostgresJournal(database_url)
    batch = [an_order_entry(n) for n in range(64)]
    batch[7] = an_order_entry(7, reason="a text with \0 in it")
    batch[40] = an_order_entry(40, qty=Quantity(Decimal("NaN")))
    batch[41] = an_order_entry(41, fence=a_fence(incarnation=9))

    outcomes = await journal.write(batch)

    refused = {n: o.reason_code for n, o in enumerate(outcomes) if isinstance(o, NotKept)}
    assert refused == {7: "bad_data", 40: "bad_data", 41: "fenced_incarnation"}
    assert len(await order_ids(database_url)) == 61
    journal.close()


async def test_a_poisoned_spool_record_does_not_hold_back_the_others(database_url: str):
    await begin(database_url)
    journal = PostgresJournal(database_url)
    records = [(an_order(n, reason="\0" if n == 2 else "x"), a_fence()) for n in range(5)]

    outcomes = await journal.adopt(records)

    assert [isinstance(outcome, Kept) for outcome in outcomes] == [True, True, False, True, True]
    journal.close()


# ---------------------------------------------------------------------- the fence, under way


async def test_a_takeover_waits_for_the_old_owners_write_and_sees_it(database_url: str):
    await begin(database_url)
    writer = await connect(database_url)
    await writer.execute("begin")
    await RECORD_ORDERS.run(writer, [order_values(an_order(1)) + fence_values(a_fence())])
    async with readers(database_url) as pool:
        await pool.execute("update leases set expires_at = now() - interval '1 second'")
        ledger = PostgresLedger(pool, elapsed=lambda: 0.0)

        takeover = asyncio.create_task(ledger.claim(ACCOUNT, "house-b", 60.0))
        await _somebody_waits(database_url)
        assert not takeover.done()
        await writer.execute("commit")
        lease = await takeover

        assert isinstance(lease, Lease)
        assert lease.epoch == 2
        rows = await ledger.begin_session(SESSION, ACCOUNT, AAPL, 2)
        assert [stored.order.id for stored in rows.orders] == [an_id(1)]
    await writer.close()


async def test_a_dead_incarnations_write_cannot_land_after_its_successors_load(database_url: str):
    await begin(database_url)
    journal = PostgresJournal(database_url)
    loader = await connect(database_url)
    await loader.execute("begin")
    await loader.execute("update sessions set incarnation = incarnation + 1")

    late = asyncio.create_task(journal.write([an_order_entry(1)]))
    await _somebody_waits(database_url)
    await loader.execute("commit")
    (outcome,) = await late

    assert isinstance(outcome, NotKept)
    assert outcome.reason_code == "fenced_incarnation"
    assert await order_ids(database_url) == set()
    await loader.close()
    journal.close()


async def test_a_renewal_does_not_wait_for_orders_under_way(database_url: str):
    await begin(database_url)
    writer = await connect(database_url)
    await writer.execute("begin")
    await RECORD_ORDERS.run(writer, [order_values(an_order(1)) + fence_values(a_fence())])
    async with readers(database_url, TIMEOUT_S) as pool:
        ledger = PostgresLedger(pool, elapsed=lambda: 100.0)

        renewed = await ledger.renew(Lease(ACCOUNT, "house-a", 1, 0.0), 10.0)

        assert isinstance(renewed, Lease)
        assert renewed.deadline_s == pytest.approx(108.0)
    await writer.close()


async def test_of_many_claimants_one_gets_the_account(database_url: str):
    async with readers(database_url) as pool:
        ledger = PostgresLedger(pool, elapsed=lambda: 0.0)

        answers = await asyncio.gather(
            *(ledger.claim(ACCOUNT, f"house-{n}", 60.0) for n in range(8))
        )

    assert sum(isinstance(answer, Lease) for answer in answers) == 1
    assert sum(isinstance(answer, HeldByAnother) for answer in answers) == 7


# ---------------------------------------------------------------------- flushed, or soon


async def test_only_decisions_wait_for_the_disk(database_url: str):
    await begin(database_url)
    journal = PostgresJournal(database_url)
    watcher = await asyncpg.connect(database_url)

    behind_progress, behind_decisions = [], []
    for n in range(1, 41):
        await journal.write([an_order_entry(n)])
        behind_decisions.append(await _unflushed_bytes(watcher))
        await journal.write([progress(n=n), a_decision(n)])
        await journal.write([progress(Status.FILLED, n=n, cum_qty=10)])
        behind_progress.append(await _unflushed_bytes(watcher))

    # The server has small writes of its own now and then, and a flusher that comes by.
    assert behind_decisions.count(0) >= 36
    assert sum(bytes_count > 0 for bytes_count in behind_progress) >= 20
    await watcher.close()
    journal.close()


async def _unflushed_bytes(watcher: "asyncpg.Connection[asyncpg.Record]") -> int:
    """How much of the log a crash of the server would lose now."""
    return int(
        await watcher.fetchval(
            "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn())"
        )
    )


async def _somebody_waits(url: str) -> None:
    """Until a statement waits for a lock in this database."""
    watcher = await asyncpg.connect(url)
    async with asyncio.timeout(5):
        while not await watcher.fetchval(  # noqa: ASYNC110 - the server tells nobody
            "select exists (select from pg_stat_activity where wait_event_type = 'Lock'"
            " and datname = current_database())"
        ):
            await asyncio.sleep(0.01)
    await watcher.close()
