"""What every home of strategies must do, wherever the strategies live."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from strategies.strategy_parts import EMA_CROSS, a_bar, a_spec, bars, daily_bars, held, user_file

from trader.ids import SessionId
from trader.ports import StrategyRunner
from trader.session.events import StrategyDecided, StrategyFailed, StrategyReady
from trader.session.strategy import FLAT_VIEW, Nothing, SubmitOrder

# Says all it knows: how many bars it saw, their sum, and what it is told of the session.
TELLS_ALL = """
    from trader import Strategy, ind

    class TellsAll(Strategy):
        def setup(self, ctx):
            self.mean, self.seen = ind.SMA(3), []
        def on_bar(self, ctx, bar):
            assert not (ctx.is_warming_up and not ctx.position.is_flat)
            self.seen.append(bar.close)
            return ctx.nothing(f"{len(self.seen)} {sum(self.seen)} {self.mean.value} "
                               f"{ctx.position.qty} {ctx.is_warming_up} {bar.opened_at}")
"""

# Raises, or answers with nonsense, when the close is 13; else it does nothing.
FALLS_AT_13 = """
    import asyncio
    from decimal import Decimal
    from trader import Strategy, Nothing, SubmitOrder, Side

    class Falls(Strategy):
        def on_bar(self, ctx, bar):
            if bar.close == 13:
                {what}
            return ctx.nothing("fine")
