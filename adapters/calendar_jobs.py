"""Calendar jobs by APScheduler: at an instant of the wall clock, call back. Nothing else.

Fulfils `trader.ports.CalendarJobs`. A job that the machine slept through runs once on waking
(`misfire_grace_time=None`, `coalesce=True`); nothing is kept over a restart.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler


class ApschedulerJobs:
    """Start it on the running loop; the callbacks are called on that loop."""

    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True}
        )

    def start(self) -> None:
        """Begin to keep time."""
        self._scheduler.start()

    def stop(self) -> None:
        """Forget every job."""
        self._scheduler.shutdown(wait=False)

    def at(self, name: str, instant: datetime, callback: Callable[[], None]) -> None:
        """Call back then, or at once where it has passed; replaces the job of that name."""
        self._scheduler.add_job(
            _call, "date", args=(callback,), run_date=instant, id=name, replace_existing=True
        )


async def _call(callback: Callable[[], None]) -> None:
    """A coroutine, because APScheduler calls plain functions in a thread."""
    callback()
