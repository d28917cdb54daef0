"""What may not become a candle: a trade seen before, and what cannot be a trade at all."""

from collections.abc import Hashable
from datetime import UTC, datetime
from decimal import Decimal

from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.market.tick import Tick

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # an older stamp is a clock that was never set
LARGEST = Decimal(10) ** 15
SEEN_COUNT_MAX = 20_000  # ids: minutes of a busy feed, more than any replay after a reconnect


class Seen:
    """Admits each trade once. Bounded: the oldest ids are forgotten first."""

    __slots__ = ("_count_max", "_ids")

    def __init__(self, count_max: int = SEEN_COUNT_MAX) -> None:
        self._count_max = count_max
        self._ids: dict[Hashable, None] = {}

    def admit(self, tick: Tick) -> bool:
        """Whether this trade is new. One without an id cannot be recognised, so it is new."""
        if not tick.trade_id:
            return True
        # With the instant, because some venues use the same ids again on another day.
        key = (tick.instrument, tick.happened_at, tick.trade_id)
        if key in self._ids:
            return False
        self._ids[key] = None
        if len(self._ids) > self._count_max:
            del self._ids[next(iter(self._ids))]
        return True


def tick_refusal(tick: Tick) -> str | None:
    """Why this cannot be a trade; None: it can."""
    if not _is_amount(tick.price) or tick.price <= 0:
        return "price"
    if not _is_amount(tick.volume) or tick.volume < 0:
        return "volume"
    return None if _is_instant(tick.happened_at) else "instant"


def candle_refusal(candle: Candle) -> str | None:
    """Why this cannot be a finished bar; None: it can."""
    prices = (candle.open, candle.high, candle.low, candle.close)
    if not all(_is_amount(price) and price > 0 for price in prices):
        return "price"
    if candle.low != min(prices) or candle.high != max(prices):
        return "range"
    if not _is_amount(candle.volume) or candle.volume < 0:
        return "volume"
    at = candle.opened_at
    if not _is_instant(at):
        return "instant"
    # A day opens at an exchange's midnight, anything shorter at a multiple since the epoch.
    if candle.timeframe is not Timeframe.D1 and candle.timeframe.open_of(at) != at:
        return "instant"
    return None if candle.is_final else "unfinished"


def _is_amount(number: Decimal) -> bool:
    return number.is_finite() and abs(number) <= LARGEST


def _is_instant(at: datetime) -> bool:
    return at.tzinfo is not None and at >= EARLIEST