"""


class StrategyRunnerContract:
    """Inherit it and give a started `runner`, and a `session` that nobody else uses."""

    @pytest.fixture
    def session(self, request: pytest.FixtureRequest) -> SessionId:
        """A session of this very test."""
        return SessionId(request.node.name)

    @pytest.fixture
    def write(self, tmp_path: Path) -> Callable[[str], str]:
        """Write user code into a file of one's own; its name as a strategy."""
        return lambda source: str(user_file(tmp_path, source))

    async def test_a_warm_strategy_decides_on_the_next_bar(
        self, runner: StrategyRunner, session: SessionId
    ) -> None:
        candles = bars([100] * 20)
        assert await runner.open(session, a_spec("sma_cross"), candles, 4) == StrategyReady(
            session, 4
        )
        newest = a_bar(101, 20)
        answer = await runner.decide(session, newest, FLAT_VIEW, 4)
        assert isinstance(answer, StrategyDecided)
        assert (answer.session_id, answer.bar_opened_at) == (session, newest.opened_at)
        assert answer.rebuild == 4
        assert isinstance(answer.decision, SubmitOrder)
        assert answer.decision.qty == 1

    async def test_the_example_of_fifteen_lines_trades_as_it_stands(
        self, runner: StrategyRunner, session: SessionId, write: Callable[[str], str]
    ) -> None:
        candles = daily_bars("AAPL")[:300]
        spec = a_spec(write(EMA_CROSS), fast=5, slow=12)
        assert isinstance(await runner.open(session, spec, candles[:50], 1), StrategyReady)
        orders, view = [], FLAT_VIEW
        for candle in candles[50:]:
            answer = await runner.decide(session, candle, view, 1)
            assert isinstance(answer, StrategyDecided), answer
            if isinstance(answer.decision, SubmitOrder):
                orders.append(answer.decision)
                view = FLAT_VIEW if answer.decision.is_exit else held(1)
        assert {order.reason for order in orders} == {"fast above slow", "fast below slow"}
        assert all(order.is_exit or order.protective_stop for order in orders)

    async def test_nothing_is_decided_before_every_indicator_is_ready(
        self, runner: StrategyRunner, session: SessionId
    ) -> None:
        await runner.open(session, a_spec("sma_cross"), bars([100] * 18), 1)
        early = await runner.decide(session, a_bar(100, 18), FLAT_VIEW, 1)
        ready = await runner.decide(session, a_bar(100, 19), FLAT_VIEW, 1)
        assert isinstance(early, StrategyDecided)
        assert isinstance(ready, StrategyDecided)
        assert early.decision == Nothing("indicators are warming up")
        assert ready.decision == Nothing("means are equal")

    async def test_warm_up_shows_every_bar_with_a_flat_position_and_drops_what_is_decided(
        self, runner: StrategyRunner, session: SessionId, write: Callable[[str], str]
    ) -> None:
        await runner.open(session, a_spec(write(TELLS_ALL)), bars([1, 2, 3, 4]), 1)
        newest = a_bar(5, 4)
        answer = await runner.decide(session, newest, held(7), 1)
        assert isinstance(answer, StrategyDecided)
        # on_bar is called from the third bar on: three bars are seen, this one included
        assert answer.decision.reason == f"3 12 4.0 7 False {newest.opened_at}"

    async def test_a_strategy_rebuilt_from_the_window_decides_as_a_freshly_started_one(
        self, runner: StrategyRunner, session: SessionId, write: Callable[[str], str]
    ) -> None:
        spec, fresh = a_spec(write(TELLS_ALL)), SessionId(f"{session}-fresh")
        await runner.open(session, spec, bars([9, 9, 9, 9]), 1)
        for candle in bars([8, 7, 6], start=4):
            await runner.decide(session, candle, held(3), 1)
        window, newest = bars([5, 6, 7, 8], start=3), a_bar(9, 7)
        await runner.open(session, spec, window, 2)
        await runner.open(fresh, spec, window, 1)
        rebuilt_says = await runner.decide(session, newest, FLAT_VIEW, 2)
        fresh_says = await runner.decide(fresh, newest, FLAT_VIEW, 1)
        assert isinstance(rebuilt_says, StrategyDecided)
        assert isinstance(fresh_says, StrategyDecided)
        assert rebuilt_says.decision == fresh_says.decision

    async def test_what_comes_later_cannot_change_what_was_decided(
        self, runner: StrategyRunner, session: SessionId, write: Callable[[str], str]
    ) -> None:
        name = write(TELLS_ALL)
        said = []
        for future in ([50, 60, 70], [3, 2, 1]):
            twin = SessionId(f"{session}-{future}")
            await runner.open(twin, a_spec(name), bars([1, 2, 3]), 1)
            now = await runner.decide(twin, a_bar(4, 3), FLAT_VIEW, 1)
            for candle in bars(future, start=4):
                await runner.decide(twin, candle, FLAT_VIEW, 1)
            assert isinstance(now, StrategyDecided)
            said.append(now.decision)
        assert said[0] == said[1]

    @pytest.mark.parametrize(
        "what",
        [
            pytest.param("raise ValueError('unlucky')", id="an exception"),
            pytest.param("raise SystemExit(3)", id="a wish to end the process"),
            pytest.param("raise asyncio.CancelledError", id="a cancellation"),
            pytest.param("raise KeyboardInterrupt", id="an interrupt"),
        ],
    )
    async def test_a_raising_strategy_costs_its_own_bar_and_nobody_else_anything(
        self,
        runner: StrategyRunner,
        session: SessionId,
        write: Callable[[str], str],
        what: str,
    ) -> None:
        spec, other = a_spec(write(FALLS_AT_13.format(what=what))), SessionId(f"{session}-other")
        for each in (session, other):
            await runner.open(each, spec, bars([100]), 1)
        unlucky, lucky = a_bar(13, 1), a_bar(14, 1)
        failed, fine = await asyncio.gather(
            runner.decide(session, unlucky, FLAT_VIEW, 1), runner.decide(other, lucky, FLAT_VIEW, 1)
        )
        assert isinstance(failed, StrategyFailed)
        assert failed.reason_code == "strategy_raised"
        assert (failed.session_id, failed.bar_opened_at) == (session, unlucky.opened_at)
        assert failed.must_rebuild
        assert "mine.py:" in failed.detail
        assert isinstance(fine, StrategyDecided)

    async def test_a_bar_it_raised_on_does_not_keep_it_from_being_rebuilt(
        self, runner: StrategyRunner, session: SessionId, write: Callable[[str], str]
    ) -> None:
        spec = a_spec(write(FALLS_AT_13.format(what="raise ValueError")))
        ready = await runner.open(session, spec, bars([100, 13, 100]), 2)
        assert ready == StrategyReady(session, 2)

    @pytest.mark.parametrize(
        ("what", "says"),
        [
            pytest.param("return None", "no decision", id="no answer"),
            pytest.param("return 'buy'", "no decision", id="a word"),
            pytest.param("return Nothing('')", "reason", id="no reason"),
            pytest.param("return ctx.buy(float('nan'), reason='r')", "finite", id="NaN"),
            pytest.param("return ctx.buy(1, limit=float('inf'), reason='r')", "finite", id="inf"),
            pytest.param("return SubmitOrder(Side.BUY, -1, 'r')", "above zero", id="negative"),
            pytest.param("return SubmitOrder('HOLD', 1, 'r')", "side", id="an unknown side"),
        ],
    )
    async def test_nonsense_is_a_bad_decision_and_the_strategy_lives_on(
        self,
        runner: StrategyRunner,
        session: SessionId,
        write: Callable[[str], str],
        what: str,
        says: str,
    ) -> None:
        await runner.open(session, a_spec(write(FALLS_AT_13.format(what=what))), bars([1]), 1)
        failed = await runner.decide(session, a_bar(13, 1), FLAT_VIEW, 1)
        assert isinstance(failed, StrategyFailed)
        assert (failed.reason_code, failed.must_rebuild) == ("bad_decision", False)
        assert says in failed.detail
        assert isinstance(await runner.decide(session, a_bar(14, 2), FLAT_VIEW, 1), StrategyDecided)

    async def test_floats_of_user_code_arrive_as_decimals(
        self, runner: StrategyRunner, session: SessionId, write: Callable[[str], str]
    ) -> None:
        what = "return ctx.buy(0.1, limit=12.345, stop=11.111, reason='r')"
        await runner.open(session, a_spec(write(FALLS_AT_13.format(what=what))), bars([1]), 1)
        answer = await runner.decide(session, a_bar(13, 1), FLAT_VIEW, 1)
        assert isinstance(answer, StrategyDecided)
        order = answer.decision
        assert isinstance(order, SubmitOrder)
        assert [str(order.qty), str(order.price), str(order.protective_stop)] == [
            "0.1",
            "12.34",
            "11.12",
        ]

    async def test_a_strategy_nobody_knows_is_not_loaded_and_the_known_ones_are_named(
        self, runner: StrategyRunner, session: SessionId
    ) -> None:
        answer = await runner.open(session, a_spec("sma_corss"), bars([1]), 1)
        assert isinstance(answer, StrategyFailed)
        assert (answer.reason_code, answer.must_rebuild) == ("strategy_not_loaded", False)
        assert "sma_cross" in answer.detail

    async def test_every_bad_parameter_is_named_at_once(
        self, runner: StrategyRunner, session: SessionId
    ) -> None:
        answer = await runner.open(session, a_spec("sma_cross", fats=3, qty="lots"), bars([1]), 1)
        assert isinstance(answer, StrategyFailed)
        assert answer.reason_code == "strategy_not_loaded"
        assert "fats" in answer.detail
        assert "qty" in answer.detail
        assert "known: fast, slow, qty" in answer.detail

    async def test_a_strategy_that_cannot_be_set_up_is_not_tried_again(
        self, runner: StrategyRunner, session: SessionId, write: Callable[[str], str]
    ) -> None:
        source = """
            from trader import Strategy
            class Broken(Strategy):
                def setup(self, ctx):
                    self.mena = missing
                def on_bar(self, ctx, bar):
                    return ctx.nothing("r")
        """
        answer = await runner.open(session, a_spec(write(source)), bars([1]), 1)
        assert isinstance(answer, StrategyFailed)
        assert (answer.reason_code, answer.must_rebuild) == ("strategy_raised", False)
        assert "NameError: name 'missing'" in answer.detail

    async def test_a_strategy_that_raises_on_every_bar_of_its_warm_up_never_opens(
        self, runner: StrategyRunner, session: SessionId, write: Callable[[str], str]
    ) -> None:
        source = """
            from trader import Strategy
            class Typo(Strategy):
                def on_bar(self, ctx, bar):
                    return ctx.nothin("r")
        """
        answer = await runner.open(session, a_spec(write(source)), bars([1, 2, 3]), 1)
        assert isinstance(answer, StrategyFailed)
        assert (answer.reason_code, answer.must_rebuild) == ("strategy_raised", False)
        assert "nothin" in answer.detail

    async def test_what_is_not_open_or_was_opened_anew_is_not_asked(
        self, runner: StrategyRunner, session: SessionId
    ) -> None:
        unknown = await runner.decide(session, a_bar(1), FLAT_VIEW, 1)
        await runner.open(session, a_spec("sma_cross"), bars([1]), 2)
        older = await runner.decide(session, a_bar(1, 1), FLAT_VIEW, 1)
        await runner.close(session)
        closed = await runner.decide(session, a_bar(1, 1), FLAT_VIEW, 2)
        for answer in (unknown, older, closed):
            assert isinstance(answer, StrategyFailed)
            assert (answer.reason_code, answer.must_rebuild) == ("strategy_not_open", True)

    async def test_many_sessions_asked_at_once_each_get_their_own_answer(
        self, runner: StrategyRunner, session: SessionId, write: Callable[[str], str]
    ) -> None:
        spec, newest = a_spec(write(TELLS_ALL)), a_bar(5, 3)
        sessions = [SessionId(f"{session}-{number}") for number in range(40)]
        for each in sessions:
            await runner.open(each, spec, bars([1, 2, 3]), 1)
        answers = await asyncio.gather(
            *(runner.decide(each, newest, held(qty), 1) for qty, each in enumerate(sessions))
        )
        for qty, (each, answer) in enumerate(zip(sessions, answers, strict=True)):
            assert isinstance(answer, StrategyDecided)
            assert answer.session_id == each
            assert answer.decision.reason.split()[3] == str(qty)
