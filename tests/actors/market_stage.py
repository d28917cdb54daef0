"""A stage for the market's actors in virtual time: the real runtime, feed and history in hand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from market_parts import M1, START, A

from actors.audience import Audience, Subscribe
from actors.lanes import CONFLATE, LANES
from actors.market_data import MarketData
from actors.runtime import Actor, Address, Child, Exit, Runtime, SimulationHost, SupervisorSpec
from trader.ids import InstrumentId, SessionId
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.market.events import CandleClosed, CandlesBackfilled, SeriesOpened
from trader.market.series import New, SeriesCursor
from trader.market.tick import Tick
from trader.money import Price, Quantity
from trader.orders.events import QueryFailed
from trader.ports import (
    BarReceived,
    BarsReported,
    FeedBeat,
    FeedConnected,
    FeedEvent,
    FeedKind,
    FeedLost,
    TickReceived,
    VenueClock,
)

T = TypeVar("T")
FEED = "feed"


def play(scenario: Callable[[SimulationHost], Awaitable[None]]) -> None:
    """Run it in virtual time."""
    host = SimulationHost(7)
    try:
        host.loop.run_until_complete(scenario(host))
    finally:
        host.loop.close()


@dataclass
class Feed:
    """A feed of the venue's trades and bars, live while it is up."""

    host: SimulationHost
    failures: int = 0  # starts that raise
    subscribed: tuple[InstrumentId, ...] = ()
    starts: int = 0
    sink: Callable[[FeedEvent], None] | None = None
    is_up: bool = False

    async def start(
        self, instruments: Sequence[InstrumentId], kind: FeedKind, sink: Callable[[FeedEvent], None]
    ) -> None:
        self.starts += 1
        if self.failures:
            self.failures -= 1
            raise OSError("no route to the feed")
        self.subscribed, self.sink = tuple(instruments), sink
        self.connect()

    async def stop(self) -> None:
        self.is_up = False

    def say(self, event: FeedEvent) -> None:
        if self.is_up and self.sink is not None:
            self.sink(event)

    def connect(self) -> None:
        self.is_up = True
        self.say(FeedConnected("test"))

    def lose(self) -> None:
        self.say(FeedLost("test", "cut"))
        self.is_up = False


