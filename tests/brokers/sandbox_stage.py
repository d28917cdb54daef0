"""A sandbox venue and the Alpaca adapter at it, over real sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from brokers.alpaca_parts import settings
from contracts.broker_parts import AAPL, Ears
from pydantic import SecretStr

from adapters.brokers.alpaca import AlpacaSettings, AlpacaVenue, open_alpaca
from adapters.sandbox.opening import Sandbox, open_sandbox
from adapters.sandbox.settings import PriceKind, SandboxSettings
from trader.accounts.events import StreamConnected
from trader.ports import AccountEvent

BARS_OF_HISTORY = 30


class SandboxStage:
    """One login at a venue whose prices stand still unless moved."""

    def __init__(self, sandbox: Sandbox, told: AlpacaSettings, broker: AlpacaVenue) -> None:
        self.sandbox = sandbox
        self.told = told
        self.account = broker.account
        self.feed = broker.feed
        self.history = broker.history
        self.venue = broker.venue
        self.ears: Ears[AccountEvent] = Ears()
        self.instrument = AAPL

    async def control(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Use the venue's control port."""
        headers = {"Authorization": f"Bearer {self.sandbox.token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self.sandbox.control_url + path, json=body) as response,
        ):
            assert response.status == 200, await response.text()
            answer: dict[str, Any] = await response.json()
            return answer

    async def price(self, price: str) -> None:
        """Trade at a price."""
        await self.control("POST", "/price", {"symbol": "AAPL", "price": price})

    async def fault(self, kind: str, **match: object) -> None:
        """Make the venue misbehave."""
        await self.control("POST", "/faults", {"kind": kind} | match)

    async def truth(self) -> dict[str, Any]:
        """What the venue itself knows."""
        return await self.control("GET", "/truth")

    async def run(self) -> None:
        """Let the venue's own prices run."""
        await self.control("POST", "/resume")

    async def revise(self) -> None:
        """Have the venue correct its newest bar."""
        await self.control("POST", "/bar/update", {"symbol": "AAPL", "volume": "4242"})

    async def cut(self) -> None:
        """Cut every stream."""
        await self.control("POST", "/disconnect", {})


@asynccontextmanager
async def sandbox_stage(data_dir: Path, **changes: Any) -> AsyncIterator[SandboxStage]:
    """The stage, its account's stream not started."""
    house: dict[str, Any] = {
        "symbols": ("AAPL", "IBM"),
        "prices": PriceKind.SEEDED,
        "paused": True,
        "prefill_count": BARS_OF_HISTORY,
        "requests_per_minute": 100_000,
    }
    async with open_sandbox(SandboxSettings(data_dir=data_dir, **(house | changes))) as sandbox:
        keys = sandbox.credentials[0]
        told = settings(
            sandbox.url,
            key_id=SecretStr(keys.key),
            secret=SecretStr(keys.secret),
            connect_timeout_s=5.0,
            read_timeout_s=5.0,
            total_timeout_s=5.0,
        )
        async with open_alpaca(told) as broker:
            yield SandboxStage(sandbox, told, broker)


@asynccontextmanager
async def account_stage(data_dir: Path, **changes: Any) -> AsyncIterator[SandboxStage]:
    """The stage with the account listening and the market at 100."""
    async with sandbox_stage(data_dir, **changes) as stage:
        await stage.price("100")
        await stage.account.start(stage.ears)
        await stage.ears.until_a(StreamConnected)
        yield stage
