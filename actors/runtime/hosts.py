"""What a runtime needs of the outside world, and how production fulfils it.

The only room where a clock is read or chance is drawn; the simulation has its own fulfilment.
"""

import asyncio
import os
import random
import time
import uuid
from datetime import UTC, datetime
from typing import Protocol

from actors.runtime.run_queue import Chance

# Counts on while the machine is suspended, where the system has such a clock.
_ELAPSED_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Host(Protocol):
    """The outside world of a runtime: a loop, two clocks, identities and chance."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where everything runs."""

    @property
    def chance(self) -> Chance | None:
        """Who orders the turns; None: they are served in order, by time budget."""

    def elapsed(self) -> float:
        """Seconds since some fixed instant, suspended time included; for ages and deadlines."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""

    def new_id(self) -> str:
        """A new identity; identities sort by the time they were made."""

    def random(self) -> float:
        """Chance in [0, 1), for jitter."""


class AsyncioHost:
    """Production: a running asyncio loop, real clocks, real chance."""

    chance: Chance | None = None

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.loop = loop if loop is not None else asyncio.get_running_loop()

    @staticmethod
    def new_loop() -> asyncio.AbstractEventLoop:
        """A new loop: uvloop's where it is installed, else asyncio's."""
        try:
            import uvloop
        except ImportError:
            return asyncio.new_event_loop()
        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        return loop

    def elapsed(self) -> float:
        """Seconds since some fixed instant, suspended time included."""
        return time.clock_gettime(_ELAPSED_CLOCK)

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)

    def new_id(self) -> str:
        """A UUID of version 7: milliseconds first, then chance."""
        return make_uuid7(time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10)))

    def random(self) -> float:
        """Chance in [0, 1)."""
        return random.random()


def make_uuid7(unix_ms: int, chance: int) -> str:
    """A UUID of version 7 (RFC 9562) of that time, with 74 bits of that chance."""
    value = (unix_ms & (1 << 48) - 1) << 80 | chance & (1 << 80) - 1
    value = value & ~(0xF << 76) | 7 << 76  # version
    value = value & ~(0x3 << 62) | 2 << 62  # variant
    return str(uuid.UUID(int=value))
