"""Whose request goes next: exits and cancels first, entries after them, questions last.

Keeps below the venue's rate limit as its own headers tell it, and holds a reserve of the limit and
of the connections that only exits and cancels may use.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import IntEnum
from itertools import count

from adapters.clock import Clock

LOOK_AGAIN_S_MIN = 0.001
RESERVE_FRACTION = 0.1  # of the minute's requests and of the connections, kept for exits
PAUSE_S_MIN = 1.0  # after a 429; also how often an exit tries while the others wait
PAUSE_S_MAX = 60.0  # the venue's window


class NoTurn(Exception):
    """The rate limit left no turn in time; nothing was sent."""


class Urgency(IntEnum):
    """The smaller goes first."""

    EXIT = 0  # also cancels
    ENTRY = 1
    QUESTION = 2


class Turns:
    """A token bucket with a priority queue before it."""

    def __init__(self, clock: Clock, *, per_minute: int, in_flight_max: int) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._in_flight_max = in_flight_max
        self._tokens = float(per_minute)
        self._refilled_s = clock.elapsed()
        self._in_flight = 0
        self._exits_from_s = self._others_from_s = self._refilled_s
        self._queue: list[tuple[Urgency, int, asyncio.Future[None]]] = []
        self._arrivals = count()
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(self, urgency: Urgency, wait_s_max: float) -> AsyncIterator[None]:
        """Hold a turn. Raises NoTurn when none came in time."""
        if self._queue or not self._may_go(urgency):
            await self._wait(urgency, wait_s_max)
        else:
            self._go()
        try:
            yield
        finally:
            self._give_back()

    def learn(self, status: int, headers: Mapping[str, str]) -> None:
        """Take over what the venue says about its limit, in a reply to a request in flight."""
        limit = _whole(headers.get("X-RateLimit-Limit"))
        remaining = _whole(headers.get("X-RateLimit-Remaining"))
        if limit:
            self._per_minute = limit
        if remaining is not None:
            # The others in flight may not have been counted by the venue yet.
            self._tokens = float(max(0, remaining - (self._in_flight - 1)))
            self._refilled_s = self._clock.elapsed()
        if status == 429:
            pause_s = _whole(headers.get("Retry-After"))
            reset = _whole(headers.get("X-RateLimit-Reset"))
            if pause_s is None and reset is not None:
                pause_s = reset - int(self._clock.now().timestamp())
            now_s = self._clock.elapsed()
            self._others_from_s = now_s + min(max(pause_s or 0, PAUSE_S_MIN), PAUSE_S_MAX)
            # An exit does not sit out a long pause: asking costs at worst another 429.
            self._exits_from_s = now_s + PAUSE_S_MIN

    async def _wait(self, urgency: Urgency, wait_s_max: float) -> None:
        waiter = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (urgency, next(self._arrivals), waiter))
        self._serve()
        try:
            async with asyncio.timeout(wait_s_max):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self._give_back()  # the turn came in the very moment of giving up
            if isinstance(error, TimeoutError):
                raise NoTurn(f"no turn within {wait_s_max} s") from None
            raise

    def _go(self) -> None:
        self._tokens -= 1
        self._in_flight += 1

    def _give_back(self) -> None:
        self._in_flight -= 1
        self._serve()

    def _serve(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._queue:
            urgency, _, waiter = self._queue[0]
            if waiter.done():  # gave up
                heapq.heappop(self._queue)
            elif self._may_go(urgency):
                heapq.heappop(self._queue)
                self._go()
                waiter.set_result(None)
            else:
                wait_s = self._wait_s(urgency)
                if wait_s > 0:  # else it waits for a connection: `_give_back` comes here again
                    # A wait below a clock's resolution would come back here at the same instant.
                    delay_s = max(wait_s, LOOK_AGAIN_S_MIN)
                    self._timer = asyncio.get_running_loop().call_later(delay_s, self._serve)
                return

    def _may_go(self, urgency: Urgency) -> bool:
        reserve = 0 if urgency is Urgency.EXIT else int(self._in_flight_max * RESERVE_FRACTION)
        return self._in_flight < self._in_flight_max - reserve and self._wait_s(urgency) <= 0

    def _wait_s(self, urgency: Urgency) -> float:
        """Seconds until rate and pause allow it."""
        now_s = self._clock.elapsed()
        per_s = self._per_minute / 60
        self._tokens = min(
            float(self._per_minute), self._tokens + (now_s - self._refilled_s) * per_s
        )
        self._refilled_s = now_s
        if urgency is Urgency.EXIT:
            needed, from_s = 1.0, self._exits_from_s
        else:
            needed, from_s = 1 + self._per_minute * RESERVE_FRACTION, self._others_from_s
        return max((needed - self._tokens) / per_s, from_s - now_s)


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
