"""The database at the end of a bad wire: what was done is found again, what is stale is fenced."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from store.store_parts import ACCOUNT, a_balance, a_fill, an_id, an_order_entry, progress
from wire.proxy import Link, Proxy, Way, before_database
from wire.wire_database import (
    TIMEOUT_S,
    a_life,
    begin,
    expire,
    fetch,
    journal_stage,
    lives,
    order_ids,
    through,
    until_written,
)
from wire.wire_venue import no_longer_than

from adapters.store import jobs
from adapters.store.connect import readers
from adapters.store.jobs import Jobs
from adapters.store.ledger import PostgresLedger
from adapters.store.postgres import PostgresJournal
from trader.errors import StoreUnavailable
from trader.orders.order import Status
from trader.proofs import Durability
from trader.records import HeldByAnother, Kept, NotKept

BOUND_S = TIMEOUT_S + 1.0  # of one command, on a busy machine
COMMIT = b"Q\0\0\0\x0bcommit\0"


@pytest.fixture
async def wire(database_url: str) -> AsyncIterator[Proxy]:
    await begin(database_url)
    async with before_database(database_url) as proxy:
        yield proxy


@pytest.fixture
async def journal(wire: Proxy, database_url: str) -> AsyncIterator[PostgresJournal]:
    """Connected: the session's 99th order is in."""
    journal = PostgresJournal(through(wire, database_url), TIMEOUT_S)
    await journal.write([an_order_entry(99)])
    yield journal
    journal.close()


# ---------------------------------------------------------------------- cut (S6)


@pytest.mark.parametrize("way", list(Way))
async def test_wherever_the_wire_is_cut_a_batch_written_again_is_there_once(
    wire: Proxy, database_url: str, way: Way
) -> None:
    """Through a batch of four kinds in one transaction, at one place after the other."""
    url = through(wire, database_url)
    journal = PostgresJournal(url, 5.0)
    failures_count = 0
    for n in range(1, 31):
        await until_written(journal, [an_order_entry(1_000 + n)])  # connected
        link = wire.newest
        link.after(way, (81 if way is Way.UP else 9) * n, link.reset)

        try:
            outcomes = await journal.write(a_life(n))
        except StoreUnavailable:
            failures_count += 1
            outcomes = await journal.write(a_life(n))

        assert all(isinstance(outcome, Kept) for outcome in outcomes), n
    journal.close()

    assert failures_count > 15
    assert await lives(database_url) == (60, 90, 30, 4, 30, "c30")


async def test_wherever_a_connection_is_cut_while_it_is_made_it_is_made_again(
    wire: Proxy, database_url: str
) -> None:
    journal = PostgresJournal(through(wire, database_url), 5.0)
    for way in Way:
        for n in range(0, 700, 50):
            wire.once(lambda link, way=way, n=n: link.after(way, n, link.reset))  # type: ignore[misc]
            await until_written(journal, [an_order_entry(n)])
            journal.close()

    assert await order_ids(database_url) == {an_id(n) for n in range(0, 700, 50)}


async def test_a_commit_whose_answer_was_lost_stands_and_is_met_again(
    wire: Proxy, journal: PostgresJournal, database_url: str
) -> None:
    link = wire.newest
    link.before(Way.UP, COMMIT, lambda: link.after(Way.DOWN, 0, link.reset))
    with pytest.raises(StoreUnavailable):
        await journal.write(a_life())
    before = await lives(database_url)

    recorded, *others = await journal.write(a_life())

    assert isinstance(recorded, Kept)
    assert recorded.was_stored  # so whoever sends it asks first whether it was sent
    assert all(isinstance(other, Kept) for other in others)
    assert await lives(database_url) == before == (2, 3, 1, 4, 1, "c1")


async def test_what_is_said_again_after_a_lost_answer_sets_no_order_back(
    wire: Proxy, journal: PostgresJournal, database_url: str
) -> None:
    """What was not flushed is repeated on a new connection, together with what is new."""
    await journal.write([an_order_entry(1)])
    await journal.write([progress(), a_balance("1")])
    await journal.write([progress(Status.PARTIALLY_FILLED, cum_qty=4), a_fill(qty=4)])
    link = wire.newest
    link.before(Way.UP, COMMIT, lambda: link.after(Way.DOWN, 0, link.reset))
    last = [progress(Status.FILLED, cum_qty=10), a_fill("x2", qty=6, position_qty=10)]
    with pytest.raises(StoreUnavailable):
        await journal.write(last)

    outcomes = await journal.write(last)

    assert all(isinstance(outcome, Kept) for outcome in outcomes)
    assert len(outcomes) == 2
    events = "select array_agg(status order by n) from order_events where order_id = '%s'"
    assert await fetch(database_url, events % an_id(1)) == [
        "INITIALIZED", "ACCEPTED", "PARTIALLY_FILLED", "FILLED",
    ]  # fmt: skip
    assert await fetch(database_url, "select qty from positions") == 10
    assert await fetch(database_url, "select count(*) from fills") == 2
    assert await fetch(database_url, "select count(*) from balances") == 1


