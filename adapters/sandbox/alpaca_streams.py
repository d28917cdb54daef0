"""The Alpaca wire, WebSocket: trade_updates, and the market data of trades and bars.

Neither stream numbers its messages nor replays them: who was away reads the REST side again.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import StrEnum
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from adapters.sandbox import alpaca_wire as wire
from adapters.sandbox.events import Happening, OrderChanged, TradePrinted
from adapters.sandbox.faults import FaultKind, Occasion, Place
from adapters.sandbox.guard import Keyring
from adapters.sandbox.host import Host
from adapters.sandbox.outlet import Outlet

HEARTBEAT_S = 10.0
FRAME_BYTES_MAX = 1 << 20
CHANNELS = ("trades", "quotes", "bars", "updatedBars", "dailyBars")
CHANNEL_OF = {"t": "trades", "b": "bars", "u": "updatedBars"}
ERRORS = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
}
Json = dict[str, Any]


class StreamName(StrEnum):
    """Which of the two streams."""

    TRADE_UPDATES = "trade_updates"
    DATA = "data"


class Severance(StrEnum):
    """How a stream ends."""

    CLOSE = "close"  # with a close frame
    CUT = "cut"  # without


class _DataOutlet(Outlet):
    """A market-data client and what it subscribed to."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        super().__init__(request, socket, WSMsgType.TEXT)
        # Symbols by channel, in the order in which they were asked for; "*" is all of them.
        self.wanted: dict[str, dict[str, None]] = {channel: {} for channel in CHANNELS}

    def subscription(self) -> bytes:
        """The whole current list, as every change of it is answered."""
        lists = {channel: list(symbols) for channel, symbols in self.wanted.items()}
        return orjson.dumps([{"T": "subscription", **lists}])

    def wants(self, message: Json) -> bool:
        """Whether it subscribed to a message's channel and symbol."""
        symbols = self.wanted[CHANNEL_OF[message["T"]]]
        return message["S"] in symbols or "*" in symbols


