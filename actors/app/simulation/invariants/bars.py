"""The strategy and its bars: once for each that the venue finished, on a past without a hole."""

from bisect import bisect_left, bisect_right
from datetime import datetime

from actors.app.simulation.invariants.checker import Checker
from actors.app.simulation.invariants.freshness import ENTRY_S, entry_of
from adapters.simulated.heard import candle_of_bar
from adapters.simulated.history import (
    BarFinished,
    BarsAnswered,
    FeedHeard,
    FeedStarted,
    StrategyAsked,
    StrategyOpened,
    WriteLeft,
)
from adapters.simulated.venue import VENUE
from trader.ids import CauseKind, InstrumentId, SessionId, instrument_id
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.orders.order import Order
from trader.ports import BarReceived

LATE_S = 30.0  # half a bar: what is decided later is decided on the past
SLACK_S = 3.0  # lines, and strategies that live in the same host
SHOWN_S = 1.0  # what a daemon was shown a moment ago may not have reached its strategies
SLEEPING = frozenset({"pause", "suspend", "second_daemon"})  # kinds of faults


class BarsOfTheVenue(Checker):
    """What the venue made of each minute, in all its versions; the others derive from it."""

    def watch(self) -> None:
        """The past that was there from the start, and what is finished or corrected since."""
        self._versions: dict[tuple[InstrumentId, datetime], list[Candle]] = {}
        self._opened_ats: dict[InstrumentId, list[datetime]] = {}
        self._finished_s: dict[tuple[InstrumentId, datetime], float] = {}
        for symbol, market in self.world.venue.host.venue.markets.items():
            instrument = instrument_id(symbol, VENUE)
            for bar in market.bars:
                self._add(candle_of_bar(bar, instrument, Timeframe.M1, 0))
        self.world.history.listen(BarFinished, self._finished)

    def _finished(self, finished: BarFinished) -> None:
        candle = finished.candle
        if not candle.revision:
            self._finished_s[candle.instrument, candle.opened_at] = finished.at_s
        self._add(candle)

    def _add(self, candle: Candle) -> None:
        key = (candle.instrument, candle.opened_at)
        if key not in self._versions:
            self._opened_ats.setdefault(candle.instrument, []).append(candle.opened_at)
        self._versions.setdefault(key, []).append(candle)

    def _between(self, after: datetime, candle: Candle) -> list[datetime]:
        """The bars of that instrument which lie between the two."""
        opened_ats = self._opened_ats.get(candle.instrument, [])
        return opened_ats[
            bisect_right(opened_ats, after) : bisect_left(opened_ats, candle.opened_at)
        ]


