"""The strategy host: every question of a session is answered to that session, whoever decides."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from strategies.strategy_parts import a_bar, a_spec, bars, user_file

from actors.runtime import (
    Actor,
    Address,
    AsyncioHost,
    Child,
    Runtime,
    SimulationHost,
    SupervisorSpec,
    Watchdog,
)
from actors.strategy_host import (
    RUNNER_DEADLINE_S,
    CloseStrategy,
    DecideOnBar,
    OpenStrategy,
    StrategyHost,
)
from adapters.strategies.inline import InlineRunner
from adapters.strategies.process import ProcessRunner
from trader.ids import SessionId
from trader.ports import StrategyRunner
from trader.session.events import StrategyDecided, StrategyFailed, StrategyReady
from trader.session.strategy import FLAT_VIEW

NAME = "strategies"
ONE, TWO = SessionId("one"), SessionId("two")
PATIENCE_S = 20.0
FALLS_AT_13 = """
    import os
    from trader import Strategy
    class Falls(Strategy):
        def on_bar(self, ctx, bar):
            if bar.close == 13:
                {what}
            return ctx.nothing("fine")
"""


class Session(Actor):
    """Keeps what it is told."""

    def __init__(self, heard: asyncio.Queue[Any]) -> None:
        super().__init__()
        self.heard = heard

    def on_receive(self, message: Any) -> None:
        self.heard.put_nowait(message)


class Stage:
    """A strategy host and two sessions."""

    def __init__(
        self,
        runner: StrategyRunner,
        watchdog: Watchdog | None = None,
        host: SimulationHost | None = None,
    ) -> None:
        outside = host or AsyncioHost(asyncio.get_running_loop())
        self.runtime = Runtime(outside, watchdog=watchdog)
        self.heard: dict[SessionId, asyncio.Queue[Any]] = {
            ONE: asyncio.Queue(),
            TWO: asyncio.Queue(),
        }
        self.spec = SupervisorSpec(
            "root",
            (
                Child(NAME, lambda: StrategyHost(runner)),
                Child(ONE, lambda: Session(self.heard[ONE])),
                Child(TWO, lambda: Session(self.heard[TWO])),
            ),
        )

    @property
    def host(self) -> Address:
        """The strategy host's name."""
        return self.runtime.address(NAME)

    async def hears(self, session_id: SessionId) -> Any:
        """What that session is told next."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.heard[session_id].get()

    def open(self, session_id: SessionId, name: str, rebuild: int = 1) -> None:
        """Ask for a warm strategy."""
        to = self.runtime.address(session_id)
        self.host.tell(OpenStrategy(session_id, a_spec(name), bars([1]), rebuild, to))

    def decide(self, session_id: SessionId, close: int, rebuild: int = 1) -> None:
        """Ask about the next bar."""
        to = self.runtime.address(session_id)
        self.host.tell(DecideOnBar(session_id, a_bar(close, 1), FLAT_VIEW, rebuild, to))


@pytest.fixture(params=["inline", "process"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Started, with either home of strategies, and stopped afterwards."""
    runner: StrategyRunner = (
        InlineRunner()
        if request.param == "inline"
        else ProcessRunner(host_count=1, decide_deadline_s=PATIENCE_S)
    )
    stage = Stage(runner)
    await stage.runtime.start(stage.spec)
    yield stage
    await stage.runtime.stop()


async def test_a_session_that_opens_and_asks_is_told(stage: Stage) -> None:
    stage.open(ONE, "sma_cross")
    assert await stage.hears(ONE) == StrategyReady(ONE, 1)
    stage.decide(ONE, 100)
    answer = await stage.hears(ONE)
    assert isinstance(answer, StrategyDecided)
    assert answer.session_id == ONE


async def test_a_strategy_that_is_closed_is_gone(stage: Stage) -> None:
    stage.open(ONE, "sma_cross")
    await stage.hears(ONE)
    stage.host.tell(CloseStrategy(ONE))
    stage.open(TWO, "sma_cross")  # answered after the close was done
    await stage.hears(TWO)
    stage.decide(ONE, 100)
    answer = await stage.hears(ONE)
    assert isinstance(answer, StrategyFailed)
    assert answer.reason_code == "strategy_not_open"


async def test_a_host_that_crashed_serves_its_sessions_again(stage: Stage) -> None:
    stage.open(ONE, "sma_cross")
    await stage.hears(ONE)
    stage.host.tell("what nobody understands")
    stage.decide(ONE, 100)
    answer = await stage.hears(ONE)
    assert isinstance(answer, StrategyDecided)
    host = next(child for child in stage.runtime.tree().children if child.name == NAME)
    assert host.restarts_count > 0


async def test_a_session_whose_strategy_died_beside_another_is_told_unasked(
    tmp_path: Path,
) -> None:
    stage = Stage(ProcessRunner(host_count=1, decide_deadline_s=PATIENCE_S))
    await stage.runtime.start(stage.spec)
    try:
        name = str(user_file(tmp_path, FALLS_AT_13.format(what="os._exit(1)")))
        for each in (ONE, TWO):
            stage.open(each, name, rebuild=3)
            assert await stage.hears(each) == StrategyReady(each, 3)
        stage.decide(ONE, 13, rebuild=3)
        for each in (ONE, TWO):
            answer = await stage.hears(each)
            assert isinstance(answer, StrategyFailed)
            assert (answer.session_id, answer.reason_code) == (each, "strategy_host_died")
            assert (answer.rebuild, answer.must_rebuild) == (3, True)
    finally:
        await stage.runtime.stop()


async def test_the_watchdog_interrupts_an_endless_inline_strategy_and_its_session_pays(
    tmp_path: Path,
) -> None:
    stage = Stage(InlineRunner(), Watchdog(warn_after_s=0.1, interrupt_after_s=0.3))
    await stage.runtime.start(stage.spec)
    try:
        name = str(user_file(tmp_path, FALLS_AT_13.format(what="while True: pass")))
        for each in (ONE, TWO):
            stage.open(each, name)
            assert await stage.hears(each) == StrategyReady(each, 1)
        stage.decide(ONE, 13)
        stage.decide(TWO, 14)
        failed, fine = await stage.hears(ONE), await stage.hears(TWO)
        assert isinstance(failed, StrategyFailed)
        assert failed.reason_code == "strategy_raised"
        assert "HandlerStuck" in failed.detail
        assert isinstance(fine, StrategyDecided)
    finally:
        await stage.runtime.stop()


class Sleeps:
    """A runner that takes its time, as one does on a machine that was suspended."""

    def __init__(self) -> None:
        self._inner = InlineRunner()

    async def start(self, lost: object = None) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def open(self, *asked: Any) -> StrategyReady | StrategyFailed:
        await asyncio.sleep(RUNNER_DEADLINE_S + 1)
        return await self._inner.open(*asked)

    async def decide(self, *asked: Any) -> StrategyDecided | StrategyFailed:
        return await self._inner.decide(*asked)

    async def close(self, session_id: SessionId) -> None:
        pass


def test_a_strategy_that_did_not_open_in_time_is_to_be_opened_again() -> None:
    host = SimulationHost(1)

    async def day() -> StrategyFailed:
        stage = Stage(Sleeps(), host=host)
        await stage.runtime.start(stage.spec)
        stage.open(ONE, "sma_cross")
        failed: StrategyFailed = await stage.heard[ONE].get()
        await stage.runtime.stop(grace_s=1.0)
        return failed

    failed = host.loop.run_until_complete(day())

    assert (failed.reason_code, failed.must_rebuild) == ("strategy_runner_failed", True)
