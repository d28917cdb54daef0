"""The journal: durable before it leaves, exits before entries, nothing lost when the store is."""

import asyncio
import random

import pytest

from actors.backlog import Backlog, LoadedAfterReplay
from actors.journal import JournalView, RecordEntry
from adapters.simulated.ledger import MemoryLedger
from tests.actors.journal_stage import CRASH, PENDING_MAX, Stage, play
from tests.store.store_parts import (
    AAPL,
    ACCOUNT,
    SESSION,
    a_cancel,
    a_change_entry,
    a_cursor,
    a_fence,
    a_fill,
    an_id,
    progress,
)
from trader.errors import StoreUnavailable
from trader.orders.events import ChangeRecorded, OrderRecorded, RecordRefused
from trader.orders.order import Status
from trader.proofs import Durability
from trader.records import OrderEntry
from trader.session.events import StoreChanged


def recorded(stage: Stage) -> list[str]:
    """The orders that the asker heard to be durable, in the order of hearing."""
    return [each.order.item.id for each in stage.of(OrderRecorded)]


def kinds(stage: Stage) -> list[list[str]]:
    """What each write was made of."""
    return [[type(entry).__name__ for entry in batch] for batch in stage.store.batches]


# Sharing


def test_orders_decided_at_the_same_moment_share_one_commit() -> None:
    async def scenario(stage: Stage) -> None:
        for n in range(1, 6):
            stage.record(n)
        await asyncio.sleep(1)

        assert recorded(stage) == [an_id(n) for n in range(1, 6)]
        assert [len(batch) for batch in stage.store.batches] == [1, 4]  # the first found it idle

    play(scenario)


def test_exits_are_written_before_entries_that_were_decided_earlier() -> None:
    async def scenario(stage: Stage) -> None:
        stage.record(1)
        stage.record(2)
        stage.record(3, is_exit=True)
        await asyncio.sleep(1)

        assert recorded(stage) == [an_id(1), an_id(3), an_id(2)]

    play(scenario)


def test_a_fill_its_order_and_its_neighbours_share_one_commit() -> None:
    async def scenario(stage: Stage) -> None:
        stage.record(1)
        await asyncio.sleep(1)
        stage.keep(progress())
        stage.keep(a_fill())
        stage.keep(a_cursor())
        await asyncio.sleep(1)

        assert kinds(stage) == [["OrderEntry"], ["ProgressEntry", "FillEntry", "CursorEntry"]]

    play(scenario)


def test_a_decision_never_waits_for_progress_that_is_being_gathered() -> None:
    async def scenario(stage: Stage) -> None:
        stage.keep(a_cursor())
        stage.record(1)
        await asyncio.sleep(1)

        assert kinds(stage) == [["OrderEntry"], ["CursorEntry"]]

    play(scenario)


def test_a_cancel_is_recorded_before_it_leaves_too() -> None:
    async def scenario(stage: Stage) -> None:
        stage.record(1)
        stage.journal.tell(RecordEntry(a_change_entry(a_cancel(100, 1)), stage.asker))
        await asyncio.sleep(1)

        assert [each.change.item.target for each in stage.of(ChangeRecorded)] == [an_id(1)]

    play(scenario)


# What is refused


def test_a_poisoned_order_fails_alone() -> None:
    async def scenario(stage: Stage) -> None:
        stage.store.poison = an_id(3)
        for n in range(1, 5):
            stage.record(n)
        await asyncio.sleep(1)

        assert recorded(stage) == [an_id(1), an_id(2), an_id(4)]
        assert stage.of(RecordRefused) == [RecordRefused(an_id(3), "bad_data", "poison")]

    play(scenario)


def test_an_order_of_a_dead_incarnation_is_refused_by_the_store() -> None:
    async def scenario(stage: Stage) -> None:
        old = OrderEntry(stage.an_entry(1).order, a_fence(incarnation=0), False)
        stage.journal.tell(RecordEntry(old, stage.asker))
        await asyncio.sleep(1)

        assert [each.reason_code for each in stage.of(RecordRefused)] == ["fenced_incarnation"]
        assert stage.rows.orders == {}

    play(scenario)


