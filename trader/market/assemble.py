"""Trades into candles. The venue's stamp alone decides the bar, whatever the order of arrival.

A minute without trades has no bar. A bar closes at the first trade of a later one, or when feed
time has passed its end; a trade that comes after that revises it, as long as it is recent.
"""

from bisect import bisect_left
from datetime import datetime, timedelta
from decimal import Decimal

from trader.ids import InstrumentId
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.market.series import RECENT
from trader.market.tick import Tick
from trader.money import Price, Quantity

_NOTHING: tuple[Candle, ...] = ()


class _Bar:
    """One bar under way. Among trades of the same instant the order of arrival counts."""

    __slots__ = (
        "close", "first_at", "high", "is_closed", "last_at", "low", "open", "opened_at",
        "revision", "volume",
    )  # fmt: skip

    def __init__(self, opened_at: datetime, tick: Tick) -> None:
        self.opened_at = opened_at
        self.open = self.high = self.low = self.close = tick.price
        self.volume: Decimal = tick.volume
        self.first_at = self.last_at = tick.happened_at
        self.is_closed = False
        self.revision = 0

    def add(self, tick: Tick) -> None:
        price, at = tick.price, tick.happened_at
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        if at >= self.last_at:
            self.close, self.last_at = price, at
        elif at < self.first_at:
            self.open, self.first_at = price, at
        self.volume += tick.volume
        if self.is_closed:
            self.revision += 1


class Assembler:
    """The candles of one instrument and timeframe, from its trades."""

    __slots__ = ("_bars", "_closes_at", "_duration", "instrument", "late_count", "timeframe")

    def __init__(self, instrument: InstrumentId, timeframe: Timeframe) -> None:
        self.instrument = instrument
        self.timeframe = timeframe
        self.late_count = 0  # trades too old to revise their bar
        self._bars: list[_Bar] = []  # oldest first; at most RECENT before the newest
        self._duration = timeframe.duration
        self._closes_at: datetime | None = None  # of the newest

    def take(self, tick: Tick) -> tuple[Candle, ...]:
        """Add a trade; the final bars that this made or revised, oldest first. Usually none."""
        at = tick.happened_at
        closes_at = self._closes_at
        if closes_at is not None and closes_at - self._duration <= at < closes_at:
            newest = self._bars[-1]
            newest.add(tick)
            return (self._candle(newest),) if newest.is_closed else _NOTHING
        if closes_at is not None and at < closes_at:
            return self._revise(self.timeframe.open_of(at), tick)
        closed = self._close()
        opened_at = self.timeframe.open_of(at)
        self._bars.append(_Bar(opened_at, tick))
        self._closes_at = opened_at + self._duration
        if len(self._bars) > RECENT + 1:
            del self._bars[0]
        return closed

    @property
    def due_at(self) -> datetime | None:
        """The end of the newest bar, until it is closed."""
        return None if not self._bars or self._bars[-1].is_closed else self._closes_at

    def close_due(self, now: datetime, grace: timedelta) -> tuple[Candle, ...]:
        """Close the newest bar once feed time has passed its end by `grace`."""
        if self._closes_at is None or now < self._closes_at + grace:
            return _NOTHING
        return self._close()

    @property
    def forming(self) -> Candle | None:
        """The open bar as it stands now; None between bars."""
        if not self._bars or self._bars[-1].is_closed:
            return None
        return self._candle(self._bars[-1])

    def _close(self) -> tuple[Candle, ...]:
        if not self._bars or self._bars[-1].is_closed:
            return _NOTHING
        self._bars[-1].is_closed = True
        return (self._candle(self._bars[-1]),)

    def _revise(self, opened_at: datetime, tick: Tick) -> tuple[Candle, ...]:
        bars = self._bars
        index = bisect_left(bars, opened_at, key=lambda bar: bar.opened_at)
        if bars[index].opened_at == opened_at:
            bars[index].add(tick)
        elif index == 0 and len(bars) > RECENT:
            self.late_count += 1
            return _NOTHING
        else:
            bars.insert(index, _Bar(opened_at, tick))
            bars[index].is_closed = True
            if len(bars) > RECENT + 1:
                del bars[0]
                index -= 1
        return (self._candle(bars[index]),)

    def _candle(self, bar: _Bar) -> Candle:
        return Candle(
            self.instrument,
            self.timeframe,
            bar.opened_at,
            Price(bar.open),
            Price(bar.high),
            Price(bar.low),
            Price(bar.close),
            Quantity(bar.volume),
            bar.is_closed,
            bar.revision,
        )
