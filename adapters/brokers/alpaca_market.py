"""History and the venue itself over Alpaca's wire: finished bars, the clock, what is traded."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta

from adapters.brokers.alpaca_answers import reason_of
from adapters.brokers.alpaca_http import AlpacaHttp
from adapters.brokers.alpaca_json import a_list, an_object, optional_text
from adapters.brokers.alpaca_market_wire import (
    TIMEFRAME_WORDS,
    candle_of,
    instrument_of,
    venue_clock,
)
from adapters.brokers.alpaca_settings import AlpacaSettings
from adapters.clock import Clock
from trader.errors import BrokerError, BrokerProtocolError, BrokerRefused
from trader.ids import InstrumentId, instrument_id, symbol_of
from trader.instants import EPOCH, Timeframe
from trader.instrument import Instrument
from trader.market.candle import Candle
from trader.orders.events import QueryFailed
from trader.ports import BarsReported, VenueClock

BARS_PAGE = 10_000  # the venue's largest
BARS_PAGES_MAX = 500
INSTANT = timedelta(microseconds=1)


class AlpacaHistory:
    """Finished bars of the past. `http` reaches the data host, `trading` the one with the clock."""

    def __init__(
        self, settings: AlpacaSettings, clock: Clock, http: AlpacaHttp, trading: AlpacaHttp
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._http = http
        self._trading = trading

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
        asked_s = self._clock.elapsed()
        try:
            return await self._bars(instrument, timeframe, after, until, limit)
        except BrokerError as error:
            return QueryFailed(f"bars {instrument} {timeframe}", reason_of(error), asked_s)

    async def _bars(
        self,
        instrument: InstrumentId,
        timeframe: Timeframe,
        after: datetime | None,
        until: datetime | None,
        limit: int | None,
    ) -> BarsReported:
        if timeframe not in TIMEFRAME_WORDS:
            raise BrokerProtocolError(f"this venue has no bars of {timeframe}")
        # Longer bars are put together when asked for, so the newest may still be forming.
        is_stored = timeframe is Timeframe.M1
        now = None if is_stored else venue_clock(await self._trading.ask("/v2/clock")).now
        params = {
            "timeframe": TIMEFRAME_WORDS[timeframe],
            "start": (EPOCH if after is None else after + INSTANT).isoformat(),
            "sort": "asc" if limit is None else "desc",
            "limit": str(BARS_PAGE if limit is None else min(limit + 1, BARS_PAGE)),
            "feed": self._settings.data_source,
            "adjustment": "raw",
        }
        if until is not None:
            params["end"] = until.isoformat()
        candles: dict[datetime, Candle] = {}
        async with aclosing(self._items(symbol_of(instrument), params)) as items:
            async for data in items:
                if len(candles) == limit:
                    break
                candle = candle_of(an_object(data), instrument, timeframe, revision=0)
                if now is None or candle.closes_at <= now:
                    candles[candle.opened_at] = candle
        return BarsReported(tuple(candles[opened_at] for opened_at in sorted(candles)))

    async def _items(self, symbol: str, params: dict[str, str]) -> AsyncGenerator[object, None]:
        """Every bar of every page, in the order asked for. Raises BrokerError."""
        for _ in range(BARS_PAGES_MAX):
            page = an_object(await self._http.ask(f"/v2/stocks/{symbol}/bars", params))
            if "bars" not in page:
                raise BrokerProtocolError("a page without bars")
            for item in a_list(page["bars"] or []):  # null where there are none
                yield item
            token = optional_text(page, "next_page_token")
            if token is None:
                return
            if token == params.get("page_token"):
                break
            params["page_token"] = token
        raise BrokerProtocolError("the bars do not end")


class AlpacaExchange:
    """What the venue trades, and when."""

    def __init__(self, settings: AlpacaSettings, clock: Clock, http: AlpacaHttp) -> None:
        self._settings = settings
        self._clock = clock
        self._http = http

    async def clock(self) -> VenueClock | QueryFailed:
        """Is the market open?"""
        asked_s = self._clock.elapsed()
        try:
            return venue_clock(await self._http.ask("/v2/clock"))
        except BrokerError as error:
            return QueryFailed("clock", reason_of(error), asked_s)

    async def instruments(
        self, ids: Sequence[InstrumentId]
    ) -> tuple[Instrument, ...] | QueryFailed:
        """The venue's rules for these; an unknown or untradable one is left out."""
        asked_s = self._clock.elapsed()
        try:
            found = await asyncio.gather(*map(self._instrument, ids))
        except BrokerError as error:
            return QueryFailed("instruments", reason_of(error), asked_s)
        return tuple(instrument for instrument in found if instrument is not None)

    async def _instrument(self, instrument: InstrumentId) -> Instrument | None:
        symbol = symbol_of(instrument)
        if instrument != instrument_id(symbol, self._settings.venue):
            return None
        try:
            return instrument_of(await self._http.ask(f"/v2/assets/{symbol}"), instrument)
        except BrokerRefused as refusal:
            if refusal.http_status == 404:
                return None
            raise
