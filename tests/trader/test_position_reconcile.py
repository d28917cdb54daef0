"""Broker, memory, database: three columns and one verdict."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from order_parts import a_snapshot, px, qty

from trader.money import Quantity
from trader.positions.position import FLAT, Position
from trader.positions.reconcile import (
    DATABASE_DIFFERS,
    MANUAL_OR_MARGIN,
    MEMORY_DIFFERS,
    MISSED_FILL,
    POSSIBLE_SPLIT,
    Adjust,
    Agree,
    Wait,
    judge,
)

NONE = Decimal(0)


def verdict(
    memory: int,
    database: int | None,
    broker: int,
    *,
    missed: int = 0,
    prices: tuple[str, str] = ("100", "100"),
    is_in_flight: bool = False,
) -> Agree | Wait | Adjust:
    position = Position(qty(memory), px(prices[0])) if memory else FLAT
    report = a_snapshot(broker, avg_px=prices[1] if broker else None)
    return judge(
        position,
        None if database is None else qty(database),
        report,
        is_in_flight=is_in_flight,
        missed_qty=Decimal(missed),
    )


def cause(found: Agree | Wait | Adjust) -> str:
    assert isinstance(found, Adjust)
    return found.cause


def test_three_times_the_same_is_agreement() -> None:
    assert verdict(10, 10, 10) == Agree()
    assert verdict(0, 0, 0) == Agree()


def test_a_database_that_was_not_read_has_no_say() -> None:
    assert verdict(10, None, 10) == Agree()


def test_a_difference_while_orders_are_in_flight_waits_and_changes_nothing() -> None:
    found = verdict(0, 0, 10, missed=10, is_in_flight=True)

    assert isinstance(found, Wait)
    assert "broker 10, memory 0, database 0" in found.reason


def test_the_broker_wins_whatever_memory_and_database_say() -> None:
    found = verdict(10, 10, 4, prices=("100", "97"))

    assert found == Adjust(qty(4), px(97), MANUAL_OR_MARGIN, "broker 4, memory 10, database 10")


def test_a_position_gone_at_the_broker_is_flat_here() -> None:
    found = verdict(10, 10, 0)

    assert isinstance(found, Adjust)
    assert (found.to_qty, found.to_avg_px) == (0, None)


def test_a_difference_that_our_orders_account_for_is_a_missed_fill() -> None:
    assert cause(verdict(10, 10, 6, missed=4)) == MISSED_FILL
    assert cause(verdict(10, 10, 16, missed=6)) == MISSED_FILL


def test_a_difference_that_our_orders_account_for_only_in_part_is_somebody_elses() -> None:
    assert cause(verdict(10, 10, 5, missed=4)) == MANUAL_OR_MARGIN


def test_a_row_that_agrees_with_the_broker_shows_that_memory_lost_something() -> None:
    assert cause(verdict(10, 6, 6)) == MEMORY_DIFFERS


def test_a_row_that_fell_behind_is_written_again_and_the_position_stays() -> None:
    found = verdict(10, 7, 10, prices=("100", "100.004"))

    assert isinstance(found, Adjust)
    assert (found.to_qty, found.to_avg_px, found.cause) == (10, px(100), DATABASE_DIFFERS)


def test_twice_the_shares_at_half_the_price_may_be_a_split() -> None:
    assert cause(verdict(10, 10, 20, prices=("100", "50"))) == POSSIBLE_SPLIT
    assert cause(verdict(-30, -30, -3, prices=("4.10", "41"))) == POSSIBLE_SPLIT
    assert cause(verdict(10, 10, 15, prices=("100", "66.67"))) == POSSIBLE_SPLIT


def test_twice_the_shares_at_the_same_price_is_a_trade() -> None:
    assert cause(verdict(10, 10, 20)) == MANUAL_OR_MARGIN


def test_half_the_price_with_any_other_number_of_shares_is_a_trade() -> None:
    assert cause(verdict(10, 10, 19, prices=("100", "50"))) == MANUAL_OR_MARGIN


SIZES = st.integers(-5, 5)


@given(SIZES, st.none() | SIZES, SIZES, st.integers(0, 5), st.booleans())
def test_agreement_needs_every_column_and_an_adjustment_is_always_to_the_broker(
    memory: int, database: int | None, broker: int, missed: int, is_in_flight: bool
) -> None:
    found = verdict(memory, database, broker, missed=missed, is_in_flight=is_in_flight)

    columns = {memory, broker} | ({database} if database is not None else set())
    assert isinstance(found, Agree) is (len(columns) == 1)
    if isinstance(found, Adjust):
        assert not is_in_flight
        assert found.to_qty == broker
        assert (found.to_avg_px is None) is (broker == 0)
        adjusted = (Position(qty(memory), px(100)) if memory else FLAT).adjusted(
            found.to_qty, found.to_avg_px
        )
        again = judge(
            adjusted,
            Quantity(Decimal(broker)),
            a_snapshot(broker, avg_px=100 if broker else None),
            is_in_flight=False,
            missed_qty=NONE,
        )
        assert again == Agree(), "an adjustment settles it"
