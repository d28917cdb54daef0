"""The venue's own clock: it starts somewhere, runs `speed` times as fast and never goes back."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta


class VenueClock:
    """Venue time = start + speed x host time since. It stands still while the venue is down."""

    def __init__(
        self, start: datetime, speed: float, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        self.speed = speed
        self._start = start
        self._elapsed = elapsed
        self._zero = elapsed()

    def now(self) -> datetime:
        """The venue's instant, UTC."""
        return self._start + timedelta(seconds=(self._elapsed() - self._zero) * self.speed)

    async def sleep_until(self, instant: datetime) -> None:
        """Wait for an instant of the venue; lets others run even when it has passed already."""
        rest_s = (instant - self.now()).total_seconds() / self.speed
        await asyncio.sleep(max(0.0, rest_s))


def next_boundary(at: datetime, timeframe: timedelta) -> datetime:
    """The first instant not before `at` that is a whole number of timeframes after midnight UTC."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    past = (at - midnight) % timeframe
    return at if not past else at + timeframe - past
