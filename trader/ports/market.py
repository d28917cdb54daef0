"""The seams to market data: live feeds, history, the venue's clock and rules, wake-ups."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from trader.accounts.events import (
    FrameRefused,
)
from trader.ids import InstrumentId
from trader.instants import Timeframe
from trader.instrument import Instrument
from trader.market.candle import Candle
from trader.market.tick import Tick
from trader.orders.events import QueryFailed


@dataclass(slots=True)
class TickReceived:
    """A trade from the feed."""

    tick: Tick


@dataclass(slots=True)
class BarReceived:
    """A finished bar from the feed; `candle.revision` > 0 marks the venue's own correction."""

    candle: Candle


@dataclass(slots=True)
class FeedBeat:
    """Any frame or heartbeat that carried no data of ours."""

    seen_at: datetime


@dataclass(frozen=True, slots=True)
class FeedConnected:
    """The subscription stands. Whatever was missed before must be asked of history."""

    source: str


@dataclass(frozen=True, slots=True)
class FeedLost:
    """The feed is down; the adapter reconnects by itself."""

    source: str
    cause: str


FeedEvent = TickReceived | BarReceived | FeedBeat | FeedConnected | FeedLost | FrameRefused


class FeedKind(StrEnum):
    """A feed has one source, never both."""

    TRADES = "TRADES"
    BARS = "BARS"


class MarketFeed(Protocol):
    """Live market data of one venue."""

    async def start(
        self, instruments: Sequence[InstrumentId], kind: FeedKind, sink: Callable[[FeedEvent], None]
    ) -> None:
        """Subscribe and stay subscribed; returns at once. `FeedConnected` follows each time.

        With `FeedKind.BARS` both trades (for prices; `TickReceived`) and bars are delivered, but
        candles must be made from the bars only.
        """
        ...

    async def stop(self) -> None:
        """Unsubscribe and close."""
        ...


@dataclass(frozen=True, slots=True)
class BarsReported:
    """Finished bars of one instrument, oldest first, complete for the range asked."""

    candles: tuple[Candle, ...]


class History(Protocol):
    """Finished bars of the past."""

    async def bars(
        self,
        instrument: InstrumentId,
        timeframe: Timeframe,
        *,
        after: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> BarsReported | QueryFailed:
        """Bars with after < opened_at <= until; with `limit` the newest that many."""
        ...


@dataclass(frozen=True, slots=True)
class VenueClock:
    """The venue's word on its own time."""

    now: datetime
    is_open: bool
    opens_at: datetime | None
    closes_at: datetime | None
    speed: float  # venue seconds per real second; 1.0 at every real venue


class Venue(Protocol):
    """What the venue trades, and when."""

    async def clock(self) -> VenueClock | QueryFailed:
        """Is the market open?"""
        ...

    async def instruments(
        self, ids: Sequence[InstrumentId]
    ) -> tuple[Instrument, ...] | QueryFailed:
        """The venue's rules for these; an unknown or untradable one is left out."""
        ...


class CalendarJobs(Protocol):
    """Wakes somebody at an instant of the wall clock; it never does work itself."""

    def at(self, name: str, instant: datetime, callback: Callable[[], None]) -> None:
        """Call back then, or at once where it has passed; replaces the job of that name."""
        ...
