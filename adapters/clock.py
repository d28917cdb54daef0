"""The clock as adapters see it: one for people, one for ages and deadlines.

The runtime's host fulfils it too, so that both wings count the same seconds.
"""

import time
from datetime import UTC, datetime
from typing import Protocol

# Counts on while the machine is suspended, where the system has such a clock.
_ELAPSED_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """Two readings of time."""

    def elapsed(self) -> float:
        """Seconds since some fixed instant, suspended time included; for ages and deadlines."""

    def now(self) -> datetime:
        """The wall clock, in UTC; for people."""


class SystemClock:
    """The machine's own."""

    def elapsed(self) -> float:
        """Seconds since some fixed instant, suspended time included."""
        return time.clock_gettime(_ELAPSED_CLOCK)

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)
