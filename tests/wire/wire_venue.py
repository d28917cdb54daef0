"""A sandbox venue and the Alpaca adapter at it, with a proxy on each way between the two."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from brokers.alpaca_parts import settings
from brokers.sandbox_stage import SandboxStage
from contracts.broker_parts import a_cancel, a_limit, a_replace, recorded
from pydantic import SecretStr
from wire.proxy import PATIENCE_S, Proxy, before_venue

from adapters.brokers.alpaca import open_alpaca
from adapters.sandbox.opening import open_sandbox
from adapters.sandbox.settings import PriceKind, SandboxSettings
from trader.ids import BrokerOrderId
from trader.orders.events import OrderReported
from trader.orders.order import Order, Status
from trader.ports import Accepted, Answer, LastGate

UNHURRIED = {"connect_timeout_s": 3.0, "read_timeout_s": 3.0, "total_timeout_s": 3.0}
IMPATIENT = {"connect_timeout_s": 0.3, "read_timeout_s": 0.3, "total_timeout_s": 0.6}
METHODS = {"submit": "POST", "replace": "PATCH", "cancel": "DELETE"}

RESTING = a_limit("1", "90")
SUCCESSOR = a_limit("2", "91")
NEW = a_limit("3", "92")


class WireStage(SandboxStage):
    """The stage of the adapter's own tests; requests and streams go through a proxy each."""

    http: Proxy
    streams: Proxy
    resting: BrokerOrderId  # a limit order far below the market

    async def rest(self) -> None:
        """An order rests at the venue: what is changed and canceled. Leaves a connection open."""
        answer = await self.account.submit(recorded(RESTING), lambda: None)
        assert isinstance(answer, Accepted)
        self.resting = answer.broker_order_id
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = await self.account.find(RESTING.id)
                if isinstance(found, OrderReported) and found.report.status is Status.ACCEPTED:
                    return

    def write(self, kind: str, gate: LastGate = lambda: None) -> Awaitable[Answer]:
        """Send one of the three writes."""
        match kind:
            case "submit":
                return self.account.submit(recorded(NEW), gate)
            case "replace":
                return self.account.replace(a_replace(RESTING, self.resting, SUCCESSOR), gate)
            case _:
                return self.account.cancel(a_cancel(RESTING, self.resting), gate)

    async def arrived(self, kind: str) -> int:
        """How often that write arrived at the venue, as the venue counts."""
        path = "/v2/orders" if kind == "submit" else f"/v2/orders/{self.resting}"
        seen = (await self.truth())["requests"]["newest"]
        ours = [r for r in seen if (r["method"], r["path"]) == (METHODS[kind], path)]
        if kind == "submit":
            ours = [r for r in ours if r["client_order_id"] == NEW.id]
        return len(ours)

    async def orders_of(self, order: Order) -> int:
        """How many orders with this client id the venue has."""
        (account,) = (await self.truth())["accounts"].values()
        return sum(row["client_order_id"] == order.id for row in account["orders"])


@asynccontextmanager
async def wire_stage(data_dir: Path, **changes: Any) -> AsyncIterator[WireStage]:
    """The stage, its account's stream not started, the market standing still at 100."""
    venue = SandboxSettings(
        data_dir=data_dir,
        symbols=("AAPL",),
        prices=PriceKind.SEEDED,
        paused=True,
        prefill_count=5,
        requests_per_minute=100_000,
    )
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(open_sandbox(venue))
        http = await stack.enter_async_context(before_venue(sandbox.url))
        streams = await stack.enter_async_context(before_venue(sandbox.url))
        keys = sandbox.credentials[0]
        told = settings(
            f"http://127.0.0.1:{http.port}",
            stream_url=f"ws://127.0.0.1:{streams.port}/stream",
            data_stream_url=f"ws://127.0.0.1:{streams.port}/v2/iex",
            key_id=SecretStr(keys.key),
            secret=SecretStr(keys.secret),
            **(UNHURRIED | changes),
        )
        broker = await stack.enter_async_context(open_alpaca(told))
        stage = WireStage(sandbox, told, broker)
        stage.http, stage.streams = http, streams
        await stage.price("100")
        yield stage


@contextmanager
def a_door_that_nobody_opens() -> Iterator[int]:
    """The port of a server whose queue is full: the kernel drops every further SYN."""
    with ExitStack() as stack:
        door = stack.enter_context(socket.socket())
        door.bind(("127.0.0.1", 0))
        door.listen(0)
        for _ in range(3):
            knocking = stack.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(door.getsockname())
        yield door.getsockname()[1]


@contextmanager
def no_longer_than(limit_s: float) -> Iterator[None]:
    """What is done inside must be done by then."""
    began_s = time.monotonic()
    yield
    took_s = time.monotonic() - began_s
    assert took_s < limit_s, f"took {took_s:.2f} s"
