"""What the venue refuses, holds back, charges and ends."""

from decimal import Decimal

import pytest
from sandbox_floor import CASH, Floor

from adapters.sandbox import commands
from adapters.sandbox.commands import Rules
from adapters.sandbox.entry import Refused
from adapters.sandbox.orders import Fate, Side, Status


@pytest.fixture
def floor() -> Floor:
    floor = Floor()
    floor.price("100")
    return floor


def power(floor: Floor, account: str = "ann") -> Decimal:
    ledger = floor.venue.ledger
    return ledger.accounts[account].buying_power(ledger.marks, ledger.rules.multiplier)


def refusal(floor: Floor, *args: object, **options: object) -> Refused:
    with pytest.raises(Refused) as caught:
        floor.send(*args, **options)  # type: ignore[arg-type]
    return caught.value


def test_an_open_buy_reserves_its_money_and_a_cancel_gives_it_back(floor: Floor) -> None:
    assert power(floor) == 2 * CASH

    order = floor.order("buy", 100, "90")
    assert power(floor) == 2 * CASH - 9000

    floor.cancel(order)
    assert power(floor) == 2 * CASH - 9000
    floor.settle(order)
    assert order.status is Status.CANCELED
    assert power(floor) == 2 * CASH


def test_an_order_beyond_the_buying_power_is_refused_and_changes_nothing(floor: Floor) -> None:
    refused = refusal(floor, "buy", 2001)

    assert (refused.http_status, refused.code) == (403, 40310000)
    assert refused.extra == {"buying_power": "200000", "cost_basis": "200100"}
    assert floor.venue.ledger.accounts["ann"].orders == []


def test_shares_held_by_an_open_sell_cannot_be_sold_again(floor: Floor) -> None:
    floor.order("buy", 100)
    floor.order("sell", 70, "110")

    refused = refusal(floor, "sell", 31)

    assert (refused.http_status, refused.code) == (403, 40310000)
    assert refused.extra == {
        "available": "30",
        "existing_qty": "100",
        "held_for_orders": "70",
        "symbol": "XYZ",
    }
    assert floor.order("sell", 30).status is Status.FILLED


def test_no_order_turns_a_position_round(floor: Floor) -> None:
    floor.order("buy", 100)

    assert refusal(floor, "sell", 101).extra["available"] == "100"


def test_a_short_sale_needs_margin(floor: Floor) -> None:
    floor.order("sell", 100)
    assert floor.position() == -100

    cash_house = Floor(Rules(multiplier=Decimal(1)))
    cash_house.price("100")
    assert refusal(cash_house, "sell", 1).http_status == 403


def test_a_short_profits_when_the_price_falls(floor: Floor) -> None:
    floor.order("sell", 100)
    floor.price("90")
    floor.order("buy", 100)

    assert floor.position() == 0
    assert floor.cash() == CASH + 1000


def test_an_order_that_could_trade_with_one_s_own_is_refused_as_a_wash_trade(floor: Floor) -> None:
    floor.order("buy", 100)
    stop = floor.order("sell", 100, None, "95")

    refused = refusal(floor, "buy", 10)

    assert (refused.http_status, refused.code) == (403, 40310000)
    assert refused.extra["existing_order_id"] == stop.id
    assert "opposite side market/stop order" in refused.extra["reject_reason"]


def test_two_limits_that_cannot_meet_are_no_wash_trade(floor: Floor) -> None:
    floor.order("buy", 10)
    floor.order("sell", 10, "110")

    assert floor.order("buy", 10, "90").status is Status.NEW
    assert refusal(floor, "buy", 10, "110").code == 40310000


def test_a_short_cannot_be_opened_against_an_open_buy(floor: Floor) -> None:
    floor.order("buy", 10, "90")

    assert "while a long buy order is open" in refusal(floor, "sell", 10, "110").message


def test_a_client_order_id_is_refused_for_ever_once_used(floor: Floor) -> None:
    order = floor.order("buy", 10, "90", client_id="mine")
    floor.cancel(order)
    floor.settle(order)

    refused = refusal(floor, "buy", 10, "90", client_id="mine")

    assert (refused.http_status, refused.code) == (422, 40010001)
    assert floor.send("buy", 10, "90", client_id="mine", account="bob").status is Status.PENDING_NEW


def test_fees_are_taken_from_the_cash(floor: Floor) -> None:
    floor.do(
        commands.SetRules(
            floor.at,
            Rules(
                fee_per_share=Decimal("0.01"),
                fee_fraction=Decimal("0.001"),
                liquidity_fraction=Decimal(1),
            ),
        )
    )

    floor.order("buy", 10)

    assert floor.cash() == CASH - 1000 - Decimal("0.10") - Decimal("1.000")


def test_a_day_order_expires_at_midnight_in_new_york_and_a_gtc_order_does_not(
    floor: Floor,
) -> None:
    day, gtc = floor.order("buy", 1, "90", tif="day"), floor.order("buy", 1, "90")

    floor.wait(hours=13)
    floor.price("100")
    assert day.status is Status.NEW

    floor.wait(hours=2)
    floor.price("100")
    assert day.status is Status.EXPIRED
    assert floor.events(day)[-1] == "expired"
    assert gtc.status is Status.NEW


def test_when_the_market_is_closed_orders_wait_and_trade_at_the_open(floor: Floor) -> None:
    floor.do(commands.SetMarket(floor.at, False))

    order = floor.order("buy", 10, tif="day")
    assert order.status is Status.ACCEPTED
    assert floor.events(order) == []
    floor.wait(hours=20)

    floor.do(commands.SetMarket(floor.at, True))
    assert order.status is Status.FILLED


