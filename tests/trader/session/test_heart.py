"""The heart, event by event, in a toy world."""

import math
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.trader.order_parts import AAPL, ACCOUNT, SESSION, qty
from tests.trader.session.session_world import (
    ABLE,
    RULES,
    START,
    World,
    buy,
    foreign,
    leave,
    replace,
)
from trader.accounts.events import StreamConnected
from trader.ids import ClientOrderId
from trader.market.events import FeedStale, MarketClosed
from trader.orders.events import (
    OpenOrdersReported,
    OrderFilled,
    OrderRecorded,
    OrderReported,
    RecordRefused,
)
from trader.orders.order import OrderType, Purpose, Side, Status
from trader.proofs import Durability, Recorded
from trader.records import (
    AdjustmentEntry,
    DecisionEntry,
    FillEntry,
    ProgressEntry,
    SessionRows,
    StoredOrder,
)
from trader.risk.events import HeatGranted
from trader.risk.heat import Grant, HeatLevel
from trader.session.effects import (
    AskPosition,
    AuditDecision,
    AuditNothing,
    Find,
    Forget,
    ReportHeat,
    Severity,
    Submit,
)
from trader.session.events import (
    ClockSuspected,
    CloseRequested,
    ReconcileRequested,
    StoreChanged,
    StrategyDecided,
    TradingState,
    TradingStateChanged,
)
from trader.session.state import SessionState
from trader.session.strategy import CancelOrders, ModifyOrder, ModifyOrders, SubmitOrder


@pytest.fixture
def world() -> World:
    return World().start()


def test_an_entry_is_granted_recorded_sent_and_filled(world: World) -> None:
    world.bar(buy(10))

    assert world.position == 10
    assert world.state.position.qty == 10
    assert len(world.arrivals) == 1
    assert len(world.kept(FillEntry)) == 1


def test_a_bar_that_waited_until_its_time_was_over_is_not_decided_on(world: World) -> None:
    world.bar(buy(10), in_time_s=-1)

    assert world.refusals() == ["bar_late"]
    assert world.arrivals == []


def test_a_decision_that_comes_after_the_bars_time_was_over_is_none(world: World) -> None:
    world.lose = {"AskStrategy"}
    world.bar(in_time_s=30)
    candle = world.state.asked_candle
    assert candle is not None
    world.wait(31)  # the machine slept

    world.tell(StrategyDecided(SESSION, candle.opened_at, buy(10), world.state.rebuild))

    assert "bar_late" in world.refusals()
    assert world.arrivals == []


def test_every_bar_ends_in_a_decision_with_its_reason(world: World) -> None:
    world.bar()

    assert any(isinstance(each, AuditNothing) for each in world.done)


def test_an_entry_with_a_stop_is_covered_at_the_venue_once_the_broker_has_said_its_position(
    world: World,
) -> None:
    world.bar(buy(10, stop=90))
    world.wait(1)

    (stop,) = world.working()
    assert stop.order.purpose is Purpose.PROTECT
    assert (stop.order.side, stop.order.qty, stop.order.stop_price) == (Side.SELL, 10, 90)


def test_the_stop_fires_at_the_venue_and_leaves_nothing_behind(world: World) -> None:
    world.bar(buy(10, stop=90))
    world.wait(1)
    world.move(89)
    world.wait(1)

    assert world.position == 0
    assert world.state.position.is_flat
    assert world.working() == []


def test_an_exit_first_frees_the_shares_that_the_stop_holds(world: World) -> None:
    world.bar(buy(10, stop=90))
    world.wait(1)
    world.bar(leave())
    world.wait(1)

    assert world.position == 0
    assert world.working() == []
    assert world.state.closing is None


def test_a_second_entry_resizes_the_one_stop(world: World) -> None:
    world.bar(buy(10, stop=90))
    world.wait(1)
    world.bar(buy(5, stop=90))
    world.wait(1)

    (stop,) = world.working()
    assert stop.order.qty == 15


def test_the_engine_judges_the_stop_while_none_rests_at_the_venue(world: World) -> None:
    world.lose = {"AskPosition"}
    world.bar(buy(10, stop=90))
    assert world.working() == []  # the broker has not said how much there is to cover

    world.move(89)
    world.lose = set()
    world.wait(30)

    assert world.position == 0
    assert world.notices("engine_stop")


