"""The board: everything known of one feed, folded from its events. Pure; owned by its actor."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from trader.accounts.events import FrameRefused
from trader.ids import InstrumentId
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.market.events import ClockUnknown, MarketClosed, MarketOpened, PriceMoved
from trader.market.feed_time import FeedTime
from trader.market.freshness import Freshness, MarketState
from trader.market.intake import Admitted, Intake
from trader.market.line import Ask, Line, LineEvents
from trader.market.prices import Prices
from trader.market.tick import Tick
from trader.ports import (
    BarReceived,
    FeedBeat,
    FeedConnected,
    FeedEvent,
    FeedLost,
    TickReceived,
    VenueClock,
)
from trader.views import FeedView

SeriesKey = tuple[InstrumentId, Timeframe]


@dataclass(slots=True)
class LineMoved:
    """A line took something in. `events`: what its sessions must hear, often nothing."""

    line: Line
    events: LineEvents


Moved = PriceMoved | LineMoved


class Board:
    """See the module. `unit`: the timeframe of the feed's own bars; None: it gives trades."""

    def __init__(self, unit: Timeframe | None) -> None:
        self.is_connected = False
        self.freshness = Freshness()
        self._unit = unit
        self._subscribed: frozenset[InstrumentId] = frozenset()
        self._lines: dict[InstrumentId, dict[Timeframe, Line]] = {}
        self._time: FeedTime[Tick | Candle] = FeedTime()
        self._intake = Intake(self._time, self._lines)
        self._prices = Prices(self._time)
        self._due_at: datetime | None = None  # feed time: a line has something to do
        self._judged_s = 0.0  # when freshness was looked at
        self._has_turned = False  # something may be fresh or stale that was not then

    @property
    def instruments(self) -> frozenset[InstrumentId]:
        """Those of which a series is kept."""
        return frozenset(self._lines)

    @property
    def is_subscribed_to_all(self) -> bool:
        """Whether the feed was asked for each of them."""
        return self._subscribed >= self._lines.keys()

    def subscribing(self) -> None:
        """The subscription is being made anew, for all of them."""
        self._lose()
        self._subscribed = self.instruments

    def line(self, key: SeriesKey, now_s: float) -> Line:
        """The line of a series, a new one where there is none."""
        instrument, timeframe = key
        lines = self._lines.setdefault(instrument, {})
        if timeframe not in lines:
            lines[timeframe] = Line(instrument, timeframe, self._time, self._unit)
            if self.is_connected and instrument in self._subscribed:
                lines[timeframe].connected(now_s)
            self._has_turned = True
        return lines[timeframe]

    def known(self, key: SeriesKey) -> Line | None:
        """The line of a series, if it is kept."""
        return self._lines.get(key[0], {}).get(key[1])

    def lines(self) -> list[Line]:
        """All of them."""
        return [line for lines in self._lines.values() for line in lines.values()]

    def take(self, event: FeedEvent, now_s: float) -> Iterator[Moved]:
        """Fold what the feed says."""
        if not isinstance(event, FeedLost):
            self.freshness.frame_s = now_s
        if not self.freshness.is_everything_fresh:
            self._has_turned = True
        match event:
            case TickReceived(tick):
                yield from self._use(self._intake.tick(tick, now_s), now_s)
            case BarReceived(candle):
                yield from self._use(self._intake.bar(candle, now_s), now_s)
            case FeedBeat():
                pass
            case FrameRefused():
                self._intake.counts["frame"] += 1
            case FeedConnected():
                yield from self._connected(now_s)
            case FeedLost():
                self._lose()
            case _:
                assert_never(event)

    def beat(self, now_s: float) -> Iterator[LineMoved]:
        """Time passes."""
        self._due_at = None
        for line in self.lines():
            yield self._moved(line, line.beat(now_s), now_s)

    def answered(self, line: Line, ask: Ask, candles: Iterable[Candle], now_s: float) -> LineEvents:
        """History's answer to what a line asked."""
        self._has_turned = True
        return self._moved(line, line.answered(ask, candles, now_s), now_s).events

    def due_s(self) -> float:
        """When `beat` and `turned` have something to say if nothing comes; earlier is harmless."""
        if self._has_turned:
            return self._judged_s
        due_s = self.freshness.due_s(self._judged_s)
        return due_s if self._due_at is None else min(due_s, self._time.elapsed_at(self._due_at))

    def turned(self, now_s: float) -> list[InstrumentId]:
        """The instruments that have just become stale, fresh, or stale for another reason."""
        speed = self._time.speed
        self._judged_s, self._has_turned = now_s, False
        return [
            instrument
            for instrument, lines in self._lines.items()
            if self.freshness.judge(instrument, lines.values(), speed, now_s)
        ]

    def market_is(self, word: VenueClock | ClockUnknown, now_s: float) -> MarketState | None:
        """The venue's word on its hours and its time; None where the sessions know it already."""
        state: MarketState
        self._has_turned = True
        if isinstance(word, ClockUnknown):
            state = word
        else:
            self._time.venue_says(word.now, word.speed, now_s)
            state = (
                MarketOpened(word.now) if word.is_open else MarketClosed(word.now, word.opens_at)
            )
        return state if self.freshness.market_is(state, now_s) else None

    def view(self, name: str, now: datetime, now_s: float) -> FeedView:
        """As the desk shows it."""
        frame_s, newest = self.freshness.frame_s, self._time.newest
        lines = self.lines()
        return FeedView(
            name=name,
            is_connected=self.is_connected,
            is_market_open=self.freshness.is_market_open,
            last_frame_age_s=None if frame_s is None else now_s - frame_s,
            lag_s=None if newest is None else (now - newest).total_seconds(),
            stale=self.freshness.stale,
            series=tuple(f"{line.instrument} {line.timeframe}" for line in lines),
            refused_count=self._intake.refused_count,
            late_count=sum(line.late_count + line.stale_count for line in lines),
            held_count=self._time.ahead_count,
        )

    def _connected(self, now_s: float) -> Iterator[LineMoved]:
        self.is_connected = True
        self.freshness.connected(now_s)
        self._has_turned = True
        for line in self.lines():
            if line.instrument in self._subscribed:
                line.connected(now_s)
                yield self._moved(line, (), now_s)

    def _lose(self) -> None:
        self.is_connected = False
        for line in self.lines():
            line.lost()

    def _use(self, admitted: Admitted, now_s: float) -> Iterator[Moved]:
        for item in admitted:
            self.freshness.data_came(item.instrument, now_s)
            moved = self._prices.tick(item) if isinstance(item, Tick) else self._prices.bar(item)
            if moved is not None:
                yield moved
            for line in self._lines[item.instrument].values():
                if isinstance(item, Tick):
                    yield self._moved(line, line.tick(item, now_s), now_s)
                else:
                    yield self._moved(line, line.bar(item, now_s), now_s)

    def _moved(self, line: Line, events: LineEvents, now_s: float) -> LineMoved:
        due_at = line.due_at(now_s)
        if due_at is not None and (self._due_at is None or due_at < self._due_at):
            self._due_at = due_at
        return LineMoved(line, events)