def test_an_answer_reaches_its_asker_though_the_asker_has_died_since() -> None:
    async def scenario(stage: Stage) -> None:
        stage.store.takes_s = 0.1
        stage.record(1)
        await asyncio.sleep(0.01)
        stage.asker.tell(CRASH)
        await asyncio.sleep(1)

        assert [exit.name for exit in stage.exits].count("asker") >= 1
        assert recorded(stage) == [an_id(1)]

    play(scenario)


# The store is away


def test_a_lost_connection_repeats_the_very_same_batch_and_doubles_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        stage.record(1)
        await asyncio.sleep(1)
        stage.store.answers_lost = 1
        stage.keep(progress())
        stage.keep(a_fill())
        await asyncio.sleep(1)

        assert stage.store.batches[-1] == stage.store.batches[-2]
        assert len(stage.rows.fills) == 1
        assert len(stage.rows.orders[an_id(1)].events) == 1
        assert stage.of(StoreChanged) == []  # one blink is no outage

    play(scenario)


def test_a_store_that_does_not_answer_within_half_a_second_refuses_entries_and_lets_exits_go() -> (
    None
):
    async def scenario(stage: Stage) -> None:
        stage.store.answers.clear()
        stage.record(1)
        await asyncio.sleep(0.1)
        stage.record(2)
        stage.record(3, is_exit=True)
        await asyncio.sleep(1)
        stage.record(4)
        stage.record(5, is_exit=True)
        await asyncio.sleep(1)

        assert stage.of(StoreChanged) == [StoreChanged(False, "no commit within the bound")]
        assert [(e.order_id, e.reason_code) for e in stage.of(RecordRefused)] == [
            (an_id(2), "store_down"),
            (an_id(4), "store_down"),
        ]
        proofs = [each.order for each in stage.of(OrderRecorded)]
        assert [(p.item.id, p.durability) for p in proofs] == [
            (an_id(3), Durability.SPOOL),
            (an_id(5), Durability.SPOOL),
        ]

    play(scenario)


def test_an_exit_under_way_when_the_store_vanished_leaves_by_the_spool() -> None:
    async def scenario(stage: Stage) -> None:
        stage.store.answers.clear()
        stage.record(1, is_exit=True)
        await asyncio.sleep(1)

        assert [p.order.durability for p in stage.of(OrderRecorded)] == [Durability.SPOOL]

    play(scenario)


def test_what_was_spooled_is_in_the_database_before_anything_newer() -> None:
    async def scenario(stage: Stage) -> None:
        stage.store.is_down = True
        stage.record(1, is_exit=True)
        await asyncio.sleep(1)
        stage.keep(progress(Status.ACCEPTED, 1))  # the venue took it meanwhile
        stage.store.is_down = False
        await asyncio.sleep(2)
        stage.record(2)
        await asyncio.sleep(1)

        assert stage.statuses() == {an_id(1): "ACCEPTED", an_id(2): "INITIALIZED"}
        assert stage.spool.records == []
        assert [each.is_up for each in stage.of(StoreChanged)] == [False, True]

    play(scenario)


@pytest.mark.parametrize("is_broken", [False, True])
def test_an_exit_is_answered_by_the_spool_and_nobody_crashes_of_it(is_broken: bool) -> None:
    async def scenario(stage: Stage) -> None:
        stage.store.is_down, stage.spool.is_broken = True, is_broken
        stage.record(1, is_exit=True)
        await asyncio.sleep(2)
        answers = stage.of(RecordRefused) if is_broken else stage.of(OrderRecorded)

        assert len(answers) == 1
        assert stage.exits == []

    play(scenario)


