"""Final bars in order: is this one new, a replacement, known already, too old, or after a hole?

One `Series` per (instrument, timeframe), written by the feed's actor only. One `SeriesCursor` per
session: its view ends at its own newest candle, with the replacements that it has taken, so that
nobody else's progress changes what a strategy saw.
"""

from collections import deque
from collections.abc import Iterable
from datetime import datetime

from trader.market.candle import Candle
from trader.market.warmup import stitch

RECENT = 5  # bars: what is older is not replaced any more


class New:
    """The next bar. The only answer on which a strategy decides."""

    __slots__ = ()


class Replaced:
    """The past has changed within the recent window: rebuild, decide nothing."""

    __slots__ = ()


class Duplicate:
    """Known already, or an older revision of what is held."""

    __slots__ = ()


class Stale:
    """Older than the recent window: not taken."""

    __slots__ = ()


class Gap:
    """Newer, but something before it was missed: not taken; ask history."""

    __slots__ = ()


Taken = New | Replaced | Duplicate | Stale | Gap

# One shared object each: an answer per bar and session is made a million times a minute in replay.
NEW, REPLACED, DUPLICATE, STALE, GAP = New(), Replaced(), Duplicate(), Stale(), Gap()


class Series:
    """The newest bars of one instrument and timeframe, oldest first, at most `keep` of them."""

    __slots__ = ("_candles", "_keep", "newest_at")

    def __init__(self, candles: Iterable[Candle], keep: int) -> None:
        self._keep = keep
        self._candles: deque[Candle] = deque(maxlen=max(keep, RECENT))
        self.newest_at: datetime | None = None  # opened_at of the newest; None while empty
        self.extend(candles)

    def add_or_replace(self, candle: Candle) -> New | Replaced | Duplicate | Stale:
        """Take a bar by its opened_at. One that belongs between recent ones counts as Replaced."""
        opened_at = candle.opened_at
        if self.newest_at is None or opened_at > self.newest_at:
            self._candles.append(candle)
            self.newest_at = opened_at
            return NEW
        candles = self._candles
        for index in range(len(candles) - 1, max(-1, len(candles) - 1 - RECENT), -1):
            held = candles[index]
            if held.opened_at == opened_at:
                return self._replace(index, candle)
            if held.opened_at < opened_at:
                if len(candles) == candles.maxlen:
                    candles.popleft()
                    index -= 1
                candles.insert(index + 1, candle)
                return REPLACED
        return STALE

    def _replace(self, index: int, candle: Candle) -> Replaced | Duplicate:
        held = self._candles[index]
        if candle.revision < held.revision:
            return DUPLICATE
        self._candles[index] = candle
        return DUPLICATE if held.same_values(candle) else REPLACED

    def extend(self, candles: Iterable[Candle]) -> None:
        """Take bars that history gave, wherever they belong; where values differ, these hold."""
        joined = stitch(self._candles, candles)
        self._candles = deque(joined, maxlen=self._candles.maxlen)
        self.newest_at = joined[-1].opened_at if joined else None

    def window(self) -> tuple[Candle, ...]:
        """The last `keep` bars, oldest first."""
        return self.last(self._keep)

    def last(self, count: int) -> tuple[Candle, ...]:
        """The newest `count` bars, oldest first; fewer where fewer are held."""
        candles = tuple(self._candles)
        return candles[max(0, len(candles) - count) :]

    def reaches(self, at: datetime) -> bool:
        """Whether a bar that opened by then is held."""
        return bool(self._candles) and self._candles[0].opened_at <= at

    def since(self, after: datetime | None) -> tuple[Candle, ...]:
        """The bars that opened later than `after`, oldest first; all that are held for None."""
        return tuple(c for c in self._candles if after is None or c.opened_at > after)

    def before(self, opened_at: datetime) -> datetime | None:
        """The opened_at of the bar before that instant; None where none is held."""
        for held in reversed(self._candles):
            if held.opened_at < opened_at:
                return held.opened_at
        return None


class SeriesCursor(Series):
    """A session's own place in a series."""

    __slots__ = ()

    def take(self, candle: Candle, previous_at: datetime | None) -> Taken:
        """Take a bar that follows the one opened at `previous_at` in the feed's own series.

        Where this cursor's newest bar is another one, something was missed: Gap, and not taken.
        """
        newest_at = self.newest_at
        opened_at = candle.opened_at
        if newest_at is None or opened_at > newest_at:
            if previous_at != newest_at:
                return GAP
            self._candles.append(candle)
            self.newest_at = opened_at
            return NEW
        return self.add_or_replace(candle)
