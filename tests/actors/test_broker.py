"""The account manager: what leaves, who is answered, and when it stops."""

import asyncio
from datetime import timedelta

import pytest

from actors import journal
from actors.account_messages import (
    AccountState,
    DescribeAccount,
    EquityAsked,
    EquityReported,
    FindOrder,
    QueryOrders,
    QueryPosition,
    ReadExecutions,
    SubmitRequest,
    UnownedPosition,
)
from actors.journal import KeepEntry
from tests.actors.account_stage import CRASH, IBM, TTL_S, Stage, a_balance, a_fill, play
from tests.trader.order_parts import AAPL, ACCOUNT, NOON, SESSION, a_report, an_exit, an_order, qty
from trader.accounts.events import StreamConnected, StreamLost
from trader.ids import BrokerOrderId, ClientOrderId
from trader.orders.events import (
    ChangeAnswered,
    OpenOrdersReported,
    OrderAbsent,
    OrderAccepted,
    OrderDenied,
    OrderFilled,
    OrderRejected,
    OrderReported,
    OrderSubmitted,
    OrderUnanswered,
    QueryFailed,
)
from trader.orders.order import Cancel
from trader.ports import Answer, NotSent, Rejected, Unknown
from trader.positions.events import PositionReported
from trader.proofs import Recorded
from trader.records import BalanceEntry, CursorEntry, HeldByAnother
from trader.session.events import ClockSuspected, LeaseChanged, StoreChanged

OTHER = HeldByAnother(ACCOUNT, "another daemon", 2, NOON)


def denied(stage: Stage) -> list[str]:
    return [each.reason_code for each in stage.heard("one", OrderDenied)]


def a_cancel_of(order_id: str) -> Cancel:
    return Cancel(
        id=ClientOrderId("t1cancel"),
        session_id=SESSION,
        account_id=ACCOUNT,
        instrument=AAPL.id,
        target=ClientOrderId(order_id),
        target_broker_id=BrokerOrderId("b1"),
        reason="no more",
        incarnation=1,
    )


# Out


def test_an_order_is_said_to_be_sent_before_it_is_said_to_be_taken() -> None:
    async def scenario(stage: Stage) -> None:
        order = an_order()
        stage.submit(order)
        await asyncio.sleep(1)

        assert stage.broker.written == [order.id]
        told = [e for e in stage.told["one"] if isinstance(e, OrderSubmitted | OrderAccepted)]
        assert told == [OrderSubmitted(order.id), OrderAccepted(order.id, BrokerOrderId("b1"))]

    play(scenario)


@pytest.mark.parametrize(
    ("answer", "event"),
    [
        pytest.param(
            Rejected("insufficient_funds", "no money"),
            OrderRejected(an_order().id, "insufficient_funds", "no money"),
            id="the venue says no: rejected",
        ),
        pytest.param(
            Unknown("timeout"), OrderUnanswered(an_order().id, "timeout"), id="no answer: unknown"
        ),
        pytest.param(
            NotSent("no_connection", "refused"),
            OrderDenied(an_order().id, "no_connection", "refused"),
            id="nothing was sent: denied",
        ),
    ],
)
def test_each_answer_of_the_venue_is_told_as_what_it_is(answer: Answer, event: object) -> None:
    async def scenario(stage: Stage) -> None:
        stage.broker.answer = answer
        stage.submit(an_order())
        await asyncio.sleep(1)

        assert event in stage.told["one"]

    play(scenario)


def test_an_entry_that_waited_past_its_deadline_for_a_connection_is_not_sent() -> None:
    async def scenario(stage: Stage) -> None:
        stage.broker.connect_s = 11.0
        stage.submit(an_order())
        await asyncio.sleep(12)

        assert stage.broker.written == []
        assert denied(stage) == ["deadline_passed"]
        assert stage.heard("one", OrderSubmitted) == []

    play(scenario)


def test_a_halt_stops_entries_at_the_socket_and_lets_exits_go() -> None:
    async def scenario(stage: Stage) -> None:
        stage.broker.held[AAPL.id] = 10
        stage.broker.connect_s = 0.2
        stage.submit(an_order())
        stage.submit(an_exit())
        await asyncio.sleep(0.1)
        stage.halted = "by the operator"  # after both were asked for
        await asyncio.sleep(1)

        assert stage.broker.written == [an_exit().id]
        assert denied(stage) == ["halted"]

    play(scenario)


def test_the_answer_of_a_dead_incarnation_still_arrives() -> None:
    async def scenario(stage: Stage) -> None:
        stage.submit(an_order())
        await asyncio.sleep(0.01)
        stage.account.tell(CRASH)
        await asyncio.sleep(2)

        assert stage.heard("one", OrderAccepted)

    play(scenario)


