"""The Alpaca wire as a client sees it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sandbox_doors import Doors, open_doors

ORDER_FIELDS = {
    "id",
    "client_order_id",
    "created_at",
    "updated_at",
    "submitted_at",
    "filled_at",
    "expired_at",
    "expires_at",
    "canceled_at",
    "failed_at",
    "replaced_at",
    "replaced_by",
    "replaces",
    "asset_id",
    "symbol",
    "asset_class",
    "notional",
    "qty",
    "filled_qty",
    "filled_avg_price",
    "order_class",
    "order_type",
    "type",
    "side",
    "position_intent",
    "time_in_force",
    "limit_price",
    "stop_price",
    "status",
    "extended_hours",
    "legs",
    "trail_percent",
    "trail_price",
    "hwm",
}
ACCOUNT_FIELDS = {
    "id",
    "account_number",
    "status",
    "crypto_status",
    "currency",
    "cash",
    "equity",
    "last_equity",
    "buying_power",
    "regt_buying_power",
    "non_marginable_buying_power",
    "portfolio_value",
    "long_market_value",
    "short_market_value",
    "position_market_value",
    "initial_margin",
    "maintenance_margin",
    "multiplier",
    "trading_blocked",
    "account_blocked",
    "transfers_blocked",
    "trade_suspended_by_user",
    "shorting_enabled",
    "created_at",
}


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with open_doors(tmp_path, accounts=("DEMO-1", "DEMO-2")) as (doors, _):
        yield doors


async def test_an_order_is_answered_first_and_filled_afterwards(doors: Doors) -> None:
    async with doors.updates() as updates:
        order = await doors.order(qty=10, client_order_id="mine")
        assert set(order) == ORDER_FIELDS
        assert (order["status"], order["qty"], order["filled_qty"]) == ("pending_new", "10", "0")
        assert (order["client_order_id"], order["order_class"]) == ("mine", "")
        assert (order["limit_price"], order["legs"], order["notional"]) == (None, None, None)

        name, new = await updates.order_event()
        assert (name, new["order"]["status"]) == ("new", "new")
        name, fill = await updates.order_event()

    assert name == "fill"
    assert (fill["qty"], fill["price"], fill["position_qty"]) == ("10", "100", "10")
    assert fill["order"]["status"] == "filled"
    assert fill["order"]["filled_avg_price"] == "100"
    _, by_id = await doors.call("GET", f"/v2/orders/{order['id']}")
    _, by_client_id = await doors.call(
        "GET", "/v2/orders:by_client_order_id", client_order_id="mine"
    )
    assert by_id == by_client_id == fill["order"]


async def test_the_stream_and_the_activities_name_an_execution_alike(doors: Doors) -> None:
    async with doors.updates() as updates:
        order = await doors.order(qty="3")
        fill = await updates.until("fill")

    _, activities = await doors.call("GET", "/v2/account/activities/FILL")

    (activity,) = activities
    stamp, _, execution_id = activity["id"].partition("::")
    assert execution_id == fill["execution_id"]
    assert len(stamp) == 17
    assert stamp.isdigit()
    assert activity["order_id"] == order["id"]
    assert (activity["qty"], activity["cum_qty"], activity["leaves_qty"]) == ("3", "3", "0")
    assert (activity["type"], activity["order_status"]) == ("fill", "filled")


async def test_activities_come_in_pages_without_hole_or_double(doors: Doors) -> None:
    async with doors.updates() as updates:
        for _ in range(7):
            await doors.order()
            await updates.until("fill")

    _, everything = await doors.call("GET", "/v2/account/activities/FILL")
    for direction, wanted in (("desc", everything), ("asc", everything[::-1])):
        seen: list[Any] = []
        page: list[Any] = []
        while not seen or page:
            token = {"page_token": seen[-1]["id"]} if seen else {}
            _, page = await doors.call(
                "GET", "/v2/account/activities/FILL", page_size="3", direction=direction, **token
            )
            seen += page
        assert seen == wanted
    assert len({item["id"] for item in everything}) == 7


async def test_orders_can_be_listed_by_status_and_time(doors: Doors) -> None:
    async with doors.updates() as updates:
        filled = await doors.order()
        await updates.until("fill")
    resting = [
        await doors.order(type="limit", limit_price=str(price), client_order_id=str(price))
        for price in (90, 91, 92)
    ]

    def ids(orders: list[Any]) -> list[str]:
        return [order["id"] for order in orders]

    _, still_open = await doors.call("GET", "/v2/orders")
    assert ids(still_open) == ids(resting)[::-1]
    _, closed = await doors.call("GET", "/v2/orders", status="closed")
    assert ids(closed) == [filled["id"]]
    _, rest = await doors.call(
        "GET", "/v2/orders", status="all", direction="asc", after=resting[0]["submitted_at"]
    )
    assert ids(rest) == ids(resting[1:])
    _, first = await doors.call("GET", "/v2/orders", status="all", direction="asc", limit="1")
    assert ids(first) == [filled["id"]]
    assert await doors.call("GET", "/v2/orders", symbols="IBM") == (200, [])


async def test_a_replace_answers_a_new_order_and_says_replaced_of_the_old_one(
    doors: Doors,
) -> None:
    async with doors.updates() as updates:
        old = await doors.order(type="limit", limit_price="90", qty="5")
        await updates.until("new")
        status, new = await doors.call(
            "PATCH", f"/v2/orders/{old['id']}", {"limit_price": "91", "client_order_id": "next"}
        )
        replaced = await updates.until("replaced")
        started = await updates.until("new")

    assert status == 200
    assert new["id"] != old["id"]
    assert (new["replaces"], new["limit_price"], new["client_order_id"]) == (
        old["id"],
        "91",
        "next",
    )
    assert (replaced["order"]["id"], replaced["order"]["replaced_by"]) == (old["id"], new["id"])
    assert started["order"]["id"] == new["id"]
    assert await doors.call("PATCH", f"/v2/orders/{old['id']}", {"qty": "9"}) == (
        422,
        {"code": 42210000, "message": "cannot replace order in replaced status"},
    )


async def test_a_cancel_is_answered_empty_and_told_by_an_event(doors: Doors) -> None:
    async with doors.updates() as updates:
        order = await doors.order(type="limit", limit_price="90")
        await updates.until("new")
        assert await doors.call("DELETE", f"/v2/orders/{order['id']}") == (204, b"")
        canceled = await updates.until("canceled")

    assert canceled["order"]["status"] == "canceled"
    status, refusal = await doors.call("DELETE", f"/v2/orders/{order['id']}")
    assert (status, refusal["code"]) == (422, 42210000)
    assert refusal["message"] == 'order is already in "canceled" state'


async def test_all_open_orders_can_be_cancelled_at_once(doors: Doors) -> None:
    async with doors.updates() as updates:
        orders = [await doors.order(type="limit", limit_price=str(90 + n)) for n in range(2)]
        await updates.until("new")
        await updates.until("new")
        status, results = await doors.call("DELETE", "/v2/orders")
        await updates.until("canceled")
        await updates.until("canceled")

    assert status == 207
    assert results == [{"id": order["id"], "status": 200} for order in orders]


async def test_account_and_positions_agree_with_the_trades(doors: Doors) -> None:
    async with doors.updates() as updates:
        await doors.order(qty="10")
        await updates.until("fill")
    await doors.control("POST", "/price", {"symbol": "AAPL", "price": "110"})

    _, account = await doors.call("GET", "/v2/account")
    _, positions = await doors.call("GET", "/v2/positions")
    _, by_symbol = await doors.call("GET", "/v2/positions/AAPL")
    _, by_asset = await doors.call("GET", f"/v2/positions/{by_symbol['asset_id']}")

    assert set(account) == ACCOUNT_FIELDS
    assert (account["cash"], account["equity"], account["last_equity"]) == (
        "99000",
        "100100",
        "100000",
    )
    assert account["buying_power"] == "199100"
    assert account["trading_blocked"] is False
    assert positions == [by_symbol] == [by_asset]
    assert (by_symbol["qty"], by_symbol["side"], by_symbol["qty_available"]) == ("10", "long", "10")
    assert (by_symbol["avg_entry_price"], by_symbol["unrealized_pl"]) == ("100", "100")


async def test_a_position_shows_the_change_since_the_last_close(doors: Doors) -> None:
    async with doors.updates() as updates:
        await doors.order(qty="10", time_in_force="gtc")
        await updates.until("fill")
    _, before = await doors.call("GET", "/v2/positions/AAPL")

    await doors.control("POST", "/market", {"state": "closed"})
    await doors.control("POST", "/market", {"state": "open"})
    await doors.control("POST", "/price", {"symbol": "AAPL", "price": "105"})
    _, after = await doors.call("GET", "/v2/positions/AAPL")

    assert (before["lastday_price"], before["change_today"]) == ("100", "0")
    assert (after["lastday_price"], after["change_today"]) == ("100", "0.05")


async def test_a_short_position_has_a_negative_quantity(doors: Doors) -> None:
    async with doors.updates() as updates:
        await doors.order(side="sell", qty="4")
        await updates.until("fill")

    _, position = await doors.call("GET", "/v2/positions/AAPL")

    assert (position["qty"], position["side"], position["market_value"]) == ("-4", "short", "-400")


async def test_a_position_is_closed_by_a_market_order(doors: Doors) -> None:
    async with doors.updates() as updates:
        await doors.order(qty="4")
        await updates.until("fill")
        status, order = await doors.call("DELETE", "/v2/positions/AAPL")
        await updates.until("fill")

    assert (status, order["side"], order["qty"], order["type"]) == (200, "sell", "4", "market")
    assert await doors.call("GET", "/v2/positions") == (200, [])
    status, refusal = await doors.call("GET", "/v2/positions/AAPL")
    assert (status, refusal["code"]) == (404, 40410000)


REFUSALS: list[Any] = [
    pytest.param({"qty": "0"}, 422, 42210000, id="no quantity"),
    pytest.param({"qty": "-1"}, 422, 42210000, id="a negative quantity"),
    pytest.param({"qty": "0.5"}, 403, 40310000, id="a fraction of a share"),
    pytest.param({"qty": "NaN"}, 422, 40010001, id="a quantity that is no number"),
    pytest.param({"qty": "1e400"}, 422, 40010001, id="an absurd quantity"),
    pytest.param({"qty": True}, 422, 40010001, id="a quantity that is a bool"),
    pytest.param({"qty": None}, 422, 40010001, id="quantity missing"),
    pytest.param({"qty": "1000000000"}, 403, 40310000, id="more than the account can pay"),
    pytest.param({"side": "hold"}, 422, 40010001, id="an unknown side"),
    pytest.param({"type": "iceberg"}, 422, 40010001, id="an unknown type"),
    pytest.param({"time_in_force": "opg"}, 422, 40010001, id="a time in force not offered"),
    pytest.param({"type": "limit"}, 422, 40010001, id="a limit order without a limit"),
    pytest.param({"limit_price": "9"}, 422, 40010001, id="a market order with a limit"),
    pytest.param({"type": "limit", "limit_price": "9.001"}, 422, 42210000, id="a sub-penny price"),
    pytest.param({"symbol": "NOPE"}, 422, 42210000, id="an unknown symbol"),
    pytest.param({"notional": "100", "qty": None}, 422, 42210000, id="a notional order"),
    pytest.param({"order_class": "bracket"}, 422, 42210000, id="a bracket"),
    pytest.param({"client_order_id": "x" * 129}, 422, 40010001, id="a client id too long"),
]


@pytest.mark.parametrize(("change", "http_status", "code"), REFUSALS)
async def test_a_bad_order_is_refused_with_the_wire_s_own_code(
    doors: Doors, change: dict[str, Any], http_status: int, code: int
) -> None:
    body = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}

    status, refusal = await doors.call("POST", "/v2/orders", body | change)

    assert (status, refusal["code"]) == (http_status, code)
    assert refusal["message"]
    assert (await doors.truth())["orders"] == []


async def test_a_body_that_is_not_json_is_refused(doors: Doors) -> None:
    status, refusal = await doors.call("POST", "/v2/orders", ["not", "an", "object"])

    assert (status, refusal["code"]) == (422, 40010001)


async def test_numbers_may_come_as_numbers_or_as_text(doors: Doors) -> None:
    as_number = await doors.order(type="limit", qty=2, limit_price=90.1)
    as_text = await doors.order(type="limit", qty="2", limit_price="90.1")

    assert as_number["limit_price"] == as_text["limit_price"] == "90.1"


async def test_a_resent_order_is_refused_and_can_be_found_by_its_client_id(doors: Doors) -> None:
    order = await doors.order(type="limit", limit_price="90", client_order_id="once")
    body = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market"}

    status, refusal = await doors.call(
        "POST", "/v2/orders", body | {"time_in_force": "day", "client_order_id": "once"}
    )

    assert (status, refusal["code"]) == (422, 40010001)
    assert refusal["message"] == "client_order_id must be unique"
    _, found = await doors.call("GET", "/v2/orders:by_client_order_id", client_order_id="once")
    assert found["id"] == order["id"]


async def test_wrong_keys_open_nothing(doors: Doors) -> None:
    doors._keys["stranger"] = (doors._keys["DEMO-1"][0], "wrong")

    status, headers, refusal = await doors.call_full("GET", "/v2/account", account="stranger")

    assert (status, refusal["code"]) == (401, 40110000)
    assert headers["X-Request-ID"]


async def test_accounts_do_not_see_each_other(doors: Doors) -> None:
    order = await doors.order(type="limit", limit_price="90", client_order_id="a")

    status, _ = await doors.call("GET", f"/v2/orders/{order['id']}", account="DEMO-2")
    assert status == 404
    assert await doors.call("GET", "/v2/orders", account="DEMO-2") == (200, [])
    assert (await doors.order("DEMO-2", client_order_id="a"))["client_order_id"] == "a"


async def test_the_clock_is_the_venue_s_and_says_how_fast_it_runs(tmp_path: Path) -> None:
    async with open_doors(
        tmp_path, speed=60.0, start_at="2026-03-02T15:00:00Z", timeframe="5m"
    ) as (doors, _):
        _, clock = await doors.call("GET", "/v2/clock")

    assert clock["timestamp"].startswith("2026-03-02T10:0")
    assert clock["timestamp"].endswith("-05:00")
    assert clock["is_open"] is True
    assert clock["sandbox"]["speed"] == 60
    assert clock["sandbox"]["timeframe_s"] == 300
    assert clock["sandbox"]["now"].startswith("2026-03-02T15:0")


async def test_assets_and_calendar_are_there(doors: Doors) -> None:
    _, assets = await doors.call("GET", "/v2/assets")
    _, apple = await doors.call("GET", "/v2/assets/AAPL")
    _, days = await doors.call("GET", "/v2/calendar", start="2026-03-02", end="2026-03-04")

    assert [asset["symbol"] for asset in assets] == ["AAPL", "IBM", "MSFT"]
    assert apple == assets[0]
    assert (apple["class"], apple["tradable"], apple["fractionable"]) == ("us_equity", True, False)
    assert [day["date"] for day in days] == ["2026-03-02", "2026-03-03", "2026-03-04"]
    status, refusal = await doors.call("GET", "/v2/assets/NOPE")
    assert (status, refusal["code"]) == (404, 40410000)


async def test_the_rate_limit_is_a_real_bucket_and_every_reply_shows_it(tmp_path: Path) -> None:
    async with open_doors(tmp_path, requests_per_minute=3) as (doors, _):
        seen = [await doors.call_full("GET", "/v2/account") for _ in range(4)]

    assert [status for status, _, _ in seen] == [200, 200, 200, 429]
    assert [h["X-RateLimit-Remaining"] for _, h, _ in seen] == ["2", "1", "0", "0"]
    assert {h["X-RateLimit-Limit"] for _, h, _ in seen} == {"3"}
    assert all(h["X-RateLimit-Reset"].isdigit() and h["X-Request-ID"] for _, h, _ in seen)
    assert seen[-1][2]["code"] == 42910000


async def test_without_latency_the_fill_is_out_before_the_reply_that_knows_nothing_of_it(
    tmp_path: Path,
) -> None:
    async with open_doors(tmp_path, latency_ms=0) as (doors, _), doors.updates() as updates:
        order = await doors.order()
        truth = await doors.truth()

        assert order["status"] == "pending_new"
        assert truth["orders"][0]["status"] == "filled"
        assert (await updates.until("fill"))["order"]["id"] == order["id"]
