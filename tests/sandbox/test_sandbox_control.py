"""The control port: the truth and the operator's hand."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sandbox_doors import Doors, open_doors, session


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with open_doors(tmp_path) as (doors, _):
        yield doors


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Bearer é"])
async def test_the_control_port_needs_its_token(doors: Doors, header: str) -> None:
    async with session() as client:
        for method, path in (("GET", "/truth"), ("POST", "/faults"), ("GET", "/nothing")):
            async with client.request(
                method, doors.line["control_url"] + path, headers={"Authorization": header}
            ) as response:
                assert response.status == 401


async def test_a_wrong_body_is_refused_with_the_reason(doors: Doors) -> None:
    with pytest.raises(AssertionError, match="extra_forbidden"):
        await doors.control("POST", "/faults", {"kind": "mute", "typo": 1})
    with pytest.raises(AssertionError, match="greater_than"):
        await doors.control("POST", "/price", {"symbol": "AAPL", "price": "-1"})
    with pytest.raises(AssertionError, match="not found"):
        await doors.control("POST", "/price", {"symbol": "NOPE", "price": "1"})


async def test_the_truth_shows_orders_executions_positions_cash_and_requests(
    doors: Doors,
) -> None:
    async with doors.updates() as updates:
        await doors.order(client_order_id="filled", qty="2")
        fill = await updates.until("fill")
        await doors.order(client_order_id="resting", type="limit", limit_price="90")
        await updates.until("new")
    await doors.call("POST", "/v2/orders", {"client_order_id": "refused"})

    truth = await doors.control("GET", "/truth")

    account = truth["accounts"]["DEMO-1"]
    assert account["cash"] == "99800"
    assert account["reserved"] == "90"
    assert account["positions"] == {"AAPL": {"qty": "2", "avg_entry_price": "100"}}
    assert account["client_order_ids"] == ["filled", "resting"]
    assert [order["status"] for order in account["orders"]] == ["filled", "new"]
    (execution,) = account["executions"]
    assert execution["execution_id"] == fill["execution_id"]
    assert execution["client_order_id"] == "filled"
    assert truth["last_prices"] == {"AAPL": "100"}
    assert truth["requests"]["posts_by_client_order_id"] == {
        "filled": 1,
        "resting": 1,
        "refused": 1,
    }
    assert [r["status"] for r in truth["requests"]["newest"]] == [200, 200, 422]


async def test_the_operator_can_cancel_behind_the_daemon_s_back(doors: Doors) -> None:
    async with doors.updates() as updates:
        for name in ("one", "two", "three"):
            await doors.order(client_order_id=name, type="limit", limit_price="90")
            await updates.until("new")

        await doors.control("POST", "/operator/cancel", {"client_order_id": "two"})
        assert (await updates.until("canceled"))["order"]["client_order_id"] == "two"
        answer = await doors.control("POST", "/operator/cancel", {})
        gone = {(await updates.until("canceled"))["order"]["client_order_id"] for _ in range(2)}

    assert len(answer["canceling"]) == 2
    assert gone == {"one", "three"}


async def test_the_operator_can_trade_behind_the_daemon_s_back(doors: Doors) -> None:
    async with doors.updates() as updates:
        trade = {"symbol": "AAPL", "side": "sell", "qty": "5", "price": "101"}
        await doors.control("POST", "/operator/trade", trade)
        fill = await updates.until("fill")

    assert fill["order"]["client_order_id"].startswith("operator-")
    assert (fill["position_qty"], fill["price"]) == ("-5", "101")
    _, activities = await doors.call("GET", "/v2/account/activities/FILL")
    assert activities[0]["side"] == "sell"


async def test_the_margin_desk_can_adjust_a_position_without_any_order(doors: Doors) -> None:
    await doors.control("POST", "/operator/position", {"symbol": "AAPL", "qty": "12"})
    await doors.control("POST", "/operator/position", {"symbol": "AAPL", "qty": "-3"})

    _, position = await doors.call("GET", "/v2/positions/AAPL")
    truth = await doors.truth()

    assert position["qty"] == "-3"
    assert truth["orders"] == truth["executions"] == []
    assert [a["signed_qty"] for a in truth["adjustments"]] == ["12", "-15"]
    assert await doors.call("GET", "/v2/account/activities/FILL") == (200, [])


async def test_the_market_can_be_closed_and_opened(doors: Doors) -> None:
    await doors.control("POST", "/market", {"state": "closed"})
    _, clock = await doors.call("GET", "/v2/clock")
    assert clock["is_open"] is False
    order = await doors.order()
    assert order["status"] == "accepted"

    async with doors.updates() as updates:
        await doors.control("POST", "/market", {"state": "open"})
        fill = await updates.until("fill")

    assert fill["order"]["id"] == order["id"]


async def test_prices_stand_still_while_the_market_is_closed(tmp_path: Path) -> None:
    async with (
        open_doors(tmp_path, speed=600.0, symbols=("AAPL",)) as (doors, _),
        doors.market_data(bars=["AAPL"]) as stream,
    ):
        await doors.control("POST", "/resume")
        (before,) = await stream.hear()
        await doors.control("POST", "/market", {"state": "closed"})
        closed = await doors.control("GET", "/truth")
        await doors.control("POST", "/market", {"state": "open"})
        later = [bar["t"] for _ in range(3) for bar in await stream.hear()]

    assert closed["is_open"] is False
    assert before["t"] < later[0] < later[1] < later[2]


async def test_a_wrong_symbol_in_an_operator_s_hand_harms_nothing(doors: Doors) -> None:
    for path, body in (
        ("/operator/trade", {"symbol": "NOPE", "side": "buy", "qty": "1"}),
        ("/operator/position", {"symbol": "NOPE", "qty": "1"}),
        ("/operator/position", {"symbol": "IBM", "qty": "1"}),
        ("/operator/cancel", {"client_order_id": "unknown"}),
    ):
        with pytest.raises(AssertionError):
            await doors.control("POST", path, body)
    assert (await doors.truth())["positions"] == {}


async def test_the_url_of_the_control_port_is_on_loopback(doors: Doors) -> None:
    assert doors.line["control_url"].startswith("http://127.0.0.1:")
