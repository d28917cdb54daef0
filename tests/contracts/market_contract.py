"""What every feed, history and venue must do, whatever is behind them."""

from datetime import timedelta
from typing import Protocol

from contracts.broker_parts import Ears

from trader.ids import InstrumentId, instrument_id, symbol_of
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.orders.events import QueryFailed
from trader.ports import (
    BarReceived,
    BarsReported,
    FeedBeat,
    FeedConnected,
    FeedEvent,
    FeedKind,
    FeedLost,
    History,
    MarketFeed,
    TickReceived,
    Venue,
    VenueClock,
)

MINUTE = timedelta(minutes=1)


class MarketStage(Protocol):
    """A market with one instrument and some history. Its feed was not started."""

    feed: MarketFeed
    history: History
    venue: Venue
    instrument: InstrumentId

    async def price(self, price: str) -> None:
        """Trade at a price."""

    async def run(self) -> None:
        """Let the venue's own prices run, so that bars close."""

    async def revise(self) -> None:
        """Have the venue correct its newest bar."""

    async def cut(self) -> None:
        """Cut the feed's connection."""


class FeedContract:
    """Inherit, and give a fixture `stage`."""

    async def test_a_trade_is_heard_with_its_venues_instant(self, stage: MarketStage) -> None:
        ears: Ears[FeedEvent] = Ears()
        await stage.feed.start([stage.instrument], FeedKind.TRADES, ears)
        await ears.until_a(FeedConnected)

        await stage.price("123.45")

        tick = (await ears.until_a(TickReceived)).tick
        assert tick.instrument == stage.instrument
        assert str(tick.price) == "123.45"
        assert tick.volume > 0
        assert tick.happened_at.utcoffset() == timedelta()
        assert tick.seen_at.utcoffset() == timedelta()

    async def test_bars_come_closed_one_after_the_other(self, stage: MarketStage) -> None:
        ears: Ears[FeedEvent] = Ears()
        await stage.feed.start([stage.instrument], FeedKind.BARS, ears)
        await ears.until_a(FeedConnected)

        await stage.run()

        await ears.until_a(BarReceived, count=3)
        bars = [event.candle for event in ears.heard if isinstance(event, BarReceived)][:3]
        assert [bar.opened_at - bars[0].opened_at for bar in bars] == [n * MINUTE for n in range(3)]
        assert all(bar.revision == 0 and bar.is_final for bar in bars)
        assert any(isinstance(event, TickReceived) for event in ears.heard)

    async def test_a_corrected_bar_is_marked_as_one(self, stage: MarketStage) -> None:
        ears: Ears[FeedEvent] = Ears()
        await stage.feed.start([stage.instrument], FeedKind.BARS, ears)
        await ears.until_a(FeedConnected)

        await stage.revise()

        assert (await ears.until_a(BarReceived)).candle.revision > 0

    async def test_a_silent_feed_shows_that_it_is_alive(self, stage: MarketStage) -> None:
        ears: Ears[FeedEvent] = Ears()
        await stage.feed.start([stage.instrument], FeedKind.TRADES, ears)
        await ears.until_a(FeedConnected)
        ears.heard.clear()

        await ears.until_a(FeedBeat, count=2)

    async def test_a_lost_feed_comes_back_by_itself_and_says_so(self, stage: MarketStage) -> None:
        ears: Ears[FeedEvent] = Ears()
        await stage.feed.start([stage.instrument], FeedKind.TRADES, ears)
        await ears.until_a(FeedConnected)

        await stage.cut()

        await ears.until_a(FeedLost)
        await ears.until_a(FeedConnected, count=2)
        await stage.price("77")
        await ears.until_a(TickReceived)


class HistoryContract:
    """Inherit, and give a fixture `stage`."""

    async def test_the_newest_bars_come_oldest_first(self, stage: MarketStage) -> None:
        bars = await self._bars(stage, limit=10)

        assert len(bars) == 10
        instants = [bar.opened_at for bar in bars]
        assert instants == sorted(set(instants))
        assert (await self._bars(stage, limit=3)) == bars[-3:]

    async def test_after_is_exclusive_and_until_inclusive(self, stage: MarketStage) -> None:
        bars = await self._bars(stage, limit=10)

        cut = await self._bars(stage, after=bars[2].opened_at, until=bars[6].opened_at)

        assert cut == bars[3:7]

    async def test_after_and_limit_together_give_the_newest(self, stage: MarketStage) -> None:
        bars = await self._bars(stage, limit=10)

        assert await self._bars(stage, after=bars[2].opened_at, limit=4) == bars[-4:]
        assert await self._bars(stage, after=bars[-3].opened_at, limit=4) == bars[-2:]

    async def test_nothing_after_the_newest_is_an_answer_and_empty(
        self, stage: MarketStage
    ) -> None:
        bars = await self._bars(stage, limit=1)

        assert await self._bars(stage, after=bars[0].opened_at) == ()

    async def test_longer_bars_are_finished_too(self, stage: MarketStage) -> None:
        clock = await stage.venue.clock()
        assert isinstance(clock, VenueClock)

        answer = await stage.history.bars(stage.instrument, Timeframe.M5, limit=3)

        assert isinstance(answer, BarsReported)
        assert answer.candles
        assert all(bar.closes_at <= clock.now for bar in answer.candles)

    async def test_a_timeframe_that_the_venue_has_not_is_a_failure(
        self, stage: MarketStage
    ) -> None:
        answer = await stage.history.bars(stage.instrument, Timeframe.S1, limit=3)

        assert isinstance(answer, QueryFailed)

    async def _bars(self, stage: MarketStage, **asked: object) -> tuple[Candle, ...]:
        answer = await stage.history.bars(
            stage.instrument,
            Timeframe.M1,
            **asked,  # type: ignore[arg-type]
        )
        assert isinstance(answer, BarsReported)
        assert all(bar.is_final and bar.revision == 0 for bar in answer.candles)
        return answer.candles


class VenueContract:
    """Inherit, and give a fixture `stage`."""

    async def test_the_clock_knows_its_instant_and_its_speed(self, stage: MarketStage) -> None:
        clock = await stage.venue.clock()

        assert isinstance(clock, VenueClock)
        assert clock.now.utcoffset() == timedelta()
        assert clock.is_open
        assert clock.speed > 0

    async def test_what_the_venue_does_not_trade_is_left_out(self, stage: MarketStage) -> None:
        symbol = symbol_of(stage.instrument)
        asked = [
            stage.instrument,
            InstrumentId(f"NOSUCH.{stage.instrument.rpartition('.')[2]}"),
            instrument_id(symbol, "ELSEWHERE"),
        ]

        answer = await stage.venue.instruments(asked)

        assert not isinstance(answer, QueryFailed)
        assert [instrument.id for instrument in answer] == [stage.instrument]
        assert answer[0].tick > 0
        assert answer[0].lot > 0
        assert answer[0].multiplier == 1
