"""The simulated venue's history and hours: fulfils `History` and `Venue` of `trader.ports`."""

import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

from adapters.brokers.alpaca_market_wire import instrument_of
from adapters.sandbox import alpaca_wire as words
from adapters.sandbox.alpaca_bars import gather
from adapters.sandbox.events import BarClosed, BarRevised, Happening
from adapters.sandbox.hours import day_end
from adapters.sandbox.tape import Bar
from adapters.simulated.feed_faults import FeedFault, FeedFaultKind, FeedFaults
from adapters.simulated.heard import candle_of_bar
from adapters.simulated.history import BarFinished, BarsAnswered, ClockAnswered, History
from adapters.simulated.line import Line, LineLost, Loss, Way
from adapters.simulated.venue import MINUTE, VENUE, SimulatedVenue, wired
from trader.ids import InstrumentId, instrument_id, symbol_of
from trader.instants import Timeframe
from trader.instrument import Instrument
from trader.market.candle import Candle
from trader.orders.events import QueryFailed
from trader.ports import BarsReported, VenueClock

T = TypeVar("T")

QUESTION_S_MAX = 10.0  # what the adapter waits for an answer
SPREAD = 3.0  # the slowest exchange takes so many times longer than the quickest


def note_bars(venue: SimulatedVenue, history: History) -> None:
    """From now on every bar that the venue finishes or corrects stands in the history."""
    corrections: dict[tuple[str, datetime], int] = {}

    def heard(happenings: list[Happening]) -> None:
        for each in happenings:
            if isinstance(each, BarClosed | BarRevised):
                key = (each.symbol, each.bar.opened_at)
                if isinstance(each, BarRevised):
                    corrections[key] = corrections.get(key, 0) + 1
                instrument = instrument_id(each.symbol, VENUE)
                candle = candle_of_bar(each.bar, instrument, Timeframe.M1, corrections.get(key, 0))
                history.note(BarFinished(venue.clock.elapsed(), candle))

    venue.listen(heard)


