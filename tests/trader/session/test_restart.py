"""A living session and a freshly restarted one decide the same: nothing of a strategy is stored."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import given

from adapters.strategies.inline import InlineRunner
from tests.trader.order_parts import AAPL, SESSION, px, qty
from tests.trader.session.session_world import RULES, START
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.market.events import CandleClosed, CandlesBackfilled, SeriesOpened
from trader.session.effects import AskStrategy, Backfill, OpenStrategy
from trader.session.state import SessionState
from trader.session.step import SessionEvent, step
from trader.session.strategy import Decision, StrategySpec

WARMUP_BARS = 12
STRATEGIES = {
    "sma_cross": (("fast", 2), ("slow", 5)),
    "donchian": (("entry", 4), ("exit", 3)),
    "mean_reversion": (("period", 5), ("width", 1.0)),
}
PRICES = st.integers(90, 110).map(Decimal)
NEW = st.tuples(st.just("new"), st.just(0), PRICES)
HAPPENINGS = st.one_of(
    NEW,
    NEW,
    st.tuples(st.just("late"), st.just(0), PRICES),
    st.tuples(st.just("missed"), st.just(0), PRICES),
    st.tuples(st.just("replaced"), st.integers(0, 4), PRICES),
    st.tuples(st.just("again"), st.integers(0, 4), PRICES),
)


class Session:
    """One heart with its real strategy, and the feed's own bars, which are the truth."""

    def __init__(self, name: str, bars: list[Candle]) -> None:
        spec = StrategySpec(name, STRATEGIES[name], "AAPL", AAPL.tick, AAPL.lot)
        self.rules = replace(RULES, strategy=spec, warmup_bars=WARMUP_BARS)
        self.state = SessionState(self.rules)
        self.runner = InlineRunner()
        self.bars = bars
        self.asked: list[Candle] = []
        self.tell(SeriesOpened(AAPL.id, Timeframe.M1, tuple(bars[-WARMUP_BARS:])))

    def tell(self, event: SessionEvent) -> None:
        """Fold it, and do at once what it wants."""
        assert self.rules.strategy is not None
        for effect in step(self.state, event, 100.0):
            match effect:
                case OpenStrategy():
                    strategy = self.rules.strategy
                    candles, rebuild = effect.candles, effect.rebuild
                    self.tell(self.runner.open_now(SESSION, strategy, candles, rebuild))
                case AskStrategy():
                    self.asked.append(effect.candle)
                    candle, view, rebuild = effect.candle, effect.view, effect.rebuild
                    self.tell(self.runner.decide_now(SESSION, candle, view, rebuild))
                case Backfill():
                    missing = (b for b in self.bars if not _is_known(b, effect))
                    self.tell(CandlesBackfilled(tuple(missing), effect.after))
                case _:
                    pass

    def grow(self, close: Decimal, *, is_late: bool = False, is_told: bool = True) -> None:
        """The feed closes a bar."""
        before = self.bars[-1].opened_at
        self.bars.append(bar(len(self.bars), close))
        if is_told:
            self.tell(CandleClosed(self.bars[-1], before, is_late))

    def correct(self, back: int, close: Decimal) -> None:
        """The venue replaces one of the newest bars."""
        place = len(self.bars) - 1 - back
        old = self.bars[place]
        self.bars[place] = replace(bar(place, close), revision=old.revision + 1)
        self.tell(CandleClosed(self.bars[place], self.bars[place - 1].opened_at))

    def decide_next(self, close: Decimal) -> Decision:
        """What it decides on the next bar."""
        self.grow(close)
        assert self.asked[-1] is self.bars[-1]
        return self.state.decision


def _is_known(candle: Candle, asked: Backfill) -> bool:
    return asked.after is not None and candle.opened_at <= asked.after


def bar(number: int, close: Decimal) -> Candle:
    opened = START + timedelta(minutes=number)
    high, low = px(close + 1), px(close - 1)
    return Candle(AAPL.id, Timeframe.M1, opened, px(close), high, low, px(close), qty(1))


@pytest.mark.parametrize("name", STRATEGIES)
@given(
    first=st.lists(PRICES, min_size=WARMUP_BARS, max_size=WARMUP_BARS),
    happenings=st.lists(HAPPENINGS, max_size=25),
    last=PRICES,
)
def test_after_any_bars_the_next_decision_is_that_of_a_restarted_trader(
    name: str, first: list[Decimal], happenings: list[tuple[str, int, Decimal]], last: Decimal
) -> None:
    living = Session(name, [bar(number, close) for number, close in enumerate(first)])
    for what, back, close in happenings:
        match what:
            case "replaced":
                living.correct(back, close)
            case "again":
                place = len(living.bars) - 1 - back
                living.tell(CandleClosed(living.bars[place], living.bars[place - 1].opened_at))
            case _:
                living.grow(close, is_late=what == "late", is_told=what != "missed")
    living.grow(last)  # whatever was missed is found missing, and filled in
    restarted = Session(name, list(living.bars))

    assert living.decide_next(last) == restarted.decide_next(last)


@given(happenings=st.lists(HAPPENINGS, max_size=25))
def test_only_new_bars_in_time_are_ever_decided_on_and_each_once(
    happenings: list[tuple[str, int, Decimal]],
) -> None:
    living = Session("sma_cross", [bar(number, Decimal(100)) for number in range(WARMUP_BARS)])
    in_time = []
    for what, back, close in happenings:
        if what == "replaced":
            living.correct(back, close)
        elif what != "again":
            living.grow(close, is_late=what == "late", is_told=what != "missed")
            if what == "new":
                in_time.append(living.bars[-1].opened_at)
    asked = [each.opened_at for each in living.asked]

    assert asked == sorted(set(asked))
    assert set(asked) <= set(in_time)