def test_nobody_loads_rows_among_which_a_spooled_exit_is_still_missing() -> None:
    async def scenario(stage: Stage) -> None:
        loader = LoadedAfterReplay(stage.backlog, MemoryLedger(stage.rows))
        stage.store.is_down = True
        stage.record(1, is_exit=True)
        await asyncio.sleep(1)
        stage.store.is_down = False  # the journal notices a moment later
        with pytest.raises(StoreUnavailable):
            await loader.begin_session(SESSION, ACCOUNT, AAPL, 1)
        await asyncio.sleep(2)
        rows = await loader.begin_session(SESSION, ACCOUNT, AAPL, 1)

        assert [each.order.id for each in rows.orders] == [an_id(1)]

    play(scenario)


def test_an_exit_spooled_while_the_spool_is_replayed_is_replayed_too() -> None:
    async def scenario(stage: Stage) -> None:
        stage.store.is_down = True
        stage.record(1, is_exit=True)
        await asyncio.sleep(1)
        stage.store.is_down, stage.store.takes_s = False, 0.2
        await stage.store.adopting.wait()
        stage.record(2, is_exit=True)
        await asyncio.sleep(2)

        assert set(stage.statuses()) == {an_id(1), an_id(2)}
        assert stage.spool.records == []

    play(scenario)


def test_a_journal_that_crashes_while_an_exit_is_being_spooled_waits_for_it_too() -> None:
    async def scenario(stage: Stage) -> None:
        stage.store.is_down = True
        stage.record(1, is_exit=True)
        await asyncio.sleep(1)
        stage.spool.takes_s = 1.5  # a busy disk
        stage.record(2, is_exit=True)
        stage.journal.tell(CRASH)
        stage.store.is_down = False
        await asyncio.sleep(4)

        assert (await stage.view()).is_up
        assert set(stage.statuses()) == {an_id(1), an_id(2)}
        assert stage.spool.records == []

    play(scenario)


def test_an_entry_caught_in_the_outage_is_answered_once_it_is_certain() -> None:
    async def scenario(stage: Stage) -> None:
        stage.store.is_down = True
        stage.record(1)
        await asyncio.sleep(3)
        assert stage.of(OrderRecorded) == []
        assert stage.of(RecordRefused) == []  # it may have been committed: nobody can say no
        stage.store.is_down = False
        await asyncio.sleep(2)

        assert recorded(stage) == [an_id(1)]

    play(scenario)


def test_an_exit_that_not_even_the_spool_takes_is_said_to_be_refused() -> None:
    async def scenario(stage: Stage) -> None:
        stage.store.is_down = stage.spool.is_broken = True
        stage.record(1, is_exit=True)
        await asyncio.sleep(1)

        assert [each.reason_code for each in stage.of(RecordRefused)] == ["spool_failed"]

    play(scenario)


def test_a_crash_of_the_journal_loses_nothing_that_waited() -> None:
    async def scenario(stage: Stage) -> None:
        stage.store.answers.clear()
        stage.record(1)
        stage.keep(a_cursor("c7"))
        await asyncio.sleep(0.1)
        stage.journal.tell(CRASH)
        await asyncio.sleep(0.2)
        stage.store.answers.set()
        await asyncio.sleep(3)

        assert "journal" in {exit.name for exit in stage.exits}
        assert set(stage.statuses()) == {an_id(1)}
        assert list(stage.rows.cursors.values()) == ["c7"]
        assert an_id(1) in recorded(stage)

    play(scenario)


def test_a_crash_while_the_store_is_away_does_not_forget_that_it_is() -> None:
    async def scenario(stage: Stage) -> None:
        stage.store.is_down = True
        stage.record(1, is_exit=True)
        await asyncio.sleep(1)
        stage.journal.tell(CRASH)
        await asyncio.sleep(1)
        stage.record(2)
        await asyncio.sleep(0.1)
        assert [each.reason_code for each in stage.of(RecordRefused)] == ["store_down"]
        stage.store.is_down = False
        await asyncio.sleep(3)

        assert set(stage.statuses()) == {an_id(1)}
        assert stage.of(StoreChanged)[-1].is_up

    play(scenario)


