"""The words in which a strategy decides."""

from decimal import Decimal

import pytest
from strategies.strategy_parts import a_bar, held

from trader import Context, Side, TimeInForce
from trader.ids import ClientOrderId
from trader.money import Price, Quantity
from trader.orders.order import OrderType
from trader.session.strategy import FLAT_VIEW, CancelOrders, ModifyOrder, View, WorkingView
from trader.session.valid import BadDecision

ORDER = WorkingView(
    ClientOrderId("t1aaaaaaaaaaaaaaaaaaaa"),
    Side.BUY,
    OrderType.LIMIT,
    Quantity(Decimal(5)),
    Quantity(Decimal(5)),
    Price(Decimal(99)),
    None,
    False,
)


@pytest.fixture
def ctx() -> Context:
    """At a bar that closed at 100, with nothing held."""
    context = Context("AAPL", Decimal("0.05"), Decimal(1))
    context.look(FLAT_VIEW, a_bar(100))
    return context


@pytest.mark.parametrize(
    ("prices", "type_"),
    [
        pytest.param({}, OrderType.MARKET, id="no price is a market order"),
        pytest.param({"limit": 99}, OrderType.LIMIT, id="a limit is a limit order"),
        pytest.param({"stop_entry": 101}, OrderType.STOP_MARKET, id="from a price is a stop order"),
        pytest.param(
            {"limit": 102, "stop_entry": 101}, OrderType.STOP_LIMIT, id="both is a stop-limit order"
        ),
    ],
)
def test_the_prices_given_say_what_order_it_is(
    ctx: Context, prices: dict[str, int], type_: OrderType
) -> None:
    assert ctx.buy(1, reason="r", **prices).type is type_  # type: ignore[arg-type]


def test_the_stop_in_ticks_counts_from_the_close_of_the_bar(ctx: Context) -> None:
    assert ctx.buy(1, stop_ticks=40, reason="r").protective_stop == 98
    assert ctx.sell(1, stop_ticks=40, reason="r").protective_stop == 102


def test_the_stop_in_ticks_counts_from_the_entry_price_where_there_is_one(ctx: Context) -> None:
    assert ctx.buy(1, limit=90, stop_ticks=40, reason="r").protective_stop == 88
    assert ctx.buy(1, stop_entry=110, stop_ticks=40, reason="r").protective_stop == 108
    assert ctx.buy(1, limit=112, stop_entry=110, stop_ticks=40, reason="r").protective_stop == 110


def test_a_limit_is_rounded_so_that_it_never_pays_more_than_asked(ctx: Context) -> None:
    assert ctx.buy(1, limit=99.99, reason="r").price == Decimal("99.95")
    assert ctx.sell(1, limit=100.01, reason="r").price == Decimal("100.05")


def test_an_entry_stop_is_rounded_so_that_it_never_triggers_earlier(ctx: Context) -> None:
    assert ctx.buy(1, stop_entry=100.01, reason="r").stop_price == Decimal("100.05")
    assert ctx.sell(1, stop_entry=99.99, reason="r").stop_price == Decimal("99.95")


def test_a_protective_stop_is_rounded_so_that_it_never_loses_more_than_asked(ctx: Context) -> None:
    assert ctx.buy(1, stop=97.01, reason="r").protective_stop == Decimal("97.05")
    assert ctx.sell(1, stop=102.99, reason="r").protective_stop == Decimal("102.95")


def test_a_stop_on_the_wrong_side_of_the_entry_is_refused(ctx: Context) -> None:
    with pytest.raises(BadDecision, match="must be below it"):
        ctx.buy(1, stop=100, reason="r")
    with pytest.raises(BadDecision, match="must be above it"):
        ctx.sell(1, stop_ticks=-1, reason="r")


def test_two_different_stops_for_one_entry_are_refused(ctx: Context) -> None:
    with pytest.raises(BadDecision, match="which of them"):
        ctx.buy(1, stop=98, stop_ticks=40, reason="r")


def test_an_exit_closes_the_side_that_is_held(ctx: Context) -> None:
    ctx.look(held(7), a_bar(100))
    assert (ctx.exit("r").side, ctx.exit("r").qty, ctx.exit("r").is_exit) == (Side.SELL, 7, True)
    ctx.look(held(-7), a_bar(100))
    assert (ctx.exit("r").side, ctx.exit("r").qty) == (Side.BUY, 7)


def test_the_position_is_what_the_session_holds(ctx: Context) -> None:
    assert ctx.position.is_flat
    assert not ctx.position.is_long
    ctx.look(held(-2, "50"), a_bar(100))
    assert ctx.position.is_short
    assert (ctx.position.qty, ctx.position.avg_px) == (-2, 50)


def test_a_working_order_is_modified_and_cancelled_as_it_was_seen(ctx: Context) -> None:
    ctx.look(View(working=(ORDER,)), a_bar(100))
    (seen,) = ctx.working
    assert ctx.modify(seen, limit=98.5, reason="r").changes == (
        ModifyOrder(ORDER.id, price=Decimal("98.5")),
    )
    assert ctx.cancel(seen, reason="r") == CancelOrders((ORDER.id,), "r")


def test_to_cancel_no_order_is_not_to_cancel_them_all(ctx: Context) -> None:
    with pytest.raises(BadDecision, match="cancel_all"):
        ctx.cancel(reason="r")
    assert ctx.cancel_all("r") == CancelOrders((), "r")


def test_no_reason_no_decision(ctx: Context) -> None:
    with pytest.raises(BadDecision, match="needs a reason"):
        ctx.nothing(" ")


def test_the_same_nothing_is_one_object_and_reasons_do_not_pile_up(ctx: Context) -> None:
    assert ctx.nothing("no cross") is ctx.nothing("no cross")
    for number in range(1_000):
        assert ctx.nothing(f"mean {number}").reason == f"mean {number}"
    assert len(ctx.nothings) <= 256


def test_time_in_force_is_carried(ctx: Context) -> None:
    assert ctx.buy(1, limit=99, tif=TimeInForce.GTC, reason="r").tif is TimeInForce.GTC
