"""Position arithmetic, the broker's view of it, and how much an exit may still take."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from order_parts import a_snapshot, a_stop, an_exit, an_order, px, qty, working

from trader.money import Price, Quantity
from trader.orders.order import Side, Status
from trader.orders.working import WorkingOrder
from trader.positions.position import FLAT, BrokerView, Position, reducible

ONE = Decimal(1)
LONG_AGO_S = -100.0
FILLS = st.tuples(
    st.sampled_from(Side),
    st.integers(1, 500).map(Decimal),
    st.decimals("0.01", "900", places=2),
    st.decimals("0", "2", places=2),  # fee
)


def held(size: str | int, at: str | int | None = None) -> Position:
    return Position(qty(size), None if at is None else px(at))


def test_adding_moves_the_average_price() -> None:
    position = held(10, 100).after(Side.BUY, qty(30), px(104), ONE)

    assert position == held(40, 103)


def test_reducing_realizes_against_the_average_and_leaves_it() -> None:
    position = held(10, 100).after(Side.SELL, qty(4), px(103), Decimal(50))

    assert position == Position(qty(6), px(100), Decimal(4 * 3 * 50))


def test_a_short_gains_when_it_buys_back_lower() -> None:
    position = held(-10, 100).after(Side.BUY, qty(10), px(97), ONE)

    assert position == Position(qty(0), None, Decimal(30))


def test_crossing_zero_realizes_the_old_side_and_opens_the_new_at_the_fill() -> None:
    position = held(10, 100).after(Side.SELL, qty(15), px(98), ONE)

    assert position == Position(qty(-5), px(98), Decimal(-20))


def test_fees_come_off_what_is_realized() -> None:
    assert FLAT.after(Side.BUY, qty(1), px(10), ONE, Decimal("0.35")).realized == Decimal("-0.35")


def test_the_broker_assigns_absolutely_and_realizes_nothing() -> None:
    before = Position(qty(10), px(100), Decimal(7))

    assert before.adjusted(qty(-3), px(90)) == Position(qty(-3), px(90), Decimal(7))
    assert before.adjusted(qty(0), None) == Position(qty(0), None, Decimal(7))


@given(st.lists(FILLS, max_size=30), st.integers(1, 50).map(Decimal), st.integers(1, 900))
def test_nothing_is_made_or_lost_in_the_books(
    fills: list[tuple[Side, Decimal, Decimal, Decimal]], multiplier: Decimal, mark: int
) -> None:
    position, cash = FLAT, Fraction(0)
    for side, size, price, fee in fills:
        position = position.after(side, Quantity(size), Price(price), multiplier, fee)
        cash -= side.sign * Fraction(size) * Fraction(price) * Fraction(multiplier) + Fraction(fee)

    worth = cash + Fraction(position.qty) * mark * Fraction(multiplier)
    open_gain = Fraction(0)
    if position.avg_px is not None:
        per_unit = mark - Fraction(position.avg_px)
        open_gain = Fraction(position.qty) * per_unit * Fraction(multiplier)
    assert abs(Fraction(position.realized) + open_gain - worth) < Fraction(1, 10**9)
    assert position.qty == sum(side.sign * size for side, size, _, _ in fills)
    assert (position.avg_px is None) is position.is_flat


@given(st.lists(FILLS, max_size=20))
def test_the_average_lies_between_the_prices_paid(
    fills: list[tuple[Side, Decimal, Decimal, Decimal]],
) -> None:
    position = FLAT
    for side, size, price, _ in fills:
        position = position.after(side, Quantity(size), Price(price), ONE)

    if position.avg_px is not None:
        paid = [price for side, _, price, _ in fills if side.sign * position.qty > 0]
        slack = Decimal("1e-20")  # of the division
        assert min(paid) - slack <= position.avg_px <= max(paid) + slack


@given(FILLS, st.integers(-500, 500), st.integers(1, 500))
def test_one_fill_or_two_halves_come_to_the_same(
    fill: tuple[Side, Decimal, Decimal, Decimal], size: int, part: int
) -> None:
    side, whole, price, _ = fill
    first = Quantity(min(whole, Decimal(part)))
    start = FLAT if size == 0 else held(size, 100)

    at_once = start.after(side, Quantity(whole), Price(price), ONE)
    in_parts = start.after(side, first, Price(price), ONE)
    if whole > first:
        in_parts = in_parts.after(side, Quantity(whole - first), Price(price), ONE)

    assert in_parts.qty == at_once.qty
    assert abs(in_parts.realized - at_once.realized) < Decimal("1e-12")


# ------------------------------------------------------------------------------ the broker's view


def test_before_the_broker_has_spoken_nothing_can_be_reduced() -> None:
    view = BrokerView()
    view.fold_fill(Side.BUY, qty(10), LONG_AGO_S)

    assert view.broker_qty == 0


def test_a_snapshot_asked_for_before_our_newest_fill_settles_nothing() -> None:
    view = BrokerView()

    assert view.take_snapshot(a_snapshot(10, asked_s=5.0), newest_fill_seen_s=5.0) is False
    assert view.snapshot_qty is None
    assert view.take_snapshot(a_snapshot(10, asked_s=5.1), newest_fill_seen_s=5.0) is True
    assert view.snapshot_qty == 10


def test_an_older_snapshot_does_not_replace_a_newer_one() -> None:
    view = BrokerView()
    view.take_snapshot(a_snapshot(10, asked_s=5.0), None)

    assert view.take_snapshot(a_snapshot(0, asked_s=4.0), None) is False
    assert view.broker_qty == 10


@pytest.mark.parametrize(
    ("snapshot", "side", "size", "expected"),
    [
        pytest.param(10, Side.SELL, 4, 6, id="a sale since makes it smaller"),
        pytest.param(10, Side.BUY, 4, 10, id="a purchase since is not yet the broker's word"),
        pytest.param(10, Side.SELL, 10, 0, id="sold out"),
        pytest.param(10, Side.SELL, 12, 0, id="more than sold out, so nothing is certain"),
        pytest.param(-10, Side.BUY, 4, -6, id="a short that was partly bought back"),
        pytest.param(0, Side.BUY, 4, 0, id="flat until the broker says otherwise"),
    ],
)
def test_what_is_left_of_the_snapshot_after_a_fill_counts(
    snapshot: int, side: Side, size: int, expected: int
) -> None:
    view = BrokerView()
    view.take_snapshot(a_snapshot(snapshot), None)

    view.fold_fill(side, qty(size), LONG_AGO_S)

    assert view.broker_qty == expected


def test_a_purchase_told_late_does_not_make_up_for_a_sale() -> None:
    view = BrokerView()
    view.take_snapshot(a_snapshot(27), None)  # the purchase of the last 2 is in it already

    view.fold_fill(Side.BUY, qty(2), LONG_AGO_S)
    view.fold_fill(Side.SELL, qty(27), LONG_AGO_S)

    assert view.broker_qty == 0


@pytest.mark.parametrize(
    ("told", "asked_s", "expected"),
    [
        pytest.param(10, 5.1, 0, id="a snapshot that has not heard of the sale"),
        pytest.param(10, 14.9, 0, id="nor has this one, seconds later"),
        pytest.param(10, 15.0, 10, id="one that goes on saying so is believed"),
        pytest.param(-3, 5.1, 0, id="nobody can say what a sale beyond flat left"),
    ],
)
def test_a_snapshot_that_lags_behind_a_sale_gives_nothing_back(
    told: int, asked_s: float, expected: int
) -> None:
    view = BrokerView()
    view.take_snapshot(a_snapshot(10, asked_s=1.0), None)
    view.fold_fill(Side.SELL, qty(10), seen_s=5.0)

    view.take_snapshot(a_snapshot(told, asked_s=asked_s), newest_fill_seen_s=5.0)

    assert view.broker_qty == expected


def test_what_was_bought_after_a_sale_can_be_sold_once_the_broker_says_it() -> None:
    view = BrokerView()
    view.take_snapshot(a_snapshot(10, asked_s=1.0), None)
    view.fold_fill(Side.SELL, qty(10), seen_s=5.0)
    view.fold_fill(Side.BUY, qty(4), seen_s=6.0)

    view.take_snapshot(a_snapshot(4, asked_s=6.1), newest_fill_seen_s=6.0)

    assert view.broker_qty == 4


def test_a_new_snapshot_starts_counting_fills_again() -> None:
    view = BrokerView()
    view.take_snapshot(a_snapshot(10, asked_s=1.0), None)
    view.fold_fill(Side.SELL, qty(4), LONG_AGO_S)

    view.take_snapshot(a_snapshot(6, asked_s=3.0), newest_fill_seen_s=2.0)

    assert view.broker_qty == 6


# -------------------------------------------------------------------------------------- reducible


def test_an_exit_on_its_way_leaves_less_for_the_next_one() -> None:
    exits = [working(an_exit(size=4), Status.SUBMITTED)]

    assert reducible(qty(10), exits) == 6


def test_an_unknown_exit_is_counted_as_if_it_stood() -> None:
    assert reducible(qty(-10), [working(an_exit(Side.BUY, 7), Status.UNKNOWN)]) == 3


def test_an_exit_without_a_row_yet_is_counted_too() -> None:
    assert reducible(qty(10), [working(an_exit(size=4), Status.PENDING_RECORD)]) == 6


def test_a_canceled_exit_is_counted_until_its_last_fill_is_taken_in() -> None:
    assert reducible(qty(10), [working(an_exit(size=4), Status.CANCELED, cum=3, applied=0)]) == 6
    assert reducible(qty(7), [working(an_exit(size=4), Status.CANCELED, cum=3)]) == 7


def test_a_resting_stop_does_not_keep_an_exit_from_leaving() -> None:
    assert reducible(qty(10), [working(a_stop(95))]) == 10


def test_a_stop_that_has_begun_to_fill_is_an_exit_like_any_other() -> None:
    triggered = working(a_stop(95, 10), Status.PARTIALLY_FILLED, cum=4, applied=0)

    assert reducible(qty(10), [triggered]) == 0


def test_entries_take_nothing_of_it() -> None:
    assert reducible(qty(10), [working(an_order(Side.BUY, 5))]) == 10


def test_it_is_never_below_zero() -> None:
    assert reducible(qty(3), [working(an_exit(size=10))]) == 0


class ExitsNeverOvershoot(RuleBasedStateMachine):
    """A venue that fills exits as it likes and tells us late, in any order, or by snapshot."""

    def __init__(self) -> None:
        super().__init__()
        self.truth = 50  # the venue's position
        self.at_venue: dict[int, int] = {}  # exit -> what it may still fill
        self.filled: dict[int, int] = {}  # exit -> what it has filled
        self.untold: list[tuple[int, int]] = []  # fills that we have not heard of
        self.untold_entries: list[int] = []  # likewise
        self.orders: list[WorkingOrder] = []
        self.view = BrokerView()
        self.now_s = 0.0
        self.newest_fill_s: float | None = None
        self.on_the_way: list[tuple[int, float]] = []  # snapshots: quantity, asked_s

    def tick(self) -> float:
        self.now_s += 1.0
        return self.now_s

    @rule(size=st.integers(1, 60))
    def send(self, size: int) -> None:
        if size > reducible(self.view.broker_qty, self.orders):
            return
        number = len(self.orders)
        self.orders.append(working(an_exit(size=size, order_id=f"x{number}"), Status.UNKNOWN))
        self.at_venue[number], self.filled[number] = size, 0

    @precondition(lambda self: any(self.at_venue.values()))
    @rule(data=st.data())
    def fill(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from([n for n, left in self.at_venue.items() if left]))
        size = data.draw(st.integers(1, self.at_venue[number]))
        self.at_venue[number] -= size
        self.filled[number] += size
        self.truth -= size
        self.untold.append((number, size))

    @precondition(lambda self: self.untold)
    @rule(data=st.data())
    def hear_a_fill(self, data: st.DataObject) -> None:
        number, size = self.untold.pop(data.draw(st.integers(0, len(self.untold) - 1)))
        order = self.orders[number]
        order.applied_qty = Quantity(order.applied_qty + size)
        order.cum_qty = Quantity(max(order.cum_qty, order.applied_qty))
        self.view.fold_fill(Side.SELL, qty(size), LONG_AGO_S)
        self.newest_fill_s = self.tick()

    @rule(size=st.integers(1, 60))
    def fill_an_entry(self, size: int) -> None:
        self.truth += size
        self.untold_entries.append(size)

    @precondition(lambda self: self.untold_entries)
    @rule(data=st.data())
    def hear_of_an_entry(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.untold_entries) - 1))
        self.view.fold_fill(Side.BUY, qty(self.untold_entries.pop(place)), LONG_AGO_S)
        self.newest_fill_s = self.tick()

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), canceled=st.booleans())
    def hear_a_report(self, data: st.DataObject, canceled: bool) -> None:
        number = data.draw(st.integers(0, len(self.orders) - 1))
        order = self.orders[number]
        order.cum_qty = Quantity(Decimal(self.filled[number]))
        if canceled:
            self.at_venue[number] = 0
            order.status = Status.CANCELED
        elif self.at_venue[number] == 0 and order.status is not Status.CANCELED:
            order.status = Status.FILLED

    @rule()
    def ask(self) -> None:
        self.on_the_way.append((self.truth, self.tick()))

    @precondition(lambda self: self.on_the_way)
    @rule(data=st.data())
    def hear_a_snapshot(self, data: st.DataObject) -> None:
        size, asked_s = self.on_the_way.pop(data.draw(st.integers(0, len(self.on_the_way) - 1)))
        self.view.take_snapshot(a_snapshot(size, asked_s=asked_s), self.newest_fill_s)

    @invariant()
    def whatever_fills_the_position_does_not_cross_zero(self) -> None:
        assert self.truth - sum(self.at_venue.values()) >= 0


TestExitsNeverOvershoot = ExitsNeverOvershoot.TestCase
