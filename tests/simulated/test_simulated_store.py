"""The simulated database keeps the journal's contract, and fails as PostgreSQL does."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from contracts.journal_contract import JournalContract
from store.store_parts import (
    AAPL,
    ACCOUNT,
    SESSION,
    a_cancel,
    a_change_entry,
    a_decision,
    a_fence,
    a_fill,
    an_id,
    an_order_entry,
    progress,
)

from actors.runtime import SimulatedLoop, SimulatedProcess
from adapters.simulated.database import Database, Trouble
from adapters.simulated.disk import Disk, DiskTrouble
from adapters.simulated.rows import Committed, MemoryStore, Restored
from adapters.simulated.store import SPOOL_RECORDS_COUNT_MAX, SimulatedStore
from adapters.store.connect import COMMAND_TIMEOUT_S
from trader.errors import StoreUnavailable, StoreUnsafe
from trader.ids import ClientOrderId
from trader.operator import CommandOutcome
from trader.orders.order import Status
from trader.proofs import Durability
from trader.records import Kept, Lease, NotKept, OrderEntry
from trader.session.events import TradingState

SENT_S = 0.0001  # shorter than any way, longer than any start
TABLES = ("orders", "changes", "fills", "adjustments", "balances", "decisions")


class LoopClock:
    """The loop's own time; the wall clock starts now, because the contract's does."""

    def elapsed(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.elapsed())


class Stage:
    """One database, one machine, one daemon's store."""

    def __init__(self, seed: int = 7) -> None:
        clock = LoopClock()
        self.rows = MemoryStore(clock.now, clock.elapsed)
        self.database = Database(self.rows, seed)
        self.disk = Disk(clock.elapsed, seed)
        self.clock = clock
        self.store = self.boot("us")
        self.journal = self.store.journal
        self.ledger = self.store.ledger

    def boot(self, by: str) -> SimulatedStore:
        """Another process's."""
        return SimulatedStore(self.database, self.disk, self.clock, by)

    async def begin(self) -> None:
        """Hold the account and begin the session: epoch 1, incarnation 1."""
        assert isinstance(await self.ledger.claim(ACCOUNT, "us", 60.0), Lease)
        await self.ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)
        await self.journal.write([a_decision()])  # its connection is open

    async def events_of(self, order_id: ClientOrderId) -> list[tuple[str, Status]]:
        return [(entry.event, entry.status) for entry in self.rows.orders[order_id].events]

    async def counts(self) -> dict[str, int]:
        return {table: len(getattr(self.rows, table)) for table in TABLES}

    async def expire(self, lease: Lease) -> None:
        row = self.rows.leases[lease.account_id]
        ended = replace(row, expires_at=row.expires_at - timedelta(days=1))
        self.rows.commit(ended, "the clock")


@pytest.fixture
async def stage() -> Stage:
    stage = Stage()
    await stage.begin()
    return stage


class TestSimulatedStore(JournalContract):
    @pytest.fixture
    async def stage(self) -> Stage:
        return Stage()


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def killed_while(work: Coroutine[Any, Any, Any]) -> None:
    """A daemon that has begun that is killed."""
    daemon = SimulatedProcess(asyncio.get_running_loop(), "daemon")  # type: ignore[arg-type]
    daemon.spawn(work)
    await asyncio.sleep(SENT_S)
    daemon.kill()