# Too much


def test_progress_past_the_bound_is_dropped_and_told_when_all_before_it_is_durable() -> None:
    async def scenario(stage: Stage) -> None:
        stage.record(1)
        await asyncio.sleep(1)
        stage.store.answers.clear()
        for n in range(PENDING_MAX + 5):
            stage.keep(a_fill(f"x{n}"))
        await asyncio.sleep(0.1)
        stage.store.answers.set()
        await asyncio.sleep(0.2)
        stage.keep(a_cursor("past the hole"))
        await asyncio.sleep(2)

        assert len(stage.rows.fills) == PENDING_MAX
        told = [each for each in stage.of(StoreChanged) if each.lost_count]
        assert [each.lost_count for each in told] == [5]
        assert (await stage.view()).dropped_count == 5

    play(scenario)


def test_no_cursor_is_kept_past_a_fill_that_was_dropped() -> None:
    backlog = Backlog()
    assert backlog.keep(a_fill("x1"), count_max=1)
    assert not backlog.keep(a_fill("x2"), count_max=1)
    assert backlog.next_batch(with_progress=True)
    backlog.batch = ()  # written: there is room again

    assert not backlog.keep(a_cursor("past the hole"), count_max=1)


def test_a_full_journal_refuses_entries_and_still_takes_exits() -> None:
    async def scenario(stage: Stage) -> None:
        stage.store.answers.clear()
        for n in range(PENDING_MAX):
            stage.keep(a_fill(f"x{n}"))
        await asyncio.sleep(0.05)
        stage.record(1)
        stage.record(2, is_exit=True)
        await asyncio.sleep(0.05)
        stage.store.answers.set()
        await asyncio.sleep(1)

        assert [each.reason_code for each in stage.of(RecordRefused)] == ["journal_full"]
        assert recorded(stage) == [an_id(2)]

    play(scenario)


def test_its_picture_says_how_the_write_path_stands() -> None:
    async def scenario(stage: Stage) -> None:
        stage.store.takes_s = 0.25
        stage.record(1)
        await asyncio.sleep(1)
        assert (await stage.view()) == JournalView(True, "", 0, 1, 0, 0, 0, 0.25)
        stage.store.is_down = True
        stage.record(2, is_exit=True)
        await asyncio.sleep(1)

        view = await stage.view()
        assert (view.is_up, view.spooled_count, view.waiting_count) == (False, 1, 1)

    play(scenario)


# Any weather


@pytest.mark.parametrize("seed", range(20))
def test_in_any_weather_every_decision_is_answered_and_every_answer_is_true(seed: int) -> None:
    async def scenario(stage: Stage) -> None:
        chance = random.Random(seed)
        for n in range(1, 40):
            await asyncio.sleep(chance.random() * 0.4)
            match chance.choice(("down", "up", "hang", "answer", "lose", "crash", "quiet")):
                case "down" | "up" as word:
                    stage.store.is_down = word == "down"
                case "hang":
                    stage.store.answers.clear()
                case "answer":
                    stage.store.answers.set()
                case "lose":
                    stage.store.answers_lost = 1
                case "crash":
                    stage.journal.tell(CRASH)
            stage.record(n, is_exit=chance.random() < 0.5)
        stage.store.is_down, stage.store.answers_lost = False, 0
        stage.store.answers.set()
        await asyncio.sleep(600)  # restarts back off up to ten seconds each

        durable, refused = set(recorded(stage)), {e.order_id for e in stage.of(RecordRefused)}
        assert durable | refused == {an_id(n) for n in range(1, 40)}
        assert durable == set(stage.rows.orders)
        assert not durable & refused
        view = await stage.view()
        assert (view.is_up, view.waiting_count, view.spooled_count) == (True, 0, 0)

    play(scenario, seed)
