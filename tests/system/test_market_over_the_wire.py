"""The feed's actor at a real venue: real sockets, the sandbox's clock, a cut in the middle."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from brokers.sandbox_stage import sandbox_stage

from actors.audience import Audience, Subscribe
from actors.calendar import Calendar
from actors.lanes import CONFLATE, LANES
from actors.market_data import MarketData
from actors.runtime import Actor, AsyncioHost, Child, ExitReason, Runtime, SupervisorSpec
from adapters.calendar_jobs import ApschedulerJobs
from trader.ids import SessionId
from trader.instants import Timeframe
from trader.market.events import (
    CandleClosed,
    CandlesBackfilled,
    FeedFresh,
    MarketOpened,
    PriceMoved,
    SeriesOpened,
)
from trader.market.series import New, SeriesCursor
from trader.ports import BarsReported, FeedKind

M1 = Timeframe.M1
WARM_UP = 20
PATIENCE_S = 20.0


class Session(Actor):
    """Keeps a window as a trader would, and counts what it could have traded on."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: set[type] = set()
        self.traded = 0
        self.cursor = SeriesCursor((), 0)
        self.heard = asyncio.Event()

    def on_receive(self, message: object) -> None:
        self.kinds.add(type(message))
        match message:
            case SeriesOpened(candles=candles):
                self.cursor = SeriesCursor(candles, 1000)
            case CandlesBackfilled(candles):
                self.cursor.extend(candles)
            case CandleClosed(candle, previous_at, is_late):
                taken = self.cursor.take(candle, previous_at)
                self.traded += isinstance(taken, New) and not is_late
        self.heard.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it, with patience."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self.heard.clear()
                await self.heard.wait()


async def test_a_session_at_the_sandbox_trades_on_whole_windows_before_and_after_a_cut(
    tmp_path: Path,
) -> None:
    # A minute of this venue takes half a second.
    async with sandbox_stage(tmp_path, speed=120.0) as venue:
        await venue.run()
        host = AsyncioHost()
        runtime = Runtime(host, lanes=LANES, conflate=CONFLATE)
        crashes: list[object] = []
        runtime.listen(
            lambda notice: (
                crashes.append(notice)
                if getattr(notice, "reason", None) is ExitReason.CRASH
                else None
            )
        )
        session, jobs, audience = Session(), ApschedulerJobs(), Audience()
        jobs.start()
        market = runtime.address("feed")
        await runtime.start(
            SupervisorSpec(
                "root",
                (
                    Child("one", lambda: session),
                    Child(
                        "feed",
                        lambda: MarketData(venue.feed, venue.history, FeedKind.BARS, audience),
                    ),
                    Child("hours", lambda: Calendar(venue.venue, jobs, [market])),
                ),
            )
        )
        market.tell(
            Subscribe(SessionId("one"), venue.instrument, M1, WARM_UP, runtime.address("one"))
        )

        await session.until(lambda: session.traded >= 3)
        assert {SeriesOpened, FeedFresh, MarketOpened, PriceMoved} <= session.kinds

        before = session.traded
        await venue.cut()
        await session.until(lambda: session.traded >= before + 3)
        window = session.cursor.window()
        told = await venue.history.bars(venue.instrument, M1, limit=1000)

        await runtime.stop()
        jobs.stop()
        assert isinstance(told, BarsReported)
        known = {bar.opened_at: bar for bar in told.candles}
        first, last = window[0].opened_at, window[-1].opened_at
        assert [bar.opened_at for bar in window] == [at for at in known if first <= at <= last]
        assert all(bar.same_values(known[bar.opened_at]) for bar in window)
        assert len(window) >= WARM_UP + 6
        assert crashes == []
