"""A process of the simulated world: what it runs can be killed at any await, or paused.

Whatever a process starts (callbacks, timers, tasks) is its own, because Python copies the context.
A server (venue, database) lives outside of it, so what was asked of the server still happens.
"""

import asyncio
import inspect
import weakref
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from types import CoroutineType
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Killed(BaseException):
    """Raised where a process kills itself: what it was doing is left undone, nobody hears of it."""


class _Loop(Protocol):
    def stand_still(self, process: "SimulatedProcess") -> None: ...
    def go_on(self, process: "SimulatedProcess") -> None: ...
    def bury(self, *left: object) -> None: ...
    def create_task(
        self, coro: Coroutine[Any, Any, T], *, context: Any = None
    ) -> "asyncio.Task[T]": ...


class SimulatedProcess:
    """One process on a simulated loop."""

    def __init__(self, loop: _Loop, name: str) -> None:
        self.name = name
        self.tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        self.held: list[Any] = []  # due while it stands still
        self.is_alive = True
        self._loop = loop
        self._context = copy_context()
        self._context.run(PROCESS.set, self)

    def run(self, call: Callable[[], T]) -> T:
        """Call inside the process."""
        return self._context.copy().run(call)

    def spawn(self, main: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Start a coroutine inside the process."""
        return self._loop.create_task(main, context=self._context.copy())

    def kill(self) -> None:
        """SIGKILL: nothing of it ever runs again, no `finally`, no `except`."""
        self.is_alive = False
        self._loop.stand_still(self)
        for task in self.tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            _never_begin(task.get_coro())
            self._loop.bury(task)
        self._loop.bury(self.held)

    def pause(self) -> None:
        """SIGSTOP: time goes on without it."""
        self._loop.stand_still(self)

    def resume(self) -> None:
        """SIGCONT: all that came due happens now."""
        if self.is_alive:
            self._loop.go_on(self)


def _never_begin(work: object) -> None:
    """Of a killed process nothing is awaited any more: Python need not complain of it."""
    if isinstance(work, CoroutineType) and inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
        for each in inspect.getcoroutinelocals(work).values():
            _never_begin(each)
        work.close()


PROCESS: ContextVar[SimulatedProcess | None] = ContextVar("simulated_process", default=None)


def running_process() -> SimulatedProcess | None:
    """Whose code runs now; None: a server's."""
    return PROCESS.get()