def play(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """On a loop of its own, which forgets what is killed."""
    loop = SimulatedLoop(7)  # type: ignore[abstract]
    try:
        loop.run_until_complete(scenario())
    finally:
        loop.close()


def test_what_a_killed_daemon_had_sent_is_committed():
    async def scenario() -> None:
        stage = Stage()
        await stage.begin()
        await killed_while(stage.journal.write([an_order_entry(1)]))
        assert not stage.rows.orders

        await asyncio.sleep(1)

        assert list(stage.rows.orders) == [an_id(1)]

    play(scenario)


async def test_latencies_are_uneven(stage: Stage):
    took_s = []
    for n in range(1_000):
        began_s = now_s()
        await stage.journal.write([an_order_entry(n)])
        took_s.append(now_s() - began_s)

    took_s.sort()
    assert took_s[990] > 5 * took_s[500]
    assert took_s[-1] < 0.5  # without a fault the journal never degrades


async def test_a_commit_whose_reply_is_lost_stands(stage: Stage):
    stage.database.strike(Trouble.REPLY_LOST, 1.0)
    with pytest.raises(StoreUnavailable):
        await stage.journal.write([an_order_entry(1)])
    stage.database.calm()

    (outcome,) = await stage.journal.write([an_order_entry(1)])

    assert isinstance(outcome, Kept)
    assert outcome.was_stored


async def test_a_request_that_is_lost_changes_nothing(stage: Stage):
    stage.database.strike(Trouble.REQUEST_LOST, 1.0)

    with pytest.raises(StoreUnavailable):
        await stage.journal.write([an_order_entry(1)])
    await asyncio.sleep(60)

    assert not stage.rows.orders


async def test_a_silent_database_is_noticed_at_the_command_timeout(stage: Stage):
    stage.database.strike(Trouble.SILENT, 60.0)
    began_s = now_s()

    with pytest.raises(StoreUnavailable):
        await stage.journal.write([an_order_entry(1)])

    assert now_s() - began_s == pytest.approx(COMMAND_TIMEOUT_S)
    assert not stage.rows.orders


async def test_a_database_that_stood_still_performs_what_was_given_up(stage: Stage):
    stage.database.strike(Trouble.STALLED, 10.0)

    with pytest.raises(StoreUnavailable):
        await stage.journal.write([an_order_entry(1)])
    assert not stage.rows.orders
    await asyncio.sleep(10)

    assert list(stage.rows.orders) == [an_id(1)]


async def test_a_write_that_comes_after_its_successor_has_loaded_is_fenced(stage: Stage):
    stage.database.strike(Trouble.LATE, 0.001)
    with pytest.raises(StoreUnavailable):
        await stage.journal.write([an_order_entry(1)])

    rows = await stage.boot("successor").ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)
    await asyncio.sleep(60)

    assert rows.incarnation == 2
    assert not rows.orders
    assert not stage.rows.orders


async def test_a_late_write_that_nobody_fences_stands(stage: Stage):
    stage.database.strike(Trouble.LATE, 0.001)
    with pytest.raises(StoreUnavailable):
        await stage.journal.write([an_order_entry(1)])

    await asyncio.sleep(60)

    assert list(stage.rows.orders) == [an_id(1)]


async def test_a_transaction_that_was_given_up_is_rolled_back(stage: Stage):
    await stage.journal.write([an_order_entry(1)])
    stage.database.strike(Trouble.LATE, 0.001)
    with pytest.raises(StoreUnavailable):
        await stage.journal.write([progress(), a_fill()])

    await asyncio.sleep(60)

    assert not stage.rows.fills
    assert not stage.rows.orders[an_id(1)].events


async def test_without_a_server_the_answer_comes_at_once(stage: Stage):
    stage.database.strike(Trouble.REFUSED, 60.0)
    began_s = now_s()

    with pytest.raises(StoreUnavailable):
        await stage.journal.write([an_order_entry(1)])
    with pytest.raises(StoreUnavailable):
        await stage.ledger.position_qtys(ACCOUNT)

    assert now_s() - began_s < 1.0
    assert not stage.rows.orders


async def test_a_server_that_dies_forgets_what_is_under_way(stage: Stage):
    writing = asyncio.create_task(stage.journal.write([an_order_entry(1)]))
    await asyncio.sleep(SENT_S)
    stage.database.restart()

    with pytest.raises(StoreUnavailable):
        await writing
    assert not stage.rows.orders


async def test_the_first_question_after_a_restart_may_fail_and_the_next_does_not():
    failed_count = 0
    for seed in range(40):
        stage = Stage(seed)
        await stage.begin()
        stage.database.restart()
        try:
            await stage.journal.write([an_order_entry(1)])
        except StoreUnavailable:
            failed_count += 1
        await stage.journal.write([an_order_entry(2)])

    assert 10 < failed_count < 30