def test_a_lost_ack_is_unknown_and_found_without_a_second_order(world: World) -> None:
    world.lose = {"ack"}
    world.fill_markets = False
    world.bar(buy(10))
    world.lose = set()
    (order_id,) = world.rows
    world.wait(5)

    assert len(world.venue) == 1
    assert world.state.orders[ClientOrderId(order_id)].status is Status.ACCEPTED


def test_an_entry_that_never_arrived_is_sent_again_within_its_deadline_only(world: World) -> None:
    world.lose = {"request"}
    world.bar(buy(10))
    world.wait(11)
    world.lose = set()
    world.wait(200)

    assert world.venue == {}
    (order_id,) = world.rows
    ended = world.state.ended[ClientOrderId(order_id)]
    assert (ended.status, ended.reason_code) == (Status.EXPIRED, "never_arrived")


def test_an_entry_has_one_deadline_however_long_its_heat_and_its_row_took(world: World) -> None:
    world.lose = {"Reserve", "Record"}
    world.bar(buy(10))
    (waiting,) = world.state.pending
    world.wait(8)
    world.tell(HeatGranted(Grant(waiting, SESSION, Decimal(1_000), world.now_s)))
    world.lose = set()
    world.wait(6)

    assert world.venue == {}
    (denied,) = (each for each in world.kept(ProgressEntry) if isinstance(each, ProgressEntry))
    assert (denied.status, denied.reason_code) == (Status.DENIED, "deadline_passed")


def test_a_lost_exit_goes_out_again_with_the_same_row_and_id(world: World) -> None:
    world.bar(buy(10))
    world.wait(1)
    world.lose = {"request"}
    world.bar(leave())
    world.lose = set()
    world.wait(10)

    assert world.position == 0
    exits = [each for each in world.rows.values() if each.side is Side.SELL]
    assert len(exits) == 1


def test_the_same_fill_by_stream_and_by_poll_counts_once(world: World) -> None:
    world.bar(buy(10))
    for fill in list(world.fills):
        world.tell(OrderFilled(fill))
    world.tell(ReconcileRequested("test"))

    assert world.state.position.qty == 10
    assert len(world.kept(FillEntry)) == 1


def test_a_fill_that_the_stream_lost_is_fetched_not_adjusted(world: World) -> None:
    world.hold_fills = True
    world.bar(buy(10))
    assert world.state.position.is_flat

    world.hold_fills = False
    world.wait(40)

    assert world.state.position.qty == 10
    assert world.kept(AdjustmentEntry) == []


@pytest.mark.parametrize("shown", [0, 10], ids=["as if flat", "as before the purchase of 5"])
def test_positions_that_lag_behind_a_fill_move_nothing(world: World, shown: int) -> None:
    world.bar(buy(10))
    world.wait(40)
    world.bar(buy(5))

    world.lagging = Decimal(shown)
    world.tell(StreamConnected(ACCOUNT))
    world.wait(8)
    assert world.state.position.qty == 15
    world.lagging = None
    world.wait(40)

    assert world.state.position.qty == 15
    assert world.kept(AdjustmentEntry) == []


def test_a_difference_that_outlives_any_lag_is_adjusted(world: World) -> None:
    world.bar(buy(10))
    foreign(world, 7)
    world.wait(20)

    assert world.state.position.qty == world.position
    assert len(world.kept(AdjustmentEntry)) == 1


def test_a_trade_behind_our_back_is_adjusted_once_and_loudly(world: World) -> None:
    foreign(world, 7)
    world.wait(40)

    assert world.state.position.qty == 7
    (entry,) = world.kept(AdjustmentEntry)
    assert isinstance(entry, AdjustmentEntry)
    assert entry.cause == "manual_or_margin_trade"
    assert world.notices("position_adjusted")
    world.wait(100)
    assert len(world.kept(AdjustmentEntry)) == 1


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(TradingStateChanged(TradingState.HALTED, "stop"), id="halted"),
        pytest.param(StoreChanged(False, "down"), id="database down"),
    ],
)
def test_what_stops_entries_never_stops_an_exit(world: World, event: TradingStateChanged) -> None:
    world.bar(buy(10))
    world.wait(1)
    world.tell(event)

    world.bar(buy(1))
    assert world.position == 10
    assert world.refusals()

    world.bar(leave())
    world.wait(2)
    assert world.position == 0


