"""What the tests of this room are built from: settings, the venue's JSON, a hostile server."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
from contracts.broker_parts import ACCOUNT
from pydantic import SecretStr

from adapters.brokers.alpaca import AlpacaSettings
from trader.orders.order import Order

KEY, SECRET = "PKCANARYKEY", "canary-of-the-secret"  # searched for in everything that leaves


def settings(url: str = "http://127.0.0.1:9", **changes: Any) -> AlpacaSettings:
    """Quick to lose patience, so that tests of lost patience are quick."""
    return replace(
        AlpacaSettings(
            account_id=ACCOUNT,
            key_id=SecretStr(KEY),
            secret=SecretStr(SECRET),
            url=url,
            stream_url=url.replace("http", "ws", 1) + "/stream",
            data_url=url,
            data_stream_url=url.replace("http", "ws", 1) + "/v2/iex",
            requests_per_minute=100_000,
            connect_timeout_s=0.3,
            read_timeout_s=0.3,
            total_timeout_s=0.6,
            heartbeat_s=0.2,
            reconnect_wait_s_max=0.01,
            steady_s=0.0,
        ),
        **changes,
    )


def order_json(order: Order, **changes: Any) -> dict[str, Any]:
    """The Order object with which the venue answers."""
    body = {
        "id": f"b-{order.id[-4:]}",
        "client_order_id": order.id,
        "updated_at": "2026-03-02T15:00:00.123456789Z",
        "submitted_at": "2026-03-02T15:00:00Z",
        "replaced_by": None,
        "replaces": None,
        "symbol": "AAPL",
        "notional": None,
        "qty": str(order.qty),
        "filled_qty": "0",
        "filled_avg_price": None,
        "order_class": "",
        "type": "market",
        "side": order.side.lower(),
        "time_in_force": "day",
        "limit_price": None,
        "stop_price": None,
        "status": "new",
        "a_field_of_the_future": {"nested": [1, 2.5]},
    }
    return body | changes


Behaviour = Callable[["Exchange"], Awaitable[None]]


class Exchange:
    """One request as it arrived, and the raw connection on which to answer, or not."""

    def __init__(self, head: bytes, body: bytes, writer: asyncio.StreamWriter, number: int) -> None:
        self.head = head
        self.body = body
        self.number = number  # of the requests of this server, from 1
        self._writer = writer

    @property
    def line(self) -> str:
        """Method and target."""
        return " ".join(self.head.split(b"\r\n")[0].decode().split(" ")[:2])

    async def raw(self, data: bytes) -> None:
        """Write bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def answer(
        self, status: int, body: object = b"", headers: dict[str, str] | None = None
    ) -> None:
        """A proper HTTP response; what is not bytes becomes JSON."""
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        lines = [f"HTTP/1.1 {status} Whatever"]
        if status != 204:
            lines.append(f"Content-Length: {len(data)}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        await self.raw("\r\n".join(lines).encode() + b"\r\n\r\n" + data)

    def cut(self) -> None:
        """Reset the connection."""
        self._writer.transport.abort()

    async def never(self) -> None:
        """Hold the connection open and say nothing."""
        await asyncio.Event().wait()


class Hostile:
    """A server without manners: reads whole requests, counts them, behaves as the test says."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.lines: list[str] = []
        self.bodies: list[bytes] = []
        self.bytes_count = 0
        self.connections_count = 0
        self.url = ""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Hostile":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections_count += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
                self.bytes_count += len(head) + len(body)
                exchange = Exchange(head, body, writer, len(self.lines) + 1)
                self.lines.append(exchange.line)
                self.bodies.append(body)
                await self.behaviour(exchange)
        writer.transport.abort()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


def no_floats(value: object) -> bool:
    """Whether nothing inside is a binary float."""
    if isinstance(value, dict):
        return all(map(no_floats, value.values()))
    if isinstance(value, list):
        return all(map(no_floats, value))
    return not isinstance(value, float) and (not isinstance(value, Decimal) or value.is_finite())
