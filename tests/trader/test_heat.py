"""One session's worst case, as an interval."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from order_parts import a_stop, an_exit, an_order, px, qty, working

from trader.money import Price, Quantity
from trader.orders.order import Order, Side, Status
from trader.orders.working import WorkingOrder
from trader.risk.gate import worst_case
from trader.risk.heat import HeatRules, contribution

RULES = HeatRules()
ONE = Decimal(1)
LONG_AGO = -1000.0


def heat(
    position: int,
    *orders: WorkingOrder,
    mark: str | int | None = 100,
    stop: str | int | None = None,
    filled_s: float | None = LONG_AGO,
    multiplier: Decimal = ONE,
) -> tuple[Decimal, Decimal]:
    return contribution(
        qty(position),
        None if mark is None else px(mark),
        orders,
        None if stop is None else px(stop),
        filled_s,
        multiplier,
        RULES,
        0.0,
    )


def test_flat_with_nothing_working_risks_nothing() -> None:
    assert heat(0) == (0, 0)


def test_a_long_without_a_stop_can_lose_all_of_its_value() -> None:
    assert heat(10) == (1000, 1000)


def test_a_short_without_a_stop_counts_twice_its_value() -> None:
    assert heat(-10) == (2000, 2000)


def test_a_working_stop_bounds_the_loss_to_its_distance() -> None:
    assert heat(10, working(a_stop(95))) == (50, 50)
    assert heat(-10, working(a_stop(103, side=Side.BUY))) == (30, 30)


def test_points_are_multiplied_into_money() -> None:
    assert heat(2, working(a_stop(95, 2)), multiplier=Decimal(50)) == (500, 500)


def test_only_what_lies_under_the_stop_is_stopped() -> None:
    assert heat(10, working(a_stop(95, 4))) == (4 * 5 + 6 * 100,) * 2


def test_what_the_stop_has_filled_already_covers_nothing() -> None:
    triggered = working(a_stop(95, 10), Status.PARTIALLY_FILLED, cum=4)

    assert heat(10, triggered)[1] == 6 * 5 + 4 * 100


@pytest.mark.parametrize("mark", [95, 94])
def test_a_mark_at_or_beyond_the_stop_makes_it_worth_nothing(mark: int) -> None:
    assert heat(10, working(a_stop(95)), mark=mark) == (10 * mark, 10 * mark)


def test_a_stop_so_far_away_that_it_bounds_nothing_costs_no_more_than_none() -> None:
    assert heat(-10, working(a_stop(350, side=Side.BUY))) == (2000, 2000)


def test_a_stop_that_stands_is_believed_before_one_that_is_promised() -> None:
    assert heat(10, working(a_stop(90, 6)), stop=95, filled_s=0.0)[1] == 6 * 10 + 4 * 5


@pytest.mark.parametrize(
    "status", [Status.PENDING_RECORD, Status.SUBMITTED, Status.UNKNOWN, Status.PENDING_CANCEL]
)
def test_a_stop_of_which_nobody_is_sure_covers_nothing(status: Status) -> None:
    assert heat(10, working(a_stop(95), status)) == (1000, 1000)


def test_the_stop_that_an_entry_carried_counts_for_ten_seconds_after_the_fill() -> None:
    assert heat(10, stop=95, filled_s=-10.0) == (50, 50)
    assert heat(10, stop=95, filled_s=-10.1) == (1000, 1000)
    assert heat(10, stop=95, filled_s=None) == (1000, 1000)


def test_the_nearest_stop_is_the_one_that_is_met() -> None:
    far, near = working(a_stop(90)), working(a_stop(98, order_id="t1near"))

    assert heat(10, far, near) == (20, 20)


@pytest.mark.parametrize(
    "status",
    [
        Status.PENDING_RECORD,
        Status.INITIALIZED,
        Status.SUBMITTED,
        Status.UNKNOWN,
        Status.ACCEPTED,
        Status.PARTIALLY_FILLED,
        Status.PENDING_CANCEL,
        Status.PENDING_UPDATE,
    ],
)
def test_an_entry_counts_as_wholly_filled_from_decision_to_end(status: Status) -> None:
    assert heat(0, working(an_order(size=10), status)) == (0, 1000)


@pytest.mark.parametrize("status", [Status.CANCELED, Status.DENIED, Status.REJECTED])
def test_an_ended_entry_counts_no_more(status: Status) -> None:
    assert heat(0, working(an_order(), status)) == (0, 0)


def test_an_entry_that_carries_a_stop_is_priced_to_it() -> None:
    assert heat(0, working(an_order(size=10, protective_stop=97))) == (0, 30)


@pytest.mark.parametrize(
    ("entry", "loss"),
    [
        pytest.param(
            an_order(price=90, protective_stop=88), 20, id="buy limit below: at its price"
        ),
        pytest.param(
            an_order(price=105, protective_stop=98), 20, id="buy limit above: at the mark"
        ),
        pytest.param(
            an_order(stop_price=110, protective_stop=105), 50, id="breakout: at its trigger"
        ),
        pytest.param(
            an_order(Side.SELL, stop_price=90, protective_stop=94), 40, id="breakdown: its trigger"
        ),
        pytest.param(
            an_order(Side.SELL, price=110, protective_stop=111),
            10,
            id="sell limit above: its price",
        ),
    ],
)
def test_an_entry_is_priced_where_it_would_fill(entry: Order, loss: int) -> None:
    assert heat(0, working(entry)) == (0, loss)
    assert worst_case(entry, px(100), ONE, RULES) == loss


def test_an_order_that_turns_the_position_counts_what_lies_beyond_zero() -> None:
    turn = working(an_order(Side.SELL, 25))

    assert heat(10, turn) == (1000, 15 * 200)


def test_of_what_turns_the_position_the_costlier_entries_are_what_lies_beyond_zero() -> None:
    covered = working(a_stop(101, side=Side.BUY))
    stopped = working(an_order(size=10, protective_stop=99))
    bare = working(an_order(size=10, order_id="t1bare"))

    assert heat(-10, covered, stopped, bare)[1] == 10 * 100


def test_entries_of_both_sides_are_not_both_filled_against_us() -> None:
    buy, sell = working(an_order(size=10)), working(an_order(Side.SELL, 3, order_id="t1sell"))

    assert heat(0, buy, sell) == (0, 1000)


def test_an_exit_lowers_the_low_and_leaves_the_high() -> None:
    assert heat(10, working(an_exit(size=4), Status.UNKNOWN)) == (600, 1000)


def test_old_and_new_of_a_replaced_entry_count_once_at_the_worse() -> None:
    old = working(an_order(size=10, price=100), Status.PENDING_UPDATE)
    new = working(an_order(size=15, price=100, order_id="t1new", replaces="t1entry"))

    assert heat(0, old, new) == (0, 1500)
    old.status = Status.CANCELED
    assert heat(0, old, new) == (0, 1500)


def test_old_and_new_of_a_replaced_stop_cover_once_at_the_worse() -> None:
    old = working(a_stop(95, 10), Status.PENDING_UPDATE)
    new = working(a_stop(98, 6, order_id="t1new", replaces="t1stop"), Status.SUBMITTED)

    assert heat(10, old, new)[1] == 6 * 5 + 4 * 100
    new.status = Status.ACCEPTED
    assert heat(10, old, new)[1] == 6 * 5 + 4 * 100
    old.status = Status.CANCELED
    assert heat(10, old, new)[1] == 6 * 2 + 4 * 100


def test_without_a_price_nothing_is_made_up() -> None:
    assert heat(10, working(an_order()), mark=None) == (0, 0)
    assert worst_case(an_order(), None, ONE, RULES) is None


SIDES = st.sampled_from(Side)
SIZES = st.integers(1, 50)
PRICES = st.integers(50, 150)
OPEN = st.sampled_from([status for status in Status if not status.is_terminal])


def ids(draw: st.DrawFn) -> str:
    return f"{draw(st.sampled_from('abcdefgh'))}{draw(st.integers(0, 10**9))}"


@st.composite
def entries(draw: st.DrawFn, name: str = "") -> WorkingOrder:
    order = an_order(
        draw(SIDES),
        draw(SIZES),
        order_id=name or ids(draw),
        price=draw(st.none() | PRICES),
        protective_stop=draw(st.none() | PRICES),
    )
    return working(order, draw(OPEN))


@st.composite
def exits(draw: st.DrawFn, name: str = "") -> WorkingOrder:
    order_id = name or ids(draw)
    side, size = draw(SIDES), draw(SIZES)
    if draw(st.booleans()):
        return working(a_stop(draw(PRICES), size, side=side, order_id=order_id), draw(OPEN))
    return working(an_exit(side, size, order_id=order_id), draw(OPEN))


def by_id(orders: Sequence[WorkingOrder]) -> list[WorkingOrder]:
    return list({each.order.id: each for each in orders}.values())


MANY = st.lists(entries() | exits(), max_size=6).map(by_id)
POSITIONS = st.integers(-60, 60)


@given(POSITIONS, MANY, PRICES, st.none() | PRICES)
def test_the_low_is_never_above_the_high(
    position: int, orders: list[WorkingOrder], mark: int, stop: int | None
) -> None:
    low, high = heat(position, *orders, mark=mark, stop=stop, filled_s=0.0)

    assert 0 <= low <= high


@given(POSITIONS, MANY, entries(name="one more"), PRICES)
def test_one_more_entry_never_lowers_the_high(
    position: int, orders: list[WorkingOrder], entry: WorkingOrder, mark: int
) -> None:
    _, before = heat(position, *orders, mark=mark)

    _, after = heat(position, *orders, entry, mark=mark)

    assert after >= before
    asked = worst_case(entry.order, px(mark), ONE, RULES)
    assert asked is not None
    if position * entry.order.side.sign >= 0:
        assert after - before <= asked, "the heat asked for is enough"


@given(POSITIONS, MANY, exits(name="one more"), PRICES)
def test_one_more_exit_never_raises_the_high(
    position: int, orders: list[WorkingOrder], leaving: WorkingOrder, mark: int
) -> None:
    _, before = heat(position, *orders, mark=mark)

    _, after = heat(position, *orders, leaving, mark=mark)

    assert after <= before


@given(POSITIONS, MANY, PRICES)
def test_every_entry_filled_comes_to_no_more_than_the_high_said(
    position: int, orders: list[WorkingOrder], mark: int
) -> None:
    """Fill the market entries of one side: the new position's own heat was inside the high."""
    markets = [each for each in orders if not each.is_exit and each.order.price is None]
    for side in Side:
        of_side = [each for each in markets if each.order.side is side]
        if any(each.order.protective_stop is not None for each in of_side):
            continue  # priced to a stop that this position would not have yet
        size = sum((each.order.qty for each in of_side), Decimal(0))
        rest = [each for each in orders if each not in markets]
        filled = contribution(
            Quantity(position + side.sign * size),
            Price(px(mark)),
            rest,
            None,
            None,
            ONE,
            RULES,
            0.0,
        )
        assert filled[1] <= heat(position, *orders, mark=mark)[1]
