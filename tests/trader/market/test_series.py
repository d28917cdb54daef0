"""The candle manager: what a bar is to a series, and to a session's own view of it."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_parts import a_bar, at, minutes

from trader.market.candle import Candle
from trader.market.series import (
    RECENT,
    Duplicate,
    Gap,
    New,
    Replaced,
    Series,
    SeriesCursor,
    Stale,
)


def a_cursor(*bars: int, keep: int = 10) -> SeriesCursor:
    return SeriesCursor([a_bar(minute) for minute in bars], keep)


@pytest.mark.parametrize(
    ("candle", "previous", "answer"),
    [
        pytest.param(a_bar(10), 9, New, id="the next bar is new"),
        pytest.param(a_bar(15), 9, New, id="minutes without trades are no hole"),
        pytest.param(a_bar(12), 11, Gap, id="a bar after one that was missed is a gap"),
        pytest.param(a_bar(12), None, Gap, id="a feed that begins anew after ours is a gap"),
        pytest.param(a_bar(9), 8, Duplicate, id="the same bar again is a duplicate"),
        pytest.param(a_bar(9, 101, revision=1), 8, Replaced, id="other values replace"),
        pytest.param(a_bar(5, 101, revision=1), 4, Replaced, id="the fifth last is replaceable"),
        pytest.param(a_bar(4, 101, revision=1), 3, Stale, id="the sixth last is too old"),
    ],
)
def test_what_a_bar_is_to_a_session(
    candle: Candle, previous: int | None, answer: type[object]
) -> None:
    cursor = a_cursor(*range(10))

    previous_at = None if previous is None else a_bar(previous).opened_at

    assert type(cursor.take(candle, previous_at)) is answer


def test_a_gap_is_not_taken_and_history_fills_it() -> None:
    cursor = a_cursor(1, 2)

    assert isinstance(cursor.take(a_bar(5), at(240)), Gap)
    assert minutes(cursor.window()) == [1, 2]

    cursor.extend([a_bar(2), a_bar(3), a_bar(4), a_bar(5)])
    assert minutes(cursor.window()) == [1, 2, 3, 4, 5]
    assert isinstance(cursor.take(a_bar(6), at(300)), New)


def test_an_older_revision_never_takes_a_correction_back() -> None:
    cursor = a_cursor(1, 2)
    cursor.take(a_bar(2, 105, revision=1), at(60))

    assert isinstance(cursor.take(a_bar(2, 100), at(60)), Duplicate)
    assert cursor.window()[-1].close == 105


def test_a_bar_between_two_known_ones_changes_the_past() -> None:
    cursor = a_cursor(1, 2, 4, 5)

    assert isinstance(cursor.take(a_bar(3), at(120)), Replaced)
    assert minutes(cursor.window()) == [1, 2, 3, 4, 5]
    assert isinstance(cursor.take(a_bar(6), at(300)), New)


def test_a_session_sees_only_what_it_has_taken() -> None:
    series = Series([a_bar(1), a_bar(2)], 10)
    cursor = SeriesCursor(series.window(), 10)

    series.add_or_replace(a_bar(3))
    series.add_or_replace(a_bar(2, 99, revision=1))

    assert minutes(cursor.window()) == [1, 2]
    assert cursor.window()[-1].close == 100


def test_a_strategy_without_warm_up_has_an_empty_window() -> None:
    cursor = a_cursor(1, 2, keep=0)

    assert cursor.window() == ()
    assert isinstance(cursor.take(a_bar(3), at(120)), New)


BARS = st.tuples(
    st.integers(0, 30), st.integers(1, 4), st.integers(0, 2)
)  # minute, close, revision


@given(st.lists(BARS, max_size=60), st.integers(0, 8))
def test_a_series_is_what_a_plain_dictionary_would_be(
    bars: list[tuple[int, int, int]], keep: int
) -> None:
    series = Series((), keep)
    model: dict[int, Candle] = {}

    for minute, close, revision in bars:
        candle = a_bar(minute, close, revision=revision)
        recent = sorted(model)[-RECENT:]
        answer = type(series.add_or_replace(candle))
        if not model or minute > recent[-1]:
            expected: type[object] = New
        elif minute < recent[0]:
            expected = Stale
        elif minute not in model:
            expected = Replaced
        elif revision < model[minute].revision or model[minute].same_values(candle):
            expected = Duplicate
        else:
            expected = Replaced
        assert answer is expected
        if expected in (New, Replaced) or (
            expected is Duplicate and revision >= model[minute].revision
        ):
            model[minute] = candle
        model = {m: model[m] for m in sorted(model)[-max(keep, RECENT) :]}

    assert series.window() == tuple(model[m] for m in sorted(model)[-keep:] if keep)
    assert series.newest_at == (a_bar(max(model)).opened_at if model else None)


@given(st.lists(BARS, max_size=60))
def test_new_bars_come_in_order_and_each_once(bars: list[tuple[int, int, int]]) -> None:
    series, cursor = Series((), 50), SeriesCursor((), 50)
    seen: list[datetime] = []

    for minute, close, revision in bars:
        candle = a_bar(minute, close, revision=revision)
        previous_at = series.before(candle.opened_at)
        if isinstance(series.add_or_replace(candle), Stale):
            continue
        answer = cursor.take(candle, previous_at)
        assert not isinstance(answer, Gap)
        if isinstance(answer, New):
            seen.append(candle.opened_at)

    assert seen == sorted(set(seen))
    assert cursor.window() == series.window()