async def test_a_standby_answers_questions_and_refuses_writes(stage: Stage):
    stage.database.strike(Trouble.READ_ONLY, 60.0)

    with pytest.raises(StoreUnavailable):
        await stage.journal.write([an_order_entry(1)])
    with pytest.raises(StoreUnavailable):
        await stage.ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)

    assert await stage.ledger.open_orders(ACCOUNT) == {}
    assert stage.rows.sessions[SESSION].incarnation == 1


async def test_a_serialization_failure_changes_nothing(stage: Stage):
    stage.database.strike(Trouble.ABORTED, 1.0)

    with pytest.raises(StoreUnavailable):
        await stage.journal.write([an_order_entry(1)])

    assert not stage.rows.orders


async def test_a_crowded_server_serves_whoever_is_connected(stage: Stage):
    stage.database.strike(Trouble.CROWDED, 60.0)

    (outcome,) = await stage.journal.write([an_order_entry(1)])
    assert isinstance(outcome, Kept)
    with pytest.raises(StoreUnavailable):
        await stage.boot("another").journal.write([an_order_entry(2)])


async def test_a_share_of_the_statements_suffers(stage: Stage):
    stage.database.strike(Trouble.ABORTED, 3_600.0, share=0.3)
    failed_count = 0
    for n in range(100):
        try:
            await stage.journal.write([an_order_entry(n)])
        except StoreUnavailable:
            failed_count += 1

    assert 15 < failed_count < 45


async def test_a_replica_that_lagged_has_lost_the_newest_rows_and_the_history_has_not(
    stage: Stage,
):
    await stage.journal.write([an_order_entry(1)])
    await asyncio.sleep(10)
    await stage.journal.write([an_order_entry(2), a_change_entry(a_cancel())])
    await stage.ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)

    stage.database.fail_over(5.0)

    assert list(stage.rows.orders) == [an_id(1)]
    assert not stage.rows.changes
    assert stage.rows.sessions[SESSION].incarnation == 1
    written = [
        each.what.order.item.id
        for each in stage.rows.history.of(Committed)
        if isinstance(each.what, OrderEntry)
    ]
    assert written == [an_id(1), an_id(2)]
    assert len(stage.rows.history.of(Restored)) == 1


async def test_what_was_lost_once_does_not_come_back_with_the_next_failover(stage: Stage):
    await stage.journal.write([an_order_entry(1)])
    stage.database.fail_over(1.0)
    assert not stage.rows.orders
    await asyncio.sleep(10)

    stage.database.fail_over(1.0)

    assert not stage.rows.orders


async def test_the_history_says_who_wrote_what_and_when(stage: Stage):
    await asyncio.sleep(5)
    await stage.boot("another").journal.write([an_order_entry(1)])

    newest = stage.rows.history.of(Committed)[-1]

    assert newest.by == "another"
    assert newest.at_s > 5
    assert isinstance(newest.what, OrderEntry)
    assert newest.what.fence == a_fence()


async def test_a_repeated_write_is_not_in_the_history_again(stage: Stage):
    await stage.journal.write([an_order_entry(1)])
    count = len(stage.rows.history.of(Committed))

    await stage.journal.write([an_order_entry(1)])

    assert len(stage.rows.history.of(Committed)) == count


async def test_a_lease_is_counted_from_before_it_was_asked_for(stage: Stage):
    stage.database.strike(Trouble.SLOW, 60.0)
    asked_s = now_s()

    lease = await stage.ledger.claim(ACCOUNT, "us", 10.0)

    assert now_s() - asked_s > 0.01
    assert isinstance(lease, Lease)
    assert lease.deadline_s == asked_s + 8.0


async def test_an_order_of_no_number_is_bad_data(stage: Stage):
    outcomes = await stage.journal.write([an_order_entry(1, qty=Decimal("NaN")), an_order_entry(2)])

    assert isinstance(outcomes[0], NotKept)
    assert outcomes[0].reason_code == "bad_data"
    assert list(stage.rows.orders) == [an_id(2)]


# The operator's rows