class AlpacaStreams:
    """Both streams and everyone connected to them."""

    def __init__(self, host: Host, keyring: Keyring) -> None:
        self._host = host
        self._keyring = keyring
        self._order_outlets: set[Outlet] = set()  # authorized or not
        self._listening: set[Outlet] = set()  # to trade_updates
        self._data_outlets: set[_DataOutlet] = set()
        host.listeners.append(self._tell)

    def routes(self) -> list[web.RouteDef]:
        """The sockets."""
        return [
            web.get("/stream", self._serve_orders),
            web.get("/v2/iex", self._serve_data),
            web.get("/v2/sip", self._serve_data),
        ]

    async def flush(self) -> None:
        """Return when every client has been sent what it was due."""
        for outlet in (*self._order_outlets, *self._data_outlets):
            await outlet.flushed()

    async def sever(self, stream: StreamName | None, account: str | None, how: Severance) -> int:
        """End connections; None means all. Returns how many."""
        chosen: list[Outlet] = []
        if stream is not StreamName.DATA:
            chosen += self._order_outlets
        if stream is not StreamName.TRADE_UPDATES:
            chosen += self._data_outlets
        chosen = [outlet for outlet in chosen if account in (None, outlet.account)]
        for outlet in chosen:
            if how is Severance.CUT:
                outlet.cut()
            else:
                await outlet.close()
        return len(chosen)

    # --- what goes out --------------------------------------------------------------------------

    def _tell(self, happenings: list[Happening]) -> None:
        messages: list[Json] = []
        for happening in happenings:
            if isinstance(happening, OrderChanged):
                self._tell_order(happening)
            elif not self._data_outlets:
                continue
            elif isinstance(happening, TradePrinted):
                messages.append(wire.trade_message(happening))
            else:
                messages.append(wire.bar_message(happening))
        for outlet in tuple(self._data_outlets) if messages else ():
            self._tell_data(outlet, messages)

    def _tell_order(self, change: OrderChanged) -> None:
        frame = b""
        for outlet in tuple(self._listening):
            if outlet.account != change.order.account:
                continue
            occasion = Occasion(
                Place.EVENT,
                account=outlet.account,
                client_order_id=change.order.request.client_order_id,
                symbol=change.order.request.symbol,
                event=change.event,
            )
            frame = frame or orjson.dumps(wire.trade_update_json(change))
            for _ in range(self._copies(outlet, occasion)):
                outlet.send(frame)

    def _tell_data(self, outlet: _DataOutlet, messages: list[Json]) -> None:
        due: list[Json] = []
        for message in messages:
            if outlet.wants(message):
                occasion = Occasion(
                    Place.EVENT,
                    account=outlet.account,
                    symbol=message["S"],
                    event=message["T"],
                )
                due += [message] * self._copies(outlet, occasion)
        if due:
            outlet.send(orjson.dumps(due))

    def _copies(self, outlet: Outlet, occasion: Occasion) -> int:
        """How many times a message leaves: once, unless a fault strikes."""
        faults = self._host.faults
        fault = None if faults.quiet else faults.strike(occasion, self._host.now())
        if fault is None:
            return 1
        if fault.kind is FaultKind.DISCONNECT:
            outlet.send(None)
        return 2 if fault.kind is FaultKind.DUP_EVENT else 0

    # --- trade_updates --------------------------------------------------------------------------

    async def _serve_orders(self, request: web.Request) -> web.WebSocketResponse:
        socket = await _accept(request)
        # JSON in binary frames, as the live service sends it.
        outlet = Outlet(request, socket, WSMsgType.BINARY)
        self._order_outlets.add(outlet)
        try:
            await _converse(socket, outlet, self._hear_orders)
        finally:
            self._order_outlets.discard(outlet)
            self._listening.discard(outlet)
        return socket

    def _hear_orders(self, outlet: Outlet, message: Json | None) -> None:
        action = (message or {}).get("action")
        data = (message or {}).get("data")
        data = data if isinstance(data, dict) else {}
        if action == "authenticate" or action == "auth":
            source = data or (message or {})
            key, secret = source.get("key_id", source.get("key")), source.get("secret_key")
            outlet.account = self._keyring.account_of(key, secret or source.get("secret"))
            status = "authorized" if outlet.account is not None else "unauthorized"
            reply: Json = {"status": status, "action": "authenticate"}
            outlet.send(orjson.dumps({"stream": "authorization", "data": reply}))
        elif outlet.account is None:
            reply = {"status": "unauthorized", "action": str(action)}
            outlet.send(orjson.dumps({"stream": "authorization", "data": reply}))
        elif action == "listen":
            asked = data.get("streams")
            known = [s for s in asked if s == "trade_updates"] if isinstance(asked, list) else []
            if known:
                self._listening.add(outlet)
            else:
                self._listening.discard(outlet)
            outlet.send(orjson.dumps({"stream": "listening", "data": {"streams": known}}))
        else:
            error = {"error": "invalid message"}
            outlet.send(orjson.dumps({"stream": "error", "data": error}))

    # --- market data ----------------------------------------------------------------------------

    async def _serve_data(self, request: web.Request) -> web.WebSocketResponse:
        socket = await _accept(request)
        outlet = _DataOutlet(request, socket)
        self._data_outlets.add(outlet)
        outlet.send(orjson.dumps([{"T": "success", "msg": "connected"}]))
        try:
            await _converse(socket, outlet, self._hear_data)
        finally:
            self._data_outlets.discard(outlet)
        return socket

    def _hear_data(self, outlet: _DataOutlet, message: Json | None) -> None:
        match (message or {}).get("action"):
            case "auth" if outlet.account is not None:
                _data_error(outlet, 403)
            case "auth":
                assert message is not None
                outlet.account = self._keyring.account_of(message.get("key"), message.get("secret"))
                if outlet.account is None:
                    _data_error(outlet, 402)
                else:
                    outlet.send(orjson.dumps([{"T": "success", "msg": "authenticated"}]))
            case "subscribe" | "unsubscribe" if outlet.account is None:
                _data_error(outlet, 401)
            case "subscribe":
                for channel, symbol in _asked(message):
                    outlet.wanted[channel][symbol] = None
                outlet.send(outlet.subscription())
            case "unsubscribe":
                for channel, symbol in _asked(message):
                    outlet.wanted[channel].pop(symbol, None)
                outlet.send(outlet.subscription())
            case _:
                _data_error(outlet, 400)


async def _accept(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(
        compress=False, heartbeat=HEARTBEAT_S, max_msg_size=FRAME_BYTES_MAX
    )
    await socket.prepare(request)
    return socket


async def _converse(
    socket: web.WebSocketResponse, outlet: Any, hear: Callable[[Any, Json | None], None]
) -> None:
    """Read until the client goes, while the pump writes."""
    pump = asyncio.create_task(outlet.pump())
    try:
        async for frame in socket:
            if frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                hear(outlet, _object(frame.data))
    finally:
        pump.cancel()
        with suppress(asyncio.CancelledError):
            await pump


def _object(data: str | bytes) -> Json | None:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _asked(message: Json | None) -> Iterator[tuple[str, str]]:
    """The channels and symbols a message names; what is not a list of names is passed over."""
    for channel in CHANNELS:
        symbols = (message or {}).get(channel)
        for symbol in symbols if isinstance(symbols, list) else ():
            if isinstance(symbol, str):
                yield channel, symbol


def _data_error(outlet: Outlet, code: int) -> None:
    outlet.send(orjson.dumps([{"T": "error", "code": code, "msg": ERRORS[code]}]))