def test_what_was_sent_stays_sent_when_the_account_manager_crashes() -> None:
    async def scenario(stage: Stage) -> None:
        stage.submit(an_order())
        await asyncio.sleep(1)
        stage.account.tell(CRASH)
        await asyncio.sleep(2)
        stage.submit(an_order())
        await asyncio.sleep(1)

        assert stage.broker.written == [an_order().id]
        assert denied(stage) == ["already_sent"]

    play(scenario)


def test_a_refused_resend_of_an_exit_says_nothing_of_the_first_one() -> None:
    async def scenario(stage: Stage) -> None:
        stage.broker.held[AAPL.id] = 10
        stage.account.tell(QueryPosition(AAPL.id, stage.runtime.address("one")))
        await asyncio.sleep(1)
        stage.broker.answer = Unknown("timeout")
        stage.submit(an_exit(order_id="t1x"))
        await asyncio.sleep(1)
        stage.broker.answer = NotSent("no_connection")
        stage.submit(an_exit(order_id="t1x"), attempt=2)
        await asyncio.sleep(1)
        stage.submit(an_exit(order_id="t1y"))
        await asyncio.sleep(1)

        assert denied(stage) == ["no_connection", "not_reducible"]

    play(scenario)


def test_a_cancel_goes_out_though_entries_are_halted() -> None:
    async def scenario(stage: Stage) -> None:
        stage.halted = "by the operator"
        change = Recorded(a_cancel_of("t1entry"), NOON)
        stage.account.tell(SubmitRequest(change, True, 60.0, stage.runtime.address("one")))
        await asyncio.sleep(1)

        (answered,) = stage.heard("one", ChangeAnswered)
        assert (answered.outcome, answered.target) == ("accepted", "t1entry")

    play(scenario)


# The lease


def test_a_lease_that_cannot_be_renewed_stops_entries_and_not_exits() -> None:
    async def scenario(stage: Stage) -> None:
        stage.broker.held[AAPL.id] = 10
        stage.ledger.is_down = True
        await asyncio.sleep(TTL_S)
        stage.submit(an_order())
        stage.submit(an_exit())
        await asyncio.sleep(1)

        assert denied(stage) == ["lease_expired"]
        assert stage.broker.written == [an_exit().id]
        assert not stage.heard("one", LeaseChanged)[-1].is_held

    play(scenario)


def test_entries_go_on_when_the_lease_is_renewed_again() -> None:
    async def scenario(stage: Stage) -> None:
        stage.ledger.is_down = True
        await asyncio.sleep(TTL_S)
        stage.ledger.is_down = False
        await asyncio.sleep(TTL_S)
        stage.submit(an_order())
        await asyncio.sleep(1)

        assert stage.heard("one", LeaseChanged)[-1].is_held
        assert stage.broker.written == [an_order().id]

    play(scenario)


def test_once_another_holder_was_seen_nothing_leaves_any_more_not_even_after_a_crash() -> None:
    async def scenario(stage: Stage) -> None:
        stage.broker.held[AAPL.id] = 10
        stage.ledger.other = OTHER
        await asyncio.sleep(TTL_S)
        stage.account.tell(CRASH)
        stage.ledger.other = None
        await asyncio.sleep(5)
        stage.submit(an_exit())
        await asyncio.sleep(1)

        assert stage.broker.written == []
        assert denied(stage) == ["not_the_owner"]
        assert [each.is_held for each in stage.heard("two", LeaseChanged)] == [False]

    play(scenario)


def test_a_wall_clock_that_jumps_makes_every_session_suspicious() -> None:
    async def scenario(stage: Stage) -> None:
        await asyncio.sleep(TTL_S)
        assert stage.heard("one", ClockSuspected) == []
        stage.host.moved = timedelta(hours=-1)
        await asyncio.sleep(TTL_S)

        for name in ("one", "two"):
            assert [each.jump_s for each in stage.heard(name, ClockSuspected)] == [-3600]

    play(scenario)


# Questions


def test_sessions_that_ask_together_are_answered_from_one_call() -> None:
    async def scenario(stage: Stage) -> None:
        stage.broker.held = {AAPL.id: 10}
        stage.broker.calls.clear()
        for name, instrument in (("one", AAPL.id), ("two", IBM)):
            stage.account.tell(QueryPosition(instrument, stage.runtime.address(name)))
        await asyncio.sleep(1)

        assert stage.broker.calls.count("positions") == 1
        assert [each.qty for each in stage.heard("one", PositionReported)] == [10]
        assert [each.qty for each in stage.heard("two", PositionReported)] == [0]

    play(scenario)


