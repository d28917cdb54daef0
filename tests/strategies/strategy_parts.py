"""What the tests of strategies are built from: bars, specs, files of user code, a small broker."""

import csv
import gzip
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from textwrap import dedent

import pytest

from adapters.strategies.inline import InlineRunner
from trader.ids import InstrumentId, SessionId
from trader.instants import EPOCH, Timeframe
from trader.market.candle import Candle
from trader.money import Price, Quantity
from trader.orders.order import Side
from trader.session.events import StrategyDecided, StrategyReady
from trader.session.strategy import FLAT_VIEW, Decision, StrategySpec, SubmitOrder, View

AAPL = InstrumentId("AAPL.TEST")
T0 = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
DAILY = Path(__file__).parents[2] / "adapters/sandbox/data/us_stocks_1d.csv.gz"

# Line for line what the guide and the conventions promise a newcomer.
EMA_CROSS = """\
from trader import Bar, Context, Decision, Strategy, ind

class EmaCross(Strategy):
    class Params(Strategy.Params):
        fast: int = 10
        slow: int = 30
    def setup(self, ctx: Context) -> None:              # warm-up history is fed by the framework
        self.fast, self.slow = ind.EMA(self.p.fast), ind.EMA(self.p.slow)
    def on_bar(self, ctx: Context, bar: Bar) -> Decision:
        up = self.fast.value > self.slow.value
        if up and ctx.position.is_flat:
            return ctx.buy(1, stop_ticks=40, reason="fast above slow")
        if not up and ctx.position.is_long:
            return ctx.exit(reason="fast below slow")
        return ctx.nothing("no cross")
"""


def a_bar(
    close: str | int | Decimal, at: int = 0, *, high: object = None, low: object = None
) -> Candle:
    """The minute bar number `at`, flat unless said otherwise."""
    price = Price(Decimal(close))
    top = price if high is None else Price(Decimal(str(high)))
    bottom = price if low is None else Price(Decimal(str(low)))
    opened_at = T0 + timedelta(minutes=at)
    volume = Quantity(Decimal(100))
    return Candle(AAPL, Timeframe.M1, opened_at, price, top, bottom, price, volume)


def bars(closes: Iterable[str | int | Decimal], start: int = 0) -> tuple[Candle, ...]:
    """Consecutive minute bars with these closes."""
    return tuple(a_bar(close, start + at) for at, close in enumerate(closes))


def a_spec(name: str, **params: str | int | float | bool) -> StrategySpec:
    """A strategy on AAPL."""
    return StrategySpec(name, tuple(params.items()), "AAPL", Decimal("0.01"), Decimal(1))


def held(qty: int, avg_px: str = "100") -> View:
    """A session that holds so many."""
    return View(Quantity(Decimal(qty)), Price(Decimal(avg_px)))


def user_file(folder: Path, source: str, name: str = "mine.py") -> Path:
    """A strategy file, as only its owner can write it."""
    folder.chmod(0o700)
    path = folder / name
    path.write_text(dedent(source))
    path.chmod(0o600)
    return path


def run_inline(spec: StrategySpec, candles: Sequence[Candle], *, warm: int = 0) -> list[Decision]:
    """Its decision on each bar; what it submits is filled at once."""
    runner, session = InlineRunner(), SessionId("s")
    opened = runner.open_now(session, spec, candles[:warm], 1)
    assert isinstance(opened, StrategyReady), opened
    decisions: list[Decision] = []
    view = FLAT_VIEW
    for candle in candles[warm:]:
        answer = runner.decide_now(session, candle, view, 1)
        assert isinstance(answer, StrategyDecided), answer
        decisions.append(answer.decision)
        view = after(view, answer.decision, candle)
    return decisions


def after(view: View, decision: Decision, candle: Candle) -> View:
    """The view once the decision is filled."""
    if not isinstance(decision, SubmitOrder):
        return view
    if decision.is_exit:
        return FLAT_VIEW
    sign = 1 if decision.side is Side.BUY else -1
    return View(Quantity(view.position_qty + sign * decision.qty), candle.close)


def daily_bars(symbol: str) -> tuple[Candle, ...]:
    """The shipped daily bars of one stock."""
    with gzip.open(DAILY, "rt") as file:
        return tuple(
            _candle(row, datetime.fromisoformat(row["date"]).replace(tzinfo=UTC), Timeframe.D1)
            for row in csv.DictReader(file)
            if row["symbol"] == symbol
        )


def minute_bars(name: str) -> tuple[Candle, ...]:
    """Recorded minute bars, where they lie on this machine."""
    folder = os.environ.get("MARKET_DATA_DIR")
    if not folder:
        pytest.skip("MARKET_DATA_DIR is not set: no recorded market data here")
    with gzip.open(Path(folder) / name, "rt") as file:
        return tuple(
            _candle(row, EPOCH + timedelta(milliseconds=int(row["ts"])), Timeframe.M1)
            for row in csv.DictReader(file)
        )


def _candle(row: dict[str, str], opened_at: datetime, timeframe: Timeframe) -> Candle:
    return Candle(
        AAPL,
        timeframe,
        opened_at,
        Price(Decimal(row["open"])),
        Price(Decimal(row["high"])),
        Price(Decimal(row["low"])),
        Price(Decimal(row["close"])),
        Quantity(Decimal(row["volume"])),
    )
