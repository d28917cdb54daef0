"""The Alpaca adapter keeps the account contract, over real sockets, at the sandbox venue."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from brokers.alpaca_parts import AAPL, Ears, settings
from contracts.account_contract import AccountContract
from pydantic import SecretStr

from adapters.brokers.alpaca import AlpacaVenue, open_alpaca
from adapters.sandbox.opening import Sandbox, open_sandbox
from adapters.sandbox.settings import PriceKind, SandboxSettings
from trader.accounts.events import StreamConnected
from trader.ids import InstrumentId
from trader.ports import Account, AccountEvent


class SandboxStage:
    """One account at a sandbox whose prices stand still unless moved."""

    def __init__(self, sandbox: Sandbox, broker: AlpacaVenue) -> None:
        self.sandbox = sandbox
        self.broker = broker
        self.account: Account = broker.account
        self.ears: Ears[AccountEvent] = Ears()
        self.instrument: InstrumentId = AAPL

    async def price(self, price: str) -> None:
        await self.control("POST", "/price", {"symbol": "AAPL", "price": price})

    async def control(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """Use the venue's control port."""
        headers = {"Authorization": f"Bearer {self.sandbox.token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self.sandbox.control_url + path, json=body) as response,
        ):
            assert response.status == 200, await response.text()
            answer: dict[str, object] = await response.json()
            return answer


@pytest.fixture(params=[1.0, 0.0], ids=["events after the reply", "events before the reply"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SandboxStage]:
    house = SandboxSettings(
        data_dir=tmp_path,
        symbols=("AAPL", "IBM"),
        prices=PriceKind.SEEDED,
        paused=True,
        prefill_count=30,
        latency_ms=request.param,
        requests_per_minute=100_000,
    )
    async with open_sandbox(house) as sandbox:
        keys = sandbox.credentials[0]
        told = settings(
            sandbox.url,
            key_id=SecretStr(keys.key),
            secret=SecretStr(keys.secret),
            total_timeout_s=5.0,
            read_timeout_s=5.0,
        )
        async with open_alpaca(told) as broker:
            stage = SandboxStage(sandbox, broker)
            await stage.price("100")
            await broker.account.start(stage.ears)
            await stage.ears.until_a(StreamConnected)
            yield stage


class TestAlpacaAccountOnTheSandbox(AccountContract):
    """Every promise of the port."""