@pytest.mark.parametrize("level", [HeatLevel.BLOCK, HeatLevel.UNKNOWN])
def test_heat_refuses_entries_and_no_exit(world: World, level: HeatLevel) -> None:
    world.bar(buy(10))
    world.wait(1)
    world.say_heat(level)

    world.bar(buy(1))
    assert world.refusals() == [f"heat_{level.lower()}"]
    world.bar(leave())
    world.wait(2)
    assert world.position == 0


def test_close_flattens_from_the_brokers_word_also_what_memory_never_heard_of(
    world: World,
) -> None:
    foreign(world, 12)
    world.tell(CloseRequested("cmd-1", "operator"))
    world.wait(5)

    assert world.position == 0


def test_a_close_is_not_done_while_somebody_has_bought_more_behind_it(world: World) -> None:
    world.bar(buy(10))
    world.wait(1)
    world.fill_markets = False
    world.tell(CloseRequested("cmd-1", "operator"))
    world.wait(2)
    foreign(world, 5)
    (exit_order,) = world.working()
    world.fill_markets = True
    world.fill(exit_order)
    world.wait(5)
    assert world.notices("position_closed") == []
    world.wait(40)

    assert world.position == 0
    assert len(world.notices("position_closed")) == 1


@pytest.mark.parametrize("taken", [10, 30], ids=["taken", "turned"])
def test_an_exit_that_would_add_since_the_position_was_taken_is_withdrawn(
    world: World, taken: int
) -> None:
    world.bar(buy(10))
    world.wait(1)
    world.fill_markets = False
    world.bar(leave())
    (exit_order,) = world.working()
    foreign(world, -taken)
    world.wait(60)

    assert exit_order.status is Status.CANCELED
    assert exit_order not in world.working()


def test_a_piece_of_an_exit_promises_no_stop_for_the_rest(world: World) -> None:
    world.bar(buy(10, stop=90))
    world.wait(1)
    world.fill_markets = False
    world.bar(leave())
    world.wait(15)
    (exit_order,) = world.working()  # the stop has made room for it
    world.fill(exit_order, Decimal(1))
    world.wait(1)

    newest = [each for each in world.done if isinstance(each, ReportHeat)][-1]
    assert newest.contribution.high >= 900


def test_an_adjustment_rings_before_its_row_is_kept(world: World) -> None:
    foreign(world, 7)
    world.wait(40)

    (rung,) = world.notices("position_adjusted")
    (entry,) = world.kept(AdjustmentEntry)
    kinds = [each for each in world.done if each is rung or getattr(each, "entry", None) is entry]
    assert kinds[0] is rung


def test_no_entry_before_everything_is_reconciled() -> None:
    world = World(lose={"AskPosition"}).start()
    world.bar(buy(10))

    assert world.position == 0
    assert world.refusals() == ["not_ready"]


def test_an_order_in_doubt_since_the_restart_counts_at_its_worst_and_hides_nothing() -> None:
    before = World(lose={"Submit"}).start()
    before.bar(buy(10))
    (row,) = before.rows.values()
    stored = StoredOrder(
        row, Status.INITIALIZED, None, qty(0), None, "", qty(0), False, START, False
    )
    world = World().start(
        SessionRows(SESSION, 2, qty(0), None, Decimal(0), (stored,), frozenset(), None, START)
    )
    world.bar(buy(10))

    share = [each.contribution for each in world.done if isinstance(each, ReportHeat)][-1]
    assert world.refusals() == ["not_ready"]
    assert share.is_complete
    assert share.high == 10 * world.price


def test_a_silent_broker_stops_entries_after_two_periods(world: World) -> None:
    world.lose = {"AskPosition"}
    world.wait(61)
    world.bar(buy(10))

    assert world.refusals() == ["reconcile_stale"]


