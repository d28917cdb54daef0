"""Strategies in this process keep the contract, and a rebuilt one is a fresh one."""

from collections.abc import AsyncIterator

import pytest
from contracts.strategy_runner_contract import StrategyRunnerContract
from hypothesis import given
from hypothesis import strategies as st
from strategies.strategy_parts import a_spec, bars, held, run_inline

from adapters.strategies.inline import InlineRunner
from trader.ids import SessionId
from trader.session.strategy import FLAT_VIEW

NAMES = ("sma_cross", "donchian", "mean_reversion")
CLOSES = st.lists(st.integers(95, 105), min_size=1, max_size=60)


class TestInlineRunner(StrategyRunnerContract):
    """The contract."""

    @pytest.fixture
    async def runner(self) -> AsyncIterator[InlineRunner]:
        """Started, and stopped afterwards."""
        runner = InlineRunner()
        await runner.start()
        yield runner
        await runner.stop()


@given(st.sampled_from(NAMES), CLOSES, CLOSES, st.booleans())
def test_after_a_rebuild_it_decides_as_a_freshly_restarted_one(
    name: str, past: list[int], window: list[int], is_flat: bool
) -> None:
    used, fresh, session = InlineRunner(), InlineRunner(), SessionId("s")
    view = FLAT_VIEW if is_flat else held(1)
    used.open_now(session, a_spec(name), (), 1)
    for candle in bars(past):
        used.decide_now(session, candle, view, 1)
    *history, newest = bars(window)
    for runner in (used, fresh):
        runner.open_now(session, a_spec(name), history, 2)
    assert used.decide_now(session, newest, view, 2) == fresh.decide_now(session, newest, view, 2)


@given(st.sampled_from(NAMES), CLOSES, CLOSES, CLOSES)
def test_no_future_reaches_back(
    name: str, past: list[int], one_future: list[int], another: list[int]
) -> None:
    count = len(past)
    one = run_inline(a_spec(name), bars(past + one_future))[:count]
    assert one == run_inline(a_spec(name), bars(past + another))[:count]


@given(st.sampled_from(NAMES), CLOSES)
def test_the_same_bars_give_the_same_decisions(name: str, closes: list[int]) -> None:
    assert run_inline(a_spec(name), bars(closes)) == run_inline(a_spec(name), bars(closes))
