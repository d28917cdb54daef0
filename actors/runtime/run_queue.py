"""The run-queue: which name is served next, urgent ones first, in slices that leave room for I/O.

Both are needed (measured): the urgent lane saves the fills from a burst of bars, the budget saves
the sockets.  Owns: the order of turns, and the meeting point with the watchdog's thread.
"""

import ctypes
import threading
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Protocol, TypeVar

from actors.runtime.messages import Lane

T = TypeVar("T")


class HandlerStuck(BaseException):
    """The watchdog interrupted this handler: it held the loop for too long."""


class Named(Protocol):
    """Who is called."""

    name: str


class Runnable(Named, Protocol):
    """What can be given a turn."""

    in_urgent: bool
    in_market: bool

    def turn(self) -> None:
        """Serve one message or one order."""


class Chance(Protocol):
    """How a simulation orders turns."""

    def pick(self, ready: Sequence[Runnable]) -> int:
        """Which of those ready is served next."""

    def is_alone(self) -> bool:
        """Whether nothing else could happen between this turn and the next."""


class RunQueue:
    """Gives turns to whoever has something to do, one at a time, on the loop's thread."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        budget_s: float,
        chance: Chance | None,
        resync: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._budget_s = budget_s
        self._chance = chance
        self._resync = resync
        self._urgent: deque[Runnable] = deque()
        self._market: deque[Runnable] = deque()
        self._is_scheduled = False
        self._is_interrupt_announced = False
        self._gate = threading.Lock()
        self.thread_id = threading.get_ident()
        self.turns_count = 0
        self.strays_count = 0
        self.current: Named | None = None  # whose handler runs now

    def add(self, runnable: Runnable, lane: Lane) -> None:
        """Give it a turn; it stands in each of the two queues at most once."""
        if lane is Lane.MARKET:
            if runnable.in_market:
                return
            runnable.in_market = True
            self._market.append(runnable)
        else:
            if runnable.in_urgent:
                return
            runnable.in_urgent = True
            self._urgent.append(runnable)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._slice)

    def clear(self) -> None:
        """Forget who waits; whoever has something to do must be added again."""
        self._urgent.clear()
        self._market.clear()

    def _slice(self) -> None:
        try:
            if self._chance is None:
                self._serve_for_budget()
            else:
                self._serve_by(self._chance)
        except HandlerStuck:
            # It came a moment late and hit the queue instead of the handler.
            self.strays_count += 1
            self._resync()
        finally:
            self.leave()
            self._is_scheduled = bool(self._urgent or self._market)
            if self._is_scheduled:
                self._loop.call_soon(self._slice)

    def _serve_for_budget(self) -> None:
        urgent, market = self._urgent, self._market
        ends_at = perf_counter() + self._budget_s
        while True:
            if urgent:
                runnable = urgent.popleft()
                runnable.in_urgent = False
            elif market:
                runnable = market.popleft()
                runnable.in_market = False
            else:
                return
            self.turns_count += 1
            runnable.turn()
            if perf_counter() >= ends_at:
                return

    def _serve_by(self, chance: Chance) -> None:
        """One turn, to whom the simulation picks: every order that may happen does, by seed."""
        while queue := self._urgent or self._market:
            index = chance.pick(queue)
            runnable = queue[index]
            del queue[index]
            if queue is self._urgent:
                runnable.in_urgent = False
            else:
                runnable.in_market = False
            self.turns_count += 1
            runnable.turn()
            if not chance.is_alone():
                return

    def guarded(self, who: Named, call: Callable[..., T], *args: Any) -> T:
        """Call into an actor; in here, and nowhere else, the watchdog may interrupt.

        Whoever calls this says `leave()` first thing when it raises.
        """
        try:
            self.current = who
            return call(*args)
        finally:
            self.leave()

    # The watchdog's thread announces, then looks whether the handler still runs; the loop's thread
    # ends the handler, then looks whether something is announced. So whichever way the two meet,
    # an interrupt is either delivered inside the handler or taken back before the next one.

    def leave(self) -> None:
        """The handler has returned or raised: what follows is not interrupted."""
        self.current = None
        if self._is_interrupt_announced:
            self._settle()

    def interrupt(self, turn: int) -> bool:
        """From another thread: raise HandlerStuck in the handler of that turn if it still runs."""
        with self._gate:
            self._is_interrupt_announced = True
            if self.turns_count != turn or self.current is None:
                self._is_interrupt_announced = False
                return False
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self.thread_id), ctypes.py_object(HandlerStuck)
            )
            return True

    def _settle(self) -> None:
        """Take back an interrupt that was announced and has not been delivered."""
        while self._is_interrupt_announced:
            try:
                with self._gate:
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread_id), None)
                    self._is_interrupt_announced = False
            except HandlerStuck:
                self.strays_count += 1
