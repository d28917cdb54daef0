"""Calendar jobs: called back on the loop, once, also when the instant has passed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from adapters.calendar_jobs import ApschedulerJobs

PATIENCE_S = 10.0


@pytest.fixture
async def jobs() -> AsyncIterator[ApschedulerJobs]:
    jobs = ApschedulerJobs()
    jobs.start()
    yield jobs
    jobs.stop()


@pytest.mark.parametrize("seconds", [0.05, -3600.0], ids=["soon", "slept through"])
async def test_a_job_calls_back_on_the_loop(jobs: ApschedulerJobs, seconds: float) -> None:
    called = asyncio.get_running_loop().create_future()

    def callback() -> None:
        called.set_result(asyncio.get_running_loop())

    jobs.at("open", datetime.now(UTC) + timedelta(seconds=seconds), callback)

    assert await asyncio.wait_for(called, PATIENCE_S) is asyncio.get_running_loop()


async def test_a_job_of_the_same_name_replaces_the_earlier_one(jobs: ApschedulerJobs) -> None:
    called: list[str] = []
    done = asyncio.Event()
    now = datetime.now(UTC)

    jobs.at("open", now + timedelta(seconds=0.1), lambda: called.append("first"))
    jobs.at("open", now + timedelta(seconds=0.2), lambda: called.append("second"))
    jobs.at("close", now + timedelta(seconds=0.3), done.set)
    await asyncio.wait_for(done.wait(), PATIENCE_S)

    assert called == ["second"]
