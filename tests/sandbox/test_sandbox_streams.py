"""The two streams as a client sees them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from sandbox_doors import PATIENCE_S, Doors, Stream, open_doors, session


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with open_doors(tmp_path, accounts=("DEMO-1", "DEMO-2")) as (doors, _):
        yield doors


async def test_trade_updates_are_json_in_binary_frames(doors: Doors) -> None:
    async with doors.updates() as updates:
        await doors.order()
        frame = await updates.frame()

    assert frame.type is aiohttp.WSMsgType.BINARY
    assert frame.data.startswith(b'{"stream":"trade_updates"')


async def test_nobody_listens_without_keys(doors: Doors) -> None:
    async with session() as client, client.ws_connect(doors.line["stream_url"]) as socket:
        stream = Stream(socket)
        await stream.say({"action": "listen", "data": {"streams": ["trade_updates"]}})
        early = await stream.hear()
        await stream.say({"action": "authenticate", "data": {"key_id": "x", "secret_key": "y"}})
        wrong = await stream.hear()

    assert early["data"] == {"status": "unauthorized", "action": "listen"}
    assert wrong["data"] == {"status": "unauthorized", "action": "authenticate"}


async def test_an_account_hears_only_of_its_own_orders(doors: Doors) -> None:
    async with doors.updates("DEMO-1") as ours, doors.updates("DEMO-2") as theirs:
        await doors.order("DEMO-2", client_order_id="theirs")
        await theirs.until("fill")
        await doors.order("DEMO-1", client_order_id="ours")

        _, first = await ours.order_event()

    assert first["order"]["client_order_id"] == "ours"


async def test_every_connection_of_an_account_hears_the_same(doors: Doors) -> None:
    async with doors.updates() as one, doors.updates() as other:
        await doors.order()

        assert await one.until("fill") == await other.until("fill")


async def test_market_data_needs_keys_and_says_what_is_subscribed(doors: Doors) -> None:
    async with session() as client, client.ws_connect(doors.line["data_stream_url"]) as socket:
        stream = Stream(socket)
        await stream.hear()
        await stream.say({"action": "subscribe", "bars": ["AAPL"]})
        assert (await stream.hear())[0]["code"] == 401
        await stream.say({"action": "auth", "key": "x", "secret": "y"})
        assert (await stream.hear())[0]["code"] == 402
        await socket.send_str("this is not JSON")
        assert (await stream.hear())[0]["code"] == 400

    async with doors.market_data(bars=["AAPL"]) as stream:
        await stream.say({"action": "subscribe", "bars": ["IBM"], "trades": ["*"]})
        (both,) = await stream.hear()
        await stream.say({"action": "unsubscribe", "bars": ["AAPL"]})
        (one,) = await stream.hear()

    assert (both["bars"], both["trades"]) == (["AAPL", "IBM"], ["*"])
    assert one["bars"] == ["IBM"]


async def test_trades_are_sent_to_those_who_asked_for_their_symbol(doors: Doors) -> None:
    async with doors.market_data(trades=["IBM"]) as stream:
        await doors.control("POST", "/price", {"symbol": "AAPL", "price": "101"})
        await doors.control("POST", "/price", {"symbol": "IBM", "price": "50.25", "volume": "7"})
        (trade,) = await stream.hear()

    assert (trade["T"], trade["S"], trade["p"], trade["s"]) == ("t", "IBM", 50.25, 7)
    assert trade["t"].endswith("Z")


async def test_a_bar_is_sent_when_it_is_over_and_history_has_the_same(tmp_path: Path) -> None:
    async with (
        open_doors(tmp_path, speed=600.0, symbols=("AAPL",), prefill_count=3) as (doors, _),
        doors.market_data(bars=["AAPL"]) as stream,
    ):
        await doors.control("POST", "/resume")
        live = [bar for _ in range(3) for bar in await stream.hear()]
        await doors.control("POST", "/pause")
        _, page = await doors.call(
            "GET", "/v2/stocks/bars", symbols="AAPL", timeframe="1Min", start="2000-01-01"
        )
        _, clock = await doors.call("GET", "/v2/clock")

    history = page["bars"]["AAPL"]
    assert [bar["T"] for bar in live] == ["b", "b", "b"]
    by_start = {bar["t"]: bar for bar in history}
    for bar in live:
        assert by_start[bar["t"]] == {k: v for k, v in bar.items() if k not in ("T", "S")}
        assert bar["t"] < clock["sandbox"]["now"]
    assert len(history) >= 6
    assert history[2]["t"] < live[0]["t"]


async def test_a_bar_updated_by_the_control_port_is_sent_again_and_replaced_in_history(
    tmp_path: Path,
) -> None:
    async with (
        open_doors(tmp_path, symbols=("AAPL",), prefill_count=2) as (doors, _),
        doors.market_data(updatedBars=["AAPL"]) as stream,
    ):
        _, before = await doors.call(
            "GET", "/v2/stocks/AAPL/bars", timeframe="1Min", start="2000-01-01"
        )
        await doors.control("POST", "/bar/update", {"symbol": "AAPL", "close": "55.5"})
        (update,) = await stream.hear()
        _, after = await doors.call(
            "GET", "/v2/stocks/AAPL/bars", timeframe="1Min", start="2000-01-01"
        )

    assert (update["T"], update["S"], update["c"]) == ("u", "AAPL", 55.5)
    assert update["l"] <= 55.5
    assert update["t"] == before["bars"][-1]["t"] == after["bars"][-1]["t"]
    assert after["bars"][:-1] == before["bars"][:-1]
    assert after["bars"][-1]["c"] == 55.5


async def test_a_settable_fraction_of_bars_is_updated_after_its_close(tmp_path: Path) -> None:
    async with (
        open_doors(tmp_path, speed=600.0, symbols=("AAPL",), revise_fraction=1.0) as (doors, _),
        doors.market_data(bars=["AAPL"], updatedBars=["AAPL"]) as stream,
    ):
        await doors.control("POST", "/resume")
        messages = [message for _ in range(4) for message in await stream.hear()]

    assert [message["T"] for message in messages] == ["b", "u", "b", "u"]
    bar, update = messages[:2]
    assert update["t"] == bar["t"]
    assert (update["v"], update["c"]) == (bar["v"] + 1, bar["h"])


async def test_a_client_that_does_not_read_is_cut_off_and_harms_nobody(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.sandbox.outlet.QUEUE_MAX", 1)
    async with doors.market_data(trades=["*"]) as slow:
        # Two prints in one turn of the loop: the second finds the first one still queued.
        calls = (
            doors.control("POST", "/price", {"symbol": "AAPL", "price": str(price)})
            for price in range(100, 200)
        )
        await asyncio.gather(*calls)
        async with asyncio.timeout(PATIENCE_S):
            while not slow.socket.closed:
                await slow.socket.receive()

    async with doors.market_data(trades=["*"]) as quick:
        await doors.control("POST", "/price", {"symbol": "AAPL", "price": "99"})
        assert (await quick.hear())[0]["p"] == 99