# ---------------------------------------------------------------------- half-open (S6)


async def test_a_commit_that_fell_into_a_silent_wire_holds_up_its_retry_only_for_a_bound(
    wire: Proxy, journal: PostgresJournal, database_url: str
) -> None:
    """The server waits for our word with the rows locked; it must not wait for ever."""
    link = wire.newest
    link.before(Way.UP, COMMIT, link.swallow)
    with no_longer_than(BOUND_S), pytest.raises(StoreUnavailable):
        await journal.write(a_life())
    assert await lives(database_url) == (1, 1, 0, None, 0, None)

    with no_longer_than(2 * TIMEOUT_S + 2.0):  # `idle_in_transaction_session_timeout`
        outcomes = await until_written(journal, a_life())

    assert all(isinstance(outcome, Kept) and not outcome.was_stored for outcome in outcomes)
    assert await lives(database_url) == (2, 3, 1, 4, 1, "c1")


@pytest.mark.parametrize(
    "fail",
    [
        pytest.param(lambda link: link.swallow(), id="nothing passes"),
        pytest.param(lambda link: link.swallow(Way.UP), id="what we say is lost"),
        pytest.param(lambda link: link.swallow(Way.DOWN), id="what it says is lost"),
        pytest.param(lambda link: link.slow(0.1, 3, Way.DOWN), id="its answer trickles"),
        pytest.param(lambda link: link.stall(), id="nobody reads"),
    ],
)
async def test_a_failing_wire_is_an_answer_within_the_timeout_and_leaks_no_connection(
    wire: Proxy, journal: PostgresJournal, database_url: str, fail: object
) -> None:
    assert callable(fail)
    fail(wire.newest)
    wire.each = fail  # the request to cancel goes the same way

    for _ in range(2):
        with no_longer_than(BOUND_S), pytest.raises(StoreUnavailable):
            await journal.write([an_order_entry(1)])
    wire.heal()
    outcomes = await journal.write([an_order_entry(1)])

    assert isinstance(outcomes[0], Kept)
    assert await order_ids(database_url) == {an_id(1), an_id(99)}
    journal.close()
    for link in wire.links:
        await link.ended()


async def test_a_pool_whose_every_connection_is_dead_works_at_the_second_question(
    wire: Proxy, database_url: str
) -> None:
    async with readers(through(wire, database_url), TIMEOUT_S) as pool:
        ledger = PostgresLedger(pool, elapsed=lambda: 0.0)
        await asyncio.gather(*(ledger.executions_cursor(ACCOUNT) for _ in range(4)))
        assert len(wire.links) > 1
        for link in wire.links:
            link.swallow()

        with no_longer_than(2 * BOUND_S):
            answers = await asyncio.gather(
                *(ledger.executions_cursor(ACCOUNT) for _ in range(4)), return_exceptions=True
            )
        again = await asyncio.gather(*(ledger.executions_cursor(ACCOUNT) for _ in range(4)))

    assert any(isinstance(answer, StoreUnavailable) for answer in answers)
    assert all(answer is None or isinstance(answer, StoreUnavailable) for answer in answers)
    assert again == [None] * 4


