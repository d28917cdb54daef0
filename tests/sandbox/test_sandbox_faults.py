"""Every fault does what its name says, once, and leaves a line in the journal."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sandbox_doors import Doors, open_doors

BODY = {
    "symbol": "AAPL",
    "qty": "1",
    "side": "buy",
    "type": "limit",
    "limit_price": "90",
    "time_in_force": "gtc",
    "client_order_id": "mine",
}


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with open_doors(tmp_path) as (doors, _):
        yield doors


async def install(doors: Doors, kind: str, **fields: Any) -> None:
    await doors.control("POST", "/faults", {"kind": kind, **fields})


async def post(doors: Doors) -> tuple[int, Any]:
    return await doors.call("POST", "/v2/orders", BODY)


async def client_ids(doors: Doors) -> list[str]:
    return list((await doors.truth())["client_order_ids"])


async def test_a_lost_ack_leaves_the_order_at_the_venue(doors: Doors) -> None:
    await install(doors, "ack_lost", method="POST", path="/v2/orders")

    with pytest.raises(aiohttp.ServerDisconnectedError):
        await post(doors)

    assert await client_ids(doors) == ["mine"]
    status, refusal = await post(doors)
    assert (status, refusal["code"]) == (422, 40010001)
    truth = await doors.control("GET", "/truth")
    assert truth["requests"]["posts_by_client_order_id"] == {"mine": 2}


async def test_a_dropped_request_leaves_nothing_but_its_trace(doors: Doors) -> None:
    await install(doors, "drop_before", method="POST")

    with pytest.raises(aiohttp.ServerDisconnectedError):
        await post(doors)

    assert await client_ids(doors) == []
    assert (await post(doors))[0] == 200
    truth = await doors.control("GET", "/truth")
    assert truth["requests"]["posts_by_client_order_id"] == {"mine": 2}


@pytest.mark.parametrize(
    ("kind", "expected"), [("http_before", []), ("http_after", ["mine"])], ids=["before", "after"]
)
async def test_a_gateway_error_does_not_say_whether_the_order_arrived(
    doors: Doors, kind: str, expected: list[str]
) -> None:
    await install(doors, kind, status=504, method="POST")

    status, page = await post(doors)

    assert status == 504
    assert b"<html>" in page
    assert await client_ids(doors) == expected


@pytest.mark.parametrize(
    ("kind", "expected"), [("slow", []), ("slow_reply", ["mine"])], ids=["request", "reply"]
)
async def test_a_slow_venue_keeps_its_client_waiting(
    doors: Doors, kind: str, expected: list[str]
) -> None:
    await install(doors, kind, delay_ms=3_600_000, method="POST")
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(post(doors))
        while not (await doors.control("GET", "/faults"))["journal"]:
            pass

        assert await client_ids(doors) == expected
        assert not waiting.done()
        waiting.cancel()


async def test_a_429_tells_to_wait_and_processes_nothing(doors: Doors) -> None:
    await install(doors, "rate_limit", method="POST")

    status, headers, refusal = await doors.call_full("POST", "/v2/orders", BODY)

    assert (status, refusal["code"]) == (429, 42910000)
    assert headers["X-RateLimit-Reset"].isdigit()
    assert await client_ids(doors) == []


async def test_a_silent_reject_is_seen_only_by_asking(doors: Doors) -> None:
    await install(doors, "silent_reject", client_order_id="mine")

    async with doors.updates() as updates:
        status, order = await post(doors)
        await doors.order(client_order_id="next", type="limit", limit_price="91")
        _, first = await updates.order_event()

    assert (status, order["status"]) == (200, "pending_new")
    assert first["order"]["client_order_id"] == "next"
    _, found = await doors.call("GET", f"/v2/orders/{order['id']}")
    assert found["status"] == "rejected"


async def test_an_order_can_be_accepted_and_never_fire(doors: Doors) -> None:
    await install(doors, "never_fire", client_order_id="mine")

    async with doors.updates() as updates:
        await post(doors)
        assert (await updates.until("new"))["order"]["client_order_id"] == "mine"
        await doors.control("POST", "/price", {"symbol": "AAPL", "price": "80"})
        await doors.order(client_order_id="next")
        filled = await updates.until("fill")

    assert filled["order"]["client_order_id"] == "next"


async def test_a_dropped_event_is_missing_and_a_doubled_one_comes_twice(doors: Doors) -> None:
    await install(doors, "drop_event", event="new")
    await install(doors, "dup_event", event="fill")

    async with doors.updates() as updates:
        await doors.order()
        events = [await updates.order_event() for _ in range(2)]
        await doors.order()
        after = [(await updates.order_event())[0] for _ in range(2)]

    assert [name for name, _ in events] == ["fill", "fill"]
    assert events[0] == events[1]
    assert after == ["new", "fill"]


async def test_a_mute_stream_stays_connected_and_says_nothing_until_the_fault_is_cleared(
    doors: Doors,
) -> None:
    await install(doors, "mute")

    async with doors.updates() as updates:
        await doors.order(client_order_id="unheard")
        while (await doors.truth())["orders"][0]["status"] != "filled":
            pass
        await doors.control("DELETE", "/faults")
        await doors.order(client_order_id="heard")
        _, first = await updates.order_event()

    assert first["order"]["client_order_id"] == "heard"


async def test_a_stream_can_be_cut_in_place_of_an_event(doors: Doors) -> None:
    await install(doors, "disconnect", event="fill")

    async with doors.updates() as updates:
        await doors.order()
        assert (await updates.order_event())[0] == "new"
        frame = await updates.frame()

    assert frame.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert updates.socket.close_code != aiohttp.WSCloseCode.OK


@pytest.mark.parametrize("how", ["cut", "close"])
async def test_the_control_port_can_end_streams(doors: Doors, how: str) -> None:
    async with doors.updates() as updates, doors.market_data(trades=["*"]) as data:
        ended = await doors.control("POST", "/disconnect", {"stream": "trade_updates", "how": how})
        frame = await updates.frame()
        await doors.control("POST", "/price", {"symbol": "AAPL", "price": "101"})
        assert (await data.hear())[0]["p"] == 101

    assert ended == {"severed": 1}
    polite = aiohttp.WSMsgType.CLOSE in (frame.type,) or updates.socket.close_code == 1000
    assert polite is (how == "close")


async def test_bars_can_be_lost_on_the_way_too(tmp_path: Path) -> None:
    async with (
        open_doors(tmp_path, speed=600.0, symbols=("AAPL",)) as (doors, _),
        doors.market_data(bars=["AAPL"]) as stream,
    ):
        await install(doors, "drop_event", event="b", nth=2)
        await doors.control("POST", "/resume")
        bars = [(await stream.hear())[0] for _ in range(2)]
        _, page = await doors.call(
            "GET", "/v2/stocks/AAPL/bars", timeframe="1Min", start="2000-01-01"
        )

    starts = [bar["t"] for bar in page["bars"]]
    assert [bar["t"] for bar in bars] == [starts[0], starts[2]]


async def test_a_fault_waits_for_its_nth_match_and_strikes_count_times(doors: Doors) -> None:
    await install(doors, "http_before", method="GET", path="/v2/positions", nth=2, count=2)

    statuses = [(await doors.call("GET", "/v2/positions"))[0] for _ in range(5)]

    assert statuses == [200, 503, 503, 200, 200]
    assert (await doors.call("GET", "/v2/account"))[0] == 200


async def test_what_a_fault_did_is_written_down(doors: Doors) -> None:
    await install(doors, "http_before", method="POST", count=0)
    await post(doors)
    report = await doors.control("GET", "/faults")

    (line,) = report["journal"]
    assert (line["kind"], line["client_order_id"]) == ("http_before", "mine")
    assert (line["method"], line["path"], line["account"]) == ("POST", "/v2/orders", "DEMO-1")
    (installed,) = report["installed"]
    assert (installed["matched"], installed["struck"]) == (1, 1)
    cleared = await doors.control("DELETE", "/faults")
    assert cleared["installed"] == []
    assert cleared["journal"] == report["journal"]