def test_an_absurd_decision_is_a_counted_refusal(world: World) -> None:
    world.bar(buy(10**9))
    world.bar(SubmitOrder(Side.BUY, Decimal(1), "wrong", symbol="MSFT"))

    assert world.refusals() == ["qty_over_max", "wrong_symbol"]
    assert world.rows == {}


def test_a_working_limit_is_changed_and_canceled_by_its_strategy(world: World) -> None:
    limit = SubmitOrder(Side.BUY, Decimal(10), "dip", type=OrderType.LIMIT, price=Decimal(95))
    world.bar(limit)
    (order_id,) = world.rows
    world.bar(ModifyOrders((ModifyOrder(ClientOrderId(order_id), price=Decimal(96)),), "higher"))

    (changed,) = world.working()
    assert changed.order.price == 96
    world.bar(CancelOrders((), "enough"))
    world.wait(3)
    assert world.working() == []
    assert world.state.open_orders() == []


def test_a_strategy_may_not_take_its_protective_stop_away(world: World) -> None:
    world.bar(buy(10, stop=90))
    world.wait(1)
    (stop,) = world.working()
    world.bar(CancelOrders((stop.order.id,), "free"))

    assert world.refusals() == ["stop_is_protective"]
    assert world.working() == [stop]


def test_exits_only_runs_no_strategy_and_still_covers() -> None:
    world = World()
    world.state.is_exits_only = True
    world.start()
    foreign(world, 10)
    world.wait(40)
    world.bar(buy(10))

    assert world.position == 10
    audits = [each for each in world.done if isinstance(each, AuditDecision)]
    assert [each.reason_code for each in audits] == ["exits_only"]
    assert world.kept(DecisionEntry) == []


def test_a_row_of_a_predecessor_is_asked_about_before_it_is_sent(world: World) -> None:
    twin = World().start()
    twin.bar(buy(10))
    (row,) = twin.rows.values()
    world.rows[row.id] = replace(row, incarnation=0)
    world.bar(buy(10))

    asked = [each for each in world.done if isinstance(each, Find | Submit)]
    assert [type(each) for each in asked] == [Find, Submit]
    assert world.position == 10


def test_a_stop_dies_with_the_position_that_it_covered(world: World) -> None:
    world.bar(buy(10, stop=90))
    world.wait(1)
    foreign(world, -15)  # somebody sells us short; a long's stop means nothing there
    world.wait(40)
    world.move(95)
    world.wait(2)

    assert world.state.position.qty == -5
    assert world.state.stop_price is None
    assert not world.notices("engine_stop")
    assert world.working() == []


def test_a_row_that_lags_behind_memory_is_a_finding_and_written_again(world: World) -> None:
    limit = SubmitOrder(Side.BUY, Decimal(10), "dip", type=OrderType.LIMIT, price=Decimal(95))
    world.bar(limit)
    (order,) = world.working()
    world.wait(5)
    before = len(world.kept(ProgressEntry))
    database = {ClientOrderId(order.order.id): Status.INITIALIZED}
    report = (world.report(order),)
    world.tell(OpenOrdersReported(report, world.now_s, database))

    assert world.notices("database_differs")
    repaired = world.kept(ProgressEntry)[before:]
    assert [each.status for each in repaired if isinstance(each, ProgressEntry)] == [
        Status.ACCEPTED
    ]


LIMIT = SubmitOrder(Side.BUY, Decimal(10), "dip", type=OrderType.LIMIT, price=Decimal(95))


def test_an_exit_does_not_wait_for_ever_for_a_lost_cancel_of_its_stop(world: World) -> None:
    world.bar(buy(10, stop=90))
    world.wait(1)
    world.lose = {"change request"}
    world.bar(leave())
    world.wait(5)
    assert world.position == 10

    world.lose = set()
    world.wait(3)

    assert world.position == 0
    assert world.working() == []
    assert world.notices("change_lost")


def test_a_cancel_whose_answer_is_lost_is_found_done(world: World) -> None:
    world.bar(LIMIT)
    world.lose = {"change ack"}
    world.bar(CancelOrders((), "enough"))
    world.wait(1)

    assert world.state.open_orders() == []
    assert not world.notices("change_lost")
    assert not world.notices("out_of_band_cancel")


