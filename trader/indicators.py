"""Indicators, as strategies see them: `from trader import ind`.

Made in `setup`, fed by the framework with every closed bar before `on_bar`. `value` is None until
enough bars were seen; `on_bar` is not called before every indicator is ready, hence the types.
The numbers are TA-Lib's own, one bar at a time, and floats; `Sum`, `Highest` and `Lowest` are exact
decimals, for where equal must be equal.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from operator import attrgetter
from typing import Any, cast

import numpy as np
import talib
import talib.stream

from trader.market.candle import Candle
from trader.money import ZERO

_made: ContextVar[list["Indicator"] | None] = ContextVar("_made", default=None)


@contextmanager
def collecting() -> Iterator[list["Indicator"]]:
    """For the framework: the indicators made inside, in order."""
    indicators: list[Indicator] = []
    token = _made.set(indicators)
    try:
        yield indicators
    finally:
        _made.reset(token)


class Indicator(ABC):
    """A number that follows the bars. One made outside `setup` is fed by its maker."""

    value: Any = None

    def __init__(self) -> None:
        made = _made.get()
        if made is not None:
            made.append(self)

    @property
    def is_ready(self) -> bool:
        """Whether enough bars were seen."""
        return self.value is not None

    @abstractmethod
    def update(self, bar: Candle) -> None:
        """Take the next closed bar."""


class Sum(Indicator):
    """The exact sum over the last `period` bars.

    Compare means crosswise, without a division: a / n > b / m is a * m > b * n. Exact up to 28
    digits, say prices below a million with 15 decimals over a million bars.
    """

    value: Decimal = cast(Decimal, None)

    def __init__(self, period: int, of: str = "close") -> None:
        super().__init__()
        self.period = _at_least_one(period)
        self._of = attrgetter(of)
        self._window: deque[Decimal] = deque(maxlen=self.period)
        self._is_full = False

    def update(self, bar: Candle) -> None:
        """Take the next closed bar."""
        number = self._of(bar)
        window = self._window
        if self._is_full:
            self.value += number - window[0]
            window.append(number)  # pushes the oldest out
            return
        window.append(number)
        if len(window) == self.period:
            self._is_full = True
            self.value = sum(window, ZERO)


class _Extreme(Indicator):
    """The first of a window's candidates, each of which no later bar has beaten."""

    value: Decimal = cast(Decimal, None)
    _sign = 1

    def __init__(self, period: int, of: str) -> None:
        super().__init__()
        self.period = _at_least_one(period)
        self._of = attrgetter(of)
        self._count = 0
        self._candidates: deque[tuple[int, Decimal]] = deque()

    def update(self, bar: Candle) -> None:
        """Take the next closed bar."""
        number = self._of(bar)
        candidates = self._candidates
        self._count += 1
        while candidates and (number - candidates[-1][1]) * self._sign >= 0:
            candidates.pop()
        candidates.append((self._count, number))
        if candidates[0][0] <= self._count - self.period:
            candidates.popleft()
        if self._count >= self.period:
            self.value = candidates[0][1]


class Highest(_Extreme):
    """The highest high (or what `of` names) of the last `period` bars, exact."""

    def __init__(self, period: int, of: str = "high") -> None:
        super().__init__(period, of)


class Lowest(_Extreme):
    """The lowest low (or what `of` names) of the last `period` bars, exact."""

    _sign = -1

    def __init__(self, period: int, of: str = "low") -> None:
        super().__init__(period, of)


class TaLib(Indicator):
    """Any function of TA-Lib by its name: `ind.TaLib("NATR", "high", "low", "close", ...)`.

    `inputs` name the fields of a bar, in TA-Lib's order; the rest are TA-Lib's own parameters.
    A function with several outputs gives a tuple.
    """

    def __init__(self, function: str, *inputs: str, **parameters: float) -> None:
        super().__init__()
        open_stream = getattr(talib.stream, function, None)
        if open_stream is None:
            raise ValueError(f"TA-Lib has no function {function!r}")
        self._open = open_stream
        self._inputs = [attrgetter(name) for name in inputs]
        self._parameters = parameters
        self._history: list[list[float]] = [[] for _ in inputs]
        self._update: Any = None

    def update(self, bar: Candle) -> None:
        """Take the next closed bar."""
        numbers = [float(of(bar)) for of in self._inputs]
        if self._update is not None:
            self.value = self._update(*numbers)
            return
        for column, number in zip(self._history, numbers, strict=True):
            column.append(number)
        try:
            stream = self._open(*map(np.array, self._history), **self._parameters)
        except talib.InsufficientHistory:  # type: ignore[attr-defined]
            return
        self._update, self.value = stream.update, stream.value
        self._history = []


class _OfOne(TaLib):
    """A function of one price and one period."""

    value: float = cast(float, None)

    def __init__(self, period: int, of: str = "close") -> None:
        super().__init__(type(self).__name__, of, timeperiod=period)


class SMA(_OfOne):
    """Simple moving average."""


class EMA(_OfOne):
    """Exponential moving average."""


class RSI(_OfOne):
    """Relative strength index, 0 to 100."""


class STDDEV(_OfOne):
    """Standard deviation, of the whole population of the period."""


class ROC(_OfOne):
    """Rate of change, in percent."""


class _OfRange(TaLib):
    """A function of high, low and close."""

    value: float = cast(float, None)

    def __init__(self, period: int) -> None:
        super().__init__(type(self).__name__, "high", "low", "close", timeperiod=period)


class ATR(_OfRange):
    """Average true range."""


class ADX(_OfRange):
    """Average directional movement index, 0 to 100."""


class BBANDS(TaLib):
    """Bollinger bands: the mean, and `width` standard deviations above and below it."""

    value: tuple[float, float, float] = cast(tuple[float, float, float], None)

    def __init__(self, period: int, width: float = 2.0, of: str = "close") -> None:
        super().__init__("BBANDS", of, timeperiod=period, nbdevup=width, nbdevdn=width)

    @property
    def upper(self) -> float:
        """The upper band."""
        return self.value[0]

    @property
    def middle(self) -> float:
        """The mean."""
        return self.value[1]

    @property
    def lower(self) -> float:
        """The lower band."""
        return self.value[2]


class MACD(TaLib):
    """Moving average convergence and divergence."""

    value: tuple[float, float, float] = cast(tuple[float, float, float], None)

    def __init__(self, fast: int = 12, slow: int = 26, signal: int = 9, of: str = "close") -> None:
        super().__init__("MACD", of, fastperiod=fast, slowperiod=slow, signalperiod=signal)

    @property
    def line(self) -> float:
        """Fast mean less slow mean."""
        return self.value[0]

    @property
    def signal(self) -> float:
        """The mean of the line."""
        return self.value[1]

    @property
    def histogram(self) -> float:
        """Line less signal."""
        return self.value[2]


def _at_least_one(period: int) -> int:
    if period < 1:
        raise ValueError(f"a period of {period} bars")
    return period
