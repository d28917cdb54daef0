"""A bar as a short text: equal for equal bars, whatever the revision or the trailing zeros."""

import hashlib
from decimal import Decimal

from trader.market.candle import Candle
from trader.money import plain

_LENGTH = 16  # hex digits: 64 bits tell the bars of one session apart for ever


def digest(candle: Candle) -> str:
    """What is kept with a decision, to find out later whether the bar was replaced after it."""
    numbers = (candle.open, candle.high, candle.low, candle.close, candle.volume)
    text = "|".join(
        (
            candle.instrument,
            candle.timeframe,
            candle.opened_at.isoformat(),
            *(_canonical(number) for number in numbers),
        )
    )
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def _canonical(number: Decimal) -> str:
    return plain(number.normalize()) if number else "0"