def test_a_replace_that_never_arrived_leaves_the_order_as_it_was(world: World) -> None:
    world.bar(LIMIT)
    (order_id,) = world.rows
    world.lose = {"change request"}
    world.bar(ModifyOrders((ModifyOrder(ClientOrderId(order_id), price=Decimal(96)),), "higher"))
    world.wait(60)
    old, new = world.state.open_orders()
    assert (old.status, new.status) == (Status.PENDING_UPDATE, Status.UNKNOWN)  # it may still come

    world.wait(120)
    (left,) = world.state.open_orders()
    assert left.status is Status.ACCEPTED
    assert left.order.price == 95
    assert world.notices("change_lost")


def test_a_replace_whose_answer_is_lost_is_found_done(world: World) -> None:
    world.bar(LIMIT)
    (order_id,) = world.rows
    world.lose = {"change ack"}
    world.bar(ModifyOrders((ModifyOrder(ClientOrderId(order_id), price=Decimal(96)),), "higher"))
    world.wait(1)

    (left,) = world.state.open_orders()
    assert (left.status, left.order.price) == (Status.ACCEPTED, Decimal(96))


def test_an_order_under_change_can_be_canceled(world: World) -> None:
    world.bar(LIMIT)
    (order_id,) = world.rows
    world.lose = {"change request"}
    world.bar(ModifyOrders((ModifyOrder(ClientOrderId(order_id), price=Decimal(96)),), "higher"))
    world.lose = set()
    world.tell(CloseRequested("cmd-1", "operator"))
    world.wait(10)

    assert world.working() == []


def test_the_successor_of_a_replace_never_leaves_as_an_order_of_its_own(world: World) -> None:
    world.bar(buy(10, stop=90))
    world.wait(1)
    world.lose = {"change request"}
    world.bar(buy(5, stop=90))  # the stop must grow, and that replace is lost
    world.wait(10)

    assert [each.order.qty for each in world.working()] == [10]


def test_what_is_added_never_moves_the_stop_further_away(world: World) -> None:
    world.bar(buy(10, stop=90))
    world.wait(1)
    world.bar(buy(5, stop=88))
    world.wait(2)

    (stop,) = world.working()
    assert (stop.order.qty, stop.order.stop_price) == (15, 90)
    assert not world.notices("change_refused")

    world.bar(buy(5, stop=92))
    world.wait(2)
    (stop,) = world.working()
    assert (stop.order.qty, stop.order.stop_price) == (20, 92)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        pytest.param(StoreChanged(False, "down"), "store_down", id="database down"),
        pytest.param(ClockSuspected(9.0), "not_ready", id="clock suspect"),
        pytest.param(FeedStale(AAPL.id, "silent", START), "feed_stale", id="feed stale"),
    ],
)
def test_an_entry_does_not_leave_if_its_row_comes_into_another_world(
    world: World, event: StoreChanged, code: str
) -> None:
    world.lose = {"record answer"}
    world.bar(buy(10))
    world.lose = {"AskPosition"}
    world.tell(event)
    world.wait(6)  # the journal is asked again, and answers

    assert world.arrivals == []
    (order_id,) = world.rows
    assert world.state.ended[ClientOrderId(order_id)].reason_code == code


def test_an_exit_whose_position_is_gone_by_then_does_not_leave(world: World) -> None:
    world.bar(buy(10))
    world.wait(1)
    world.lose = {"record answer"}
    world.bar(leave())
    foreign(world, -12)
    world.lose = set()
    world.tell(ReconcileRequested("somebody sold"))
    world.wait(10)

    assert world.position == 0  # what the other one left short was bought back
    assert [each.order.side for each in world.venue.values()] == [Side.BUY, Side.BUY]


def test_an_exit_that_no_disk_took_leaves_all_the_same_and_rings(world: World) -> None:
    world.bar(buy(10))
    world.wait(1)
    world.durability = Durability.MEMORY
    world.bar(leave())
    world.wait(1)

    assert world.position == 0
    assert world.notices("recorded_in_memory")


