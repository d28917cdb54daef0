"""The Alpaca adapter keeps every port's contract, over real sockets, at the sandbox venue."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from brokers.sandbox_stage import SandboxStage, account_stage, sandbox_stage
from contracts.account_contract import AccountContract
from contracts.market_contract import FeedContract, HistoryContract, VenueContract


@pytest.fixture(params=[1.0, 0.0], ids=["events after the reply", "events before the reply"])
async def account_at(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SandboxStage]:
    async with account_stage(tmp_path, latency_ms=request.param) as stage:
        yield stage


@pytest.fixture
async def market_at(tmp_path: Path) -> AsyncIterator[SandboxStage]:
    # A minute of this venue takes a tenth of a second.
    async with sandbox_stage(tmp_path, speed=600.0) as stage:
        yield stage


class TestAlpacaAccountOnTheSandbox(AccountContract):
    """Every promise of the port."""

    @pytest.fixture
    def stage(self, account_at: SandboxStage) -> SandboxStage:
        return account_at


class TestAlpacaMarketOnTheSandbox(FeedContract, HistoryContract, VenueContract):
    """Every promise of the three."""

    @pytest.fixture
    def stage(self, market_at: SandboxStage) -> SandboxStage:
        return market_at
