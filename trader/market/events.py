"""What happened in the market, as sessions hear it."""

from dataclasses import dataclass
from datetime import datetime

from trader.ids import InstrumentId
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.money import Price


@dataclass(slots=True)
class CandleUpdated:
    """The forming bar as it stands now. Conflated: the newest per (instrument, timeframe) wins."""

    candle: Candle


@dataclass(slots=True)
class CandleClosed:
    """A final bar, new or replaced. Never dropped.

    `previous_at` is the opened_at of the bar before it in the feed's own series (None: the first),
    so that a reader whose newest bar is another one knows that it missed something.
    `is_late`: told so late that nothing may be traded on it (settled 6). `decide_by_s`: until when,
    in host seconds, a decision on it is in time (None: whenever); a suspended machine lets it pass.
    """

    candle: Candle
    previous_at: datetime | None
    is_late: bool = False
    decide_by_s: float | None = None


@dataclass(frozen=True, slots=True)
class SeriesOpened:
    """Warm-up and live bars are stitched: every later bar comes as `CandleClosed`."""

    instrument: InstrumentId
    timeframe: Timeframe
    candles: tuple[Candle, ...]  # oldest first; empty for a market without a past


@dataclass(frozen=True, slots=True)
class CandlesBackfilled:
    """Bars that history gave for a gap, oldest first; they update state and are never traded on.

    They may repeat what is known; where their values differ, these hold.
    """

    candles: tuple[Candle, ...]
    previous_at: datetime | None  # of the first


@dataclass(slots=True)
class PriceMoved:
    """The newest price and the extremes since the last one delivered. Conflated by merging."""

    instrument: InstrumentId
    last: Price
    high: Price
    low: Price
    since: datetime  # venue time of the oldest trade merged into it
    happened_at: datetime  # venue time of `last`


@dataclass(frozen=True, slots=True)
class FeedStale:
    """The feed of this instrument says nothing although it should: entries stop, exits go on."""

    instrument: InstrumentId
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class FeedFresh:
    """The feed of this instrument speaks again."""

    instrument: InstrumentId


@dataclass(frozen=True, slots=True)
class MarketOpened:
    """The venue says that its market is open."""

    happened_at: datetime


@dataclass(frozen=True, slots=True)
class MarketClosed:
    """The venue says that its market is closed: silence is then no stale feed; entries wait."""

    happened_at: datetime
    opens_at: datetime | None


@dataclass(frozen=True, slots=True)
class ClockUnknown:
    """The venue did not say whether its market is open: entries wait, nothing else changes."""

    cause: str
