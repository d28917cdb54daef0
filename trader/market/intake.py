"""The door of a feed: what comes in, once, believable and wanted. Everything else is counted."""

from collections import Counter
from collections.abc import Container

from trader.ids import InstrumentId
from trader.market.candle import Candle
from trader.market.dedupe import Seen, candle_refusal, tick_refusal
from trader.market.feed_time import FeedTime, proven_at
from trader.market.tick import Tick

Admitted = tuple[Tick | Candle, ...]
_NONE: Admitted = ()


class Intake:
    """One per feed. `counts`: refused (by what is wrong), duplicate, unknown_instrument."""

    __slots__ = ("_seen", "_time", "_wanted", "counts")

    def __init__(self, time: FeedTime[Tick | Candle], wanted: Container[InstrumentId]) -> None:
        self._time = time
        self._wanted = wanted
        self._seen = Seen()
        self.counts: Counter[str] = Counter()

    def tick(self, tick: Tick, elapsed_s: float) -> Admitted:
        """A trade; what may be used now that it has come."""
        refusal = tick_refusal(tick)
        if refusal is None and tick.instrument not in self._wanted:
            refusal = "unknown_instrument"
        if refusal is None and not self._seen.admit(tick):
            refusal = "duplicate"
        if refusal is not None:
            self.counts[refusal] += 1
            return _NONE
        return self._time.admit(tick, tick.happened_at, elapsed_s)

    def bar(self, candle: Candle, elapsed_s: float) -> Admitted:
        """A final bar; what may be used now that it has come."""
        refusal = candle_refusal(candle)
        if refusal is None and candle.instrument not in self._wanted:
            refusal = "unknown_instrument"
        if refusal is not None:
            self.counts[refusal] += 1
            return _NONE
        return self._time.admit(candle, proven_at(candle), elapsed_s)

    @property
    def refused_count(self) -> int:
        """All that was refused, doubles aside."""
        return self.counts.total() - self.counts["duplicate"]
