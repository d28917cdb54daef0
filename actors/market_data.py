"""Market data: one actor per feed. Trades and bars come in, sessions hear of whole series.

Owns: the subscription, feed time, every `Line` (and so every `Series`), what each session was told
about the feed and the market.

Edge cases: the live subscription stands before history is asked. A history or feed that does not
answer is asked again with a growing delay; it never ends this actor, and a session that is not
open yet just waits. Garbage, doubles and stamps from the future are counted and dropped. The
successor of a crash opens every series of its audience anew.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from actors.audience import (
    Audience,
    Backfill,
    DescribeFeed,
    ReadSeries,
    SeriesKey,
    Subscribe,
    Unsubscribe,
    Unwatch,
    Watch,
)
from actors.runtime import Actor, Address
from trader.accounts.events import FrameRefused
from trader.ids import InstrumentId, SessionId
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.market.events import (
    CandlesBackfilled,
    CandleUpdated,
    ClockUnknown,
    MarketClosed,
    MarketOpened,
    SeriesOpened,
)
from trader.market.feed_time import FeedTime
from trader.market.freshness import Freshness, MarketState
from trader.market.intake import Admitted, Intake
from trader.market.line import Ask, Line, LineEvents
from trader.market.prices import Prices
from trader.market.tick import Tick
from trader.orders.events import QueryFailed
from trader.ports import (
    BarReceived,
    BarsReported,
    FeedBeat,
    FeedConnected,
    FeedEvent,
    FeedKind,
    FeedLost,
    History,
    MarketFeed,
    TickReceived,
    VenueClock,
)
from trader.views import FeedView

__all__ = [
    "Audience",
    "Backfill",
    "DescribeFeed",
    "MarketData",
    "ReadSeries",
    "Subscribe",
    "Unsubscribe",
    "Unwatch",
    "Watch",
]

BEAT_S = 0.25  # a bar closes at most this much later than it may
GATHER_S = 0.05  # sessions that start together make one subscription
ANSWER_DEADLINE_S = 15.0
RETRY_S_MIN = 0.25
RETRY_S_MAX = 30.0


@dataclass(frozen=True, slots=True)
class _OpenFeed:
    pass


@dataclass(frozen=True, slots=True)
class _FeedOpened:
    pass


@dataclass(frozen=True, slots=True)
class _FeedFailed:
    error: BaseException


@dataclass(frozen=True, slots=True)
class _Beat:
    pass


@dataclass(frozen=True, slots=True)
class _HistoryAnswered:
    key: SeriesKey
    ask: Ask
    report: BarsReported | QueryFailed


@dataclass(frozen=True, slots=True)
class _AskAgain:
    key: SeriesKey


MarketDataRequest = Subscribe | Unsubscribe | Watch | Unwatch | Backfill | ReadSeries | DescribeFeed
MarketDataMessage = (
    FeedEvent
    | MarketDataRequest
    | VenueClock
    | ClockUnknown
    | _OpenFeed
    | _FeedOpened
    | _FeedFailed
    | _Beat
    | _HistoryAnswered
    | _AskAgain
)


class MarketData(Actor):
    """See the module. `unit`: the timeframe of the bars that a feed of bars gives."""

    def __init__(
        self,
        feed: MarketFeed,
        history: History,
        kind: FeedKind,
        audience: Audience,
        *,
        unit: Timeframe = Timeframe.M1,
    ) -> None:
        super().__init__()
        self._feed = feed
        self._history = history
        self._kind = kind
        self._unit = unit if kind is FeedKind.BARS else None
        self._audience = audience
        self._lines: dict[InstrumentId, dict[Timeframe, Line]] = {}
        self._time: FeedTime[Tick | Candle] = FeedTime()
        self._intake = Intake(self._time, self._lines)
        self._prices = Prices(self._time)
        self._freshness = Freshness()
        self._opened: set[SessionId] = set()  # those that were told `SeriesOpened`
        self._subscribed: frozenset[InstrumentId] = frozenset()
        self._is_opening = False
        self._is_connected = False
        self._asking: set[SeriesKey] = set()  # or waiting to ask again
        self._attempts: Counter[SeriesKey | None] = Counter()  # None: the feed itself

    def on_start(self) -> None:
        """Open what the audience wants; a successor begins here too."""
        for key in self._audience.series():
            self._line(key)
        for request in self._audience.everyone():
            self._line(request.key).need(request.warmup_count)
            self._tell_flags(request)
        self._beat()

    async def on_stop(self) -> None:
        """Unsubscribe."""
        await self._feed.stop()

    def on_receive(self, message: MarketDataMessage) -> FeedView | tuple[Candle, ...] | None:
        """Feed events in their order, requests, answers, time."""
        now_s = self.runtime.host.elapsed()
        match message:
            case TickReceived() | BarReceived() | FeedBeat() | FrameRefused() | FeedConnected():
                self._freshness.frame_s = now_s
                self._frame(message, now_s)
            case FeedLost():
                self._lost()
            case ReadSeries():
                return self._read(message)
            case DescribeFeed():
                return self._describe(now_s)
            case Subscribe() | Unsubscribe() | Watch() | Unwatch() | Backfill():
                self._request(message)
            case VenueClock():
                self._clock(message, now_s)
            case ClockUnknown():
                self._market_is(message, now_s)
            case _OpenFeed():
                self._open_feed()
            case _FeedOpened():
                self._is_opening = False
                self._attempts.pop(None, None)
                self._gather()
            case _FeedFailed():
                self._retry(None, _OpenFeed())
            case _Beat():
                self._beat()
            case _HistoryAnswered():
                self._history_answered(message, now_s)
            case _AskAgain():
                self._asking.discard(message.key)
                self._consider(self._line(message.key))
            case _:
                assert_never(message)
        return None

    # The subscription

    def _gather(self) -> None:
        if not self._is_opening and not self._subscribed >= self._lines.keys():
            self._is_opening = True
            self.remind(GATHER_S, _OpenFeed())

    def _open_feed(self) -> None:
        self._lost()
        self._subscribed = frozenset(self._lines)
        self.pipe(
            _open(self._feed, sorted(self._subscribed), self._kind, self.address),
            done=lambda _: _FeedOpened(),
            failed=_FeedFailed,
            deadline_s=ANSWER_DEADLINE_S,
        )

    def _connected(self, now_s: float) -> None:
        self._is_connected = True
        self._freshness.connected(now_s)
        for line in self._every_line():
            if line.instrument in self._subscribed:
                line.connected(now_s)
                self._consider(line)

    def _lost(self) -> None:
        self._is_connected = False
        for line in self._every_line():
            line.lost()

    def _line(self, key: SeriesKey) -> Line:
        instrument, timeframe = key
        lines = self._lines.setdefault(instrument, {})
        line = lines.get(timeframe)
        if line is None:
            line = lines[timeframe] = Line(instrument, timeframe, self._time, self._unit)
            if self._is_connected and instrument in self._subscribed:
                line.connected(self.runtime.host.elapsed())
            self._gather()
        return line

    def _every_line(self) -> list[Line]:
        return [line for lines in self._lines.values() for line in lines.values()]

    # Trades and bars

    def _frame(
        self,
        event: TickReceived | BarReceived | FeedBeat | FrameRefused | FeedConnected,
        now_s: float,
    ) -> None:
        match event:
            case TickReceived(tick):
                self._use(self._intake.tick(tick, now_s), now_s)
            case BarReceived(candle):
                self._use(self._intake.bar(candle, now_s), now_s)
            case FeedBeat():
                pass
            case FrameRefused():
                self._intake.counts["frame"] += 1
            case FeedConnected():
                self._connected(now_s)
            case _:
                assert_never(event)

    def _use(self, admitted: Admitted, now_s: float) -> None:
        for item in admitted:
            self._freshness.data_came(item.instrument, now_s)
            moved = self._prices.tick(item) if isinstance(item, Tick) else self._prices.bar(item)
            if moved is not None:
                for request in self._audience.of(item.instrument):
                    request.reply_to.tell(moved)
            for line in self._lines[item.instrument].values():
                if isinstance(item, Tick):
                    self._tell(line, line.tick(item, now_s))
                    self._show(line)
                else:
                    self._tell(line, line.bar(item, now_s))

    def _tell(self, line: Line, events: LineEvents) -> None:
        key = (line.instrument, line.timeframe)
        for event in events:
            for request in self._audience.of_series(key):
                if request.session_id in self._opened:
                    request.reply_to.tell(event)
            for viewer in self._audience.viewers(key):
                viewer.tell(event)
        if not line.is_settled:
            self._consider(line)

    def _show(self, line: Line) -> None:
        viewers = tuple(self._audience.viewers((line.instrument, line.timeframe)))
        forming = line.forming if viewers else None
        if forming is not None:
            for viewer in viewers:
                viewer.tell(CandleUpdated(forming))

    # History

    def _consider(self, line: Line) -> None:
        key = (line.instrument, line.timeframe)
        now_s = self.runtime.host.elapsed()
        ask = None if key in self._asking else line.wants(now_s)
        if ask is None:
            return
        self._asking.add(key)
        what = f"bars {line.instrument} {line.timeframe}"
        self.pipe(
            self._history.bars(*key, after=ask.after, limit=ask.limit),
            done=lambda report: _HistoryAnswered(key, ask, report),
            failed=lambda e: _HistoryAnswered(key, ask, QueryFailed(what, repr(e), now_s)),
            deadline_s=ANSWER_DEADLINE_S,
        )

    def _history_answered(self, message: _HistoryAnswered, now_s: float) -> None:
        key, report = message.key, message.report
        if isinstance(report, QueryFailed):
            self._retry(key, _AskAgain(key))
            return
        line = self._line(key)
        self._tell(line, line.answered(message.ask, report.candles, now_s))
        for request in self._audience.of_series(key):
            self._open(request, line)
        if message.ask.is_settling and not line.is_settled:
            self._retry(key, _AskAgain(key))  # it lags behind what the feed has shown
            return
        del self._attempts[key]
        self._asking.discard(key)
        self._consider(line)

    def _retry(self, key: SeriesKey | None, message: _AskAgain | _OpenFeed) -> None:
        delay_s = min(RETRY_S_MAX, RETRY_S_MIN * 2 ** self._attempts[key])
        self._attempts[key] = min(self._attempts[key] + 1, 10)
        self.remind(delay_s * (0.5 + self.runtime.host.random() / 2), message)

    # Sessions and viewers

    def _request(self, request: Subscribe | Unsubscribe | Watch | Unwatch | Backfill) -> None:
        match request:
            case Subscribe():
                self._subscribe(request)
            case Unsubscribe():
                self._audience.drop(request.session_id)
                self._opened.discard(request.session_id)
            case Watch():
                self._audience.watch(request)
                self._consider(self._line((request.instrument, request.timeframe)))
            case Unwatch():
                self._audience.unwatch(request)
            case Backfill():
                self._backfill(request)
            case _:
                assert_never(request)

    def _subscribe(self, request: Subscribe) -> None:
        self._audience.add(request)
        self._opened.discard(request.session_id)
        self._tell_flags(request)
        line = self._line(request.key)
        line.need(request.warmup_count)
        self._open(request, line)
        self._consider(line)

    def _open(self, request: Subscribe, line: Line) -> None:
        is_deep_enough = line.depth_loaded >= max(1, request.warmup_count)
        if is_deep_enough and request.session_id not in self._opened:
            self._opened.add(request.session_id)
            candles = line.series.last(request.warmup_count)
            request.reply_to.tell(SeriesOpened(line.instrument, line.timeframe, candles))

    def _backfill(self, request: Backfill) -> None:
        key = (request.instrument, request.timeframe)
        line = self._line(key)
        if request.after is not None and line.series.reaches(request.after):
            candles = line.series.since(request.after)
            request.reply_to.tell(CandlesBackfilled(candles, request.after))
            return
        # It missed more than is held: it begins again.
        for session in tuple(self._audience.of_series(key)):
            if session.reply_to == request.reply_to:
                self._opened.discard(session.session_id)
                self._open(session, line)

    def _read(self, request: ReadSeries) -> tuple[Candle, ...]:
        line = self._lines.get(request.instrument, {}).get(request.timeframe)
        if line is None:
            return ()
        forming = line.forming
        return (*line.series.last(request.count), *((forming,) if forming is not None else ()))

    # How fresh it is, and whether the market is open

    def _beat(self) -> None:
        now_s = self.runtime.host.elapsed()
        for line in self._every_line():
            self._tell(line, line.beat(now_s))
            self._consider(line)
        for instrument, lines in self._lines.items():
            if self._freshness.judge(instrument, lines.values(), self._time.speed, now_s):
                told = self._freshness.told(instrument, self.runtime.host.now())
                for request in self._audience.of(instrument):
                    request.reply_to.tell(told)
        self.remind(BEAT_S, _Beat())

    def _tell_flags(self, request: Subscribe) -> None:
        now = self.runtime.host.now()
        request.reply_to.tell(self._freshness.told(request.instrument, now))
        if self._freshness.market is not None:
            request.reply_to.tell(self._freshness.market)

    def _clock(self, clock: VenueClock, now_s: float) -> None:
        self._time.venue_says(clock.now, clock.speed, now_s)
        if clock.is_open:
            self._market_is(MarketOpened(clock.now), now_s)
        else:
            self._market_is(MarketClosed(clock.now, clock.opens_at), now_s)

    def _market_is(self, market: MarketState, now_s: float) -> None:
        if self._freshness.market_is(market, now_s):
            for request in self._audience.everyone():
                request.reply_to.tell(market)

    def _describe(self, now_s: float) -> FeedView:
        frame_s, newest = self._freshness.frame_s, self._time.newest
        lines = self._every_line()
        return FeedView(
            name=self.name,
            is_connected=self._is_connected,
            is_market_open=self._freshness.is_market_open,
            last_frame_age_s=None if frame_s is None else now_s - frame_s,
            lag_s=None if newest is None else (self.runtime.host.now() - newest).total_seconds(),
            stale=self._freshness.stale,
            series=tuple(f"{line.instrument} {line.timeframe}" for line in lines),
            refused_count=self._intake.refused_count,
            late_count=sum(line.late_count + line.stale_count for line in lines),
            held_count=self._time.ahead_count,
        )


async def _open(
    feed: MarketFeed, instruments: Sequence[InstrumentId], kind: FeedKind, to: Address
) -> None:
    def sink(event: FeedEvent) -> None:
        to.tell(event)

    await feed.stop()
    await feed.start(instruments, kind, sink)
