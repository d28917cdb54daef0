"""A line: one series as its feed keeps it, live bars and history joined without a hole.

The subscription stands first; then history is asked, twice. At once, so that sessions can open;
and again when the bar that was forming at the connect has closed, because only then everything
that went before the first bar seen whole is known to history. Until that second answer, final bars
wait (`held`). An answer that does not reach up to the live bars may lag, and is asked for again.
Bars wait no longer than they may be traded on: then they go on. Where history still lacks a bar
that the feed has shown, the line is doubtful (no entries) and goes on asking.

A feed can lose a bar and stay connected. So a bar that does not follow its predecessor waits in
the same way: history says whether nothing traded in between. Of a longer bar, which is summed up
from the feed's, a part is missed where its trades were seen; such a one is history's to give.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, assert_never

from trader.ids import InstrumentId
from trader.instants import Timeframe
from trader.market.assemble import Assembler
from trader.market.candle import Candle
from trader.market.dedupe import candle_refusal
from trader.market.events import CandleClosed, CandlesBackfilled
from trader.market.feed_time import FeedTime
from trader.market.roll_up import RollUp
from trader.market.series import RECENT, Duplicate, New, Replaced, Series, Stale
from trader.market.staleness import STEADY_COUNT
from trader.market.tick import Tick
from trader.market.warmup import stitch

LineEvents = tuple[CandleClosed | CandlesBackfilled, ...]
_NONE: LineEvents = ()
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ask:
    """What history is to be asked: bars that opened later than `after`, or the newest `limit`."""

    after: datetime | None
    limit: int | None
    is_settling: bool  # everything before the first bar seen whole has closed
    connect_count: int  # of the line's connects so far: an older answer settles nothing


class Line:
    """See the module. `unit`: the feed's own bars; None: it gives trades."""

    def __init__(
        self,
        instrument: InstrumentId,
        timeframe: Timeframe,
        time: FeedTime[Any],
        unit: Timeframe | None,
    ) -> None:
        self.instrument = instrument
        self.timeframe = timeframe
        self.depth = RECENT  # bars that somebody needs
        self.depth_loaded = 0  # bars that history was asked for and gave; 0: never answered
        self.is_doubtful = False  # bars may be missing
        self.stale_count = 0  # bars too old to be taken
        self.series = Series((), self._keep)
        self._time = time
        self._unit = unit
        # A day is what its exchange says it is, so a feed's bars are never summed up to one.
        self._is_assembled = unit is None or timeframe not in (unit, Timeframe.D1)
        self._assembler = Assembler(instrument, timeframe)  # of a feed of bars: for viewers only
        self._roll_up = RollUp(instrument, timeframe)
        # From a connect until it is settled:
        self._held: list[Candle] | None = None
        self._is_anchored = True  # the connect's place in feed time is known
        self._connect_count = 0
        self._is_fresh_connect = False  # and history was not asked since
        self._newest_part_at: datetime | None = (
            None  # of the feed's own bars: the next one must follow
        )
        self._traded_at: deque[datetime] = deque(maxlen=RECENT)  # the feed's bars that must come
        self._whole_to: datetime | None = None  # no hole up to there; history is asked from there
        self._live_from: datetime | None = None  # the first bar that the feed gives whole
        self._settle_at: datetime | None = None
        self._expected_at: datetime | None = None  # a bar seen live, so history must know it too
        self._has_answered = False  # history, to a question that could settle it

    @property
    def key(self) -> tuple[InstrumentId, Timeframe]:
        """Its series."""
        return (self.instrument, self.timeframe)

    @property
    def _keep(self) -> int:
        return max(self.depth, STEADY_COUNT) + RECENT

    @property
    def forming(self) -> Candle | None:
        """The open bar as it stands now, from trades; None between bars."""
        return self._assembler.forming

    @property
    def late_count(self) -> int:
        """Trades too old to revise their bar."""
        return self._assembler.late_count

    @property
    def is_settled(self) -> bool:
        """Whether history has shown everything before the live bars."""
        return self._held is None and not self.is_doubtful

    @property
    def is_possible(self) -> bool:
        """Whether the feed can give such bars at all."""
        return self._unit is None or self.timeframe.duration >= self._unit.duration

    def need(self, depth: int) -> None:
        """Have history give at least as many bars."""
        self.depth = max(self.depth, depth)

    def connected(self, elapsed_s: float) -> None:
        """The subscription stands (again): whatever closed before must be asked of history."""
        self._newest_part_at = None
        self._unsettle()
        self._anchor(elapsed_s)

    def _unsettle(self) -> None:
        if self.is_settled:
            self._whole_to = None
            self._remember_whole()
        self._held = self._held or []
        self._connect_count += 1
        self._is_fresh_connect = True
        self._is_anchored = False
        self._settle_at = self._expected_at = None
        self._has_answered = False

    def lost(self) -> None:
        """The feed is down: a bar under way is not whole any more, nor is any that follows."""
        self._live_from = NEVER

    def tick(self, tick: Tick, elapsed_s: float) -> LineEvents:
        """A trade; in a feed of bars it only shapes the forming bar."""
        self._anchor(elapsed_s)
        if self._unit is not None and self._is_assembled:
            self._note_trade(self._unit.open_of(tick.happened_at))
        finals = self._assembler.take(tick)
        return self._finals(finals, elapsed_s) if finals and self._unit is None else _NONE

    def bar(self, candle: Candle, elapsed_s: float) -> LineEvents:
        """A final bar of the feed: of this timeframe, or a part of a longer one."""
        if candle.timeframe is not (self._unit if self._is_assembled else self.timeframe):
            return _NONE
        self._anchor(elapsed_s)
        if self._has_missed_one(candle):
            self._unsettle()
            self._anchor_at(candle.opened_at)
        finals = self._roll_up.take(candle) if self._is_assembled else (candle,)
        return self._finals(finals, elapsed_s)

    def beat(self, elapsed_s: float) -> LineEvents:
        """Time passes: a bar may be over, and a wait for history too long."""
        self._anchor(elapsed_s)
        now = self._time.now(elapsed_s)
        if now is None:
            return _NONE
        finals = self._assembler.close_due(now, self._time.grace())
        if self._unit is not None:
            finals = self._roll_up.close_due(now, self._time.grace())
        events = self._finals(finals, elapsed_s) if finals else _NONE
        given_up_at = self._given_up_at
        if given_up_at is not None and now >= given_up_at:
            # Without a sign of a missing bar, there were no trades.
            self.is_doubtful = self._expected_at is not None or not self._has_answered
            events += self._release(elapsed_s)
        return events

    def due_at(self, elapsed_s: float) -> datetime | None:
        """When, by feed time, it has something to do if nothing comes; None: never."""
        grace = self._time.grace()
        ends = (self._assembler.due_at, self._roll_up.due_at)
        due = [end + grace for end in ends if end is not None]
        if self._given_up_at is not None:
            due.append(self._given_up_at)
        is_over = self.is_settled or self._is_settle_due(elapsed_s)
        if self._settle_at is not None and not is_over:
            due.append(self._settle_at)
        return min(due, default=None)

    @property
    def _given_up_at(self) -> datetime | None:
        """How long finished bars wait for history."""
        if self._held is None or self._settle_at is None or not self.depth_loaded:
            return None
        return self._settle_at + self._time.late_after(self.timeframe)

    def wants(self, elapsed_s: float) -> Ask | None:
        """What to ask of history now, if nothing is being asked; None: nothing."""
        is_settling = self._is_settle_due(elapsed_s)
        if not self._connect_count:
            return None  # the live subscription stands before history is asked
        if self.depth_loaded < self.depth:
            return Ask(None, self.depth, is_settling, self._connect_count)
        if is_settling or self._is_fresh_connect or self.is_doubtful:
            limit = self.depth if self._whole_to is None else None
            return Ask(self._whole_to, limit, is_settling, self._connect_count)
        return None

    def answered(self, ask: Ask, candles: Iterable[Candle], elapsed_s: float) -> LineEvents:
        """History's answer. The first one opens the line."""
        past = [candle for candle in candles if self._is_past(candle, elapsed_s)]
        reached_at = max((candle.opened_at for candle in past), default=ask.after)
        events = self._fill(ask, past)
        self._remember_whole()
        self.depth_loaded = max(self.depth_loaded, ask.limit or 0)
        if ask.connect_count != self._connect_count:
            return events
        self._is_fresh_connect = False
        is_settling = ask.is_settling or self._expected_at is not None
        self._has_answered = self._has_answered or is_settling
        if is_settling and self._reaches(reached_at):
            self.is_doubtful = False
            self._expected_at = None
            events += self._release(elapsed_s)
        return events

    def _reaches(self, reached_at: datetime | None) -> bool:
        """Whether history that reaches so far leaves no hole before the live bars."""
        wanted_at = self._expected_at
        if wanted_at is None:
            if self._held is None or self._live_from is None:
                return True  # waited long enough: there were no trades
            wanted_at = self._live_from - self.timeframe.duration
        return reached_at is not None and reached_at >= wanted_at

    def _remember_whole(self) -> None:
        """Where the recent window began when it was last known to have no hole."""
        recent = self.series.last(RECENT + 1)
        if self._whole_to is None and recent:
            self._whole_to = recent[0].opened_at

    def _note_trade(self, part_at: datetime) -> None:
        """A trade of the feed's bar that opened then."""
        if part_at not in self._traded_at:
            self._traded_at.append(part_at)

    def _has_missed_one(self, candle: Candle) -> bool:
        """Whether the feed may have lost a bar before this one."""
        newest_at, at = self._newest_part_at, candle.opened_at
        if newest_at is not None and at <= newest_at:
            return False
        self._newest_part_at = at
        if newest_at is None or at == newest_at + candle.timeframe.duration:
            return False
        return not self._is_assembled or any(newest_at < each < at for each in self._traded_at)

    def _anchor(self, elapsed_s: float) -> None:
        """Find the first bar that is seen whole since the connect."""
        if self._is_anchored or (now := self._time.now(elapsed_s)) is None:
            return
        since = now + self._time.grace()  # feed time is only known to about a second
        if self._unit is not None:
            unit = self._unit if self._is_assembled else self.timeframe
            since = unit.open_of(since)  # a feed's bar is whole, however late we came
            self._newest_part_at = since - unit.duration
        self._anchor_at(since)

    def _anchor_at(self, since: datetime) -> None:
        """All that opens from then on is seen whole."""
        self._is_anchored = True
        live_from = self.timeframe.open_of(since)
        if live_from < since:
            live_from += self.timeframe.duration
        self._live_from = self._settle_at = live_from
        if not self._is_assembled:
            self._settle_at = live_from + self.timeframe.duration
        self._settle_at += self._time.grace()

    def _is_settle_due(self, elapsed_s: float) -> bool:
        if self._held is None and not self.is_doubtful:
            return False
        if self._expected_at is not None:
            return True
        now = self._time.now(elapsed_s)
        return now is not None and self._settle_at is not None and now >= self._settle_at

    def _is_past(self, candle: Candle, elapsed_s: float) -> bool:
        """Whether history's bar is one, and over: some venues add the forming one."""
        if candle_refusal(candle) is not None:
            return False
        if self._expected_at is not None and candle.opened_at <= self._expected_at:
            return True
        now = self._time.now(elapsed_s)
        # A day's bar ends with its session, so it is left to the venue to know.
        return now is None or self.timeframe is Timeframe.D1 or candle.closes_at <= now

    def _fill(self, ask: Ask, past: list[Candle]) -> LineEvents:
        before = self._before_live(ask)
        if self._held and before is not None:
            held_at = {candle.opened_at for candle in self._held}
            between = (c for c in past if before < c.opened_at < max(held_at))
            self._held += [c for c in between if c.opened_at not in held_at]  # the feed lost them
        past = [candle for candle in past if before is None or candle.opened_at < before]
        held = self.series.since(None)
        if self.depth_loaded and ask.limit is None:
            joined = stitch(held, past)
        else:
            joined = stitch(past, held)
        known = {candle.opened_at: candle for candle in held}
        floor = held[0].opened_at if held else None
        changed = tuple(
            candle
            for candle in joined
            if known.get(candle.opened_at) is not candle
            and (floor is None or candle.opened_at > floor)
        )
        self.series = Series(joined, self._keep)
        if not changed:
            return _NONE
        return (CandlesBackfilled(changed, self.series.before(changed[0].opened_at)),)

    def _before_live(self, ask: Ask) -> datetime | None:
        """From where on bars are the live feed's to give, so that they can be traded on."""
        newest_at = self.series.newest_at
        if self._held is None and newest_at is not None:
            next_at = newest_at + self.timeframe.duration
            return next_at if self._live_from is None else max(next_at, self._live_from)
        if self._held is None:
            return self._live_from
        new = [c.opened_at for c in self._held if newest_at is None or c.opened_at > newest_at]
        if new:
            return min(new)
        return None if ask.is_settling else self._live_from

    def _release(self, elapsed_s: float) -> LineEvents:
        held, self._held = self._held or [], None
        in_order = sorted(held, key=lambda candle: candle.opened_at)  # a late one fills its hole
        return self._finals(tuple(in_order), elapsed_s)

    def _finals(self, candles: tuple[Candle, ...], elapsed_s: float) -> LineEvents:
        events: LineEvents = _NONE
        for candle in candles:
            if self._is_assembled and self._was_cut(candle):
                continue
            if self._held is not None:
                self._hold(candle)
                continue
            events += self._deliver(candle, elapsed_s)
        return events

    def _was_cut(self, candle: Candle) -> bool:
        """Whether we connected in its midst: then only history knows it."""
        live_from = self._live_from
        if live_from is None or candle.opened_at >= live_from:
            return False
        if self._held is not None and candle.closes_at == live_from:
            self._expected_at = candle.opened_at
        return True

    def _hold(self, candle: Candle) -> None:
        assert self._held is not None
        is_old = self._live_from is not None and candle.closes_at < self._live_from
        if is_old and not self._is_assembled:
            return  # said again after a connect, and perhaps not all of it: history's to give
        del self._held[: -self._keep]
        self._held.append(candle)
        newest_at = self.series.newest_at
        is_new = newest_at is None or candle.opened_at > newest_at
        if is_new and not self._is_assembled and self._expected_at is None:
            self._expected_at = candle.opened_at

    def _deliver(self, candle: Candle, elapsed_s: float) -> LineEvents:
        previous_at = self.series.before(candle.opened_at)
        taken = self.series.add_or_replace(candle)
        match taken:
            case New() | Replaced():
                late_at = candle.closes_at + self._time.late_after(self.timeframe)
                decide_by_s = self._time.reaches_s(late_at)
                is_late = decide_by_s is not None and decide_by_s < elapsed_s
                return (CandleClosed(candle, previous_at, is_late, decide_by_s),)
            case Duplicate():
                return _NONE
            case Stale():
                self.stale_count += 1
                return _NONE
            case _:
                assert_never(taken)