class OnlyOnFinishedBars(BarsOfTheVenue):
    """I5, its safety.

    A bar that neither feed nor history has shown to a daemon is missing in its window; but then no
    entry may leave.
    """

    invariant = "I5"
    promise = (
        "the strategy runs at most once per finished bar, restarts included, never on a partial, "
        "replaced, late or future one, and its window has no hole"
    )

    def watch(self) -> None:
        """Every warm-up, every question, every entry, and what each daemon was shown."""
        super().watch()
        self._asked_on: dict[tuple[str, SessionId, datetime], str] = {}
        self._newest: dict[tuple[str, SessionId], datetime | None] = {}
        self._shown_s: dict[tuple[str, InstrumentId, datetime], float] = {}
        self._holed: dict[tuple[str, SessionId], list[datetime]] = {}
        # A machine that sleeps between a bar and its question asks late; it must not act on it.
        self._sleeps = not SLEEPING.isdisjoint(self.world.plan.kinds)
        history = self.world.history
        history.listen(StrategyOpened, self._opened)
        history.listen(StrategyAsked, self._asked)
        history.listen(FeedStarted, self._started)
        history.listen(FeedHeard, self._heard)
        history.listen(BarsAnswered, self._answered)
        history.listen(WriteLeft, self._left)

    def _started(self, started: FeedStarted) -> None:
        """The successor of a crash is built from what it is told itself."""
        self._shown_s = {
            key: at_s
            for key, at_s in self._shown_s.items()
            if key[0] != started.daemon or key[1] not in started.instruments
        }

    def _heard(self, heard: FeedHeard) -> None:
        for event in heard.events:
            if isinstance(event, BarReceived):
                candle = event.candle
                versions = self._versions.get((candle.instrument, candle.opened_at), [])
                if not any(candle.same_values(version) for version in versions):
                    continue  # another bar, stamped as that one
                shown = (heard.daemon, candle.instrument, candle.opened_at)
                self._shown_s.setdefault(shown, heard.at_s)

    def _answered(self, answered: BarsAnswered) -> None:
        for opened_at in answered.opened_ats:
            shown = (answered.daemon, answered.instrument, opened_at)
            self._shown_s.setdefault(shown, answered.at_s)

    def _left(self, left: WriteLeft) -> None:
        entry = entry_of(self.world, left)
        if entry is not None and entry.cause_kind is CauseKind.CANDLE:
            self._in_time(entry, left.at_s)
        holes = None if entry is None else self._holed.get((left.who, entry.session_id))
        if entry is not None and holes:
            minutes = ", ".join(f"{hole:%H:%M}" for hole in holes)
            self.broken(f"{left.who} sent the entry {entry.id} without knowing {minutes}")

    def _in_time(self, entry: Order, left_s: float) -> None:
        opened_at = datetime.fromisoformat(entry.cause_key)
        finished_s = self._finished_s.get((entry.instrument, opened_at), 0.0)
        if left_s - finished_s > LATE_S + ENTRY_S + SLACK_S:
            late_s = left_s - finished_s
            self.broken(f"the entry {entry.id} left {late_s:.1f} s after its bar had finished")

    def _opened(self, opened: StrategyOpened) -> None:
        before: Candle | None = None
        unknown: list[datetime] = []
        for candle in opened.candles:
            what = f"the window of {opened.session_id} ({opened.daemon}) at {_minute(candle)}"
            versions = self._versions.get((candle.instrument, candle.opened_at), [])
            if not any(candle.same_values(version) for version in versions):
                self.broken(f"{what} holds a bar that the venue never made")
            elif before is not None:
                unknown += self._holes(opened.daemon, before.opened_at, candle, what)
            before = candle
        whose = (opened.daemon, opened.session_id)
        self._newest[whose] = None if before is None else before.opened_at
        self._holed[whose] = unknown

    def _holes(self, daemon: str, after: datetime, candle: Candle, what: str) -> list[datetime]:
        """The bars in between that nobody has shown to the daemon; the others break it."""
        unknown = []
        for hole in self._between(after, candle):
            shown_s = self._shown_s.get((daemon, candle.instrument, hole))
            if shown_s is not None and self.world.loop.time() > shown_s + SHOWN_S:
                self.broken(f"{what} has a hole: {hole:%H:%M}")
            else:
                unknown.append(hole)
        return unknown

    def _asked(self, asked: StrategyAsked) -> None:
        candle = asked.candle
        what = f"{asked.session_id} ({asked.daemon}) was asked about {_minute(candle)}"
        bar = (candle.instrument, candle.opened_at)
        versions = self._versions.get(bar)
        if not candle.is_final:
            self.broken(f"{what}, which was not finished")
        elif candle.revision:
            self.broken(f"{what}, which was replaced")
        elif versions is None:
            self.broken(f"{what}, which the venue had not made")
        elif not candle.same_values(versions[0]):
            self.broken(f"{what}, which was another one when it finished")
        else:
            late_s = asked.at_s - self._finished_s.get(bar, 0.0)
            if late_s > LATE_S + SLACK_S and not self._sleeps:
                self.broken(f"{what}, {late_s:.1f} s after it had finished")
        self._once(asked, what)
        whose = (asked.daemon, asked.session_id)
        newest = self._newest.get(whose)
        if newest is not None:
            self._holed[whose] += self._holes(asked.daemon, newest, candle, what)
        self._newest[whose] = candle.opened_at

    def _once(self, asked: StrategyAsked, what: str) -> None:
        machine = asked.daemon.partition("#")[0]
        key = (machine, asked.session_id, asked.candle.opened_at)
        if key in self._asked_on:
            self.broken(f"{what} again; the first time as {self._asked_on[key]}")
        self._asked_on[key] = asked.daemon


def _minute(candle: Candle) -> str:
    return f"{candle.opened_at:%H:%M}"
