"""Which message rides in which lane, and what may be conflated: one table for the whole house.

EVENTS is the default: facts and answers, never dropped nor reordered. CONTROL is the operator's
word. MARKET is conflated per key: the newest forming bar and the merged price wait, a closed bar
seals its key and is never dropped.
"""

from typing import Any

from actors.account_messages import SubmitOrder, SubmitRequest
from actors.runtime import Lane, Latest, Seals
from trader.market.events import (
    CandleClosed,
    CandlesBackfilled,
    CandleUpdated,
    PriceMoved,
    SeriesOpened,
)
from trader.ports import BarReceived, FeedBeat, FeedConnected, FeedLost, TickReceived
from trader.session.events import (
    CloseRequested,
    LeaseChanged,
    ReconcileRequested,
    TradingStateChanged,
)

LANES: dict[type, Lane] = {
    # A feed's own events stay in their order; requests and answers go before them.
    TickReceived: Lane.MARKET,
    BarReceived: Lane.MARKET,
    FeedBeat: Lane.MARKET,
    FeedConnected: Lane.MARKET,
    FeedLost: Lane.MARKET,
    # What tells of a series stays in its order too.
    SeriesOpened: Lane.MARKET,
    CandlesBackfilled: Lane.MARKET,
    CandleClosed: Lane.MARKET,
    CandleUpdated: Lane.MARKET,
    PriceMoved: Lane.MARKET,
    CloseRequested: Lane.CONTROL,
    TradingStateChanged: Lane.CONTROL,
    LeaseChanged: Lane.CONTROL,
    ReconcileRequested: Lane.CONTROL,
}

NEVER_AGAIN: frozenset[type] = frozenset({SubmitOrder, SubmitRequest})
"""Never served twice after a crash: whoever asked hears that nobody knows."""


def _bar_key(message: Any) -> tuple[object, object]:
    candle = message.candle
    return (candle.instrument, candle.timeframe)


def merged(waiting: PriceMoved, newest: PriceMoved) -> PriceMoved:
    """Exit rules judge the extremes, so they survive the conflation."""
    return PriceMoved(
        instrument=newest.instrument,
        last=newest.last,
        high=max(waiting.high, newest.high),
        low=min(waiting.low, newest.low),
        since=min(waiting.since, newest.since),  # a trade may come out of order
        happened_at=newest.happened_at,
    )


CONFLATE: dict[type, Any] = {
    CandleUpdated: Latest(_bar_key),
    CandleClosed: Seals(CandleUpdated, _bar_key),
    PriceMoved: Latest(lambda message: message.instrument, merge=merged),
}
