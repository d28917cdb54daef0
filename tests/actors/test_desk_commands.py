"""What the operator orders: halt, resume, close, reconcile; and the keeper that ends a close."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from desk_stage import Poison, Stage, play

from actors.app.operator import HaltFileOnDisk, Latch
from actors.command_keeper import LOOK_S
from tests.trader.order_parts import SESSION
from tests.trader.session.session_world import START, buy
from trader.ids import SessionId
from trader.operator import CommandOutcome, CommandRow
from trader.orders.events import OrderAccepted, OrderUnanswered
from trader.orders.order import Status
from trader.session.events import CloseRequested, TradingState
from trader.views import CommandResult, CommandView


def an_unanswered_entry(stage: Stage) -> str:
    """Past the gate, and the venue has not said a word yet; its id."""
    stage.world.fill_markets = False
    stage.world.lose = {"Submit"}
    stage.world.bar(buy(10))
    (working,) = stage.world.state.open_orders()
    working.status = Status.SUBMITTED
    working.sent_s = stage.world.now_s
    stage.world.lose = set()
    return working.order.id


# ------------------------------------------------------------------------------------------ halt


def test_a_halt_is_durable_before_any_trader_hears_of_it(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        done = await stage.desk.halt("lunch")

        assert done.result is CommandResult.DONE
        assert stage.log[0] == "file"
        assert "trader:aapl TradingStateChanged" in stage.log
        assert stage.world.state.trading_state is TradingState.HALTED
        assert stage.latch.halted() == "lunch"
        assert stage.rows.standing is not None
        assert stage.rows.standing.state is TradingState.HALTED
        assert Latch(HaltFileOnDisk(tmp_path / "HALT")).halted()  # as a restarted daemon sees it

    play(tmp_path, scenario)


@pytest.mark.parametrize("trouble", ["is_down", "is_silent"])
def test_a_halt_works_without_a_database_and_says_so(tmp_path: Path, trouble: str) -> None:
    async def scenario(stage: Stage) -> None:
        setattr(stage.rows, trouble, True)
        before_s = stage.host.elapsed()
        done = await stage.desk.halt("lunch")

        assert done.result is CommandResult.DONE
        assert "the database does not answer" in done.detail
        assert (tmp_path / "HALT").read_text("utf-8") == "lunch"
        assert stage.world.state.trading_state is TradingState.HALTED
        assert stage.host.elapsed() - before_s < 3

    play(tmp_path, scenario)


def test_a_halt_with_neither_file_nor_row_admits_that_it_holds_in_memory_only(
    tmp_path: Path,
) -> None:
    async def scenario(stage: Stage) -> None:
        (tmp_path / "HALT").mkdir()
        stage.rows.is_down = True
        done = await stage.desk.halt("lunch")

        assert done.result is CommandResult.FAILED
        assert "memory only" in done.detail
        assert stage.latch.halted() == "lunch"

    play(tmp_path, scenario)


def test_a_halt_is_acknowledged_once_what_was_past_the_gate_is_answered(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        order_id = an_unanswered_entry(stage)
        halting = asyncio.ensure_future(stage.desk.halt("lunch"))
        await asyncio.sleep(3)
        assert not halting.done()

        accepted = OrderAccepted(order_id, "v-1")  # type: ignore[arg-type]
        stage.runtime.address("trader:aapl").tell(accepted)
        done = await halting

        assert [(each.id, each.status) for each in done.orders] == [(order_id, Status.ACCEPTED)]
        assert "not confirmed" not in done.detail

    play(tmp_path, scenario)


def test_a_halt_lists_what_nobody_knows_as_not_confirmed(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        order_id = an_unanswered_entry(stage)
        unanswered = OrderUnanswered(order_id, "timeout")  # type: ignore[arg-type]
        stage.world.lose = {"Find"}
        stage.runtime.address("trader:aapl").tell(unanswered)
        done = await stage.desk.halt("lunch")

        assert [(each.id, each.status) for each in done.orders] == [(order_id, Status.UNKNOWN)]
        assert "1 not confirmed" in done.detail

    play(tmp_path, scenario)


def test_a_halt_does_not_wait_for_ever_for_an_answer(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        order_id = an_unanswered_entry(stage)
        done = await stage.desk.halt("lunch")

        assert [each.id for each in done.orders] == [order_id]
        assert "1 not confirmed" in done.detail

    play(tmp_path, scenario)


def test_a_halt_names_the_traders_that_did_not_answer(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.dying.add("trader:aapl")
        done = await stage.desk.halt("lunch")

        assert "no answer from aapl" in done.detail
        assert stage.latch.halted() == "lunch"

    play(tmp_path, scenario)


# ---------------------------------------------------------------------------------------- resume


def test_entries_are_let_through_again_by_the_typed_word_only(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.desk.halt("lunch")
        refused = await stage.desk.resume("back", "yes")
        assert refused.result is CommandResult.REFUSED
        assert stage.latch.halted()

        done = await stage.desk.resume("back", "RESUME")
        await asyncio.sleep(0.1)

        assert done.result is CommandResult.DONE
        assert not (tmp_path / "HALT").exists()
        assert stage.latch.halted() == ""
        assert stage.world.state.trading_state is TradingState.ACTIVE
        assert stage.rows.standing is not None
        assert stage.rows.standing.state is TradingState.ACTIVE

    play(tmp_path, scenario)


@pytest.mark.parametrize("trouble", ["is_down", "is_silent"])
def test_without_a_database_the_house_stays_halted(tmp_path: Path, trouble: str) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.desk.halt("lunch")
        setattr(stage.rows, trouble, True)
        refused = await stage.desk.resume("back", "RESUME")
        await asyncio.sleep(0.1)

        assert refused.result is CommandResult.REFUSED
        assert (tmp_path / "HALT").exists()
        assert stage.world.state.trading_state is TradingState.HALTED

    play(tmp_path, scenario)


def test_a_halt_that_comes_while_entries_are_being_resumed_wins(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.desk.halt("lunch")
        stage.rows.takes_s = 0.3
        resuming = asyncio.ensure_future(stage.desk.resume("back", "RESUME"))
        await asyncio.sleep(0.5)
        halted = await stage.desk.halt("fire")
        resumed = await resuming

        assert (halted.result, resumed.result) == (CommandResult.DONE, CommandResult.REFUSED)
        assert "a halt came meanwhile" in resumed.detail
        assert stage.latch.halted() == "fire"
        assert (tmp_path / "HALT").exists()
        await asyncio.sleep(LOOK_S + 1)
        assert stage.rows.standing is not None
        assert stage.rows.standing.state is TradingState.HALTED

    play(tmp_path, scenario)


def test_nothing_is_resumed_before_a_halt_has_been_answered(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.rows.takes_s = 0.3
        halting = asyncio.ensure_future(stage.desk.halt("fire"))
        await asyncio.sleep(0.1)
        refused = await stage.desk.resume("back", "RESUME")
        await halting

        assert refused.result is CommandResult.REFUSED
        assert stage.latch.halted() == "fire"
        assert (await stage.desk.resume("back", "RESUME")).result is CommandResult.DONE

    play(tmp_path, scenario)


def test_of_two_resumes_at_once_one_is_refused(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.desk.halt("lunch")
        both = await asyncio.gather(
            stage.desk.resume("back", "RESUME"), stage.desk.resume("back", "RESUME")
        )

        assert sorted(each.result for each in both) == [CommandResult.DONE, CommandResult.REFUSED]
        assert stage.latch.halted() == ""

    play(tmp_path, scenario)


# ------------------------------------------------------------------ the rows of all the daemons


def test_a_halt_without_a_database_has_its_row_once_the_database_is_back(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.rows.is_down = True
        await stage.desk.halt("lunch")
        assert stage.rows.standing is None
        stage.rows.is_down = False
        await asyncio.sleep(LOOK_S + 1)

        assert stage.rows.standing is not None
        assert stage.rows.standing.state is TradingState.HALTED
        assert stage.rows.standing.reason == "lunch"

    play(tmp_path, scenario)


def test_a_halt_at_another_daemon_stops_entries_here_too(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.rows.allow(TradingState.HALTED, "fire", "another daemon's desk")
        await asyncio.sleep(LOOK_S + 1)

        assert stage.latch.halted() == "fire"
        assert stage.world.state.trading_state is TradingState.HALTED

    play(tmp_path, scenario)


def test_a_halt_that_was_resumed_here_does_not_come_back_by_an_old_row(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.desk.halt("lunch")
        row = stage.rows.standing
        await stage.desk.resume("back", "RESUME")
        stage.rows.standing = row
        await asyncio.sleep(LOOK_S + 1)

        assert stage.latch.halted() == ""

    play(tmp_path, scenario)


def test_a_daemon_that_ends_halts_nobody_else(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.desk.wind_down("the daemon is stopping", 1.0)
        await asyncio.sleep(LOOK_S + 1)

        assert stage.latch.halted()
        assert stage.rows.standing is None

    play(tmp_path, scenario)


def test_a_close_asked_of_another_daemon_is_done_here(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.world.bar(buy(10))
        await turned(stage, 1)
        await stage.rows.record("c1", "close", SESSION, "enough", "another daemon's desk")
        await turned(stage, LOOK_S + 3)

        assert stage.world.position == 0
        assert stage.rows.by_id["c1"].outcome is CommandOutcome.DONE

    play(tmp_path, scenario)


def test_a_close_that_has_ended_does_not_close_the_next_position(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.world.bar(buy(10))
        done = await close(stage)
        await turned(stage, 3)
        assert stage.world.position == 0
        row = stage.rows.by_id[done.id]
        stage.rows.by_id[done.id] = replace(row, outcome=None)  # as an older look shows it
        await turned(stage, LOOK_S + 3)

        assert stage.log.count("trader:aapl CloseRequested") == 1

    play(tmp_path, scenario)


# ----------------------------------------------------------------------------------------- close


async def close(stage: Stage) -> CommandView:
    done = await stage.desk.close(SESSION, "enough")
    assert done is not None
    return done


async def turned(stage: Stage, seconds: float) -> None:
    """Let the house and the toy world live on."""
    for _ in range(int(seconds * 2)):
        await asyncio.sleep(0.5)
        stage.world.now_s = max(stage.world.now_s, stage.host.elapsed())
        stage.hear_timer()


def test_a_close_is_a_row_and_ends_with_the_position(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.world.bar(buy(10))
        done = await close(stage)
        await turned(stage, 3)

        assert done.result is CommandResult.ACCEPTED
        assert stage.world.position == 0
        row = stage.rows.by_id[done.id]
        assert (row.kind, row.session_id, row.outcome) == ("close", SESSION, CommandOutcome.DONE)

    play(tmp_path, scenario)


@pytest.mark.parametrize("trouble", ["is_down", "is_silent"])
def test_a_close_acts_without_a_database_and_its_row_follows(tmp_path: Path, trouble: str) -> None:
    async def scenario(stage: Stage) -> None:
        stage.world.bar(buy(10))
        setattr(stage.rows, trouble, True)
        before_s = stage.host.elapsed()
        done = await close(stage)
        assert stage.host.elapsed() - before_s < 1
        assert "row is missing" in done.detail
        await turned(stage, 3)
        assert stage.world.position == 0

        setattr(stage.rows, trouble, False)
        await turned(stage, 12)
        assert stage.rows.by_id[done.id].outcome is CommandOutcome.DONE

    play(tmp_path, scenario)


def test_a_close_outlives_the_crash_of_its_trader(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.world.bar(buy(10))
        stage.world.lose = {"Submit", "Record"}
        done = await close(stage)
        await turned(stage, 1)
        stage.world.state.closing = None  # what the successor of a crash knows of it
        stage.world.state.orders.clear()
        stage.world.state.recording.clear()
        stage.world.lose = set()
        await turned(stage, 8)

        assert stage.world.position == 0
        assert stage.rows.by_id[done.id].outcome is CommandOutcome.DONE

    play(tmp_path, scenario)


def test_a_quarantined_session_is_closed_by_its_guardian(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.world.bar(buy(10))
        for _ in range(3):
            stage.runtime.address("trader:aapl").tell(Poison())
        await asyncio.sleep(5)
        done = await close(stage)
        await turned(stage, 3)

        assert done.detail.startswith("guardian:aapl")
        assert stage.world.position == 0
        assert "trader:aapl CloseRequested" not in stage.log

    play(tmp_path, scenario, "guarded")


def test_nothing_is_left_in_the_mail_of_a_quarantined_trader(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        for _ in range(3):
            stage.runtime.address("trader:aapl").tell(Poison())
        await asyncio.sleep(5)
        done = await close(stage)
        await asyncio.sleep(20)

        assert done.detail.startswith("nobody bears it now")
        session = await stage.desk.session(SESSION)
        assert session is not None
        assert session.phase == "QUARANTINED"
        assert "trader:aapl CloseRequested" not in stage.log
        assert stage.mail_of("trader:aapl") <= 3  # the poison itself

    play(tmp_path, scenario)


def test_what_a_daemon_left_unfinished_its_successor_closes(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.world.bar(buy(10))
        stage.rows.by_id["old"] = CommandRow(
            *("old", "close", SESSION, "before the crash", "desk", START, None, "", None)
        )
        stage.runtime.address("commands").tell(Poison())  # its next incarnation reads the rows
        await turned(stage, 8)

        assert stage.world.position == 0
        assert stage.rows.by_id["old"].outcome is CommandOutcome.DONE

    play(tmp_path, scenario)


def test_a_position_that_is_only_reduced_does_not_finish_a_close(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.world.bar(buy(10))
        stage.world.lose = {"Submit"}
        done = await close(stage)
        stage.notice("position_closed", 5)
        await asyncio.sleep(1)
        assert stage.rows.by_id[done.id].outcome is None

        stage.notice("position_closed", 0)
        await asyncio.sleep(1)
        assert stage.rows.by_id[done.id].outcome is CommandOutcome.DONE

    play(tmp_path, scenario)


def test_a_close_of_what_is_gone_for_good_is_given_up_before_its_name_means_another(
    tmp_path: Path,
) -> None:
    async def scenario(stage: Stage) -> None:
        gone = SessionId("unowned-paper-msft")
        stage.rows.by_id["old"] = CommandRow(
            *("old", "close", gone, "long ago", "desk", START, None, "", None)
        )
        stage.runtime.address("commands").tell(Poison())
        await asyncio.sleep(500)
        assert stage.rows.by_id["old"].outcome is None
        await asyncio.sleep(200)
        assert stage.rows.by_id["old"].outcome is CommandOutcome.FAILED

    play(tmp_path, scenario)


# ------------------------------------------------------------------------------------- reconcile


def test_a_reconcile_asks_the_traders_that_are_up(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        everybody = await stage.desk.reconcile()
        nobody = await stage.desk.reconcile(SessionId("nobody"))
        await asyncio.sleep(0.1)

        assert everybody.result is CommandResult.ACCEPTED
        assert nobody.result is CommandResult.FAILED
        assert stage.log.count("trader:aapl ReconcileRequested") == 1

    play(tmp_path, scenario)


def test_a_request_is_the_same_however_often_it_is_told(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.world.bar(buy(10))
        for _ in range(3):
            stage.runtime.address("trader:aapl").tell(CloseRequested("c", "enough"))
        await turned(stage, 3)

        assert stage.world.position == 0
        assert len(stage.world.arrivals) == 2  # the entry, and one exit

    play(tmp_path, scenario)
