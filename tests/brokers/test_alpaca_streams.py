"""Streams that are refused, garbled, too big, mute or cut: nothing crashes, everything is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from brokers.alpaca_parts import SECRET, order_json, settings
from contracts.broker_parts import AAPL, Ears, an_order

from adapters.brokers.alpaca import AlpacaVenue, open_alpaca
from trader.accounts.events import AccountAuthFailed, FrameRefused, StreamConnected, StreamLost
from trader.orders.events import OrderReported
from trader.ports import (
    AccountEvent,
    BarReceived,
    FeedBeat,
    FeedConnected,
    FeedEvent,
    FeedKind,
    FeedLost,
    TickReceived,
)

Socket = web.WebSocketResponse
Script = Callable[[Socket], Awaitable[None]]

TRADE = {"T": "t", "S": "AAPL", "i": 1, "p": 100.5, "s": 10, "t": "2026-03-02T15:00:00.123456789Z"}
BAR = {"T": "b", "S": "AAPL", "t": "2026-03-02T15:00:00Z", "o": 1, "h": 2, "l": 1, "c": 2, "v": 9}
UPDATE = {"event": "new", "order": order_json(an_order("1"))}


@asynccontextmanager
async def venue(orders: Script | None = None, data: Script | None = None) -> AsyncIterator[str]:
    """A venue with only streams; each script speaks after a proper handshake, then hangs up."""

    def handler(script: Script | None, greet: Script) -> Callable[[web.Request], Awaitable[Socket]]:
        async def serve(request: web.Request) -> Socket:
            socket = Socket()
            await socket.prepare(request)
            await greet(socket)
            if script is not None:
                await script(socket)
            return socket

        return serve

    app = web.Application()
    app.router.add_get("/stream", handler(orders, greet_orders))
    app.router.add_get("/v2/iex", handler(data, greet_data))
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("")).rstrip("/")


async def greet_orders(socket: Socket) -> None:
    await socket.receive()
    await say(socket, {"stream": "authorization", "data": {"status": "authorized"}})
    await socket.receive()
    await say(socket, {"stream": "listening", "data": {"streams": ["trade_updates"]}})


async def greet_data(socket: Socket) -> None:
    await say(socket, [{"T": "success", "msg": "connected"}])
    await socket.receive()
    await say(socket, [{"T": "success", "msg": "authenticated"}])
    asked = orjson.loads((await socket.receive()).data)
    await say(socket, [{"T": "subscription", "quotes": []} | asked])


async def say(socket: Socket, message: object) -> None:
    await socket.send_bytes(orjson.dumps(message))


async def listen(socket: Socket) -> None:
    """Stay until the client goes."""
    while (await socket.receive()).type not in (WSMsgType.CLOSE, WSMsgType.CLOSED):
        pass


def sends(*frames: bytes | object) -> Script:
    """These frames, then silence."""

    async def script(socket: Socket) -> None:
        for frame in frames:
            await socket.send_bytes(frame if isinstance(frame, bytes) else orjson.dumps(frame))
        await listen(socket)

    return script


async def follow_orders(broker: AlpacaVenue) -> Ears[AccountEvent]:
    ears: Ears[AccountEvent] = Ears()
    await broker.account.start(ears)
    return ears


async def follow_data(broker: AlpacaVenue, kind: FeedKind = FeedKind.BARS) -> Ears[FeedEvent]:
    ears: Ears[FeedEvent] = Ears()
    await broker.feed.start([AAPL], kind, ears)
    return ears


def with_price(text: str) -> bytes:
    return orjson.dumps([TRADE]).replace(b"100.5", text.encode())


GARBLED_TRADES = [
    with_price("NaN"), with_price("Infinity"), with_price('"Infinity"'), with_price("-1"),
    with_price("0"), with_price("1e999"), with_price("null"), with_price("[1]"),
    [TRADE | {"s": -1}], [TRADE | {"t": "yesterday"}], [TRADE | {"t": "2026-03-02T15:00:00"}],
    [TRADE | {"t": 1772463600}], [TRADE | {"S": "NOBODY"}], [TRADE | {"S": None}], [None],
    b"<html>502</html>", b"", b"[" * 100_000, b"\xff", b"7", {"T": "t"},
    [{"T": "error", "code": 407, "msg": "slow client"}],
]  # fmt: skip


@pytest.mark.parametrize("frame", GARBLED_TRADES, ids=lambda frame: repr(frame)[:60])
async def test_a_garbled_frame_is_counted_and_the_next_trade_still_comes(frame: object) -> None:
    async with venue(data=sends(frame, [TRADE])) as url, open_alpaca(settings(url)) as broker:
        ears = await follow_data(broker)

        refused = await ears.until_a(FrameRefused)
        tick = (await ears.until_a(TickReceived)).tick

        assert len(refused.sample) <= 200
        assert (str(tick.price), str(tick.volume)) == ("100.5", "10")
        assert not any(isinstance(event, FeedLost) for event in ears.heard)


async def test_a_garbled_trade_spoils_none_of_its_neighbors() -> None:
    frame = [TRADE, TRADE | {"p": "-5"}, BAR, BAR | {"T": "u", "v": 10}]
    async with venue(data=sends(frame)) as url, open_alpaca(settings(url)) as broker:
        ears = await follow_data(broker)

        await ears.until_a(BarReceived, count=2)

        kinds = [type(event) for event in ears.heard]
        assert kinds == [FeedConnected, TickReceived, FrameRefused, BarReceived, BarReceived]
        bars = [event.candle for event in ears.heard if isinstance(event, BarReceived)]
        assert [bar.revision for bar in bars] == [0, 1]


GARBLED_UPDATES = [
    b"<html>", b"null", b'{"stream":"trade_updates","data":{"event":"fill"}}',
    {"stream": "trade_updates", "data": {"event": "new", "order": {"id": 1}}},
    {"stream": "trade_updates", "data": UPDATE | {"event": "fill", "price": "NaN", "qty": "1"}},
    {"stream": "trade_updates", "data": UPDATE | {"event": "fill", "price": 10.5, "qty": "1",
     "execution_id": "e", "timestamp": "2026-03-02T15:00:00Z"}},
    {"stream": "trade_updates", "data": UPDATE | {"order": order_json(an_order("1"), qty=10.5)}},
]  # fmt: skip


@pytest.mark.parametrize("frame", GARBLED_UPDATES, ids=lambda frame: repr(frame)[:60])
async def test_a_garbled_order_event_is_counted_and_the_next_one_still_comes(
    frame: object,
) -> None:
    good = {"stream": "trade_updates", "data": UPDATE}
    async with venue(orders=sends(frame, good)) as url, open_alpaca(settings(url)) as broker:
        ears = await follow_orders(broker)

        await ears.until_a(FrameRefused)
        await ears.until_a(OrderReported)

        assert not any(isinstance(event, StreamLost) for event in ears.heard)


@pytest.mark.parametrize("kind", ["orders", "data"])
async def test_a_frame_of_fifty_megabytes_ends_the_connection_and_not_the_daemon(
    kind: str,
) -> None:
    connections: list[Socket] = []

    async def flood_once(socket: Socket) -> None:
        connections.append(socket)
        if len(connections) == 1:
            await socket.send_bytes(b"x" * 50_000_000)
        await listen(socket)

    async with (
        venue(orders=flood_once, data=flood_once) as url,
        open_alpaca(settings(url)) as broker,
    ):
        if kind == "orders":
            orders = await follow_orders(broker)
            assert "protocol" in (await orders.until_a(StreamLost)).cause
            await orders.until_a(StreamConnected, count=2)
        else:
            data = await follow_data(broker)
            assert "protocol" in (await data.until_a(FeedLost)).cause
            await data.until_a(FeedConnected, count=2)


async def test_each_way_up_says_so_because_whatever_was_missed_must_be_asked_for() -> None:
    async def hang_up(socket: Socket) -> None:
        await socket.close()

    async with venue(orders=hang_up) as url, open_alpaca(settings(url)) as broker:
        ears = await follow_orders(broker)

        await ears.until_a(StreamConnected, count=4)

    kinds = [type(event) for event in ears.heard][:6]
    assert kinds == [StreamConnected, StreamLost] * 3


async def test_a_venue_that_does_not_answer_pings_is_a_lost_venue() -> None:
    async def go_deaf(socket: Socket) -> None:
        await asyncio.Event().wait()  # reads nothing any more, pings included

    async with venue(orders=go_deaf) as url, open_alpaca(settings(url)) as broker:
        ears = await follow_orders(broker)
        await ears.until_a(StreamConnected)

        await ears.until_a(StreamLost)


async def test_a_venue_that_answers_pings_is_alive_however_silent() -> None:
    async with venue(data=listen) as url, open_alpaca(settings(url)) as broker:
        ears = await follow_data(broker)

        await ears.until_a(FeedBeat, count=3)

        assert not any(isinstance(event, FeedLost) for event in ears.heard)


async def test_refused_keys_on_the_orders_stream_ring_the_alarm() -> None:
    async def refuse(request: web.Request) -> Socket:
        socket = Socket()
        await socket.prepare(request)
        await socket.receive()
        await say(socket, {"stream": "authorization", "data": {"status": "unauthorized"}})
        return socket

    app = web.Application()
    app.router.add_get("/stream", refuse)
    async with TestServer(app, host="127.0.0.1") as server:
        url = str(server.make_url("")).rstrip("/")
        async with open_alpaca(settings(url)) as broker:
            ears = await follow_orders(broker)

            await ears.until_a(AccountAuthFailed)
            lost = await ears.until_a(StreamLost)

    assert lost.cause.startswith("auth_failed")
    assert not any(isinstance(event, StreamConnected) for event in ears.heard)
    assert SECRET not in repr(ears.heard)


@pytest.mark.parametrize(
    ("code", "cause"),
    [(402, "auth_failed"), (406, "connection limit"), (409, "insufficient")],
)
async def test_a_refused_data_stream_says_why_and_is_tried_again(code: int, cause: str) -> None:
    words = {402: "auth failed", 406: "connection limit exceeded", 409: "insufficient plan"}

    async def refuse(request: web.Request) -> Socket:
        socket = Socket()
        await socket.prepare(request)
        await say(socket, [{"T": "success", "msg": "connected"}])
        await socket.receive()
        await say(socket, [{"T": "error", "code": code, "msg": words[code]}])
        return socket

    app = web.Application()
    app.router.add_get("/v2/iex", refuse)
    async with TestServer(app, host="127.0.0.1") as server:
        url = str(server.make_url("")).rstrip("/")
        async with open_alpaca(settings(url)) as broker:
            ears = await follow_data(broker)

            await ears.until_a(FeedLost, count=3)
            assert cause in (await ears.until_a(FeedLost)).cause


async def test_a_listener_with_a_bug_does_not_end_the_stream() -> None:
    ears: Ears[AccountEvent] = Ears()

    def sink(event: AccountEvent) -> None:
        ears(event)
        if isinstance(event, OrderReported):
            raise ZeroDivisionError("a bug of the listener")

    good = {"stream": "trade_updates", "data": UPDATE}
    async with venue(orders=sends(good)) as url, open_alpaca(settings(url)) as broker:
        await broker.account.start(sink)

        await ears.until_a(OrderReported, count=2)
        assert "ZeroDivisionError" in (await ears.until_a(StreamLost)).cause


async def test_a_stream_that_cannot_be_reached_is_tried_until_it_is_stopped() -> None:
    async with open_alpaca(settings("http://127.0.0.1:1")) as broker:
        ears = await follow_orders(broker)
        await ears.until_a(StreamLost, count=3)

        await broker.account.stop()
        ears.heard.clear()
        await asyncio.sleep(0)

    assert ears.heard == []
