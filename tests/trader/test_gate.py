"""The risk gate: what reduces always passes, everything else has its reason."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from order_parts import (
    AAPL,
    ACCOUNT,
    LIMITS,
    SESSION,
    STANDING,
    a_stop,
    an_exit,
    an_order,
    px,
    qty,
    working,
)

from trader.ids import BrokerOrderId, ClientOrderId, InstrumentId
from trader.money import Price, Quantity
from trader.orders.order import Cancel, Change, Order, OrderType, Purpose, Replace, Side, Status
from trader.orders.working import WorkingOrder
from trader.proofs import Cleared
from trader.risk.gate import (
    Limits,
    Refused,
    Standing,
    clear,
    clear_change,
    raises_risk_by,
    reclear,
)
from trader.risk.heat import Grant, HeatLevel, HeatRules
from trader.session.events import TradingState

RULES = HeatRules()
ONE = Decimal(1)
HUNDRED = px(100)


def a_grant(order_id: str = "t1entry") -> Grant:
    return Grant(ClientOrderId(order_id), SESSION, Decimal(1), 0.0)


def judged(
    order: Order,
    *,
    broker: int = 0,
    reducible: int | None = None,
    grant: Grant | None = None,
    standing: Standing = STANDING,
    limits: Limits = LIMITS,
    mark: Price | None = None,
) -> Cleared[Order] | Refused:
    return clear(
        order,
        reducible=qty(abs(broker) if reducible is None else reducible),
        broker_qty=qty(broker),
        grant=grant,
        standing=standing,
        limits=limits,
        instrument=AAPL,
        mark=mark,
    )


def code(outcome: object) -> str:
    assert isinstance(outcome, Refused)
    assert outcome.detail
    return outcome.reason_code


def entry_code(order: Order, **changes: object) -> str:
    """Why a granted entry at a mark of 100 is refused."""
    return code(judged(order, grant=a_grant(), mark=px(100), **changes))  # type: ignore[arg-type]


STANDINGS = st.builds(
    Standing,
    state=st.sampled_from(TradingState),
    reconcile_age_s=st.none() | st.floats(0, 1e6),
    reconcile_age_max_s=st.just(60.0),
    feed_fresh=st.booleans(),
    market_open=st.none() | st.booleans(),
    heat_level=st.sampled_from(HeatLevel),
    store_up=st.booleans(),
    clock_ok=st.booleans(),
    lease_held=st.booleans(),
    stream_up=st.booleans(),
    phase_ready=st.booleans(),
    is_closing=st.booleans(),
    working_entry_qty=st.integers(0, 10**6).map(qty),
    orders_last_minute=st.integers(0, 10**6),
    orders_last_day=st.integers(0, 10**6),
)
POSITIONS = st.integers(-10_000, 10_000).filter(bool)


@given(STANDINGS, POSITIONS, st.data(), st.none() | st.just(px(100)))
def test_an_exit_passes_in_every_standing(
    standing: Standing, position: int, data: st.DataObject, mark: Price | None
) -> None:
    size = data.draw(st.integers(1, abs(position)))
    side = Side.SELL if position > 0 else Side.BUY
    order = replace(an_exit(side, size), purpose=data.draw(st.sampled_from(Purpose)))
    if order.purpose is Purpose.PROTECT:
        order = replace(order, type=OrderType.STOP_MARKET, stop_price=px(95))
    none_at_all = Limits(Decimal(0), Decimal(0), 0, 0, Decimal(0), Decimal(0))

    outcome = judged(order, broker=position, standing=standing, limits=none_at_all, mark=mark)

    assert isinstance(outcome, Cleared)
    assert outcome.item is order


@given(STANDINGS, st.integers(-50, 50), st.integers(0, 50), st.integers(1, 120), st.data())
def test_without_a_grant_only_what_is_reducible_passes(
    standing: Standing, position: int, reducible: int, size: int, data: st.DataObject
) -> None:
    side, purpose = data.draw(st.sampled_from(Side)), data.draw(st.sampled_from(Purpose))
    order = replace(an_order(side, size), purpose=purpose)
    outcome = judged(order, broker=position, reducible=reducible, standing=standing, mark=px(100))

    reduces = side.sign * position < 0 and size <= reducible
    assert isinstance(outcome, Cleared) is reduces


@given(STANDINGS, st.integers(1, 2000))
def test_an_entry_passes_only_when_everything_is_in_order(standing: Standing, size: int) -> None:
    outcome = judged(an_order(size=size), grant=a_grant(), standing=standing, mark=px(100))

    age_s = standing.reconcile_age_s
    fine = (
        standing.state is TradingState.ACTIVE
        and age_s is not None
        and age_s <= 60.0
        and standing.feed_fresh
        and standing.market_open is True
        and standing.heat_level in (HeatLevel.CALM, HeatLevel.WARN)
        and standing.store_up
        and standing.clock_ok
        and standing.lease_held
        and standing.stream_up
        and standing.phase_ready
        and not standing.is_closing
        and standing.orders_last_minute < 10
        and standing.orders_last_day < 500
        and size * 100 <= 25_000
        and size + standing.working_entry_qty <= 1000
    )
    assert isinstance(outcome, Cleared) is fine


BAD_STANDINGS = [
    ({"state": TradingState.EXITS_ONLY}, "exits_only"),
    ({"state": TradingState.HALTED}, "halted"),
    ({"is_closing": True}, "closing"),
    ({"phase_ready": False}, "not_ready"),
    ({"lease_held": False}, "lease_lost"),
    ({"store_up": False}, "store_down"),
    ({"clock_ok": False}, "clock_suspect"),
    ({"stream_up": False}, "stream_down"),
    ({"reconcile_age_s": None}, "reconcile_stale"),
    ({"reconcile_age_s": 60.5}, "reconcile_stale"),
    ({"market_open": None}, "market_unknown"),
    ({"market_open": False}, "market_closed"),
    ({"feed_fresh": False}, "feed_stale"),
    ({"orders_last_minute": 10}, "orders_per_minute"),
    ({"orders_last_day": 500}, "orders_per_day"),
    ({"heat_level": HeatLevel.UNKNOWN}, "heat_unknown"),
    ({"heat_level": HeatLevel.BLOCK}, "heat_block"),
]


@pytest.mark.parametrize(("changes", "reason_code"), BAD_STANDINGS)
def test_an_entry_in_a_bad_standing_is_refused_with_its_reason(
    changes: dict[str, object], reason_code: str
) -> None:
    standing = replace(STANDING, **changes)  # type: ignore[arg-type]

    assert entry_code(an_order(), standing=standing) == reason_code


@pytest.mark.parametrize("number", range(len(BAD_STANDINGS)))
def test_of_several_reasons_the_first_in_the_fixed_order_is_told(number: int) -> None:
    standing = STANDING
    for changes, _ in reversed(BAD_STANDINGS[number:]):
        standing = replace(standing, **changes)  # type: ignore[arg-type]

    assert entry_code(an_order(), standing=standing) == BAD_STANDINGS[number][1]


def test_a_warning_heat_still_lets_entries_in() -> None:
    standing = replace(STANDING, heat_level=HeatLevel.WARN)

    outcome = judged(an_order(), grant=a_grant(), standing=standing, mark=px(100))

    assert isinstance(outcome, Cleared)


def test_the_last_reason_is_the_missing_grant() -> None:
    assert code(judged(an_order(), mark=px(100))) == "heat_not_granted"


def test_another_orders_grant_is_none() -> None:
    assert code(judged(an_order(), grant=a_grant("t1other"), mark=px(100))) == "heat_not_granted"


@pytest.mark.parametrize(
    ("order", "reason_code"),
    [
        (an_order(size=10**9), "qty_over_max"),
        (an_order(size=251), "notional_over_max"),
        (an_order(price="105.01"), "price_outside_collar"),
        (an_order(Side.SELL, price="94.99"), "price_outside_collar"),
        (an_order(price="111.01", stop_price=106), "price_outside_collar"),
        (an_order(size="1.5"), "off_lot"),
        (an_order(price="99.999"), "off_tick"),
        (an_order(protective_stop="94.999"), "off_tick"),
        (an_order(protective_stop=100), "bad_stop"),
        (an_order(Side.SELL, protective_stop=99), "bad_stop"),
    ],
)
def test_an_absurd_entry_is_refused_with_its_reason(order: Order, reason_code: str) -> None:
    assert entry_code(order) == reason_code


@pytest.mark.parametrize(
    "order",
    [
        an_order(price=105),
        an_order(price=50),
        an_order(Side.SELL, price=200),
        an_order(price=111, stop_price=106),
    ],
)
def test_a_limit_may_wait_as_far_away_as_it_likes_and_reach_up_to_the_collar(order: Order) -> None:
    assert isinstance(judged(order, grant=a_grant(), mark=px(100)), Cleared)


def test_without_a_price_no_entry_can_be_judged() -> None:
    assert code(judged(an_order(), grant=a_grant())) == "no_mark"


def test_the_position_is_bounded_with_every_working_entry_filled() -> None:
    limits = replace(LIMITS, position_qty_max=Decimal(30))
    waiting = replace(STANDING, working_entry_qty=qty(11))
    ahead = replace(STANDING, position_qty=qty(21))

    assert entry_code(an_order(size=10), broker=10, limits=limits, standing=waiting) == (
        "position_over_max"
    )
    assert entry_code(an_order(size=10), limits=limits, standing=ahead) == "position_over_max"
    fits = judged(
        an_order(size=10),
        broker=10,
        limits=limits,
        standing=replace(waiting, working_entry_qty=qty(10)),
        grant=a_grant(),
        mark=px(100),
    )
    assert isinstance(fits, Cleared)


@pytest.mark.parametrize(
    ("changes", "reason_code"),
    [
        ({"qty": qty(0)}, "bad_qty"),
        ({"qty": qty(-1)}, "bad_qty"),
        ({"qty": qty("NaN")}, "bad_qty"),
        ({"qty": qty("Infinity")}, "bad_qty"),
        ({"reason": ""}, "no_reason"),
        ({"instrument": InstrumentId("MSFT.SIM")}, "wrong_symbol"),
        ({"type": OrderType.LIMIT}, "bad_price"),
        ({"price": px(1)}, "bad_price"),
        ({"type": OrderType.LIMIT, "price": px("NaN")}, "bad_price"),
        ({"type": OrderType.LIMIT, "price": px(0)}, "bad_price"),
        ({"type": OrderType.STOP_MARKET}, "bad_price"),
        ({"protective_stop": px(-1)}, "bad_price"),
    ],
)
def test_nonsense_is_refused_even_as_an_exit(changes: dict[str, object], reason_code: str) -> None:
    order = replace(an_exit(size=5), **changes)  # type: ignore[arg-type]

    assert code(judged(order, broker=10)) == reason_code


def test_an_exit_larger_than_what_is_left_to_reduce_is_refused_and_never_taken_for_an_entry() -> (
    None
):
    outcome = judged(an_exit(size=8), broker=10, reducible=7, grant=a_grant("t1exit"), mark=px(100))

    assert code(outcome) == "not_reducible"


def test_part_of_a_position_leaves_in_whole_lots_and_an_odd_rest_as_a_whole() -> None:
    assert code(judged(an_exit(size="1.5"), broker="2.5", reducible="2.5")) == "off_lot"
    assert isinstance(judged(an_exit(size="2.5"), broker="2.5", reducible="2.5"), Cleared)


def test_a_stored_exit_is_cleared_again_and_an_entry_never() -> None:
    order = an_exit()

    assert reclear(order).item is order
    with pytest.raises(AssertionError):
        reclear(an_order())


# ---------------------------------------------------------------------------------------- changes


def changed(target: WorkingOrder, **changes: object) -> Replace:
    successor = replace(
        target.order,
        id=ClientOrderId("t1new"),
        replaces=target.order.id,
        **changes,  # type: ignore[arg-type]
    )
    return Replace(target.order.id, BrokerOrderId("v"), successor, "because")


def canceled(target: WorkingOrder) -> Cancel:
    return Cancel(
        id=ClientOrderId("t1cancel"),
        session_id=SESSION,
        account_id=ACCOUNT,
        instrument=AAPL.id,
        target=target.order.id,
        target_broker_id=BrokerOrderId("v"),
        reason="because",
        incarnation=1,
    )


def change_judged(
    change: Change,
    target: WorkingOrder | None,
    *,
    broker: int = 10,
    grant: Grant | None = None,
    standing: Standing = STANDING,
    mark: Price | None = HUNDRED,
) -> Cleared[Change] | Refused:
    return clear_change(
        change,
        grant,
        standing,
        target,
        LIMITS,
        broker_qty=qty(broker),
        instrument=AAPL,
        mark=mark,
        rules=RULES,
    )


HALTED = replace(STANDING, state=TradingState.HALTED, heat_level=HeatLevel.UNKNOWN)


@given(STANDINGS)
def test_canceling_an_entry_passes_in_every_standing(standing: Standing) -> None:
    entry = working(an_order(price=99))

    assert isinstance(change_judged(canceled(entry), entry, standing=standing), Cleared)


def test_a_smaller_entry_or_a_nearer_stop_of_it_passes_even_when_halted() -> None:
    entry = working(an_order(price=99, protective_stop=95))

    for change in (changed(entry, qty=qty(9)), changed(entry, protective_stop=px(96))):
        assert isinstance(change_judged(change, entry, standing=HALTED), Cleared)


@pytest.mark.parametrize(
    "changes",
    [{"qty": qty(11)}, {"protective_stop": px(94)}, {"price": px("99.5")}],
)
def test_a_change_of_an_entry_that_can_lose_more_is_an_entry(changes: dict[str, object]) -> None:
    entry = working(an_order(price=99, protective_stop=95))
    change = changed(entry, **changes)

    assert raises_risk_by(change, entry, px(100), ONE, RULES) > 0
    assert code(change_judged(change, entry)) == "heat_not_granted"
    assert code(change_judged(change, entry, standing=HALTED)) == "halted"
    assert isinstance(change_judged(change, entry, grant=a_grant("t1new")), Cleared)


def test_a_grown_entry_meets_the_limits_too() -> None:
    entry = working(an_order(price=99))
    change = changed(entry, qty=qty(900))

    assert code(change_judged(change, entry, grant=a_grant("t1new"))) == "notional_over_max"


def test_a_stop_moved_nearer_passes_even_when_halted() -> None:
    stop = working(a_stop(95))
    change = changed(stop, stop_price=px(96))

    assert isinstance(change_judged(change, stop, standing=HALTED), Cleared)


def test_a_stop_moved_further_away_asks_for_the_difference() -> None:
    stop = working(a_stop(95))
    change = changed(stop, stop_price=px(93))

    assert raises_risk_by(change, stop, px(100), Decimal(50), RULES) == 10 * 2 * 50
    assert code(change_judged(change, stop)) == "heat_not_granted"
    assert isinstance(change_judged(change, stop, grant=a_grant("t1new")), Cleared)


def test_a_stop_canceled_over_an_open_position_asks_for_what_it_covered() -> None:
    stop = working(a_stop(95))

    assert raises_risk_by(canceled(stop), stop, px(100), ONE, RULES) == 10 * (100 - 5)
    assert code(change_judged(canceled(stop), stop)) == "heat_not_granted"
    assert isinstance(change_judged(canceled(stop), stop, grant=a_grant("t1cancel")), Cleared)


def test_a_stop_shrunk_below_the_position_asks_for_what_it_leaves_open() -> None:
    stop = working(a_stop(95))
    change = changed(stop, qty=qty(4))

    assert raises_risk_by(change, stop, px(100), ONE, RULES) == 6 * 95
    assert code(change_judged(change, stop)) == "heat_not_granted"


def test_a_stop_follows_its_position_in_every_standing() -> None:
    stop = working(a_stop(95))

    smaller = change_judged(changed(stop, qty=qty(4)), stop, broker=4, standing=HALTED)
    larger = change_judged(changed(stop, qty=qty(12)), stop, broker=12, standing=HALTED)
    at_flat = change_judged(canceled(stop), stop, broker=0, standing=HALTED)

    assert all(isinstance(each, Cleared) for each in (smaller, larger, at_flat))


@given(STANDINGS, st.none() | st.just(px(100)))
def test_while_closing_the_stop_may_always_go(standing: Standing, mark: Price | None) -> None:
    stop = working(a_stop(95))
    closing = replace(standing, is_closing=True)

    assert isinstance(change_judged(canceled(stop), stop, standing=closing, mark=mark), Cleared)


@pytest.mark.parametrize(
    ("changes", "broker", "reason_code"),
    [
        pytest.param({"qty": qty(11)}, 10, "not_reducible", id="larger than the position"),
        pytest.param({}, 0, "not_reducible", id="over nothing"),
        pytest.param({}, -10, "not_reducible", id="over a position of the other side"),
        pytest.param({"side": Side.BUY}, 10, "bad_order", id="another side"),
        pytest.param({"purpose": Purpose.EXIT}, 10, "bad_order", id="another purpose"),
        pytest.param({"qty": qty("NaN")}, 10, "bad_qty", id="no number"),
    ],
)
def test_a_stop_does_not_become_something_else(
    changes: dict[str, object], broker: int, reason_code: str
) -> None:
    stop = working(a_stop(95))

    outcome = change_judged(changed(stop, **changes), stop, broker=broker, grant=a_grant("t1new"))

    assert code(outcome) == reason_code


def test_a_half_filled_stop_is_replaced_for_what_it_has_filled_and_what_is_held() -> None:
    stop = working(a_stop(95), Status.PARTIALLY_FILLED, cum=4)

    assert isinstance(change_judged(changed(stop), stop, broker=6, standing=HALTED), Cleared)
    assert code(change_judged(changed(stop, qty=qty(4)), stop, broker=6)) == "bad_qty"


def test_what_a_half_filled_stop_still_covers_is_what_its_successor_has_left() -> None:
    stop = working(a_stop(95), Status.PARTIALLY_FILLED, cum=4)

    assert raises_risk_by(changed(stop, qty=qty(8)), stop, px(100), ONE, RULES) == 2 * 95
    assert code(change_judged(changed(stop, qty=qty(8)), stop, broker=6)) == "heat_not_granted"


def test_while_closing_no_entry_grows() -> None:
    entry = working(an_order(price=99))
    closing = replace(STANDING, is_closing=True)

    outcome = change_judged(
        changed(entry, qty=qty(11)), entry, standing=closing, grant=a_grant("t1new")
    )

    assert code(outcome) == "closing"


def test_an_exit_can_be_moved_and_made_smaller_but_does_not_grow() -> None:
    limit = working(replace(an_exit(size=5), type=OrderType.LIMIT, price=px(110)))

    moved = change_judged(changed(limit, price=px(105), qty=qty(4)), limit, standing=HALTED)
    grown = change_judged(changed(limit, qty=qty(6)), limit)

    assert isinstance(moved, Cleared)
    assert code(grown) == "not_reducible"


def test_what_has_ended_or_is_unknown_to_us_is_not_changed() -> None:
    ended = working(an_order(), Status.CANCELED)

    assert code(change_judged(canceled(ended), ended)) == "not_changeable"
    assert code(change_judged(canceled(ended), None)) == "not_changeable"


def test_what_nobody_can_price_asks_for_more_than_anybody_grants() -> None:
    market = working(an_order())
    change = changed(market, qty=Quantity(Decimal(11)))

    assert raises_risk_by(change, market, None, ONE, RULES) == Decimal("Infinity")
