"""Strategies in host processes keep the contract, and what they break is theirs alone."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent

import pytest
import pytest_asyncio
import structlog
from contracts.strategy_runner_contract import FALLS_AT_13, TELLS_ALL, StrategyRunnerContract
from strategies.strategy_parts import a_bar, a_spec, bars, user_file

from adapters.strategies.process import STRIKES_MAX, ProcessRunner
from trader.ids import SessionId
from trader.session.events import StrategyDecided, StrategyFailed, StrategyReady
from trader.session.strategy import FLAT_VIEW

PATIENCE_S = 20.0  # how long a test waits for what must come
CULPRIT, NEIGHBOUR, IDLE = SessionId("culprit"), SessionId("neighbour"), SessionId("idle")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def running(
    *,
    host_count: int = 1,
    decide_deadline_s: float = PATIENCE_S,
    lost: Callable[[StrategyFailed], None] | None = None,
) -> AsyncIterator[ProcessRunner]:
    """A started runner, stopped afterwards."""
    runner = ProcessRunner(host_count=host_count, decide_deadline_s=decide_deadline_s)
    await runner.start(lost)
    try:
        yield runner
    finally:
        await runner.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runner() -> AsyncIterator[ProcessRunner]:
    """Two hosts that the tests of the contract share. Nothing there is about lateness."""
    async with running(host_count=2) as runner:
        yield runner


class TestProcessRunner(StrategyRunnerContract):
    """The contract."""


async def until(condition: Callable[[], bool]) -> None:
    """Look again until it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 (another process does not set our events)
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether that process runs (one that ended but was not yet waited for does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def spare_is_warm(runner: ProcessRunner) -> None:
    """Wait until the spare waits too."""
    await until(lambda: len(runner.host_pids) == 2)


async def timed(answer: Awaitable[object]) -> tuple[object, float]:
    """The answer, and after how many seconds it came."""
    loop = asyncio.get_running_loop()
    asked_s = loop.time()
    return await answer, loop.time() - asked_s


def falls(folder: Path, what: str) -> str:
    """The name of a strategy that does this when the close is 13."""
    return str(user_file(folder, FALLS_AT_13.format(what=what)))


async def test_a_strategy_that_never_ends_is_replaced_within_a_second(tmp_path: Path) -> None:
    lost: list[StrategyFailed] = []
    endless, tells = falls(tmp_path, "while True: pass"), user_file(tmp_path, TELLS_ALL, "t.py")
    async with running(lost=lost.append, decide_deadline_s=0.25) as runner:
        await spare_is_warm(runner)
        (stuck_pid, spare_pid) = runner.host_pids
        await runner.open(CULPRIT, a_spec(endless), bars([1]), 1)
        for each in (NEIGHBOUR, IDLE):
            await runner.open(each, a_spec(str(tells)), bars([1, 2, 3]), 5)

        (late, took_s), neighbour = await asyncio.gather(
            timed(runner.decide(CULPRIT, a_bar(13, 1), FLAT_VIEW, 1)),
            runner.decide(NEIGHBOUR, a_bar(4, 3), FLAT_VIEW, 5),
        )
        assert isinstance(late, StrategyFailed)
        assert (late.reason_code, late.must_rebuild) == ("strategy_late", True)
        assert took_s < 1.0
        assert isinstance(neighbour, StrategyFailed)
        assert (neighbour.reason_code, neighbour.must_rebuild) == ("strategy_host_died", True)
        assert [(each.session_id, each.rebuild, each.must_rebuild) for each in lost] == [
            (IDLE, 5, True)
        ]
        again, took_s = await timed(runner.open(NEIGHBOUR, a_spec(str(tells)), bars([1, 2, 3]), 6))
        assert again == StrategyReady(NEIGHBOUR, 6)
        assert took_s < 1.0
        assert runner.host_pids[0] == spare_pid
        decided = await runner.decide(NEIGHBOUR, a_bar(4, 3), FLAT_VIEW, 6)
        assert isinstance(decided, StrategyDecided)
        await until(lambda: not is_alive(stuck_pid))


async def test_a_strategy_that_ends_its_process_is_named_and_the_house_goes_on(
    tmp_path: Path,
) -> None:
    crash = falls(tmp_path, "import os; os._exit(9)")
    async with running() as runner:
        await spare_is_warm(runner)
        await runner.open(CULPRIT, a_spec(crash), bars([1]), 1)
        died = await runner.decide(CULPRIT, a_bar(13, 1), FLAT_VIEW, 1)
        assert isinstance(died, StrategyFailed)
        assert (died.reason_code, died.must_rebuild) == ("strategy_host_died", True)
        assert await runner.open(CULPRIT, a_spec(crash), bars([1]), 2) == StrategyReady(CULPRIT, 2)


async def test_a_strategy_that_ends_one_host_after_the_other_is_barred(tmp_path: Path) -> None:
    crash = a_spec(falls(tmp_path, "import os; os._exit(9)"))
    async with running() as runner:
        for rebuild in range(STRIKES_MAX):
            ready = await runner.open(CULPRIT, crash, bars([1]), rebuild)
            assert isinstance(ready, StrategyReady)
            await runner.decide(CULPRIT, a_bar(13, 1), FLAT_VIEW, rebuild)
        barred = await runner.open(CULPRIT, crash, bars([1]), 9)
        assert isinstance(barred, StrategyFailed)
        assert (barred.reason_code, barred.must_rebuild) == ("strategy_barred", False)
        assert isinstance(
            await runner.open(NEIGHBOUR, a_spec("sma_cross"), bars([1]), 1), StrategyReady
        )


async def test_a_deadline_is_for_ones_own_turn_not_for_the_queue_before_it(tmp_path: Path) -> None:
    slow = a_spec(falls(tmp_path, "import time; time.sleep(0.1)"))
    sessions = [SessionId(str(number)) for number in range(8)]
    async with running(decide_deadline_s=0.5) as runner:
        for each in sessions:
            await runner.open(each, slow, bars([1]), 1)
        answers, took_s = await timed(
            asyncio.gather(*(runner.decide(s, a_bar(13, 1), FLAT_VIEW, 1) for s in sessions))
        )
        assert took_s > 0.5
        assert isinstance(answers, list)
        assert all(isinstance(answer, StrategyDecided) for answer in answers)


async def test_what_a_strategy_prints_is_a_line_of_the_log(tmp_path: Path) -> None:
    prints = falls(tmp_path, "print('thirteen\\nis', 'unlucky')")
    with structlog.testing.capture_logs() as logs:
        async with running() as runner:
            await runner.open(CULPRIT, a_spec(prints), bars([1]), 1)
            await runner.decide(CULPRIT, a_bar(13, 1), FLAT_VIEW, 1)
    said = [log["text"] for log in logs if log["event"] == "strategy_output"]
    assert said == ["thirteen", "is unlucky"]


async def test_a_strategy_sees_no_secret_of_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://canary")
    looks = falls(tmp_path, "import os; return ctx.nothing(repr(sorted(os.environ)))")
    async with running() as runner:
        await runner.open(CULPRIT, a_spec(looks), bars([1]), 1)
        answer = await runner.decide(CULPRIT, a_bar(13, 1), FLAT_VIEW, 1)
    assert isinstance(answer, StrategyDecided)
    assert "PATH" in answer.decision.reason
    assert "DATABASE_URL" not in answer.decision.reason


async def test_hosts_end_with_a_daemon_that_is_killed_even_in_the_middle_of_a_loop(
    tmp_path: Path,
) -> None:
    endless = falls(tmp_path, "while True: pass")
    daemon = f"""
        import asyncio
        from adapters.strategies.process import ProcessRunner
        from strategies.strategy_parts import a_bar, a_spec, bars
        from trader.session.strategy import FLAT_VIEW

        async def main():
            runner = ProcessRunner(host_count=1, decide_deadline_s=600)
            await runner.start()
            while len(runner.host_pids) < 2:
                await asyncio.sleep(0.01)
            await runner.open("s", a_spec({endless!r}), bars([1]), 1)
            asked = asyncio.create_task(runner.decide("s", a_bar(13, 1), FLAT_VIEW, 1))
            await asyncio.sleep(0.1)
            print(*runner.host_pids, flush=True)
            await asked

        asyncio.run(main())
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        dedent(daemon),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        pids = [int(pid) for pid in (await process.stdout.readline()).split()]
    assert len(pids) == 2
    assert all(map(is_alive, pids))
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await until(lambda: not any(map(is_alive, pids)))


async def test_a_stopped_runner_leaves_no_process_behind() -> None:
    async with running(host_count=2) as runner:
        pids = runner.host_pids
        assert all(map(is_alive, pids))
    assert not any(map(is_alive, pids))
    assert runner.host_pids == ()