class SimulatedMarket:
    """History and hours, as one daemon asks for them. Made where the venue lives."""

    def __init__(
        self,
        venue: SimulatedVenue,
        faults: FeedFaults | None = None,
        history: History | None = None,
        daemon: str = "",
        number: str = "",
        chance: random.Random | None = None,
    ) -> None:
        self._venue = venue
        self._faults = faults or FeedFaults(venue)
        self._history = history
        self._daemon = daemon
        self._number = number
        self._chance = chance or random.Random(f"market of {daemon}")
        self._line = Line()
        self._candles: dict[tuple[InstrumentId, datetime], tuple[Bar, Candle]] = {}

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
        symbol = symbol_of(instrument)

        def look() -> BarsReported | QueryFailed:
            market = self._venue.host.venue.markets.get(symbol)
            if market is None or timeframe.duration < MINUTE:
                return QueryFailed("bars", f"no {timeframe} bars of {instrument}", asked_s)
            if self._struck(FeedFaultKind.HISTORY_EMPTY, symbol) is not None:
                return BarsReported(())
            now = self._venue.now()
            lag = self._struck(FeedFaultKind.HISTORY_LAGS, symbol)
            if lag is not None:
                now -= timedelta(seconds=lag.by_s)
            stored: Iterable[Bar] = market.bars
            if timeframe is not Timeframe.M1:
                stored = gather(stored, timeframe.duration)
            candles = [
                self._candle(bar, instrument, timeframe)
                for bar in stored
                if (after is None or bar.opened_at > after)
                and (until is None or bar.opened_at <= until)
                and bar.opened_at + timeframe.duration <= now
            ]
            return BarsReported(tuple(candles if limit is None else candles[-limit:]))

        asked_s = self._venue.clock.elapsed()
        slow = self._struck(FeedFaultKind.HISTORY_SLOW, symbol)
        fails = self._struck(FeedFaultKind.HISTORY_FAILS, symbol)
        answer = await self._ask(look, f"bars {instrument} {timeframe}", slow, fails)
        if self._history is not None:
            opened_ats: tuple[datetime, ...] = ()
            reason = ""
            if isinstance(answer, QueryFailed):
                reason = answer.reason
            else:
                opened_ats = tuple(candle.opened_at for candle in answer.candles)
            at_s, who = self._venue.clock.elapsed(), (self._daemon, self._number)
            self._history.note(BarsAnswered(at_s, *who, instrument, timeframe, opened_ats, reason))
        return answer

    async def clock(self) -> VenueClock | QueryFailed:
        """Is the market open?"""

        def look() -> VenueClock:
            host = self._venue.host
            now = host.tell_time()
            midnight = day_end(now)
            return VenueClock(now, host.venue.is_open, midnight, midnight, host.clock.speed)

        slow = self._struck(FeedFaultKind.CLOCK_SLOW)
        fails = self._struck(FeedFaultKind.CLOCK_FAILS)
        answer = await self._ask(look, "clock", slow, fails)
        if self._history is not None:
            is_open = answer.is_open if isinstance(answer, VenueClock) else None
            at_s, who = self._venue.clock.elapsed(), (self._daemon, self._number)
            self._history.note(ClockAnswered(at_s, *who, is_open))
        return answer

    async def instruments(
        self, ids: Sequence[InstrumentId]
    ) -> tuple[Instrument, ...] | QueryFailed:
        """The venue's rules for these."""

        def look() -> tuple[Instrument, ...]:
            rules = self._venue.host.venue.ledger.rules
            found = (
                instrument_of(wired(words.asset_json(symbol_of(each), rules)), each)
                for each in ids
                if symbol_of(each) in self._venue.symbols
                and each == instrument_id(symbol_of(each), VENUE)
            )
            return tuple(each for each in found if each is not None)

        fails = self._struck(FeedFaultKind.RULES_FAIL)
        return await self._ask(look, "instruments", None, fails)

    async def _ask(
        self, look: Callable[[], T], what: str, slow: FeedFault | None, fails: FeedFault | None
    ) -> T | QueryFailed:
        """The venue's answer. What failed was answered by an error, or by nothing in time."""
        asked_s = self._venue.clock.elapsed()
        way = self._way(slow)
        if way.loss is not Loss.NOTHING:
            with suppress(LineLost):
                await self._line.ask(way, look)
            return QueryFailed(what, "timeout", asked_s)
        if fails is not None:
            await self._line.ask(way, lambda: None)
            return QueryFailed(what, "http_503", asked_s)
        return await self._line.ask(way, look)

    def _way(self, slow: FeedFault | None) -> Way:
        quick_s = self._venue.host.latency_s
        there_s = quick_s * (1 + self._chance.random() * SPREAD)
        back_s = quick_s * (1 + self._chance.random() * SPREAD)
        if slow is None:
            return Way(there_s, back_s)
        if slow.by_s < QUESTION_S_MAX:
            return Way(there_s, back_s + slow.by_s)
        noticed_s = QUESTION_S_MAX - there_s - back_s
        return Way(there_s, back_s, Loss.REPLY, noticed_s)

    def _struck(self, kind: FeedFaultKind, symbol: str | None = None) -> FeedFault | None:
        if self._faults.quiet:
            return None
        return self._faults.strikes(kind, self._daemon, symbol)

    def _candle(self, bar: Bar, instrument: InstrumentId, timeframe: Timeframe) -> Candle:
        if timeframe is not Timeframe.M1:
            return candle_of_bar(bar, instrument, timeframe, 0)
        known = self._candles.get((instrument, bar.opened_at))
        if known is None or known[0] is not bar:
            known = (bar, candle_of_bar(bar, instrument, timeframe, 0))
            self._candles[instrument, bar.opened_at] = known
        return known[1]