async def test_a_command_outlives_its_daemon_until_it_is_finished(stage: Stage):
    operator = stage.store.operator
    await operator.record("c1", "close", SESSION, "enough", "desk")
    await operator.record("c1", "halt", None, "another word", "desk")
    again = stage.boot("successor").operator

    (row,) = (await again.wanted()).unfinished
    assert (row.id, row.kind, row.session_id) == ("c1", "close", SESSION)
    await again.finish("c1", CommandOutcome.DONE, "flat")
    await again.finish("c1", CommandOutcome.FAILED, "the first word stands")

    assert (await operator.wanted()).unfinished == ()
    assert stage.rows.commands["c1"].outcome is CommandOutcome.DONE


async def test_what_the_operator_allows_is_latched(stage: Stage):
    assert (await stage.store.operator.standing()).state is TradingState.ACTIVE

    await stage.store.operator.allow(TradingState.HALTED, "a drill", "desk")

    assert (await stage.boot("successor").operator.standing()).state is TradingState.HALTED


async def test_a_command_needs_its_database(stage: Stage):
    stage.database.strike(Trouble.REFUSED, 1.0)

    with pytest.raises(StoreUnavailable):
        await stage.store.operator.allow(TradingState.HALTED, "a drill", "desk")
    assert not (await stage.store.schema()).is_ok

    stage.database.calm()
    await asyncio.sleep(1)
    assert (await stage.boot("successor").schema()).is_ok


# The disk


def test_what_was_spooled_is_there_after_a_kill():
    async def scenario() -> None:
        stage = Stage()
        await killed_while(stage.store.spool.append(an_order_entry(1)))

        spool = stage.boot("successor").spool

        assert spool.record_count() == 1
        assert await spool.replay(stage.journal) == 1
        assert list(stage.rows.orders) == [an_id(1)]

    play(scenario)


def test_a_lost_power_supply_may_tear_only_what_was_not_flushed():
    found: set[int] = set()

    async def scenario(seed: int) -> None:
        stage = Stage(seed)
        await stage.store.spool.append(an_order_entry(1))
        await killed_while(stage.store.spool.append(an_order_entry(2)))
        stage.disk.lose_power()

        spool = stage.boot("successor").spool
        await spool.replay(stage.journal)

        assert an_id(1) in stage.rows.orders
        found.add(len(stage.rows.orders))

    for seed in range(20):
        play(functools.partial(scenario, seed))
    assert found == {1, 2}


async def test_a_failing_disk_still_lets_an_exit_go(stage: Stage):
    stage.disk.strike(DiskTrouble.FAILING, 1.0)

    recorded = await stage.store.spool.append(an_order_entry(1))

    assert recorded.durability is Durability.MEMORY
    with pytest.raises(OSError, match="Input/output"):
        stage.disk.halt_file.write("stop")
    assert not stage.disk.halt_file.exists()


async def test_a_hanging_disk_holds_an_exit_back_no_longer_than_its_patience(stage: Stage):
    stage.disk.strike(DiskTrouble.HANGING, 60.0)
    began_s = now_s()

    recorded = await stage.store.spool.append(an_order_entry(1))

    assert recorded.durability is Durability.MEMORY
    assert now_s() - began_s == pytest.approx(2.0)


async def test_a_full_disk_takes_no_new_file_but_every_spooled_exit(stage: Stage):
    stage.disk.strike(DiskTrouble.FULL, 60.0)

    for n in range(SPOOL_RECORDS_COUNT_MAX):
        recorded = await stage.store.spool.append(an_order_entry(n))
        assert recorded.durability is Durability.SPOOL
    recorded = await stage.store.spool.append(an_order_entry(99))
    assert recorded.durability is Durability.MEMORY
    with pytest.raises(OSError, match="No space"):
        stage.disk.halt_file.write("stop")

    fresh = Disk(stage.clock.elapsed, 1)
    fresh.strike(DiskTrouble.FULL, 60.0)
    with pytest.raises(StoreUnsafe, match="no room"):
        SimulatedStore(stage.database, fresh, stage.clock, "us")


async def test_a_halt_file_stays_until_it_is_removed(stage: Stage):
    stage.disk.halt_file.write("stop")
    assert stage.disk.halt_file.exists()

    stage.disk.halt_file.remove()
    stage.disk.halt_file.remove()

    assert not stage.disk.halt_file.exists()