@dataclass
class Past:
    """History: every bar that has closed, unless it fails or lags."""

    venue: "Venue"
    is_down: bool = False
    lag_s: float = 0.0
    asked: int = 0

    async def bars(
        self,
        instrument: InstrumentId,
        timeframe: Timeframe,
        *,
        after: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> BarsReported | QueryFailed:
        self.asked += 1
        await asyncio.sleep(0.1)
        if self.is_down:
            return QueryFailed("bars", "history is down", 0.0)
        seen_at = self.venue.now() - timedelta(seconds=self.lag_s)
        known = [
            bar
            for bar in self.venue.bars
            if bar.closes_at <= seen_at and (after is None or bar.opened_at > after)
        ]
        return BarsReported(tuple(known[-limit:] if limit else known))


@dataclass
class Venue:
    """One bar a minute, one trade a second, for A."""

    host: SimulationHost
    bars: list[Candle] = field(default_factory=list)
    is_trading: bool = True
    is_beating: bool = True

    def now(self) -> datetime:
        return START + timedelta(seconds=self.host.elapsed())

    def clock(self, *, is_open: bool = True) -> VenueClock:
        return VenueClock(self.now(), is_open, None, None, 1.0)

    def bar_at(self, opened_at: datetime) -> Candle:
        price = Price(Decimal(100 + (opened_at - START) // timedelta(minutes=1)))
        return Candle(A, M1, opened_at, price, price, price, price, Quantity(price * 60))

    def begin(self) -> None:
        """Give it a past of an hour."""
        start = M1.open_of(self.now()) - timedelta(minutes=60)
        self.bars = [self.bar_at(start + minute * timedelta(minutes=1)) for minute in range(60)]

    async def run(self, feed: Feed, kind: FeedKind) -> None:
        """Trade on, second by second."""
        while True:
            await asyncio.sleep(1.0)
            now = self.now()
            if self.is_beating:
                feed.say(FeedBeat(now))
            if not self.is_trading:
                continue
            second = now - timedelta(seconds=1)
            bar = self.bar_at(M1.open_of(second))
            feed.say(TickReceived(Tick(A, bar.close, Quantity(bar.close), second, now)))
            if M1.open_of(now) == now:
                self.bars.append(bar)
                if kind is FeedKind.BARS:
                    feed.say(BarReceived(bar))


class Session(Actor):
    """Keeps what it is told, and what a strategy would have been run on."""

    def __init__(self, told: "Told") -> None:
        super().__init__()
        self.told = told

    def on_receive(self, message: Any) -> None:
        self.told.take(message)


@dataclass
class Told:
    """What one session heard; `traded`: the bars that were new, in time and without a hole."""

    everything: list[Any] = field(default_factory=list)
    cursor: SeriesCursor | None = None
    traded: list[Candle] = field(default_factory=list)

    def take(self, message: Any) -> None:
        self.everything.append(message)
        if isinstance(message, SeriesOpened):
            self.cursor = SeriesCursor(message.candles, 1000)
        if self.cursor is None:
            return
        if isinstance(message, CandlesBackfilled):
            self.cursor.extend(message.candles)
        if isinstance(message, CandleClosed):
            taken = self.cursor.take(message.candle, message.previous_at)
            if isinstance(taken, New) and not message.is_late:
                self.traded.append(message.candle)

    def of(self, kind: type[T]) -> list[T]:
        """Its messages of that type, oldest first."""
        return [message for message in self.everything if isinstance(message, kind)]


class Stage:
    """The feed's actor, sessions, and the venue behind them."""

    def __init__(self, host: SimulationHost, kind: FeedKind) -> None:
        self.host = host
        self.kind = kind
        self.venue = Venue(host)
        self.venue.begin()
        self.feed = Feed(host)
        self.history = Past(self.venue)
        self.audience = Audience()
        self.told: dict[str, Told] = {}
        self.exits: list[Exit] = []
        self.runtime = Runtime(host, lanes=LANES, conflate=CONFLATE)
        self.runtime.listen(
            lambda notice: self.exits.append(notice) if isinstance(notice, Exit) else None
        )

    @property
    def market(self) -> Address:
        """The feed's actor."""
        return self.runtime.address(FEED)

    def actor(self) -> MarketData:
        return MarketData(self.feed, self.history, self.kind, self.audience)

    def listener(self, name: str) -> Child:
        """An actor that keeps what it is told."""
        told = self.told.setdefault(name, Told())
        return Child(name, lambda: Session(told))

    def subscribe(self, name: str, warmup_count: int = 20, timeframe: Timeframe = M1) -> Told:
        """Have a session subscribe."""
        reply_to = self.runtime.address(name)
        self.market.tell(Subscribe(SessionId(name), A, timeframe, warmup_count, reply_to))
        return self.told[name]

    async def until(self, seconds: float) -> None:
        """Let time pass up to that many seconds after the start, and a moment more."""
        await asyncio.sleep(seconds + 0.6 - self.host.elapsed())


@asynccontextmanager
async def staged(
    host: SimulationHost, kind: FeedKind = FeedKind.BARS, *, sessions: Sequence[str] = ("one",)
) -> AsyncIterator[Stage]:
    """The stage, up; the venue trades."""
    stage = Stage(host, kind)
    children = [stage.listener(name) for name in sessions]
    await stage.runtime.start(SupervisorSpec("root", (*children, Child(FEED, stage.actor))))
    trading = host.loop.create_task(stage.venue.run(stage.feed, kind))
    stage.market.tell(stage.venue.clock())
    try:
        yield stage
    finally:
        trading.cancel()
        await stage.runtime.stop()