async def test_a_worker_on_a_dead_wire_says_so_and_the_next_one_does_its_job(
    wire: Proxy, journal: PostgresJournal, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "POLL_EVERY", timedelta(seconds=0.1))
    async with readers(database_url) as pool:
        worker = Jobs(
            through(wire, database_url), pool, decisions_kept_days=90, command_timeout_s=TIMEOUT_S
        )
        count = len(wire.links)
        run = asyncio.create_task(worker.run())
        link = await wire.accepted(count + 1)
        async with asyncio.timeout(5):
            while not await fetch(  # noqa: ASYNC110
                database_url, "select exists (select from pg_stat_activity where query ~* 'listen')"
            ):
                await asyncio.sleep(0.02)
        link.swallow()
        await journal.write(a_life())

        with no_longer_than(5.0), pytest.raises(StoreUnavailable):
            await run
        again = asyncio.create_task(worker.run())
        async with asyncio.timeout(5):
            while await fetch(database_url, "select count(*) from pgqueuer"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await worker.stop()
        await again


# ---------------------------------------------------------------------- the stale owner (S7)


async def test_a_write_that_the_network_held_back_until_after_a_takeover_takes_no_effect(
    wire: Proxy, journal: PostgresJournal, database_url: str
) -> None:
    link = wire.newest
    link.stall(Way.UP)
    with pytest.raises(StoreUnavailable):
        await journal.write([an_order_entry(1)])
    await expire(database_url)
    assert (await begin(database_url, "house-b")).epoch == 2

    await delivered(link, database_url)

    assert await order_ids(database_url) == {an_id(99)}
    (outcome,) = await journal.write([an_order_entry(1)])
    assert isinstance(outcome, NotKept)
    assert outcome.reason_code == "fenced_epoch"


async def test_a_write_that_the_network_held_back_is_the_same_row_as_its_retry(
    wire: Proxy, journal: PostgresJournal, database_url: str
) -> None:
    link = wire.newest
    link.stall(Way.UP)
    with pytest.raises(StoreUnavailable):
        await journal.write([an_order_entry(1)])
    (outcome,) = await journal.write([an_order_entry(1)])

    await delivered(link, database_url)

    assert isinstance(outcome, Kept)
    assert await order_ids(database_url) == {an_id(1), an_id(99)}
    assert await fetch(database_url, "select count(*) from order_events") == 2


async def delivered(link: Link, url: str) -> None:
    """What the link held back reaches the server, and the server is done with it."""
    backends = (
        "select count(*) from pg_stat_activity where application_name = 'trader'"
        " and datname = current_database()"
    )
    count = await fetch(url, backends)
    link.resume()
    async with asyncio.timeout(5):
        while await fetch(url, backends) >= count:  # noqa: ASYNC110 - its backend ends after it
            await asyncio.sleep(0.01)


async def test_an_owner_that_vanished_in_a_transaction_holds_up_a_takeover_only_for_a_bound(
    wire: Proxy, journal: PostgresJournal, database_url: str
) -> None:
    link = wire.newest
    link.before(Way.UP, COMMIT, link.swallow)
    with pytest.raises(StoreUnavailable):
        await journal.write(a_life())
    await expire(database_url)

    with no_longer_than(2 * TIMEOUT_S + 2.0):
        lease = await begin(database_url, "house-b")

    assert lease.epoch == 2
    assert all(isinstance(outcome, NotKept) for outcome in await journal.write(a_life()))
    assert await lives(database_url) == (1, 1, 0, None, 0, None)


async def test_an_owner_whose_backend_was_killed_learns_of_the_new_owner_at_its_next_write(
    wire: Proxy, journal: PostgresJournal, database_url: str
) -> None:
    wire.newest.swallow(Way.DOWN)  # so not even the server's farewell arrives
    await fetch(
        database_url,
        "select count(pg_terminate_backend(pid)) from pg_stat_activity"
        " where application_name = 'trader' and datname = current_database()",
    )
    await expire(database_url)
    await begin(database_url, "house-b")

    (outcome,) = await until_written(journal, [an_order_entry(1)])

    assert isinstance(outcome, NotKept)
    assert outcome.reason_code == "fenced_epoch"
    async with readers(through(wire, database_url), TIMEOUT_S) as pool:
        ledger = PostgresLedger(pool, elapsed=lambda: 0.0)
        answer = await ledger.claim(ACCOUNT, "house-a", 60.0)
    assert isinstance(answer, HeldByAnother)
    assert answer.holder == "house-b"


# ---------------------------------------------------------------------- the journal's actor


async def test_with_the_database_in_a_black_hole_an_exit_leaves_within_a_second_and_is_found_later(
    wire: Proxy, database_url: str, tmp_path: Path
) -> None:
    async with journal_stage(through(wire, database_url), tmp_path, 5.0) as stage:
        stage.record(1)
        await stage.answered(1)
        wire.newest.swallow()
        wire.each = lambda link: link.swallow()

        with no_longer_than(1.5):
            stage.record(2, is_exit=True)
            await stage.answered(2)
        stage.record(3)
        await stage.answered(3)
        wire.heal()
        await stage.is_up()

        assert stage.recorded[an_id(2)].order.durability is Durability.SPOOL
        assert stage.refused == {an_id(3)}
        assert stage.spool.record_count() == 0
        assert await order_ids(database_url) == {an_id(1), an_id(2)}


async def test_each_answer_of_a_journal_whose_wire_keeps_breaking_is_true(
    wire: Proxy, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.journal.RETRY_S", (0.01,))  # breaks, not pauses
    chance = random.Random(7)

    def breaking(link: Link) -> None:
        # A new connection needs some 10,000 bytes up and 900 down for its first batch.
        if chance.random() < 0.5:
            link.after(Way.UP, chance.randrange(20_000), link.reset)
        else:
            link.after(Way.DOWN, chance.randrange(3_000), link.reset)

    numbers = range(1, 121)
    async with journal_stage(through(wire, database_url), tmp_path, 2.0) as stage:
        wire.each = breaking
        for first in numbers[::8]:
            for n in range(first, first + 8):
                stage.record(n, is_exit=n % 4 == 0)
            await stage.answered(*range(first, first + 8))
            if not (await stage.view()).is_up:
                await stage.is_up()

        rows = await order_ids(database_url)
        assert stage.recorded.keys() <= rows
        assert not stage.refused & rows
        assert all(an_id(n) in stage.recorded for n in numbers if n % 4 == 0)
        assert len(wire.links) > 5