def test_a_replace_whose_order_ended_first_blocks_no_new_stop(world: World) -> None:
    world.bar(buy(10, stop=90))
    world.wait(1)
    (stop,) = world.working()
    world.lose = {"change record"}
    world.bar(buy(5, stop=90))  # the stop must grow: the request is on its way to the journal
    world.wait(1)
    stop.status = Status.CANCELED
    world.lose = set()
    world.tell(OrderReported(world.report(stop)))
    world.wait(10)

    (stop,) = world.working()
    assert (stop.order.qty, stop.order.stop_price) == (15, 90)


def test_after_a_restart_a_lost_cancel_is_asked_for_again() -> None:
    world = World().start()
    world.bar(buy(10, stop=90))
    world.wait(1)
    (stop,) = world.working()
    entry, protect = world.rows.values()
    rows = SessionRows(
        SESSION,
        2,
        qty(10),
        None,
        Decimal(0),
        (
            StoredOrder(entry, Status.FILLED, None, qty(10), None, "", qty(10), False, START, True),
            StoredOrder(
                protect,
                Status.PENDING_CANCEL,
                stop.broker_id,
                qty(0),
                None,
                "",
                qty(0),
                True,
                START,
                True,
            ),
        ),
        frozenset(each.execution_id for each in world.fills),
        None,
        START,
    )
    world.state = SessionState(world.rules)
    world.start(rows)
    world.now_s += 0.001
    world.tell(OrderReported(world.report(stop), world.now_s - 0.001))

    assert world.state.orders[stop.order.id].status is Status.ACCEPTED
    assert world.state.stop_price == 90


def test_an_order_is_as_old_as_the_database_says_whatever_our_clock_shows() -> None:
    before = World(lose={"Submit"}).start()
    before.bar(buy(10))
    (row,) = before.rows.values()
    recorded_at, read_at = START + timedelta(hours=1), START + timedelta(hours=1, seconds=30)
    stored = StoredOrder(
        row, Status.INITIALIZED, None, qty(0), None, "", qty(0), False, recorded_at, False
    )
    world = World()
    world.start(
        SessionRows(SESSION, 2, qty(0), None, Decimal(0), (stored,), frozenset(), None, read_at)
    )

    assert world.state.orders[row.id].sent_s == pytest.approx(world.now_s - 30, abs=1)


def test_after_a_restart_a_stop_is_not_that_of_an_older_position() -> None:
    world = World().start()
    world.bar(buy(10, stop=90))
    world.wait(1)
    entry, protect = world.rows.values()
    done = (None, qty(10), None, "", qty(10), False, START, False)
    canceled = (None, qty(0), None, "", qty(0), False, START, False)
    orders = (
        StoredOrder(entry, Status.FILLED, *done),
        StoredOrder(protect, Status.CANCELED, *canceled),
    )
    world = World()
    world.position = qty(20)  # somebody bought them by hand
    world.start(
        SessionRows(SESSION, 2, qty(20), None, Decimal(0), orders, frozenset(), None, START)
    )
    world.wait(1)

    assert world.state.stop_price is None
    assert world.working() == []


TAKE_PROFIT = SubmitOrder(Side.SELL, Decimal(5), "high", type=OrderType.LIMIT, price=Decimal(104))


def test_close_withdraws_the_exits_that_rest_in_its_way(world: World) -> None:
    world.bar(buy(10))
    world.wait(1)
    world.bar(TAKE_PROFIT)
    world.tell(CloseRequested("cmd-1", "operator"))
    world.wait(5)

    assert world.position == 0
    assert world.working() == []
    assert world.state.closing is None


def test_selling_a_part_leaves_the_exits_alone_that_rest_over_the_rest(world: World) -> None:
    world.bar(buy(10))
    world.wait(1)
    world.bar(TAKE_PROFIT)
    world.bar(SubmitOrder(Side.SELL, Decimal(3), "a little"))
    world.wait(5)

    assert world.position == 7
    assert [each.order.type for each in world.working()] == [OrderType.LIMIT]
    assert world.state.closing is None


def test_an_exit_does_not_rest_on_after_its_position_is_gone(world: World) -> None:
    world.bar(buy(10))
    world.wait(1)
    world.bar(TAKE_PROFIT)
    foreign(world, -10)
    world.wait(40)

    assert world.working() == []  # else it would sell what nobody has


