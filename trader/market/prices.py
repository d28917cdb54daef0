"""The newest price of each instrument, told as it moves."""

from typing import Any

from trader.ids import InstrumentId
from trader.market.candle import Candle
from trader.market.events import PriceMoved
from trader.market.feed_time import FeedTime, proven_at
from trader.market.tick import Tick


class Prices:
    """One per feed. What comes a little out of order still shows its extreme, never as `last`."""

    __slots__ = ("_newest", "_time")

    def __init__(self, time: FeedTime[Any]) -> None:
        self._time = time
        self._newest: dict[InstrumentId, PriceMoved] = {}

    def tick(self, tick: Tick) -> PriceMoved | None:
        """A trade; None where it is too old to matter."""
        price, at = tick.price, tick.happened_at
        newest = self._newest.get(tick.instrument)
        if newest is None or at >= newest.happened_at:
            moved = PriceMoved(tick.instrument, price, price, price, at, at)
            self._newest[tick.instrument] = moved
            return moved
        if newest.happened_at - at > self._time.tolerance():
            return None
        last = newest.last
        high, low = max(price, last), min(price, last)
        return PriceMoved(tick.instrument, last, high, low, at, newest.happened_at)

    def bar(self, candle: Candle) -> PriceMoved | None:
        """A final bar moves the price only where no trade of it was seen."""
        newest = self._newest.get(candle.instrument)
        if newest is not None and newest.happened_at >= candle.opened_at:
            return None
        moved = PriceMoved(
            candle.instrument,
            candle.close,
            candle.high,
            candle.low,
            candle.opened_at,
            proven_at(candle),
        )
        self._newest[candle.instrument] = moved
        return moved
