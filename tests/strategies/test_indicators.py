"""Indicators: TA-Lib's own numbers, one bar at a time; exact where equal must be equal."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st
from strategies.strategy_parts import a_bar, bars, daily_bars

from trader import ind

PRICES = st.lists(st.decimals(min_value="0.01", max_value="99999", places=2), max_size=60)


@pytest.mark.parametrize(
    ("made", "batch"),
    [
        pytest.param(ind.SMA(10), lambda h, l, c: talib.SMA(c, 10), id="SMA"),  # noqa: E741
        pytest.param(ind.EMA(10), lambda h, l, c: talib.EMA(c, 10), id="EMA"),  # noqa: E741
        pytest.param(ind.EMA(5, of="high"), lambda h, l, c: talib.EMA(h, 5), id="EMA of highs"),  # noqa: E741
        pytest.param(ind.RSI(14), lambda h, l, c: talib.RSI(c, 14), id="RSI"),  # noqa: E741
        pytest.param(ind.ROC(5), lambda h, l, c: talib.ROC(c, 5), id="ROC"),  # noqa: E741
        pytest.param(ind.STDDEV(20), lambda h, l, c: talib.STDDEV(c, 20), id="STDDEV"),  # noqa: E741
        pytest.param(ind.ATR(14), talib.ATR, id="ATR"),
        pytest.param(ind.ADX(14), talib.ADX, id="ADX"),
        pytest.param(ind.TaLib("NATR", "high", "low", "close"), talib.NATR, id="any other"),
        pytest.param(
            ind.BBANDS(20, 2.0),
            lambda h, l, c: talib.BBANDS(c, 20, 2.0, 2.0),  # noqa: E741
            id="BBANDS",
        ),
        pytest.param(ind.MACD(12, 26, 9), lambda h, l, c: talib.MACD(c, 12, 26, 9), id="MACD"),  # noqa: E741
    ],
)
def test_bar_by_bar_it_says_what_ta_lib_says_of_the_whole_series(made: Any, batch: Any) -> None:
    candles = daily_bars("AAPL")[:200]
    columns = [
        np.array([float(getattr(candle, field)) for candle in candles])
        for field in ("high", "low", "close")
    ]
    expected = np.atleast_2d(np.array(batch(*columns))).T
    for candle, row in zip(candles, expected, strict=True):
        made.update(candle)
        if np.isnan(row).any():
            assert made.value is None
        else:
            assert np.atleast_1d(made.value).tolist() == row.tolist()
    assert made.is_ready


def test_the_parts_of_bands_and_macd_have_names() -> None:
    bands, macd = ind.BBANDS(5), ind.MACD(2, 4, 3)
    for candle in daily_bars("IBM")[:50]:
        bands.update(candle)
        macd.update(candle)
    assert bands.lower < bands.middle < bands.upper
    assert macd.histogram == pytest.approx(macd.line - macd.signal)


@given(PRICES, st.integers(1, 20))
def test_a_sum_is_exact_to_the_last_digit(prices: list[Decimal], period: int) -> None:
    total = ind.Sum(period)
    for count, candle in enumerate(bars(prices), 1):
        total.update(candle)
        expected = sum(prices[count - period : count]) if count >= period else None
        assert total.value == expected


@given(PRICES, st.integers(1, 20))
def test_highest_and_lowest_are_those_of_the_last_bars(prices: list[Decimal], period: int) -> None:
    highest, lowest = ind.Highest(period), ind.Lowest(period)
    for count, candle in enumerate(bars(prices), 1):
        highest.update(candle)
        lowest.update(candle)
        window = prices[count - period : count] if count >= period else []
        assert highest.value == max(window, default=None)
        assert lowest.value == min(window, default=None)


def test_highest_looks_at_highs_and_lowest_at_lows_unless_told_otherwise() -> None:
    made = [ind.Highest(1), ind.Lowest(1), ind.Highest(1, of="close"), ind.Lowest(1, of="close")]
    for indicator in made:
        indicator.update(a_bar(100, high=105, low=95))
    assert [indicator.value for indicator in made] == [105, 95, 100, 100]


def test_a_period_of_no_bars_is_refused() -> None:
    for kind in (ind.Sum, ind.Highest, ind.Lowest):
        with pytest.raises(ValueError, match="period"):
            kind(0)


def test_an_unknown_function_of_ta_lib_is_named() -> None:
    with pytest.raises(ValueError, match="'SMAA'"):
        ind.TaLib("SMAA", "close")
