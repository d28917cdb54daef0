"""The Alpaca wire, REST, market-data side: the history of bars."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby

from aiohttp import web

from adapters.sandbox import alpaca_wire as wire
from adapters.sandbox.alpaca_requests import read_instant, read_limit
from adapters.sandbox.entry import Refused, malformed
from adapters.sandbox.guard import Answer, Call, Guard
from adapters.sandbox.host import Host
from adapters.sandbox.hours import NEW_YORK
from adapters.sandbox.tape import Bar

BARS_LIMIT = 1000
BARS_LIMIT_MAX = 10_000
TIMEFRAME = re.compile(r"(\d+)(Sec|Min|T|Hour|H|Day|D)")
SECONDS = {"Sec": 1, "Min": 60, "T": 60, "Hour": 3600, "H": 3600, "Day": 86_400, "D": 86_400}


class AlpacaBars:
    """Closed bars only, of the venue's own timeframe or of a multiple of it."""

    def __init__(self, host: Host, timeframe: timedelta) -> None:
        self._host = host
        self._timeframe = timeframe

    def routes(self, guard: Guard) -> list[web.RouteDef]:
        """Both ways to ask for bars."""
        return [
            web.get("/v2/stocks/bars", guard.wrap(self._get_bars)),
            web.get("/v2/stocks/{symbol}/bars", guard.wrap(self._get_symbol_bars)),
        ]

    async def _get_bars(self, call: Call) -> Answer:
        symbols = [s for s in call.query.get("symbols", "").split(",") if s]
        if not symbols:
            raise Refused(400, 40010001, "symbols is required")
        page, token = self._page(call, symbols)
        bars = {
            symbol: [wire.bar_json(bar) for _, bar in rows]
            for symbol, rows in groupby(page, key=lambda row: row[0])
        }
        return Answer({"bars": bars, "next_page_token": token})

    async def _get_symbol_bars(self, call: Call) -> Answer:
        symbol = call.path_parts["symbol"]
        page, token = self._page(call, [symbol])
        bars = [wire.bar_json(bar) for _, bar in page]
        return Answer({"symbol": symbol, "bars": bars, "next_page_token": token})

    def _page(self, call: Call, symbols: list[str]) -> tuple[list[tuple[str, Bar]], str | None]:
        """One page over all symbols, symbol by symbol, and the token of the next."""
        query = call.query
        limit = read_limit(query, "limit", BARS_LIMIT, BARS_LIMIT_MAX)
        descending = query.get("sort") == "desc"
        after_symbol, after = _read_token(query.get("page_token"))
        page: list[tuple[str, Bar]] = []
        for symbol in sorted(set(symbols)):
            if symbol < after_symbol:
                continue
            for bar in self._bars(call, symbol, descending):
                if symbol == after_symbol and after is not None:
                    seen = bar.opened_at >= after if descending else bar.opened_at <= after
                    if seen:
                        continue
                if len(page) == limit:
                    return page, _token(*page[-1])
                page.append((symbol, bar))
        return page, None

    def _bars(self, call: Call, symbol: str, descending: bool) -> Iterable[Bar]:
        market = self._host.venue.markets.get(symbol)
        bars = market.bars if market is not None else []
        now = self._host.now()
        today = now.astimezone(NEW_YORK).replace(hour=0, minute=0, second=0, microsecond=0)
        start = read_instant(call.query, "start") or today
        end = read_instant(call.query, "end") or now
        step = self._read_timeframe(call.query.get("timeframe", ""))
        first = bisect_left(bars, start, key=_opened_at)
        last = bisect_right(bars, end, key=_opened_at)
        wanted = bars[first:last]
        if step != self._timeframe:
            wanted = list(gather(wanted, step))
        return reversed(wanted) if descending else wanted

    def _read_timeframe(self, text: str) -> timedelta:
        match = TIMEFRAME.fullmatch(text)
        if match is None:
            raise Refused(400, 40010001, f"invalid timeframe: {text:.20}")
        step = timedelta(seconds=int(match[1]) * SECONDS[match[2]])
        if not step or step % self._timeframe:
            raise Refused(400, 40010001, f"invalid timeframe: this venue has no {text} bars")
        return step


def _opened_at(bar: Bar) -> datetime:
    return bar.opened_at


def gather(bars: Iterable[Bar], step: timedelta) -> Iterator[Bar]:
    """Bars of a longer timeframe, cut at whole multiples after midnight UTC."""

    def start(bar: Bar) -> datetime:
        midnight = bar.opened_at.replace(hour=0, minute=0, second=0, microsecond=0)
        return bar.opened_at - (bar.opened_at - midnight) % step

    for opened_at, group in groupby(bars, key=start):
        rows = list(group)
        yield Bar(
            opened_at,
            rows[0].open,
            max(row.high for row in rows),
            min(row.low for row in rows),
            rows[-1].close,
            sum((row.volume for row in rows), start=rows[0].volume * 0),
            sum(row.trade_count for row in rows),
            sum((row.notional for row in rows), start=rows[0].notional * 0),
        )


def _token(symbol: str, bar: Bar) -> str:
    return urlsafe_b64encode(f"{symbol}|{bar.opened_at.isoformat()}".encode()).decode()


def _read_token(token: str | None) -> tuple[str, datetime | None]:
    if not token:
        return "", None
    try:
        symbol, _, at = urlsafe_b64decode(token).decode().partition("|")
        return symbol, datetime.fromisoformat(at)
    except ValueError:
        raise malformed("invalid page_token") from None
