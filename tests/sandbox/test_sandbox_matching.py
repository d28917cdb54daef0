"""Who trades with whom, at what price, and how much."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sandbox_floor import START, Floor

from adapters.sandbox import commands
from adapters.sandbox.commands import Rules
from adapters.sandbox.events import BarClosed, TradePrinted
from adapters.sandbox.orders import Status


@pytest.fixture
def floor() -> Floor:
    floor = Floor()
    floor.price("100")
    return floor


def test_a_market_order_fills_at_the_last_price(floor: Floor) -> None:
    order = floor.order("buy", 10)

    assert order.status is Status.FILLED
    assert floor.fills(order) == [(10, "100")]
    assert floor.events(order) == ["new", "fill"]
    assert (floor.position(), floor.cash()) == (10, 99_000)


def test_no_more_trades_than_the_settable_fraction_of_the_volume() -> None:
    floor = Floor(Rules(liquidity_fraction=Decimal("0.1")))
    floor.price("100", 500)

    order = floor.order("buy", 120)
    assert floor.fills(order) == [(50, "100")]
    assert order.status is Status.PARTIALLY_FILLED

    floor.price("101", 1000)
    assert floor.fills(order) == [(50, "100"), (70, "101")]
    assert floor.events(order) == ["new", "partial_fill", "fill"]


def test_a_limit_inside_a_bar_fills_at_its_own_price_as_the_price_walks_through(
    floor: Floor,
) -> None:
    order = floor.order("buy", 10, "98")

    floor.walk("95")

    assert floor.fills(order) == [(10, "98")]


def test_a_gap_fills_a_crossed_limit_at_the_better_new_price(floor: Floor) -> None:
    order = floor.order("buy", 10, "98")

    floor.price("95")

    assert floor.fills(order) == [(10, "95")]


def test_a_stop_is_filled_where_the_walk_meets_it_and_at_the_new_price_after_a_gap(
    floor: Floor,
) -> None:
    floor.order("buy", 20)
    walked, gapped = floor.order("sell", 10, None, "97"), floor.order("sell", 10, None, "90")

    floor.walk("95")
    floor.price("85")

    assert floor.fills(walked) == [(10, "97")]
    assert floor.fills(gapped) == [(10, "85")]


def test_a_stop_does_not_fire_before_its_price_trades(floor: Floor) -> None:
    floor.order("buy", 10)
    stop = floor.order("sell", 10, None, "97")

    floor.walk("97.01")

    assert floor.fills(stop) == []
    assert stop.status is Status.NEW


def test_a_stop_whose_price_has_already_traded_fires_at_once(floor: Floor) -> None:
    assert floor.fills(floor.order("buy", 10, None, "99")) == [(10, "100")]


def test_a_stop_limit_rests_when_the_price_has_run_past_its_limit(floor: Floor) -> None:
    floor.order("buy", 10)
    order = floor.order("sell", 10, "96", "97")

    floor.price("95")
    assert floor.fills(order) == []

    floor.walk("96.5")
    assert floor.fills(order) == [(10, "96")]


def test_at_one_price_first_come_is_first_served(floor: Floor) -> None:
    first = floor.order("buy", 10, "99", account="ann")
    second = floor.order("buy", 10, "99", account="bob")

    floor.walk("99", 15)

    assert floor.fills(first) == [(10, "99")]
    assert floor.fills(second) == [(5, "99")]


def test_the_better_price_comes_before_the_earlier_order(floor: Floor) -> None:
    early = floor.order("buy", 10, "98", account="ann")
    better = floor.order("buy", 10, "99", account="bob")

    floor.walk("97", 10)

    assert floor.fills(better) == [(10, "99")]
    assert floor.fills(early) == []


def test_accounts_trade_with_each_other_at_the_price_of_the_one_who_waited(floor: Floor) -> None:
    floor.order("buy", 10, account="bob")
    ask = floor.order("sell", 10, "100.50", account="bob")
    floor.price("101", 1)
    # The house has one share at 101; bob's ask at 100.50 was crossed for that one share.
    assert floor.fills(ask) == [(1, "101")]

    bid = floor.order("buy", 5, "102", account="ann")

    assert floor.fills(bid) == [(5, "100.50")]
    assert floor.fills(ask) == [(1, "101"), (5, "100.50")]


def test_an_ioc_order_takes_what_is_there_and_cancels_the_rest(floor: Floor) -> None:
    floor.price("100", 30)

    order = floor.order("buy", 50, "100", tif="ioc")

    assert floor.fills(order) == [(30, "100")]
    assert order.status is Status.CANCELED
    assert floor.events(order) == ["new", "partial_fill", "canceled"]
    assert floor.venue.ledger.accounts["ann"].reserved == 0


def test_a_fok_order_takes_everything_or_nothing(floor: Floor) -> None:
    floor.price("100", 30)

    assert floor.fills(floor.order("buy", 50, "100", tif="fok")) == []
    assert floor.fills(floor.order("buy", 30, "100", tif="fok")) == [(30, "100")]


def test_a_bar_of_the_path_has_the_source_s_own_prices_and_volume_even_when_orders_fill_in_it() -> (
    None
):
    floor = Floor()
    floor.price("100", 1)
    floor.do(commands.CloseBars(floor.at, START - timedelta(minutes=1), 0, START))
    order = floor.order("buy", 100, "98.50", tif="day")
    heard = len(floor.heard)

    for price, volume in (("99", 250), ("98", 250), ("102", 250), ("101", 253)):
        floor.walk(price, volume)
    floor.do(commands.CloseBars(floor.at, START, 1, START + timedelta(minutes=1)))

    new = floor.heard[heard:]
    bar = next(h.bar for h in new if isinstance(h, BarClosed))
    assert (bar.open, bar.high, bar.low, bar.close) == tuple(
        map(Decimal, ("99", "102", "98", "101"))
    )
    assert floor.fills(order) == [(100, "98.50")]
    tape = sum(h.qty for h in new if isinstance(h, TradePrinted))
    assert bar.volume == tape == 1003


def test_a_minute_without_trades_has_no_bar(floor: Floor) -> None:
    floor.do(commands.CloseBars(floor.at, START, 1, START + timedelta(minutes=1)))
    before = len(floor.venue.markets["XYZ"].bars)

    floor.do(
        commands.CloseBars(floor.at, START + timedelta(minutes=1), 2, START + timedelta(minutes=2))
    )

    assert len(floor.venue.markets["XYZ"].bars) == before == 1