def test_a_replace_told_of_twice_gives_the_successor_s_place_to_nobody_else(world: World) -> None:
    world.bar(buy(10, stop=90))
    world.wait(1)
    (old,) = world.working()
    world.lose = {"change refused"}  # the first try to grow the stop
    world.bar(buy(5, stop=90))
    world.lose = set()
    world.wait(5)
    (stop,) = world.working()
    world.tell(OrderReported(world.report(old), world.now_s))

    assert [each.order.id for each in world.state.open_orders()] == [stop.order.id]


def test_whoever_sees_the_same_position_makes_the_same_exit(world: World) -> None:
    world.bar(buy(10))
    world.wait(1)
    twin = World(position=world.position, fills=world.fills, price=world.price)
    known = frozenset(each.execution_id for each in world.fills)
    twin.start(SessionRows(SESSION, 2, qty(10), None, Decimal(0), (), known, None, START))
    for each in (world, twin):
        each.tell(CloseRequested("cmd-1", "operator"))
        each.wait(5)

    assert list(world.rows)[-1:] == list(twin.rows)


def test_of_two_requests_to_replace_an_order_only_the_venue_says_which_one_took(
    world: World,
) -> None:
    world.bar(LIMIT)
    (order_id,) = world.rows

    def raised_to(price: int) -> ModifyOrders:
        return ModifyOrders((ModifyOrder(ClientOrderId(order_id), price=Decimal(price)),), "up")

    world.lose = {"change request"}
    world.bar(raised_to(96))
    world.bar(CancelOrders((), "enough"))
    world.wait(5)  # the cancel was lost too, and the replace may still come
    world.lose = {"change ack"}
    world.bar(raised_to(97))
    world.wait(2)

    (at_venue,) = world.working()
    assert at_venue.order.price == 97
    by_price = {each.order.price: each.status for each in world.state.open_orders()}
    assert by_price == {96: Status.UNKNOWN, 97: Status.ACCEPTED}


def test_the_last_gate_hears_of_an_exit_that_never_arrived() -> None:
    once_only = replace(ABLE, resend_safe=False)
    world = World(rules=replace(RULES, capabilities=once_only)).start()
    world.bar(buy(10))
    world.wait(1)
    world.lose = {"request"}
    world.bar(leave())
    world.lose = set()
    assert world.position == 10
    world.wait(160)  # past the in-flight bound nothing can come of it: another one may leave

    assert [each for each in world.done if isinstance(each, Forget)] == [
        Forget(next(order.id for order in world.rows.values() if order.purpose is Purpose.EXIT))
    ]
    assert world.position == 0


def test_a_row_that_was_refused_and_came_after_all_is_ended(world: World) -> None:
    world.lose = {"record answer"}
    world.bar(buy(10))
    (order,) = world.rows.values()
    world.tell(RecordRefused(order.id, "store_down"))
    world.lose = set()
    world.tell(OrderRecorded(Recorded(order, START)))

    assert world.arrivals == []
    (entry,) = world.kept(ProgressEntry)
    assert isinstance(entry, ProgressEntry)
    assert entry.status is Status.DENIED


def _a_fill_that_nobody_is_shown(world: World) -> None:
    world.lose = {"AskExecutions"}
    world.hold_fills = True
    world.bar(buy(10, stop=90))
    world.wait(40)
    world.hold_fills = False
    world.lose = set()


def test_what_is_adjusted_is_covered_by_the_stop_that_its_entry_carried(world: World) -> None:
    _a_fill_that_nobody_is_shown(world)

    assert len(world.kept(AdjustmentEntry)) == 1
    (stop,) = world.working()
    assert (stop.order.qty, stop.order.stop_price) == (10, 90)


def test_an_execution_shown_after_its_adjustment_is_a_row_and_moves_nothing(world: World) -> None:
    _a_fill_that_nobody_is_shown(world)
    world.tell(OrderFilled(world.fills[0]))

    assert world.state.position.qty == 10
    assert len(world.kept(FillEntry)) == 1
    assert not world.notices("overfill")


def test_an_order_that_waits_for_the_market_does_not_hold_up_the_reconcile(world: World) -> None:
    world.fill_markets = False
    world.bar(buy(10))
    foreign(world, 7)
    world.wait(60)

    assert world.state.position.qty == 7
    questions = [each for each in world.done if isinstance(each, AskPosition)]
    assert len(questions) < 30  # not one each second for as long as the order waits


