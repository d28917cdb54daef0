"""The three strategies that come with the house, against slow and obvious ones."""

import os
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies.strategy_parts import (
    a_spec,
    bars,
    daily_bars,
    minute_bars,
    run_inline,
)

from trader.market.candle import Candle
from trader.money import plain
from trader.session.strategy import Decision, Nothing, SubmitOrder

GOLDEN = Path(__file__).parent / "golden"

# few different prices, so that equal means, equal highs and flat stretches are frequent
CLOSES = st.lists(st.integers(98, 102), min_size=0, max_size=80)


def verb(decision: Decision) -> str:
    """Buy, exit, or a dash."""
    if isinstance(decision, SubmitOrder):
        return "exit" if decision.is_exit else "buy"
    assert isinstance(decision, Nothing)
    return "-"


def verbs(decisions: list[Decision]) -> list[str]:
    """What it did, bar by bar."""
    return [verb(decision) for decision in decisions]


def expected(count: int, wants: Callable[[int, bool], str]) -> list[str]:
    """Bar by bar what a strategy does that wants this at a bar, flat or not."""
    said, is_flat = [], True
    for at in range(count):
        want = wants(at, is_flat)
        said.append(want)
        is_flat = want == "exit" or (is_flat and want != "buy")
    return said


@given(CLOSES)
def test_sma_cross_is_long_while_the_fast_mean_is_truly_above_the_slow_one(
    closes: list[int],
) -> None:
    def wants(at: int, is_flat: bool) -> str:
        if at < 19:
            return "-"
        fast = Fraction(sum(closes[at - 9 : at + 1]), 10)
        slow = Fraction(sum(closes[at - 19 : at + 1]), 20)
        if fast > slow and is_flat:
            return "buy"
        return "exit" if fast < slow and not is_flat else "-"

    decisions = run_inline(a_spec("sma_cross"), bars(closes))
    assert verbs(decisions) == expected(len(closes), wants)


@given(CLOSES)
def test_donchian_buys_above_the_channel_of_the_bars_before_and_sells_below_it(
    closes: list[int],
) -> None:
    def wants(at: int, is_flat: bool) -> str:
        if at < 5:
            return "-"
        if is_flat and closes[at] > max(closes[at - 5 : at]):
            return "buy"
        return "exit" if not is_flat and closes[at] < min(closes[at - 3 : at]) else "-"

    decisions = run_inline(a_spec("donchian", entry=5, exit=3), bars(closes))
    assert verbs(decisions) == expected(len(closes), wants)


@given(CLOSES)
def test_mean_reversion_buys_far_below_the_mean_and_sells_back_at_it(closes: list[int]) -> None:
    def wants(at: int, is_flat: bool) -> str:
        if at < 4:
            return "-"
        window = closes[at - 4 : at + 1]
        mean, far = fmean(window), 1.5 * pstdev(window)
        if is_flat and mean - closes[at] > far + 1e-9:
            return "buy"
        return "exit" if not is_flat and closes[at] >= mean - 1e-9 else "-"

    decisions = run_inline(a_spec("mean_reversion", period=5, width=1.5), bars(closes))
    assert verbs(decisions) == expected(len(closes), wants)


def test_a_donchian_entry_carries_its_stop_at_the_lower_edge_of_the_channel() -> None:
    closes = [100, 95, 97, 99, 98, 101]
    *_, entry = run_inline(a_spec("donchian", entry=5, exit=3), bars(closes))
    assert isinstance(entry, SubmitOrder)
    assert entry.protective_stop == 97


def test_a_mean_reversion_entry_carries_its_stop_a_fraction_below_the_close() -> None:
    *_, entry = run_inline(a_spec("mean_reversion", period=5, width=1.5), bars([9, 9, 9, 9, 8]))
    assert isinstance(entry, SubmitOrder)
    assert entry.protective_stop == Decimal("7.60")


def test_a_price_that_stands_still_is_never_far_from_its_mean() -> None:
    for price in ("0.1", "123.45", "1e-5", "99999.99"):
        decisions = run_inline(a_spec("mean_reversion"), bars([price] * 100))
        assert set(verbs(decisions)) == {"-"}


def test_equal_means_of_real_bars_are_equal_and_decide_nothing() -> None:
    candles = minute_bars("spy_1m_2013-10.csv.gz")
    decisions = run_inline(a_spec("sma_cross"), candles)
    equal = [decision for decision in decisions if decision.reason == "means are equal"]
    assert len(equal) == 20  # in binary floats 17 of these trade


@pytest.mark.parametrize(
    ("name", "symbol"),
    [("sma_cross", "AAPL"), ("donchian", "IBM"), ("mean_reversion", "MSFT")],
)
def test_the_decisions_on_the_shipped_daily_bars_are_those_reviewed(name: str, symbol: str) -> None:
    candles = daily_bars(symbol)
    text = "".join(transcript(candles, run_inline(a_spec(name), candles)))
    path = GOLDEN / f"{name}_{symbol}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def transcript(candles: tuple[Candle, ...], decisions: list[Decision]) -> list[str]:
    """One line for each decision that wants something."""
    lines = []
    for candle, decision in zip(candles, decisions, strict=True):
        if isinstance(decision, SubmitOrder):
            stop = decision.protective_stop
            words = [
                f"{candle.opened_at:%Y-%m-%d}",
                verb(decision),
                plain(decision.qty),
                f"at {plain(candle.close)}",
                f"stop {plain(stop)}" if stop else "no stop",
                decision.reason,
            ]
            lines.append(" | ".join(words) + "\n")
    return lines
