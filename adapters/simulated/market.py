"""The simulated venue's market: fulfils `MarketFeed`, `History` and `Venue` of `trader.ports`."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from adapters.brokers.alpaca_market_wire import candle_of, instrument_of, tick_of, venue_clock
from adapters.sandbox import alpaca_wire as words
from adapters.sandbox.alpaca_bars import gather
from adapters.sandbox.events import BarClosed, BarRevised, Happening, TradePrinted
from adapters.simulated.venue import MINUTE, VENUE, SimulatedVenue, wired
from trader.ids import InstrumentId, instrument_id, symbol_of
from trader.instants import Timeframe
from trader.instrument import Instrument
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

BEAT_S = 1.0
RECONNECT_S = 1.0


class SimulatedFeed:
    """Live trades and bars of one minute."""

    def __init__(self, venue: SimulatedVenue) -> None:
        self._venue = venue
        self._sink: Callable[[FeedEvent], None] | None = None
        self._kind = FeedKind.TRADES
        self._instruments: dict[str, InstrumentId] = {}
        self._is_up = False
        self._beating: asyncio.TimerHandle | None = None
        venue.listen(self._happened)
        venue.on_cut.append(self._cut)

    async def start(
        self, instruments: Sequence[InstrumentId], kind: FeedKind, sink: Callable[[FeedEvent], None]
    ) -> None:
        """Subscribe."""
        self._instruments = {symbol_of(each): each for each in instruments}
        self._kind, self._sink = kind, sink
        self._connect()

    async def stop(self) -> None:
        """Unsubscribe."""
        self._sink, self._is_up = None, False
        if self._beating is not None:
            self._beating.cancel()

    def _connect(self) -> None:
        if self._sink is not None:
            self._is_up = True
            self._sink(FeedConnected(VENUE))
            self._beat()

    def _beat(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
        if self._sink is not None and self._is_up:
            self._sink(FeedBeat(self._venue.clock.now()))
            self._beating = asyncio.get_running_loop().call_later(BEAT_S, self._beat)

    def _cut(self) -> None:
        if self._sink is not None and self._is_up:
            self._is_up = False
            self._sink(FeedLost(VENUE, "cut"))
            asyncio.get_running_loop().call_later(RECONNECT_S, self._connect)

    def _happened(self, happenings: list[Happening]) -> None:
        for each in happenings:
            event = self._event(each)
            if event is not None and self._sink is not None and self._is_up:
                self._sink(event)

    def _event(self, happening: Happening) -> FeedEvent | None:
        symbol = "" if not isinstance(happening, _MARKET) else happening.symbol
        instrument = self._instruments.get(symbol)
        if instrument is None:
            return None
        if isinstance(happening, TradePrinted):
            data = wired(words.trade_message(happening))
            return TickReceived(tick_of(data, instrument, self._venue.clock.now()))
        if isinstance(happening, BarClosed | BarRevised) and self._kind is FeedKind.BARS:
            data = wired(words.bar_message(happening))
            revision = 1 if isinstance(happening, BarRevised) else 0
            return BarReceived(candle_of(data, instrument, Timeframe.M1, revision))
        return None


_MARKET = (TradePrinted, BarClosed, BarRevised)


class SimulatedMarket:
    """History and hours."""

    def __init__(self, venue: SimulatedVenue) -> None:
        self._venue = venue

    async def bars(
        self,
        instrument: InstrumentId,
        timeframe: Timeframe,
        *,
        after: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> BarsReported | QueryFailed:
        """Bars with after < opened_at <= until; with `limit` the newest that many."""
        await asyncio.sleep(self._venue.host.latency_s)
        market = self._venue.host.venue.markets.get(symbol_of(instrument))
        if market is None or timeframe.duration < MINUTE:
            return QueryFailed("bars", f"no {timeframe} bars of {instrument}", 0.0)
        longer = (
            market.bars if timeframe is Timeframe.M1 else gather(market.bars, timeframe.duration)
        )
        candles = [
            candle_of(wired(words.bar_json(bar)), instrument, timeframe, revision=0)
            for bar in longer
            if (after is None or bar.opened_at > after)
            and (until is None or bar.opened_at <= until)
            and bar.opened_at + timeframe.duration <= self._venue.now()
        ]
        return BarsReported(tuple(candles if limit is None else candles[-limit:]))

    async def clock(self) -> VenueClock | QueryFailed:
        """Is the market open?"""
        await asyncio.sleep(self._venue.host.latency_s)
        host = self._venue.host
        return venue_clock(
            wired(words.clock_json(host.tell_time(), host.venue.is_open, host.clock.speed, MINUTE))
        )

    async def instruments(
        self, ids: Sequence[InstrumentId]
    ) -> tuple[Instrument, ...] | QueryFailed:
        """The venue's rules for these."""
        await asyncio.sleep(self._venue.host.latency_s)
        rules = self._venue.host.venue.ledger.rules
        found = (
            instrument_of(wired(words.asset_json(symbol_of(each), rules)), each)
            for each in ids
            if symbol_of(each) in self._venue.symbols
            and each == instrument_id(symbol_of(each), VENUE)
        )
        return tuple(each for each in found if each is not None)
