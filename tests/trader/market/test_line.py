"""Live bars and history joined: never a hole before a bar that may be traded on, never a double."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_parts import M1, A, a_bar, a_tick, at, minutes, values

from trader.instants import Timeframe
from trader.market.assemble import Assembler
from trader.market.candle import Candle
from trader.market.events import CandleClosed, CandlesBackfilled
from trader.market.feed_time import FeedTime
from trader.market.line import Ask, Line, LineEvents
from trader.market.roll_up import RollUp
from trader.market.series import Duplicate, Gap, New, SeriesCursor


@dataclass
class Session:
    """What one session makes of what it is told."""

    line: Line
    truth: dict[datetime, Candle]
    cursor: SeriesCursor | None = None
    traded: list[datetime] = field(default_factory=list)

    def hear(self, events: LineEvents) -> None:
        for event in events:
            if self.cursor is None:
                continue
            match event:
                case CandleClosed(candle, previous_at, is_late):
                    taken = self.cursor.take(candle, previous_at)
                    assert not isinstance(taken, Gap)
                    if isinstance(taken, New) and not is_late and not self.line.is_doubtful:
                        self.trade(candle)
                case CandlesBackfilled(candles):
                    self.cursor.extend(candles)
        if self.cursor is None and self.line.depth_loaded:
            self.cursor = SeriesCursor(self.line.series.last(5), 100)

    def trade(self, candle: Candle) -> None:
        assert self.cursor is not None
        assert candle.opened_at not in self.traded
        self.traded.append(candle.opened_at)
        window = self.cursor.window()
        expected = [
            values(self.truth[opened_at])
            for opened_at in sorted(self.truth)
            if window[0].opened_at <= opened_at <= candle.opened_at
        ]
        assert [values(each) for each in window] == expected


@dataclass
class World:
    """A venue, its feed and its history, second by second."""

    trades: dict[int, int]  # second -> price
    unit: Timeframe | None
    timeframe: Timeframe
    connects: dict[int, int]  # from second -> to second
    lags: dict[int, int]  # from second on: seconds by which history is behind
    outages: set[int]  # minutes in which history does not answer
    delay_s: int  # of an answer
    lost: set[int] = field(default_factory=set)  # minutes whose bar the feed never gives

    def __post_init__(self) -> None:
        self.time: FeedTime[Any] = FeedTime()
        self.time.venue_says(at(0), 1.0, 0.0)
        self.line = Line(A, self.timeframe, self.time, self.unit)
        self.truth = self.bars(self.timeframe)
        self.parts = self.bars(self.unit) if self.unit else {}
        self.session = Session(self.line, self.truth)
        self.asked: tuple[Ask, int] | None = None

    def bars(self, timeframe: Timeframe) -> dict[datetime, Candle]:
        assembler = Assembler(A, timeframe)
        finals = [
            candle
            for second in sorted(self.trades)
            for candle in assembler.take(a_tick(second, self.trades[second]))
        ]
        finals += assembler.close_due(at(10**9), FeedTime[Any]().grace())
        return {candle.opened_at: candle for candle in finals}

    def run(self, seconds: int) -> Session:
        is_up = False
        for second in range(seconds):
            was_up = is_up
            is_up = any(start <= second < end for start, end in self.connects.items())
            if is_up and not was_up:
                self.line.connected(second)
            if was_up and not is_up:
                self.line.lost()
            if is_up:
                self.live(second)
            self.session.hear(self.line.beat(second))
            self.history(second)
        return self.session

    def live(self, second: int) -> None:
        if second in self.trades:
            tick = a_tick(second, self.trades[second])
            self.time.admit(tick, tick.happened_at, second)
            self.session.hear(self.line.tick(tick, second))
        for bar in self.parts.values():
            if bar.closes_at == at(second) and second // 60 not in self.lost:
                self.time.admit(bar, bar.closes_at, second)
                self.session.hear(self.line.bar(bar, second))

    def history(self, second: int) -> None:
        if self.asked is None:
            ask = self.line.wants(second)
            self.asked = None if ask is None else (ask, second + self.delay_s)
        if self.asked is not None and second >= self.asked[1]:
            ask, _ = self.asked
            self.asked = None
            if second // 60 in self.outages:
                return
            lag_s = next(
                (self.lags[start] for start in sorted(self.lags, reverse=True) if start <= second),
                0,
            )
            known = [bar for bar in self.truth.values() if bar.closes_at <= at(second - lag_s)]
            known = [bar for bar in known if ask.after is None or bar.opened_at > ask.after]
            known = known[-ask.limit :] if ask.limit else known
            self.session.hear(self.line.answered(ask, known, second))


MINUTES = 20
SECONDS = MINUTES * 60
WORLDS = st.builds(
    World,
    trades=st.dictionaries(st.integers(0, SECONDS - 61), st.integers(90, 110), max_size=60),
    unit=st.sampled_from([None, M1]),
    timeframe=st.sampled_from([M1, Timeframe.M5]),
    connects=st.dictionaries(st.integers(0, SECONDS // 2), st.integers(0, SECONDS // 2), max_size=3)
    .map(lambda spans: {start: start + length for start, length in spans.items()})
    .map(lambda spans: {**spans, SECONDS // 2: SECONDS * 2}),
    lags=st.dictionaries(st.integers(0, SECONDS // 2), st.integers(0, 20), max_size=3).map(
        lambda lags: {**lags, SECONDS // 2: 0}
    ),
    outages=st.sets(st.integers(0, MINUTES // 2), max_size=4),
    delay_s=st.integers(0, 3),
)


@settings(max_examples=80, deadline=None)
@given(WORLDS)
def test_whatever_feed_and_history_do_nothing_is_traded_on_a_hole_and_all_is_known_at_the_end(
    world: World,
) -> None:
    session = world.run(SECONDS + 600)

    assert session.cursor is not None
    window = session.cursor.window()
    first = window[0].opened_at if window else None
    expected = [
        values(world.truth[key]) for key in sorted(world.truth) if first is None or key >= first
    ]
    assert [values(bar) for bar in window] == expected
    assert world.line.is_settled


# The feed's bars are what it says they are, so only a series of that length is sure of its holes.
LOSING = st.builds(
    World,
    trades=st.dictionaries(st.integers(0, SECONDS - 61), st.integers(90, 110), max_size=60),
    unit=st.just(M1),
    timeframe=st.just(M1),
    connects=st.just({0: SECONDS * 2}),
    lags=st.dictionaries(st.integers(0, SECONDS // 2), st.integers(0, 20), max_size=3).map(
        lambda lags: {**lags, SECONDS // 2: 0}
    ),
    outages=st.sets(st.integers(0, MINUTES // 2), max_size=4),
    delay_s=st.integers(0, 3),
    lost=st.sets(st.integers(0, MINUTES - 4), max_size=8),
)


@settings(max_examples=80, deadline=None)
@given(LOSING)
def test_a_feed_that_loses_bars_and_stays_connected_leaves_no_hole_that_is_traded_on(
    world: World,
) -> None:
    world.trades[SECONDS - 61] = 100  # the last minute's bar comes, and shows what was lost
    world.__post_init__()

    session = world.run(SECONDS + 600)

    assert session.cursor is not None
    window = session.cursor.window()
    first = window[0].opened_at if window else None
    assert [each.opened_at for each in window] == [
        key for key in sorted(world.truth) if first is not None and key >= first
    ]
    assert world.line.is_settled


def a_line(unit: Timeframe | None = M1, *, seconds: float = 0) -> Line:
    time: FeedTime[Any] = FeedTime()
    time.venue_says(at(seconds), 1.0, seconds)
    line = Line(A, M1, time, unit)
    line.connected(seconds)
    return line


def answer(line: Line, seconds: float, *bars: int) -> LineEvents:
    ask = line.wants(seconds)
    assert ask is not None
    return line.answered(ask, [a_bar(minute) for minute in bars], seconds)


def test_nothing_is_asked_of_history_before_the_subscription_stands() -> None:
    time: FeedTime[Any] = FeedTime()
    line = Line(A, M1, time, M1)

    assert line.wants(0) is None
    line.connected(0)
    assert line.wants(0) == Ask(None, line.depth, False, 1)


@pytest.mark.parametrize("history_has_it", [True, False], ids=["already", "not yet"])
def test_a_bar_that_closes_between_subscribing_and_fetching_is_there_once(
    history_has_it: bool,
) -> None:
    line = a_line(seconds=599)
    ask = line.wants(599)
    assert ask is not None
    held = line.bar(a_bar(9), 600)

    events = line.answered(ask, [a_bar(7), a_bar(8), *([a_bar(9)] * history_has_it)], 600.2)
    if not history_has_it:
        events += answer(line, 601, 8, 9)

    assert held == ()
    closed = [event for event in events if isinstance(event, CandleClosed)]
    assert [(each.candle, each.previous_at) for each in closed] == [(a_bar(9), at(8 * 60))]
    assert minutes(line.series.window()) == [7, 8, 9]


def test_a_bar_that_we_joined_in_its_midst_comes_from_history_and_is_never_traded() -> None:
    line = a_line(None, seconds=630)
    answer(line, 630.1, 8, 9)
    line.tick(a_tick(640, 101), 640)
    assert line.tick(a_tick(662, 102), 662) == ()

    events = answer(line, 662.1, 8, 9, 10)

    assert [type(event) for event in events] == [CandlesBackfilled]
    (closed,) = line.tick(a_tick(720, 103), 720)
    assert isinstance(closed, CandleClosed)
    assert (minutes([closed.candle]), closed.previous_at) == ([11], at(600))


def test_bars_missed_while_the_feed_was_down_come_before_the_live_ones() -> None:
    line = a_line(seconds=600)
    answer(line, 600, *range(10))
    line.bar(a_bar(10), 660)
    answer(line, 660.1, *range(11))
    assert line.is_settled

    line.connected(960)
    assert line.bar(a_bar(16), 1020) == ()
    events = answer(line, 1020.1, *range(5, 17))

    assert [type(event) for event in events] == [CandlesBackfilled, CandleClosed]
    assert isinstance(events[0], CandlesBackfilled)
    assert minutes(events[0].candles) == [11, 12, 13, 14, 15]
    assert events[0].previous_at == at(600)


def test_a_correction_missed_while_the_feed_was_down_is_told_as_a_revision() -> None:
    line = a_line(seconds=600)
    answer(line, 600, *range(10))
    line.connected(700)
    ask = line.wants(700)
    assert ask is not None

    (event,) = line.answered(ask, [a_bar(8), a_bar(9, 107)], 700)

    assert isinstance(event, CandlesBackfilled)
    assert [(bar.close, bar.revision) for bar in event.candles] == [(107, 1)]


def test_bars_wait_for_a_lagging_history_only_while_they_may_be_traded_on() -> None:
    line = a_line(seconds=600)
    answer(line, 600, *range(10))
    line.bar(a_bar(10), 660)
    assert answer(line, 661, *range(10)) == ()

    assert line.beat(690) == ()
    (closed,) = line.beat(692)

    assert isinstance(closed, CandleClosed)
    assert closed.is_late
    assert line.is_doubtful
    answer(line, 700, *range(11))
    assert line.is_settled


def test_the_forming_bar_that_some_histories_add_is_not_taken() -> None:
    line = a_line(seconds=630)

    answer(line, 630, 8, 9, 10)

    assert minutes(line.series.window()) == [8, 9]


def test_an_answer_to_a_question_from_before_a_reconnect_settles_nothing() -> None:
    line = a_line(seconds=600)
    answer(line, 600, *range(10))
    line.bar(a_bar(10), 660)
    ask = line.wants(661)
    assert ask is not None
    line.connected(662)

    line.answered(ask, [a_bar(minute) for minute in range(11)], 663)

    assert not line.is_settled


def test_a_bar_decided_too_late_says_so() -> None:
    line = a_line(seconds=600)
    answer(line, 600, *range(10))
    line.bar(a_bar(10), 660)
    answer(line, 660.1, *range(11))

    (in_time,) = line.bar(a_bar(11), 749)
    (late,) = line.bar(a_bar(12), 811)

    assert isinstance(in_time, CandleClosed)
    assert isinstance(late, CandleClosed)
    assert (in_time.is_late, late.is_late) == (False, True)


def test_a_bar_that_comes_after_a_long_silence_is_late_though_it_is_the_newest_one() -> None:
    line = a_line(seconds=600)
    answer(line, 600, *range(10))
    line.bar(a_bar(10), 660)
    answer(line, 660.1, *range(11))
    line._time.admit(a_bar(10), at(660), 660.2)

    line._time.admit(a_bar(11), at(720), 800)
    (closed,) = line.bar(a_bar(11), 800)

    assert isinstance(closed, CandleClosed)
    assert closed.is_late


def test_a_feed_that_repeats_itself_after_a_reconnect_is_not_heard_twice() -> None:
    line = a_line(seconds=600)
    answer(line, 600, *range(10))
    line.connected(601)
    line.bar(a_bar(9), 602)
    line.bar(a_bar(10), 660)

    events = answer(line, 660.1, *range(5, 11))

    assert [event.candle for event in events if isinstance(event, CandleClosed)] == [a_bar(10)]


def test_what_a_feed_repeats_after_a_silence_leaves_no_hole() -> None:
    line = a_line(seconds=600)
    answer(line, 600, *range(10))
    line.bar(a_bar(10), 660)
    answer(line, 660.1, *range(11))
    line.connected(850)

    line.bar(a_bar(11), 850.1)  # and nothing about 12 and 13
    answer(line, 850.2, *range(6, 14))
    line.bar(a_bar(14), 900)
    answer(line, 900.1, *range(6, 15))

    assert line.is_settled
    assert minutes(line.series.last(5)) == [10, 11, 12, 13, 14]


def test_a_longer_bar_that_began_before_we_came_is_historys_to_give() -> None:
    line = Line(A, Timeframe.M5, FeedTime(), M1)
    line._time.venue_says(at(130), 1.0, 130)
    line.connected(130)
    line.answered(Ask(None, 5, False, 1), [], 130)

    parts = [line.bar(a_bar(minute), 60 * minute + 60) for minute in range(2, 5)]

    assert parts == [(), (), ()]
    assert not line.is_settled
    straight = RollUp(A, Timeframe.M5)
    (whole,) = [bar for minute in range(5) for bar in straight.take(a_bar(minute))]
    ask = line.wants(301)
    assert ask is not None
    assert [type(event) for event in line.answered(ask, [whole], 301)] == [CandlesBackfilled]
    assert line.is_settled


def test_duplicates_of_a_settled_bar_are_silent() -> None:
    line = a_line(seconds=600)
    answer(line, 600, *range(10))
    line.bar(a_bar(10), 660)
    answer(line, 660.1, *range(11))

    assert line.bar(a_bar(10), 661) == ()
    assert isinstance(line.series.add_or_replace(a_bar(10)), Duplicate)


def test_a_bar_under_way_when_the_feed_is_lost_is_never_taken_for_whole() -> None:
    line = a_line(None, seconds=599)
    answer(line, 599, 8)
    line.tick(a_tick(601), 601)
    line.lost()

    assert line.beat(662) == ()

    line.connected(665)
    answer(line, 665, 8, 9, 10)
    assert minutes(line.series.window()) == [8, 9, 10]


def test_a_bar_that_does_not_follow_waits_until_history_has_shown_what_was_lost() -> None:
    line = a_line(seconds=600)
    answer(line, 600, *range(10))
    line.bar(a_bar(10), 660)
    answer(line, 660.1, *range(11))

    assert line.bar(a_bar(12), 780) == ()
    filled, closed = answer(line, 780.1, *range(6, 13))

    assert isinstance(filled, CandlesBackfilled)
    assert minutes(filled.candles) == [11]
    assert isinstance(closed, CandleClosed)
    assert (closed.candle, closed.is_late) == (a_bar(12), False)
    assert minutes(line.series.last(3)) == [10, 11, 12]


def test_a_bar_lost_right_after_a_reconnect_is_missed_too() -> None:
    line = a_line(seconds=600)
    answer(line, 600, *range(10))
    answer(line, 661, *range(11))  # the feed is silent, and history knows the bar
    assert line.is_settled

    assert line.bar(a_bar(12), 780) == ()
    filled, _ = answer(line, 780.1, *range(6, 13))

    assert isinstance(filled, CandlesBackfilled)
    assert minutes(filled.candles) == [11]


def test_a_minute_in_which_nothing_traded_delays_the_next_bar_and_costs_no_decision() -> None:
    line = a_line(seconds=600)
    answer(line, 600, *range(10))
    line.bar(a_bar(10), 660)
    answer(line, 660.1, *range(11))

    assert line.bar(a_bar(12), 780) == ()
    (closed,) = answer(line, 780.1, 8, 9, 10, 12)

    assert isinstance(closed, CandleClosed)
    assert (closed.previous_at, closed.is_late) == (at(600), False)


def test_a_lost_bar_that_comes_late_fills_its_hole_before_the_next_one_goes_on() -> None:
    line = a_line(seconds=600)
    answer(line, 600, *range(10))
    line.bar(a_bar(10), 660)
    answer(line, 660.1, *range(11))
    line.bar(a_bar(12), 780)
    line.bar(a_bar(11), 800)  # and history does not answer

    events = line.beat(812)

    closed = [event for event in events if isinstance(event, CandleClosed)]
    assert minutes(event.candle for event in closed) == [11, 12]
    assert closed[1].previous_at == at(660)


def test_a_bar_lost_between_two_that_wait_for_the_first_history_is_not_left_out() -> None:
    line = a_line(seconds=600)
    line.bar(a_bar(10), 660)
    line.bar(a_bar(12), 780)

    events = answer(line, 781, *range(13))

    closed = [event for event in events if isinstance(event, CandleClosed)]
    assert minutes(line.series.since(None)) == list(range(13))
    assert minutes(event.candle for event in closed) == [10, 11, 12]


def test_a_hole_that_history_does_not_explain_is_doubtful() -> None:
    line = a_line(seconds=600)
    answer(line, 600, *range(10))
    line.bar(a_bar(10), 660)
    answer(line, 660.1, *range(11))
    line.bar(a_bar(12), 780)

    answer(line, 781, *range(6, 11))
    (closed,) = line.beat(812)

    assert isinstance(closed, CandleClosed)
    assert closed.is_late
    assert line.is_doubtful


def test_a_longer_bar_of_which_a_part_was_lost_is_historys_to_give() -> None:
    line = Line(A, Timeframe.M5, FeedTime(), M1)
    line._time.venue_says(at(0), 1.0, 0)
    line.connected(0)
    line.answered(Ask(None, 5, True, 1), [a_bar(-5, timeframe=Timeframe.M5)], 2)
    assert line.is_settled

    for minute in (0, 1, 3, 4):
        line.tick(a_tick(60 * minute + 5), 60 * minute + 5)
        if minute == 1:
            line.tick(a_tick(125), 125)  # of the minute whose bar never comes
        assert line.bar(a_bar(minute), 60 * minute + 60) == ()

    assert not line.is_settled
    straight = RollUp(A, Timeframe.M5)
    (whole,) = [bar for minute in range(5) for bar in straight.take(a_bar(minute))]
    ask = line.wants(301)
    assert ask is not None
    assert [type(event) for event in line.answered(ask, [whole], 301)] == [CandlesBackfilled]


def test_a_longer_bar_in_which_a_minute_did_not_trade_is_traded_on() -> None:
    line = Line(A, Timeframe.M5, FeedTime(), M1)
    line._time.venue_says(at(0), 1.0, 0)
    line.connected(0)
    line.answered(Ask(None, 5, True, 1), [a_bar(-5, timeframe=Timeframe.M5)], 2)

    for minute in (0, 1, 3):
        line.tick(a_tick(60 * minute + 5), 60 * minute + 5)
        assert line.bar(a_bar(minute), 60 * minute + 60) == ()
    (closed,) = line.bar(a_bar(4), 300)

    assert isinstance(closed, CandleClosed)
    assert closed.candle.timeframe is Timeframe.M5
