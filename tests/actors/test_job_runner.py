"""The job runner: whatever ends its worker, the jobs wait and are taken up again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from actors import job_runner
from actors.job_runner import JobRunner
from actors.runtime import Child, Runtime, SimulationHost, SupervisorSpec
from trader.errors import StoreUnavailable


@dataclass
class Worker:
    """Works until it is stopped or told to fail."""

    runs: int = 0
    fails: bool = False
    stops: int = 0
    end: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        self.runs += 1
        if self.fails:
            raise StoreUnavailable("connection refused")
        await self.end.wait()

    async def stop(self) -> None:
        self.stops += 1
        self.end.set()


def play(scenario: Callable[[Worker], Awaitable[None]]) -> Worker:
    """Run it in virtual time; the runner is stopped after it."""
    host = SimulationHost(7)

    async def staged() -> Worker:
        worker = Worker()
        runtime = Runtime(host)
        await runtime.start(
            SupervisorSpec("root", (Child(job_runner.NAME, lambda: JobRunner(worker)),))
        )
        await asyncio.sleep(0.1)
        await scenario(worker)
        await runtime.stop()
        return worker

    try:
        return host.loop.run_until_complete(staged())
    finally:
        host.loop.close()


def test_a_worker_that_lost_the_database_is_run_again_at_a_pace_and_said_once() -> None:
    async def scenario(worker: Worker) -> None:
        worker.fails = True
        worker.end.set()
        with structlog.testing.capture_logs() as log:
            await asyncio.sleep(10)
        assert 5 <= worker.runs <= 12
        assert [each["reason"] for each in log] == [
            "by itself",
            "StoreUnavailable('connection refused')",
        ]
        worker.fails = False
        worker.end.clear()
        await asyncio.sleep(2)
        runs = worker.runs
        await asyncio.sleep(10)

        assert worker.runs == runs  # it works again, undisturbed

    play(scenario)


def test_the_job_under_way_is_finished_when_the_house_closes() -> None:
    async def scenario(worker: Worker) -> None:
        assert worker.runs == 1

    worker = play(scenario)

    assert worker.stops == 1
    assert worker.runs == 1
