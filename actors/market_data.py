"""Market data: one actor per feed. Trades and bars come in, sessions hear of whole series.

Owns: the subscription and the `Board` (feed time, every series, freshness), and which session was
told what.

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
    Subscribe,
    Unsubscribe,
    Unwatch,
    Watch,
)
from actors.runtime import Actor, Address, Alarm
from trader.accounts.events import FrameRefused
from trader.ids import InstrumentId, SessionId
from trader.instants import Timeframe
from trader.market.board import Board, LineMoved, SeriesKey
from trader.market.candle import Candle
from trader.market.events import (
    CandlesBackfilled,
    CandleUpdated,
    ClockUnknown,
    PriceMoved,
    SeriesOpened,
)
from trader.market.line import Ask, Line, LineEvents
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

LOOK_S = 0.25  # how soon after a look the next one may be: a bar closes at most so much late
GATHER_S = 0.05  # sessions that start together make one subscription
ANSWER_DEADLINE_S = 15.0
RETRY_S_MIN = 0.25
RETRY_S_MAX = 30.0


@dataclass(frozen=True, slots=True)
class _SubscribeFeed:
    pass


@dataclass(frozen=True, slots=True)
class _FeedSubscribed:
    pass


@dataclass(frozen=True, slots=True)
class _FeedFailed:
    error: BaseException


@dataclass(frozen=True, slots=True)
class _Look:
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
    | _SubscribeFeed
    | _FeedSubscribed
    | _FeedFailed
    | _Look
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
        self._audience = audience
        self._board = Board(unit if kind is FeedKind.BARS else None)
        self._opened: set[SessionId] = set()  # those that were told `SeriesOpened`
        self._is_subscribing = False
        self._asking: set[SeriesKey] = set()  # or waiting to ask again
        self._attempts: Counter[SeriesKey | None] = Counter()  # None: the feed itself
        self._looked_s = 0.0
        self._alarm = Alarm(self, _Look())

    def on_start(self) -> None:
        """Open what the audience wants; a successor begins here too."""
        for key in self._audience.series():
            self._line(key)
        for request in self._audience.everyone():
            self._line(request.key).need(request.warmup_count)
            self._tell_flags(request)
        self._arm()

    async def on_stop(self) -> None:
        """Unsubscribe."""
        await self._feed.stop()

    def on_receive(self, message: MarketDataMessage) -> FeedView | tuple[Candle, ...] | None:
        """What the feed says, requests, answers, time."""
        match message:
            case (
                TickReceived()
                | BarReceived()
                | FeedBeat()
                | FrameRefused()
                | FeedConnected()
                | FeedLost()
            ):
                self._take(message)
            case ReadSeries():
                return self._read(message)
            case DescribeFeed():
                return self._board.view(self.name, self.runtime.host.now(), self._now_s)
            case Subscribe() | Unsubscribe() | Watch() | Unwatch() | Backfill():
                self._request(message)
            case VenueClock() | ClockUnknown():
                self._market_is(message)
            case _SubscribeFeed():
                self._subscribe_feed()
            case _FeedSubscribed():
                self._is_subscribing = False
                self._attempts.pop(None, None)
                self._gather()
            case _FeedFailed():
                self._retry(None, _SubscribeFeed())
            case _Look():
                self._look_due()
            case _HistoryAnswered():
                self._history_answered(message)
            case _AskAgain():
                self._asking.discard(message.key)
                self._consider(self._line(message.key))
            case _:
                assert_never(message)
        self._arm()
        return None

    @property
    def _now_s(self) -> float:
        return self.runtime.host.elapsed()

    # The subscription

    def _line(self, key: SeriesKey) -> Line:
        line = self._board.line(key, self._now_s)
        self._gather()
        return line

    def _gather(self) -> None:
        if not self._is_subscribing and not self._board.is_subscribed_to_all:
            self._is_subscribing = True
            self.remind(GATHER_S, _SubscribeFeed())

    def _subscribe_feed(self) -> None:
        self._board.subscribing()
        self.pipe(
            _open(self._feed, sorted(self._board.instruments), self._kind, self.address),
            done=lambda _: _FeedSubscribed(),
            failed=_FeedFailed,
            deadline_s=ANSWER_DEADLINE_S,
        )

    # What the feed says

    def _take(self, event: FeedEvent) -> None:
        for moved in self._board.take(event, self._now_s):
            match moved:
                case PriceMoved():
                    for request in self._audience.of(moved.instrument):
                        request.reply_to.tell(moved)
                case LineMoved(line, events):
                    self._tell(line, events)
                    if type(event) is TickReceived:
                        self._show(line)
                case _:
                    assert_never(moved)

    def _tell(self, line: Line, events: LineEvents) -> None:
        for event in events:
            for request in self._audience.of_series(line.key):
                if request.session_id in self._opened:
                    request.reply_to.tell(event)
            for viewer in self._audience.viewers(line.key):
                viewer.tell(event)
        if not line.is_settled:
            self._consider(line)

    def _show(self, line: Line) -> None:
        viewers = tuple(self._audience.viewers(line.key))
        forming = line.forming if viewers else None
        if forming is not None:
            for viewer in viewers:
                viewer.tell(CandleUpdated(forming))

    # History

    def _consider(self, line: Line) -> None:
        key, now_s = line.key, self._now_s
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

    def _history_answered(self, message: _HistoryAnswered) -> None:
        key, report = message.key, message.report
        if isinstance(report, QueryFailed):
            self._retry(key, _AskAgain(key))
            return
        line = self._line(key)
        self._tell(line, self._board.answered(line, message.ask, report.candles, self._now_s))
        for request in self._audience.of_series(key):
            self._open(request, line)
        if message.ask.is_settling and not line.is_settled:
            self._retry(key, _AskAgain(key))  # it lags behind what the feed has shown
            return
        del self._attempts[key]
        self._asking.discard(key)
        self._consider(line)

    def _retry(self, key: SeriesKey | None, message: _AskAgain | _SubscribeFeed) -> None:
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
        line = self._line((request.instrument, request.timeframe))
        if request.after is not None and line.series.reaches(request.after):
            candles = line.series.since(request.after)
            request.reply_to.tell(CandlesBackfilled(candles, request.after))
            return
        # It missed more than is held: it begins again.
        for session in self._audience.of_series(line.key):
            if session.reply_to == request.reply_to:
                self._opened.discard(session.session_id)
                self._open(session, line)

    def _read(self, request: ReadSeries) -> tuple[Candle, ...]:
        line = self._board.known((request.instrument, request.timeframe))
        if line is None:
            return ()
        forming = line.forming
        return (*line.series.last(request.count), *((forming,) if forming is not None else ()))

    # How fresh it is, and whether the market is open

    def _arm(self) -> None:
        """For the first instant at which time alone changes something."""
        self._alarm.by(max(self._board.due_s(), self._looked_s + LOOK_S))

    def _look_due(self) -> None:
        self._alarm.clear()
        if self._board.due_s() <= self._now_s:  # else something has come meanwhile
            self._look()

    def _look(self) -> None:
        self._looked_s = now_s = self._now_s
        for moved in self._board.beat(now_s):
            self._tell(moved.line, moved.events)
            self._consider(moved.line)
        for instrument in self._board.turned(now_s):
            told = self._board.freshness.told(instrument, self.runtime.host.now())
            for request in self._audience.of(instrument):
                request.reply_to.tell(told)

    def _tell_flags(self, request: Subscribe) -> None:
        freshness = self._board.freshness
        request.reply_to.tell(freshness.told(request.instrument, self.runtime.host.now()))
        if freshness.market is not None:
            request.reply_to.tell(freshness.market)

    def _market_is(self, word: VenueClock | ClockUnknown) -> None:
        state = self._board.market_is(word, self._now_s)
        if state is not None:
            for request in self._audience.everyone():
                request.reply_to.tell(state)


async def _open(
    feed: MarketFeed, instruments: Sequence[InstrumentId], kind: FeedKind, to: Address
) -> None:
    def sink(event: FeedEvent) -> None:
        to.tell(event)

    await feed.stop()
    await feed.start(instruments, kind, sink)
