"""Short bars into longer ones, for a feed that gives only one timeframe.

Like trades into bars: the stamps decide, what did not trade has no part, and a part that the venue
replaces revises the long bar.
"""

from bisect import bisect_left
from datetime import datetime, timedelta

from trader.ids import InstrumentId
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.market.series import RECENT
from trader.money import NO_QTY, Quantity

_NOTHING: tuple[Candle, ...] = ()
_NO_TIME = timedelta()


class _Bar:
    __slots__ = ("is_closed", "opened_at", "parts", "revision")

    def __init__(self, opened_at: datetime, part: Candle) -> None:
        self.opened_at = opened_at
        self.parts = [part]  # oldest first
        self.is_closed = False
        self.revision = 0

    def add(self, part: Candle) -> bool:
        """Put the part in its place; whether that changed anything."""
        index = bisect_left(self.parts, part.opened_at, key=lambda held: held.opened_at)
        if index == len(self.parts) or self.parts[index].opened_at != part.opened_at:
            self.parts.insert(index, part)
        else:
            held = self.parts[index]
            if part.revision < held.revision or held.same_values(part):
                return False
            self.parts[index] = part
        if self.is_closed:
            self.revision += 1
        return True


class RollUp:
    """The candles of one instrument and timeframe, from its shorter ones."""

    __slots__ = ("_bars", "instrument", "timeframe")

    def __init__(self, instrument: InstrumentId, timeframe: Timeframe) -> None:
        self.instrument = instrument
        self.timeframe = timeframe
        self._bars: list[_Bar] = []  # oldest first; at most RECENT before the newest

    def take(self, part: Candle) -> tuple[Candle, ...]:
        """Add a short final bar; the long final ones that this made or revised, oldest first."""
        bars = self._bars
        opened_at = self.timeframe.open_of(part.opened_at)
        if not bars or opened_at > bars[-1].opened_at:
            closed = self._close()
            bars.append(_Bar(opened_at, part))
            if len(bars) > RECENT + 1:
                del bars[0]
            return (*closed, *self.close_due(part.closes_at, _NO_TIME))
        index = bisect_left(bars, opened_at, key=lambda bar: bar.opened_at)
        bar = bars[index]
        if bar.opened_at != opened_at:
            return self._insert(index, _Bar(opened_at, part))
        if not bar.add(part):
            return _NOTHING
        return (self._candle(bar),) if bar.is_closed else self.close_due(part.closes_at, _NO_TIME)

    def _insert(self, index: int, bar: _Bar) -> tuple[Candle, ...]:
        if index == 0 and len(self._bars) > RECENT:
            return _NOTHING  # too old
        bar.is_closed = True
        self._bars.insert(index, bar)
        if len(self._bars) > RECENT + 1:
            del self._bars[0]
        return (self._candle(bar),)

    @property
    def due_at(self) -> datetime | None:
        """The end of the newest bar, until it is closed."""
        if not self._bars or self._bars[-1].is_closed:
            return None
        return self._bars[-1].opened_at + self.timeframe.duration

    def close_due(self, now: datetime, grace: timedelta) -> tuple[Candle, ...]:
        """Close the newest bar once feed time has passed its end by `grace`."""
        if not self._bars or now < self._bars[-1].opened_at + self.timeframe.duration + grace:
            return _NOTHING
        return self._close()

    def _close(self) -> tuple[Candle, ...]:
        if not self._bars or self._bars[-1].is_closed:
            return _NOTHING
        self._bars[-1].is_closed = True
        return (self._candle(self._bars[-1]),)

    def _candle(self, bar: _Bar) -> Candle:
        parts = bar.parts
        return Candle(
            self.instrument,
            self.timeframe,
            bar.opened_at,
            parts[0].open,
            max(part.high for part in parts),
            min(part.low for part in parts),
            parts[-1].close,
            Quantity(sum((part.volume for part in parts), NO_QTY)),
            True,
            bar.revision,
        )
