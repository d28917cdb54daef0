"""What may come in from a feed, and what time it is there."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_parts import M1, START, A, a_bar, a_tick, at

from trader.ids import InstrumentId
from trader.instants import EPOCH, Timeframe
from trader.market.candle import Candle
from trader.market.dedupe import Seen
from trader.market.digest import digest
from trader.market.feed_time import FeedTime
from trader.market.intake import Intake
from trader.market.prices import Prices
from trader.market.staleness import (
    STEADY_COUNT,
    data_due_s,
    frames_due_s,
    is_steady,
    silence_s_max,
)
from trader.market.tick import Tick
from trader.market.warmup import stitch
from trader.money import Price, Quantity

Time = FeedTime[Tick | Candle]


def an_intake() -> tuple[Intake, Time]:
    time: Time = FeedTime()
    return Intake(time, {A}), time


@pytest.mark.parametrize(
    ("price", "volume", "happened_at", "reason"),
    [
        pytest.param("NaN", "1", START, "price", id="a price that is no number"),
        pytest.param("sNaN", "1", START, "price", id="a price that must not even be compared"),
        pytest.param("Infinity", "1", START, "price", id="an infinite price"),
        pytest.param("0", "1", START, "price", id="a price of zero"),
        pytest.param("-3", "1", START, "price", id="a negative price"),
        pytest.param("1E+40", "1", START, "price", id="a price beyond all sense"),
        pytest.param("100", "-1", START, "volume", id="a negative volume"),
        pytest.param("100", "NaN", START, "volume", id="a volume that is no number"),
        pytest.param("100", "1", EPOCH, "instant", id="a clock that was never set"),
        pytest.param("100", "1", datetime(2024, 1, 2), "instant", id="no time zone"),  # noqa: DTZ001
    ],
)
def test_garbage_is_counted_and_never_becomes_a_candle(
    price: str, volume: str, happened_at: datetime, reason: str
) -> None:
    intake, time = an_intake()
    tick = Tick(A, Price(Decimal(price)), Quantity(Decimal(volume)), happened_at, START)

    assert intake.tick(tick, 0.0) == ()

    assert intake.counts == {reason: 1}
    assert time.now(0.0) is None


def test_a_bar_that_contradicts_itself_is_refused() -> None:
    intake, _ = an_intake()
    bar = a_bar(0)
    bad = Candle(A, M1, bar.opened_at, bar.open, Price(Decimal(99)), *([bar.low] * 2), bar.volume)
    unfinished = Candle(A, M1, bar.opened_at, *([bar.open] * 4), bar.volume, is_final=False)
    odd = Candle(A, M1, at(7), *([bar.open] * 4), bar.volume)

    assert [intake.bar(each, 0.0) for each in (bad, unfinished, odd)] == [(), (), ()]
    assert intake.counts == {"range": 1, "unfinished": 1, "instant": 1}


def test_a_symbol_nobody_asked_for_is_counted() -> None:
    intake, _ = an_intake()
    tick = a_tick(0)
    tick.instrument = InstrumentId("ZZZ.TEST")

    assert intake.tick(tick, 0.0) == ()
    assert intake.counts == {"unknown_instrument": 1}


def test_the_same_trade_twice_is_admitted_once() -> None:
    intake, _ = an_intake()

    admitted = [intake.tick(a_tick(0, trade_id=name), 0.0) for name in ("7", "7", "8", "", "")]

    assert [len(each) for each in admitted] == [1, 0, 1, 1, 1]
    assert intake.counts == {"duplicate": 1}


@given(st.lists(st.integers(0, 30), max_size=100), st.integers(1, 10))
def test_what_is_remembered_of_trades_is_bounded_and_recent(ids: list[int], size: int) -> None:
    seen = Seen(size)
    remembered: list[int] = []

    for name in ids:
        assert seen.admit(a_tick(0, trade_id=str(name))) is (name not in remembered)
        if name not in remembered:
            remembered = [*remembered, name][-size:]


def test_feed_time_is_the_newest_stamp_and_what_has_passed_since() -> None:
    time: Time = FeedTime(speed=60.0)
    assert time.now(5.0) is None

    time.admit(a_tick(10), at(10), 100.0)
    time.admit(a_tick(8), at(8), 101.0)

    assert time.now(100.5) == at(10 + 30)


def test_a_tick_from_the_future_waits_until_a_third_agrees() -> None:
    time: Time = FeedTime()
    time.admit(a_tick(0), at(0), 0.0)

    first, second, third = a_tick(1000), a_tick(1001), a_tick(1002)

    assert time.admit(first, at(1000), 1.0) == ()
    assert time.admit(second, at(1001), 2.0) == ()
    assert time.now(2.0) == at(2)
    assert time.admit(third, at(1002), 3.0) == (first, second, third)
    assert time.now(3.0) == at(1002)
    assert time.ahead_count == 3


def test_stamps_from_the_future_that_differ_never_move_feed_time() -> None:
    time: Time = FeedTime()
    time.admit(a_tick(0), at(0), 0.0)

    for step in range(1, 50):
        assert time.admit(a_tick(0), at(1000 * step * step), step / 100) == ()

    assert time.now(1.0) == at(1)


def test_a_stamp_of_now_refutes_those_from_the_future() -> None:
    time: Time = FeedTime()
    time.admit(a_tick(0), at(0), 0.0)
    for second in (1, 2, 3, 4):
        assert time.admit(a_tick(3600 + second), at(3600 + second), second) == ()
        assert len(time.admit(a_tick(second), at(second), second)) == 1

    assert time.now(4) == at(4)
    assert time.ahead_count == 4


def test_a_tick_five_seconds_ahead_is_believed() -> None:
    time: Time = FeedTime()
    time.admit(a_tick(0), at(0), 0.0)

    assert len(time.admit(a_tick(5), at(5), 0.0)) == 1


def test_the_venues_clock_gives_the_speed_and_takes_a_false_future_back() -> None:
    time: Time = FeedTime()
    time.admit(a_tick(0), at(10_000), 0.0)

    time.venue_says(at(3), 60.0, 1.0)

    assert time.now(2.0) == at(63)


def test_what_comes_delayed_sets_feed_time_but_not_what_is_late_by_it() -> None:
    time: Time = FeedTime()
    time.admit(a_tick(0), at(0), 100.0)

    time.admit(a_tick(60), at(60), 220.0)  # a minute old: the feed was silent for two

    assert time.now(221.0) == at(61)
    assert time.latest(221.0) == at(121)


def test_after_a_silence_several_old_stamps_in_a_row_are_no_future() -> None:
    time: Time = FeedTime()
    time.admit(a_tick(0), at(0), 100.0)

    admitted = [time.admit(a_tick(at_s), at(at_s), 300.0) for at_s in (60, 120, 180)]

    assert [len(each) for each in admitted] == [1, 1, 1]


def test_the_venues_own_clock_says_what_is_late_too() -> None:
    time: Time = FeedTime()
    time.admit(a_tick(0), at(0), 100.0)
    time.venue_says(at(30), 1.0, 101.0)
    assert time.latest(101.0) == at(30)

    time.venue_says(at(11), 1.0, 102.0)
    assert time.latest(102.0) == at(11)


def test_a_bar_is_late_after_half_of_itself_or_thirty_seconds() -> None:
    time: Time = FeedTime()

    assert time.late_after(Timeframe.S5) == timedelta(seconds=2.5)
    assert time.late_after(Timeframe.H1) == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("frame_age_s", "data_age_s", "bars_count", "is_stale"),
    [
        pytest.param(9.0, 9.0, 20, False, id="frames come"),
        pytest.param(11.0, 11.0, 0, True, id="no frame at all for ten seconds"),
        pytest.param(1.0, 124.0, 20, False, id="a steady instrument may miss one bar"),
        pytest.param(1.0, 126.0, 20, True, id="a steady instrument is silent for two bars"),
        pytest.param(1.0, 9999.0, 19, False, id="an instrument that is not known to be steady"),
    ],
)
def test_when_silence_is_a_broken_feed(
    frame_age_s: float, data_age_s: float, bars_count: int, is_stale: bool
) -> None:
    newest = [a_bar(minute) for minute in range(bars_count)]

    due_s = min(frames_due_s(-frame_age_s), data_due_s(-data_age_s, M1, 1.0, newest))
    assert (due_s <= 0) is is_stale


def test_a_gap_in_the_last_bars_means_that_silence_is_usual() -> None:
    bars = [a_bar(minute) for minute in range(STEADY_COUNT + 1)]

    assert is_steady(bars)
    assert not is_steady([*bars[:-2], bars[-1]])


def test_a_fast_venue_is_missed_sooner() -> None:
    assert silence_s_max(M1, 60.0) == 7.0


def test_a_digest_knows_values_and_not_how_they_are_written() -> None:
    assert digest(a_bar(1, "100")) == digest(a_bar(1, "100.00", revision=3))
    assert len({digest(a_bar(1)), digest(a_bar(2)), digest(a_bar(1, "100.01"))}) == 3


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_stitched_bars_have_no_hole_and_no_double(past: set[int], live: set[int]) -> None:
    older = [a_bar(minute, 100) for minute in sorted(past)]
    newer = [a_bar(minute, 101) for minute in sorted(live)]

    joined = stitch(older, newer)

    assert [bar.opened_at for bar in joined] == [
        a_bar(minute).opened_at for minute in sorted(past | live)
    ]
    known = {bar.opened_at: bar for bar in joined}
    assert all(known[bar.opened_at].close == 101 for bar in newer)


def test_where_history_corrects_a_bar_it_counts_as_a_revision() -> None:
    (joined,) = stitch([a_bar(1, 100, revision=2)], [a_bar(1, 101)])

    assert (joined.close, joined.revision) == (101, 3)


def test_a_price_out_of_order_shows_its_extreme_but_never_as_the_last() -> None:
    prices = Prices(FeedTime())
    prices.tick(a_tick(10, 100))

    moved = prices.tick(a_tick(9, 90))

    assert moved is not None
    assert (moved.last, moved.low, moved.high, moved.since) == (100, 90, 100, at(9))
    assert prices.tick(a_tick(4, 50)) is None


def test_a_feed_of_bars_without_trades_still_moves_the_price() -> None:
    prices = Prices(FeedTime())

    moved = prices.bar(a_bar(0, 104))
    assert moved is not None
    assert (moved.last, moved.since, moved.happened_at) == (104, at(0), at(60))

    prices.tick(a_tick(70, 105))
    assert prices.bar(a_bar(1, 104)) is None