def test_an_exit_that_the_venue_has_and_does_not_fill_rings_once_and_is_asked_for(
    world: World,
) -> None:
    world.bar(buy(10))
    world.wait(1)
    world.fill_markets = False
    world.bar(leave())
    (stuck,) = world.working()
    world.wait(29)
    assert world.notices("market_order_unfilled") == []
    world.wait(60)

    (notice,) = world.notices("market_order_unfilled")
    assert notice.severity is Severity.CRITICAL
    assert world.done.count(Find(stuck.order.id)) >= 2
    assert world.working() == [stuck]  # nothing else was sent for the same shares


def test_an_order_that_waits_for_a_closed_market_is_no_alarm(world: World) -> None:
    world.fill_markets = False
    world.bar(buy(10))
    world.tell(MarketClosed(START, None))
    world.wait(120)

    assert world.notices("market_order_unfilled") == []


def test_a_quiet_session_reports_its_heat_every_five_seconds(world: World) -> None:
    world.wait(10)
    world.done.clear()
    world.wait(60)

    assert sum(isinstance(each, ReportHeat) for each in world.done) == 12


def test_what_a_position_may_lose_is_told_within_a_second_of_a_price_that_moves(
    world: World,
) -> None:
    world.bar(buy(10))
    world.wait(30)
    world.done.clear()
    for _ in range(50):  # many prices, few reports
        world.move(world.price + 1)
        world.wait(0.02)
    world.wait(1)

    reports = [each.contribution for each in world.done if isinstance(each, ReportHeat)]
    assert reports[-1].high == 10 * world.price
    assert len(reports) <= 2


@pytest.mark.parametrize("how", ["resend", "resend refused"])
def test_an_unknown_exit_whose_resends_are_refused_ends_after_the_bound(
    world: World, how: str
) -> None:
    world.bar(buy(10))
    world.wait(1)
    world.lose = {"request", how}
    world.bar(leave())
    lost = world.state.open_orders()[-1].order.id
    world.wait(200)

    assert world.state.ended[lost].reason_code == "never_arrived"


def test_sessions_of_one_account_ask_together_whatever_each_of_them_has_done(world: World) -> None:
    idle = World().start()
    world.wait(7)
    world.bar(buy(10))  # its fill is looked into at once
    asked: dict[bool, list[float]] = {True: [], False: []}
    for each in (world, idle):
        for second in range(math.ceil(each.now_s), 250):
            each.done.clear()
            each.wait(second - each.now_s)
            if second > 130 and any(isinstance(effect, AskPosition) for effect in each.done):
                asked[each is idle].append(second)

    assert asked[True] == asked[False] == [150, 180, 210, 240]


def test_the_lost_stop_of_a_position_that_is_over_is_not_sent_for_the_next(world: World) -> None:
    world.lose = {"stop request"}
    world.bar(buy(10, stop=90))
    world.wait(1)
    (lost,) = [order.id for order in world.rows.values() if order.purpose is Purpose.PROTECT]
    foreign(world, -10)
    world.wait(30)
    world.lose = set()
    world.bar(buy(10, stop=95))
    world.wait(300)

    assert lost not in world.venue
    assert [str(each.order.stop_price) for each in world.working()] == ["95"]


def test_an_exit_does_not_leave_beside_a_stop_that_may_still_arrive(world: World) -> None:
    world.lose = {"stop request", "resend"}
    world.bar(buy(10, stop=90))
    world.wait(1)
    world.move(89)
    world.wait(5)
    exits = [order for order in world.rows.values() if order.purpose is Purpose.EXIT]
    assert exits == []  # fired late, the stop would take the same shares once more

    world.lose = set()
    world.wait(300)

    assert world.position == 0


def test_what_no_fill_of_ours_explains_is_adjusted_however_often_we_trade(world: World) -> None:
    world.bar(buy(1))
    world.wait(40)
    foreign(world, 300)
    for _ in range(8):
        world.bar(buy(1))
        world.wait(4)

    assert world.state.position.qty == world.position
    assert len(world.kept(AdjustmentEntry)) == 1