def test_whoever_asks_during_a_call_gets_the_next_one() -> None:
    async def scenario(stage: Stage) -> None:
        stage.broker.takes_s = 1.0
        stage.broker.calls.clear()
        one, two = stage.runtime.address("one"), stage.runtime.address("two")
        stage.account.tell(QueryPosition(AAPL.id, one))
        await asyncio.sleep(0.5)
        asked_s = stage.host.elapsed()
        stage.account.tell(QueryPosition(IBM, two))
        await asyncio.sleep(5)

        assert stage.broker.calls.count("positions") == 2
        assert stage.heard("one", PositionReported)[0].asked_s < asked_s
        assert stage.heard("two", PositionReported)[0].asked_s >= asked_s

    play(scenario)


def test_a_failed_call_is_told_to_everyone_who_asked_and_is_never_flat() -> None:
    async def scenario(stage: Stage) -> None:
        stage.broker.fails = "503"
        for name, instrument in (("one", AAPL.id), ("two", IBM)):
            address = stage.runtime.address(name)
            stage.account.tell(QueryPosition(instrument, address))
            stage.account.tell(QueryOrders(instrument, address))
        await asyncio.sleep(1)

        for name in ("one", "two"):
            failed = stage.heard(name, QueryFailed)
            assert sorted((each.what, each.reason) for each in failed) == [
                ("orders", "503"),
                ("positions", "503"),
            ]
            assert stage.heard(name, PositionReported) == []

    play(scenario)


def test_a_broker_that_never_answers_is_a_failed_question_after_ten_seconds() -> None:
    async def scenario(stage: Stage) -> None:
        stage.broker.takes_s = 60.0
        stage.account.tell(QueryPosition(AAPL.id, stage.runtime.address("one")))
        await asyncio.sleep(11)

        assert [each.what for each in stage.heard("one", QueryFailed)] == ["positions"]

    play(scenario)


def test_the_database_does_not_hold_up_the_brokers_word() -> None:
    async def scenario(stage: Stage) -> None:
        stage.ledger.is_down = True
        stage.account.tell(QueryPosition(AAPL.id, stage.runtime.address("one")))
        await asyncio.sleep(1)

        (report,) = stage.heard("one", PositionReported)
        assert report.database_qty is None

    play(scenario)


def test_open_orders_go_to_the_session_of_their_instrument() -> None:
    async def scenario(stage: Stage) -> None:
        ours = a_report(an_order())
        stage.broker.known[an_order().id] = OrderReported(ours)
        for name, instrument in (("one", AAPL.id), ("two", IBM)):
            stage.account.tell(QueryOrders(instrument, stage.runtime.address(name)))
        await asyncio.sleep(1)

        assert [each.reports for each in stage.heard("one", OpenOrdersReported)] == [(ours,)]
        assert [each.reports for each in stage.heard("two", OpenOrdersReported)] == [()]

    play(scenario)


def test_one_order_can_be_looked_for() -> None:
    async def scenario(stage: Stage) -> None:
        here, gone = an_order(order_id="t1here").id, an_order(order_id="t1gone").id
        stage.broker.known[here] = OrderReported(a_report(an_order(order_id="t1here")))
        for order_id in (here, gone):
            stage.account.tell(FindOrder(order_id, stage.runtime.address("one")))
        await asyncio.sleep(1)

        assert [e.report.client_order_id for e in stage.heard("one", OrderReported)] == [here]
        assert [each.order_id for each in stage.heard("one", OrderAbsent)] == [gone]

    play(scenario)


def test_a_question_asked_before_a_crash_is_asked_again_after_it() -> None:
    async def scenario(stage: Stage) -> None:
        stage.broker.held = {AAPL.id: 10}
        stage.account.tell(CRASH)
        await asyncio.sleep(2)
        stage.account.tell(QueryPosition(AAPL.id, stage.runtime.address("one")))
        await asyncio.sleep(1)

        assert [each.qty for each in stage.heard("one", PositionReported)] == [10]
        assert stage.heard("sessions", UnownedPosition) == []  # owners outlive the body

    play(scenario)


def test_a_position_that_nobody_owns_is_told() -> None:
    async def scenario(stage: Stage) -> None:
        foreign = ClientOrderId("TSLA.SIM")
        stage.broker.held = {AAPL.id: 10, foreign: 3}  # type: ignore[dict-item]
        stage.account.tell(QueryPosition(AAPL.id, stage.runtime.address("one")))
        await asyncio.sleep(1)

        assert [e.position.instrument for e in stage.heard("sessions", UnownedPosition)] == [
            foreign
        ]

    play(scenario)


# Executions and money


def test_a_fill_goes_to_the_owner_of_its_instrument_and_to_nobody_else() -> None:
    async def scenario(stage: Stage) -> None:
        fill = a_fill(an_order(), 4)
        stage.broker.sink(OrderFilled(fill))
        await asyncio.sleep(1)

        assert stage.heard("one", OrderFilled) == [OrderFilled(fill)]
        assert stage.heard("two", OrderFilled) == []

    play(scenario)


