"""Trades: round trips out of executions."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trader.money import NO_QTY, Price, Quantity
from trader.orders.order import Side
from trader.positions.position import FLAT
from trader.positions.trades import Assignment, Execution, RoundTrips, Trade

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ONE = Decimal(1)


def round_trips(
    moves: Iterable[Execution | Assignment], multiplier: Decimal, left_over_qty: Quantity = NO_QTY
) -> tuple[Trade, ...]:
    """All trades that these moves close."""
    fold = RoundTrips(multiplier, left_over_qty)
    return tuple(trade for move in moves if (trade := fold.take(move)) is not None)


def executed(place: int, side: Side, qty: str, price: str, fee: str | None = None) -> Execution:
    """The execution at a place among all."""
    return Execution(
        execution_id=f"x{place}",
        side=side,
        qty=Quantity(Decimal(qty)),
        price=Price(Decimal(price)),
        fee=None if fee is None else Decimal(fee),
        happened_at=NOON + timedelta(minutes=place),
        place=place,
    )


def test_in_and_out_is_one_trade():
    (trade,) = round_trips(
        [
            executed(1, Side.BUY, "4", "100", "0.10"),
            executed(2, Side.BUY, "6", "110", "0.10"),
            executed(3, Side.SELL, "10", "120", "0.30"),
        ],
        ONE,
    )

    assert (trade.side, trade.qty) == (Side.BUY, 10)
    assert (trade.entry_px, trade.exit_px) == (Decimal(106), Decimal(120))
    assert trade.fees == Decimal("0.50")
    assert trade.realized == Decimal("139.50")
    assert (trade.opened_at, trade.closed_at) == (
        NOON + timedelta(minutes=1),
        NOON + timedelta(minutes=3),
    )
    assert trade.closing_execution_id == "x3"
    assert trade.left_over_qty == 0


def test_a_short_gains_when_the_price_falls():
    (trade,) = round_trips(
        [executed(1, Side.SELL, "2", "50"), executed(2, Side.BUY, "2", "40")], Decimal(100)
    )

    assert (trade.side, trade.realized) == (Side.SELL, Decimal(2000))


def test_a_position_still_held_is_no_trade_yet():
    moves = [executed(1, Side.BUY, "4", "100"), executed(2, Side.SELL, "3", "120")]

    assert round_trips(moves, ONE) == ()


def test_a_flip_closes_one_trade_and_opens_the_next():
    moves = [
        executed(1, Side.BUY, "4", "100"),
        executed(2, Side.SELL, "10", "110", "1.00"),
        executed(3, Side.BUY, "6", "105"),
    ]

    long, short = round_trips(moves, ONE)

    assert (long.side, long.qty, long.realized) == (Side.BUY, 4, Decimal("39.6"))
    assert long.left_over_qty == -6
    assert (short.side, short.qty, short.realized) == (Side.SELL, 6, Decimal("29.4"))
    assert short.opened_at == long.closed_at


def test_an_adjustment_to_flat_ends_the_trip_without_a_trade():
    moves = [
        executed(1, Side.BUY, "4", "100"),
        Assignment(Quantity(Decimal(0)), None, NOON),
        executed(2, Side.BUY, "1", "100"),
        executed(3, Side.SELL, "1", "101"),
    ]

    (trade,) = round_trips(moves, ONE)

    assert (trade.qty, trade.realized) == (1, 1)


@pytest.mark.parametrize(
    ("avg_px", "entry_px"),
    [
        pytest.param(Price(Decimal(90)), 90, id="the broker's price"),
        pytest.param(None, 100, id="else our own"),
    ],
)
def test_after_an_adjustment_the_trip_starts_anew(avg_px: Price | None, entry_px: int):
    moves = [
        executed(1, Side.BUY, "4", "100"),
        Assignment(Quantity(Decimal(2)), avg_px, NOON),
        executed(2, Side.SELL, "2", "110"),
    ]

    (trade,) = round_trips(moves, ONE)

    assert (trade.qty, trade.entry_px) == (2, entry_px)


def test_an_adjustment_at_no_known_price_makes_no_trade():
    moves = [
        Assignment(Quantity(Decimal(2)), None, NOON),
        executed(1, Side.SELL, "2", "110"),
        executed(2, Side.BUY, "2", "100"),
    ]

    (trade,) = round_trips(moves, ONE)

    assert trade.side is Side.SELL


EXECUTIONS = st.lists(
    st.tuples(
        st.sampled_from(Side),
        st.integers(1, 6),
        st.integers(90, 110),
        st.none() | st.integers(0, 9),
    ),
    max_size=40,
)


def moves_of(drawn: list[tuple[Side, int, int, int | None]]) -> list[Execution]:
    """Executions in their order."""
    return [
        executed(n, side, str(qty), str(price), None if fee is None else f"0.{fee}")
        for n, (side, qty, price, fee) in enumerate(drawn, start=1)
    ]


@given(EXECUTIONS)
def test_trades_and_positions_agree_about_money(drawn: list[tuple[Side, int, int, int | None]]):
    moves = moves_of(drawn)
    position, multiplier = FLAT, Decimal(5)
    realized_at_flat, flats_count = Decimal(0), 0
    for move in moves:
        position = position.after(move.side, move.qty, move.price, multiplier, move.fee)
        if position.is_flat:
            realized_at_flat, flats_count = position.realized, move.place

    closed = [t for t in round_trips(moves, multiplier) if t.closing_place <= flats_count]

    assert abs(sum((t.realized for t in closed), Decimal(0)) - realized_at_flat) < Decimal("1e-15")


@given(EXECUTIONS)
def test_going_on_from_any_trade_gives_the_same_trades(
    drawn: list[tuple[Side, int, int, int | None]],
):
    moves = moves_of(drawn)
    trades = round_trips(moves, ONE)

    for n, trade in enumerate(trades):
        start = trade.closing_place if trade.left_over_qty else trade.closing_place + 1
        rest = [move for move in moves if move.place >= start]
        assert round_trips(rest, ONE, trade.left_over_qty) == trades[n + 1 :]
