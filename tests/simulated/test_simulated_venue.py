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
from adapters.sandbox.faults import FaultKind
from adapters.sandbox.orders import Side as VenueSide
from adapters.simulated.account import SimulatedAccount
from adapters.simulated.market import SimulatedFeed, SimulatedMarket
from adapters.simulated.venue import SimulatedVenue
from tests.trader.order_parts import NOON
from trader.accounts.events import StreamConnected, StreamLost
from trader.ids import InstrumentId
from trader.orders.events import OrderAbsent, OrderFilled, OrderReported, QueryFailed
from trader.ports import Accepted, AccountEvent, NotSent, Unknown
from trader.positions.events import PositionsReported

AAPL = InstrumentId("AAPL.SIM")


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


# Its faults, in the sandbox's words


def go() -> None:
    """A gate that lets everything through."""


BUY = an_order("1", instrument=AAPL)


async def test_an_order_lost_on_its_way_is_unknown_and_absent(stage_at: Stage) -> None:
    stage_at.at.fault(FaultKind.DROP_BEFORE, method="POST")

    assert isinstance(await stage_at.account.submit(recorded(BUY), go), Unknown)
    assert isinstance(await stage_at.account.find(BUY.id), OrderAbsent)


async def test_an_order_whose_answer_is_lost_is_unknown_and_there(stage_at: Stage) -> None:
    stage_at.at.fault(FaultKind.ACK_LOST, method="POST")

    assert isinstance(await stage_at.account.submit(recorded(BUY), go), Unknown)
    assert isinstance(await stage_at.account.find(BUY.id), OrderReported)


async def test_a_slow_order_lands_after_its_sender_gave_up(stage_at: Stage) -> None:
    stage_at.at.fault(FaultKind.SLOW, method="POST", delay_ms=60_000)

    sending = asyncio.get_running_loop().create_task(stage_at.account.submit(recorded(BUY), go))
    await asyncio.sleep(30)
    assert isinstance(await stage_at.account.find(BUY.id), OrderAbsent)
    await asyncio.sleep(31)

    assert isinstance(await stage_at.account.find(BUY.id), OrderReported)
    assert isinstance(await sending, Accepted)


async def test_a_rate_limit_is_provably_nothing_sent(stage_at: Stage) -> None:
    stage_at.at.fault(FaultKind.RATE_LIMIT, method="POST")

    assert isinstance(await stage_at.account.submit(recorded(BUY), go), NotSent)


async def test_a_failed_question_is_not_an_empty_answer(stage_at: Stage) -> None:
    stage_at.at.fault(FaultKind.HTTP_BEFORE, path="/v2/positions")

    assert isinstance(await stage_at.account.positions(), QueryFailed)


@pytest.mark.parametrize(
    ("kind", "heard_count"), [(FaultKind.DROP_EVENT, 0), (FaultKind.DUP_EVENT, 2)]
)
async def test_a_fill_can_be_lost_or_come_twice_on_the_stream(
    stage_at: Stage, kind: FaultKind, heard_count: int
) -> None:
    stage_at.at.fault(kind, event="fill")
    await stage_at.account.submit(recorded(BUY), go)
    await asyncio.sleep(1)

    assert sum(isinstance(event, OrderFilled) for event in stage_at.ears.heard) == heard_count
    assert await stage_at.held() == 10


async def test_a_cut_stream_comes_back_by_itself(stage_at: Stage) -> None:
    stage_at.at.cut()
    await asyncio.sleep(5)

    lines = [e for e in stage_at.ears.heard if isinstance(e, StreamConnected | StreamLost)]
    assert [type(each) for each in lines] == [StreamConnected, StreamLost, StreamConnected]


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
