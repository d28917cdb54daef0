"""A client for tests: one account's REST calls and streams, and the control port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from adapters.sandbox.opening import Sandbox, open_sandbox
from adapters.sandbox.settings import PriceKind, SandboxSettings

PATIENCE_S = 10.0
Json = Any


class Stream:
    """One WebSocket; every wait has an end."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, message: Json) -> None:
        await self.socket.send_bytes(orjson.dumps(message))

    async def frame(self) -> aiohttp.WSMessage:
        return await asyncio.wait_for(self.socket.receive(), PATIENCE_S)

    async def hear(self) -> Json:
        message = await self.frame()
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        return orjson.loads(message.data)

    async def order_event(self) -> tuple[str, Json]:
        """The next trade update: its event and its data."""
        data = (await self.hear())["data"]
        return data["event"], data

    async def until(self, event: str) -> Json:
        """Skip to the first update of a kind."""
        while True:
            name, data = await self.order_event()
            if name == event:
                return data


class Doors:
    """What a client of one account can do, and what the control port can."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        line: Json,
        secrets: dict[str, tuple[str, str]],
        token: str,
    ) -> None:
        self.line = line
        self._session = session
        self._keys = secrets
        self._token = token

    def headers(self, account: str) -> dict[str, str]:
        key, secret = self._keys[account]
        return {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}

    async def call(
        self, method: str, path: str, body: Json = None, *, account: str = "DEMO-1", **query: str
    ) -> tuple[int, Json]:
        status, _, payload = await self.call_full(method, path, body, account=account, **query)
        return status, payload

    async def call_full(
        self, method: str, path: str, body: Json = None, *, account: str = "DEMO-1", **query: str
    ) -> tuple[int, Any, Json]:
        async with self._session.request(
            method,
            self.line["url"] + path,
            data=None if body is None else orjson.dumps(body),
            params=query,
            headers=self.headers(account),
            timeout=aiohttp.ClientTimeout(PATIENCE_S),
        ) as response:
            raw = await response.read()
            is_json = response.content_type == "application/json"
            payload = orjson.loads(raw) if raw and is_json else raw
            return response.status, response.headers, payload

    async def order(self, account: str = "DEMO-1", **fields: Json) -> Json:
        """Post an order that must be taken."""
        body = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market"}
        body |= {"time_in_force": "day", **fields}
        status, order = await self.call("POST", "/v2/orders", body, account=account)
        assert status == 200, order
        return order

    async def control(self, method: str, path: str, body: Json = None) -> Json:
        async with self._session.request(
            method,
            self.line["control_url"] + path,
            data=None if body is None else orjson.dumps(body),
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=aiohttp.ClientTimeout(PATIENCE_S),
        ) as response:
            payload = orjson.loads(await response.read())
            assert response.status == 200, payload
            return payload

    async def truth(self, account: str = "DEMO-1") -> Json:
        """The truth about one account."""
        return (await self.control("GET", "/truth"))["accounts"][account]

    @asynccontextmanager
    async def updates(self, account: str = "DEMO-1") -> AsyncIterator[Stream]:
        """A trade_updates stream that is listening."""
        async with self._session.ws_connect(self.line["stream_url"]) as socket:
            stream = Stream(socket)
            key, secret = self._keys[account]
            data = {"key_id": key, "secret_key": secret}
            await stream.say({"action": "authenticate", "data": data})
            assert (await stream.hear())["data"]["status"] == "authorized"
            await stream.say({"action": "listen", "data": {"streams": ["trade_updates"]}})
            assert (await stream.hear())["data"]["streams"] == ["trade_updates"]
            yield stream

    @asynccontextmanager
    async def market_data(self, **channels: list[str]) -> AsyncIterator[Stream]:
        """A market-data stream with its subscriptions."""
        async with self._session.ws_connect(self.line["data_stream_url"]) as socket:
            stream = Stream(socket)
            assert await stream.hear() == [{"T": "success", "msg": "connected"}]
            key, secret = self._keys["DEMO-1"]
            await stream.say({"action": "auth", "key": key, "secret": secret})
            assert await stream.hear() == [{"T": "success", "msg": "authenticated"}]
            await stream.say({"action": "subscribe", **channels})
            assert (await stream.hear())[0]["T"] == "subscription"
            yield stream


def settings(data_dir: Path, **changes: Any) -> SandboxSettings:
    """A quiet venue: no prices of its own, no rate limit in the way."""
    defaults: dict[str, Any] = {
        "data_dir": data_dir,
        "paused": True,
        "prices": PriceKind.SEEDED,
        "requests_per_minute": 1_000_000,
    }
    return SandboxSettings(**(defaults | changes))


@asynccontextmanager
async def open_doors(data_dir: Path, **changes: Any) -> AsyncIterator[tuple[Doors, Sandbox]]:
    """A venue in this process, with AAPL at 100."""
    async with open_sandbox(settings(data_dir, **changes)) as sandbox, session() as client:
        line = orjson.loads(sandbox.ready_line())
        secrets = {item.number: (item.key, item.secret) for item in sandbox.credentials}
        doors = Doors(client, line, secrets, sandbox.token)
        await doors.control("POST", "/price", {"symbol": "AAPL", "price": "100"})
        yield doors, sandbox


def session() -> aiohttp.ClientSession:
    """A client that never reuses a connection: a cut one must not hurt the next call."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
