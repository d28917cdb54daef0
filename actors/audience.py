"""Who listens to a feed: sessions by instrument and series, viewers by series.

Owned by the house, not by an incarnation: names outlive actors, and so does what they asked for.
The successor of a crashed feed actor opens every series again from this.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from actors.runtime import Address
from trader.ids import InstrumentId, SessionId
from trader.instants import Timeframe
from trader.market.board import SeriesKey


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A session wants a series, warmed up, and its prices. Again: everything is opened anew.

    `SeriesOpened`, then `CandleClosed`, `CandlesBackfilled`; `PriceMoved`, `FeedStale`,
    `FeedFresh`, `MarketOpened`, `MarketClosed` and `ClockUnknown` at once.
    """

    session_id: SessionId
    instrument: InstrumentId
    timeframe: Timeframe
    warmup_count: int
    reply_to: Address

    @property
    def key(self) -> SeriesKey:
        """Its series."""
        return (self.instrument, self.timeframe)


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """That session has ended."""

    session_id: SessionId


@dataclass(frozen=True, slots=True)
class Watch:
    """A viewer wants the forming bar (`CandleUpdated`) and the final ones (`CandleClosed`)."""

    instrument: InstrumentId
    timeframe: Timeframe
    reply_to: Address


@dataclass(frozen=True, slots=True)
class Unwatch:
    """No more of that."""

    instrument: InstrumentId
    timeframe: Timeframe
    reply_to: Address


@dataclass(frozen=True, slots=True)
class Backfill:
    """A session missed something after the bar opened at `after`. `CandlesBackfilled`."""

    instrument: InstrumentId
    timeframe: Timeframe
    after: datetime | None
    reply_to: Address


@dataclass(frozen=True, slots=True)
class ReadSeries:
    """Ask: the newest bars as a tuple, oldest first, the forming one last where there is one."""

    instrument: InstrumentId
    timeframe: Timeframe
    count: int


@dataclass(frozen=True, slots=True)
class DescribeFeed:
    """Ask: a FeedView."""


class Audience:
    """See the module."""

    def __init__(self) -> None:
        self._by_session: dict[SessionId, Subscribe] = {}
        self._by_instrument: dict[InstrumentId, dict[SessionId, Subscribe]] = {}
        self._viewers: dict[SeriesKey, dict[Address, None]] = {}

    def add(self, request: Subscribe) -> None:
        """A session; its earlier subscription ends."""
        self.drop(request.session_id)
        self._by_session[request.session_id] = request
        self._by_instrument.setdefault(request.instrument, {})[request.session_id] = request

    def drop(self, session_id: SessionId) -> None:
        """Forget a session."""
        request = self._by_session.pop(session_id, None)
        if request is not None:
            del self._by_instrument[request.instrument][session_id]

    def watch(self, request: Watch) -> None:
        """A viewer."""
        self._viewers.setdefault((request.instrument, request.timeframe), {})[request.reply_to] = (
            None
        )

    def unwatch(self, request: Unwatch) -> None:
        """Forget a viewer."""
        self._viewers.get((request.instrument, request.timeframe), {}).pop(request.reply_to, None)

    def everyone(self) -> Iterable[Subscribe]:
        """All sessions."""
        return self._by_session.values()

    def of(self, instrument: InstrumentId) -> Iterable[Subscribe]:
        """The sessions of an instrument."""
        return self._by_instrument.get(instrument, {}).values()

    def of_series(self, key: SeriesKey) -> Iterable[Subscribe]:
        """The sessions of a series."""
        return (request for request in self.of(key[0]) if request.timeframe is key[1])

    def viewers(self, key: SeriesKey) -> Iterable[Address]:
        """The viewers of a series."""
        return self._viewers.get(key, {})

    def series(self) -> list[SeriesKey]:
        """Every series that somebody listens to, once, in the order of their coming."""
        watched = [key for key, viewers in self._viewers.items() if viewers]
        traded = [request.key for request in self._by_session.values()]
        return list(dict.fromkeys((*watched, *traded)))
