"""Stitching: bars of the past and bars of now, without a hole and without a double."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from trader.market.candle import Candle


def stitch(older: Iterable[Candle], newer: Iterable[Candle]) -> tuple[Candle, ...]:
    """Every bar of both, once, oldest first. Where both know one, the newer knowledge holds.

    Where it differs it counts as a revision above the older, so that whoever took the older takes
    it too.
    """
    bars: dict[datetime, Candle] = {candle.opened_at: candle for candle in older}
    for candle in newer:
        known = bars.get(candle.opened_at)
        if known is None:
            bars[candle.opened_at] = candle
        elif not known.same_values(candle):
            revision = max(candle.revision, known.revision + 1)
            bars[candle.opened_at] = replace(candle, revision=revision)
    return tuple(bars[at] for at in sorted(bars))