def test_the_close_ends_the_day_s_orders(floor: Floor) -> None:
    order = floor.order("buy", 10, "90", tif="day")

    floor.do(commands.SetMarket(floor.at, False))

    assert order.status is Status.EXPIRED


def test_a_replacement_is_a_new_order_and_ends_the_old_one(floor: Floor) -> None:
    old = floor.order("buy", 10, "90")

    new = floor.replace(old, limit_price="91", qty="20")
    assert (old.status, new.status) == (Status.PENDING_REPLACE, Status.PENDING_NEW)
    assert floor.venue.ledger.accounts["ann"].reserved == 20 * 91
    floor.settle(new)

    assert (old.status, new.status) == (Status.REPLACED, Status.NEW)
    assert (old.replaced_by, new.replaces) == (new.id, old.id)
    assert floor.events(old) == ["new", "replaced"]
    assert floor.venue.ledger.accounts["ann"].reserved == 20 * 91


def test_a_fill_can_win_the_race_against_a_replace(floor: Floor) -> None:
    old = floor.order("buy", 10, "90")
    new = floor.replace(old, limit_price="85")

    floor.walk("89")
    floor.settle(new)

    assert (old.status, new.status) == (Status.FILLED, Status.REJECTED)
    assert floor.events(new) == ["rejected"]
    assert floor.position() == 10
    assert floor.venue.ledger.accounts["ann"].reserved == 0


def test_a_replacement_of_a_partly_filled_order_trades_only_the_rest(floor: Floor) -> None:
    old = floor.order("buy", 100, "90")
    floor.walk("90", 30)
    floor.wait(seconds=1)

    new = floor.settle(floor.replace(old, qty="120"))

    assert new.qty == 90
    floor.walk("89", 1000)
    assert floor.position() == 120


def test_what_fills_while_a_replacement_is_on_its_way_comes_off_the_replacement(
    floor: Floor,
) -> None:
    old = floor.order("buy", 100, "90")
    new = floor.replace(old, limit_price="89")

    floor.walk("90", 30)
    floor.settle(new)

    assert (old.filled_qty, new.qty, new.leaves) == (30, 70, 70)
    assert floor.venue.ledger.accounts["ann"].reserved == 70 * 89


def test_a_fill_can_win_the_race_against_a_cancel(floor: Floor) -> None:
    order = floor.order("buy", 10, "90")
    floor.cancel(order)

    floor.walk("89")
    floor.settle(order)

    assert order.status is Status.FILLED
    assert floor.events(order) == ["new", "fill"]


@pytest.mark.parametrize(
    "status", [Status.FILLED, Status.CANCELED], ids=["a filled order", "a canceled order"]
)
def test_a_finished_order_can_be_neither_cancelled_nor_replaced(
    floor: Floor, status: Status
) -> None:
    order = floor.order("buy", 10, "100" if status is Status.FILLED else "90")
    if status is Status.CANCELED:
        floor.cancel(order)
        floor.settle(order)
    assert order.status is status

    for attempt in (
        lambda: floor.cancel(order),
        lambda: floor.replace(order, limit_price="80"),
    ):
        with pytest.raises(Refused) as caught:
            attempt()
        assert (caught.value.http_status, caught.value.code) == (422, 42210000)


def test_a_silently_rejected_order_is_gone_without_an_event(floor: Floor) -> None:
    order = floor.order("buy", 10, "90", fate=Fate.SILENT_REJECT)

    assert order.status is Status.REJECTED
    assert floor.events(order) == []
    assert floor.venue.ledger.accounts["ann"].reserved == 0


def test_an_order_that_never_fires_looks_alive_and_can_be_cancelled(floor: Floor) -> None:
    order = floor.order("buy", 10, "100", fate=Fate.NEVER_FIRE)
    floor.walk("90")
    assert (order.status, floor.fills(order)) == (Status.NEW, [])

    floor.cancel(order)
    floor.settle(order)
    assert order.status is Status.CANCELED


def test_no_id_is_ever_given_twice_even_when_the_seed_comes_back(floor: Floor) -> None:
    for seed in (1, 2, 1, 2):
        floor.do(commands.SetRules(floor.at, Rules(seed=seed)))
        floor.order("buy", 1)

    executions = floor.venue.ledger.accounts["ann"].executions
    assert len(floor.venue.ledger.orders) == len({e.id for e in executions}) == 4


def test_the_operator_can_trade_behind_the_daemon_s_back(floor: Floor) -> None:
    floor.do(commands.OperatorTrade(floor.at, "ann", "XYZ", Side.SELL, Decimal(7), Decimal("99")))

    assert floor.position() == -7
    assert floor.cash() == CASH + 693
    order = floor.venue.ledger.accounts["ann"].orders[-1]
    assert floor.events(order) == ["new", "fill"]


def test_the_margin_desk_can_move_a_position_without_any_order(floor: Floor) -> None:
    floor.order("buy", 10)
    heard = len(floor.heard)

    floor.do(commands.OperatorAdjust(floor.at, "ann", "XYZ", Decimal(-10)))

    assert floor.position() == 0
    assert floor.heard[heard:] == []
    assert len(floor.venue.ledger.accounts["ann"].executions) == 1


def test_an_average_entry_price_is_the_mean_of_what_is_still_open(floor: Floor) -> None:
    floor.order("buy", 10)
    floor.price("110")
    floor.order("buy", 10)
    floor.order("sell", 5)

    position = floor.venue.ledger.accounts["ann"].positions["XYZ"]
    assert (position.qty, position.average_price) == (15, 105)