def test_a_fill_that_the_stream_lost_is_found_with_the_next_position_sweep() -> None:
    async def scenario(stage: Stage) -> None:
        stage.broker.fills.append(a_fill(an_order(), 4))
        stage.account.tell(QueryPosition(AAPL.id, stage.runtime.address("one")))
        await asyncio.sleep(1)

        assert len(stage.heard("one", OrderFilled)) == 1

    play(scenario)


def test_the_cursor_is_kept_one_read_late_behind_the_fills_it_covers() -> None:
    async def scenario(stage: Stage) -> None:
        stage.broker.fills.append(a_fill(an_order(), 4))
        stage.account.tell(ReadExecutions())
        await asyncio.sleep(1)
        cursors = [k.entry.cursor for k in _kept(stage) if isinstance(k.entry, CursorEntry)]
        assert "1" not in cursors
        stage.account.tell(ReadExecutions())
        await asyncio.sleep(1)

        cursors = [k.entry.cursor for k in _kept(stage) if isinstance(k.entry, CursorEntry)]
        assert cursors[-1] == "1"

    play(scenario)


def test_fills_that_could_not_be_kept_are_read_again_from_the_durable_cursor() -> None:
    async def scenario(stage: Stage) -> None:
        stage.broker.fills += [a_fill(an_order(), 4, n) for n in range(3)]
        stage.account.tell(ReadExecutions())
        await asyncio.sleep(1)
        stage.told["one"].clear()
        stage.runtime.publish(journal.TOPIC, StoreChanged(True, "", lost_count=2))
        await asyncio.sleep(1)

        assert len(stage.heard("one", OrderFilled)) == 3

    play(scenario)


def test_a_broker_that_is_away_for_hours_is_asked_by_one_timer_only() -> None:
    async def scenario(stage: Stage) -> None:
        stage.broker.fails = "503"
        for _ in range(60):
            stage.account.tell(ReadExecutions())
            await asyncio.sleep(0.7)
        stage.broker.calls.clear()
        await asyncio.sleep(60)

        assert stage.broker.calls.count("executions") <= 30

    play(scenario)


def test_equal_balances_write_one_row() -> None:
    async def scenario(stage: Stage) -> None:
        for _ in range(5):
            stage.account.tell(QueryPosition(AAPL.id, stage.runtime.address("one")))
            await asyncio.sleep(1)
        stage.broker.cash = 900
        stage.account.tell(QueryPosition(AAPL.id, stage.runtime.address("one")))
        await asyncio.sleep(1)

        rows = [each.entry for each in _kept(stage) if isinstance(each.entry, BalanceEntry)]
        assert [row.balance.cash.amount for row in rows] == [1000, 900]

    play(scenario)


def test_a_restarted_portfolio_is_told_the_equity_at_once() -> None:
    async def scenario(stage: Stage) -> None:
        stage.told["portfolio"].clear()
        stage.account.tell(EquityAsked())
        await asyncio.sleep(0.01)

        assert stage.heard("portfolio", EquityReported) == [EquityReported(a_balance(1000))]

    play(scenario)


# The line


def test_a_lost_line_is_an_event_and_its_return_reads_what_was_missed() -> None:
    async def scenario(stage: Stage) -> None:
        stage.broker.sink(StreamLost(ACCOUNT, "reset by peer"))
        await asyncio.sleep(0.1)
        state = await stage.account.ask(DescribeAccount(), 1.0)
        assert isinstance(state, AccountState)
        assert (state.is_line_up, state.line_cause) == (False, "reset by peer")
        stage.broker.fills.append(a_fill(an_order(), 4))
        stage.broker.sink(StreamConnected(ACCOUNT))
        await asyncio.sleep(1)

        assert len(stage.heard("one", StreamConnected)) == 2  # at its coming, and now
        assert len(stage.heard("one", OrderFilled)) == 1

    play(scenario)


def test_its_picture_says_how_the_account_stands() -> None:
    async def scenario(stage: Stage) -> None:
        stage.broker.held = {AAPL.id: 10}
        stage.account.tell(QueryPosition(AAPL.id, stage.runtime.address("one")))
        await asyncio.sleep(1)
        state = await stage.account.ask(DescribeAccount(), 1.0)

        assert isinstance(state, AccountState)
        assert state.positions == {AAPL.id: qty(10)}
        assert state.balance == a_balance(1000)
        assert (state.epoch, state.is_line_up) == (1, True)
        assert state.lease_left_s is not None
        assert state.lease_left_s > TTL_S / 2

    play(scenario)


def _kept(stage: Stage) -> list[KeepEntry]:
    return stage.heard(journal.NAME, KeepEntry)
