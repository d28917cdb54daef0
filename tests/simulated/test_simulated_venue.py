"""The simulated venue keeps every port's contract, in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from contracts.account_contract import AccountContract
from contracts.broker_parts import ACCOUNT, Ears, an_order, recorded
from contracts.market_contract import FeedContract, HistoryContract, VenueContract

from adapters.sandbox import commands
from adapters.sandbox.orders import OrderRequest, OrderType, TimeInForce
from adapters.sandbox.orders import Side as VenueSide
from adapters.simulated.account import SimulatedAccount
from adapters.simulated.feed import SimulatedFeed
from adapters.simulated.market import SimulatedMarket
from adapters.simulated.venue import VENUE, SimulatedVenue
from tests.trader.order_parts import NOON
from trader.accounts.events import FrameRefused, StreamConnected, StreamLost
from trader.ids import instrument_id
from trader.orders.events import OrderFilled, OrderReported
from trader.orders.order import Status
from trader.ports import AccountEvent, ExecutionsReported
from trader.positions.events import PositionsReported

AAPL = instrument_id("AAPL", VENUE)


class LoopClock:
    """The loop's own time; the wall clock starts at noon."""

    def elapsed(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.elapsed())


class Stage:
    """One login at a venue whose prices stand still unless moved."""

    def __init__(self, latency_s: float) -> None:
        self.at = SimulatedVenue(
            LoopClock(),
            ("AAPL", "IBM"),
            seed=7,
            accounts={"SIM-1": Decimal(100_000)},
            speed=600.0,  # a minute of the venue is a tenth of a second
            latency_s=latency_s,
        )
        self.account = SimulatedAccount(self.at, ACCOUNT, "SIM-1")
        self.feed = SimulatedFeed(self.at)
        self.history = self.venue = SimulatedMarket(self.at)
        self.ears: Ears[AccountEvent] = Ears()
        self.instrument = AAPL

    async def price(self, price: str) -> None:
        self.at.price("AAPL", Decimal(price))

    async def run(self) -> None:
        self.at.resume()

    async def revise(self) -> None:
        engine = self.at.host.venue
        bar = replace(engine.markets["AAPL"].bars[-1], volume=Decimal(4242))
        self.at.host.perform(commands.ReviseBar(self.at.now(), "AAPL", bar), engine.revise_bar)

    async def cut(self) -> None:
        self.at.cut()

    async def held(self) -> Decimal:
        answer = await self.account.positions()
        assert isinstance(answer, PositionsReported)
        return sum((each.qty for each in answer.positions), Decimal(0))


@asynccontextmanager
async def staged(latency_s: float) -> AsyncIterator[Stage]:
    """The stage, the market at 100 and the account listening."""
    stage = Stage(latency_s)
    await stage.price("100")
    await stage.account.start(stage.ears)
    await stage.ears.until_a(StreamConnected)
    try:
        yield stage
    finally:
        await stage.feed.stop()
        await stage.account.stop()
        stage.at.stop()


@pytest.fixture(params=[0.001, 0.0], ids=["events after the reply", "events before the reply"])
async def account_at(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with staged(request.param) as stage:
        yield stage


@pytest.fixture
async def stage_at() -> AsyncIterator[Stage]:
    async with staged(0.001) as stage:
        yield stage


class TestSimulatedAccount(AccountContract):
    """Every promise of the port."""

    @pytest.fixture
    def stage(self, account_at: Stage) -> Stage:
        return account_at


class TestSimulatedMarket(FeedContract, HistoryContract, VenueContract):
    """Every promise of the three."""

    @pytest.fixture
    def stage(self, stage_at: Stage) -> Stage:
        return stage_at


# A hand on it


def go() -> None:
    """A gate that lets everything through."""


BUY = an_order("1", instrument=AAPL)


async def test_a_cut_stream_comes_back_by_itself(stage_at: Stage) -> None:
    stage_at.at.cut()
    await asyncio.sleep(5)

    lines = [e for e in stage_at.ears.heard if isinstance(e, StreamConnected | StreamLost)]
    assert [type(each) for each in lines] == [StreamConnected, StreamLost, StreamConnected]


async def test_a_bust_trade_takes_back_shares_cash_and_execution(stage_at: Stage) -> None:
    await stage_at.account.submit(recorded(BUY), go)
    await asyncio.sleep(1)
    execution = stage_at.at.executions("SIM-1")[0]

    stage_at.at.bust("SIM-1", execution.id)
    await asyncio.sleep(1)

    assert (await stage_at.held(), stage_at.at.cash("SIM-1")) == (0, 100_000)
    listed = await stage_at.account.executions(None)
    assert isinstance(listed, ExecutionsReported)
    assert listed.fills == ()
    refused = [event for event in stage_at.ears.heard if isinstance(event, FrameRefused)]
    assert ["trade_bust" in event.reason for event in refused] == [True]


async def test_a_human_enters_and_cancels_orders_of_his_own(stage_at: Stage) -> None:
    request = OrderRequest(
        "by-hand", "AAPL", VenueSide.BUY, OrderType.LIMIT, TimeInForce.GTC, Decimal(3), Decimal(90)
    )

    order = stage_at.at.operator_order("SIM-1", request)
    assert order is not None
    await asyncio.sleep(1)
    assert stage_at.at.operator_cancel("SIM-1", order.id)
    await asyncio.sleep(1)

    assert not stage_at.at.operator_cancel("SIM-1", order.id)
    heard = [e.report for e in stage_at.ears.heard if isinstance(e, OrderReported)]
    assert [(each.client_order_id, each.status) for each in heard] == [
        ("by-hand", Status.ACCEPTED), ("by-hand", Status.CANCELED),
    ]  # fmt: skip


async def test_with_little_on_offer_an_order_fills_in_pieces(stage_at: Stage) -> None:
    stage_at.at.thin_out(Decimal("0.000001"))  # of a million shares: one
    await stage_at.price("100")
    await stage_at.account.submit(recorded(BUY), go)
    await asyncio.sleep(1)

    assert await stage_at.held() == 1


async def test_trades_and_adjustments_behind_our_back_move_the_position(stage_at: Stage) -> None:
    stage_at.at.operator_trade("SIM-1", "AAPL", VenueSide.BUY, Decimal(5))
    stage_at.at.adjust("SIM-1", "AAPL", Decimal(-2))

    assert await stage_at.held() == 3


async def test_the_same_seed_gives_the_same_day() -> None:
    async def day() -> list[str]:
        async with staged(0.001) as stage:
            await stage.account.submit(recorded(BUY), go)
            await asyncio.sleep(1)
            return [
                event.fill.execution_id
                for event in stage.ears.heard
                if isinstance(event, OrderFilled)
            ]

    assert await day() == await day() != []
