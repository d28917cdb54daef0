"""A seeded event loop in virtual time, on which the very same actors run.

Everything that may happen at one instant happens in an order the seed picks, so a thousand seeds
are a thousand interleavings, and one seed is the same one again, on any machine.  No thread, no
socket, no real time: code that needs one of them fails at once.
"""

import asyncio
import hashlib
import heapq
import random
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from contextvars import Context, copy_context
from types import FunctionType, MethodType
from typing import Any, TypeVar, TypeVarTuple, Unpack

from actors.runtime.simulated_process import PROCESS, Killed, SimulatedProcess

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_FOREVER = float("inf")
_PORTION_COUNT = 4_096  # lines of the trace digested at once


class NothingLeft(RuntimeError):
    """What was awaited can never happen: nothing is ready and no timer is set."""


class SimulatedLoop(asyncio.AbstractEventLoop):
    """An asyncio event loop whose time stands still while anything is ready."""

    def __init__(self, seed: int | str) -> None:
        self._chance = random.Random(f"loop {seed}")
        self._time = 0.0
        self._ready: list[_Due] = []
        self._timers: list[tuple[float, int, _Due]] = []
        self._timers_count = 0
        self._tasks_count = 0
        self._is_running = False
        self._is_stopping = False
        self._is_closed = False
        self._exception_handler: Callable[..., Any] | None = None
        self._failures: list[BaseException] = []
        self._standing: set[SimulatedProcess] = set()  # killed or paused: nothing of them runs
        self._buried: list[object] = []  # what killed processes left, kept from the collector
        self._digest = hashlib.sha256()
        self._noted: list[str] = []  # not digested yet
        self.on_trace: Callable[[str], None] | None = None

    # What drives it

    def run_until_idle(self) -> None:
        """Run all that is ready at this instant; time does not move."""
        self.run_for(0.0)

    def run_for(self, duration_s: float) -> None:
        """Run all that falls into that much time from now; it is then that much later."""
        until = self._time + duration_s
        with self._running():
            self._run(until, self._is_told_to_stop)
            if not self._is_stopping and until > self._time:
                self._be_at(until)

    def run_until_complete(self, future: Awaitable[T]) -> T:  # type: ignore[override]
        """Run until it is done, however long that takes."""
        task = asyncio.ensure_future(future, loop=self)
        with self._running():
            if not self._run(_FOREVER, task.done):
                raise NothingLeft(f"nothing left that could complete {task!r}")
        return task.result()

    def run_forever(self) -> None:
        """Run until stopped, or until nothing is left that could happen."""
        with self._running():
            self._run(_FOREVER, self._is_told_to_stop)

    def stop(self) -> None:
        """Let the run end after the callback that runs now."""
        self._is_stopping = True

    # The trace

    def note(self, what: str) -> None:
        """Put a line into the trace; the times are lines of their own."""
        self._noted.append(what)
        if self.on_trace is not None:
            self.on_trace(f"{self._time!r} {what}")

    @property
    def trace_hash(self) -> str:
        """A digest of all that happened so far, in order: the same for the same seed."""
        self._digest_noted()
        return self._digest.hexdigest()

    def _digest_noted(self) -> None:
        self._noted.append("")  # so that how it was portioned makes no difference
        self._digest.update("\n".join(self._noted).encode())
        self._noted.clear()

    def pick_index(self, count: int) -> int:
        """Pick one of so many."""
        return int(self._chance.random() * count) if count > 1 else 0

    @property
    def is_alone(self) -> bool:
        """Whether what runs now may go on as if it were called again: nobody else is ready."""
        if self._ready or self._failures or self._is_stopping:
            return False
        return not self._standing or PROCESS.get() not in self._standing

    # Its processes

    def stand_still(self, process: SimulatedProcess) -> None:
        """From here on nothing of it runs: what is due is held, or forgotten once it is killed."""
        self._standing.add(process)

    def go_on(self, process: SimulatedProcess) -> None:
        """What was held while it stood still is due now, together with all that is due later."""
        self._standing.discard(process)
        self._ready += process.held
        process.held.clear()

    def bury(self, *left: object) -> None:
        """Keep what a killed process left: collected, its `finally` blocks would run."""
        self._buried += left

    # What asyncio asks of a loop

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self._time

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Call back at this instant, in an order among the others that the seed picks."""
        due = _Due(callback, args, context)
        self._ready.append(due)
        return due

    call_soon_threadsafe = call_soon

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back after that much virtual time."""
        when = self._time + delay if delay > 0 else self._time
        return self.call_at(when, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back at that virtual time."""
        timer = _Due(callback, args, context)
        timer._when = when
        self._timers_count += 1
        heapq.heappush(self._timers, (when, self._timers_count, timer))
        return timer

    def create_future(self) -> "asyncio.Future[Any]":
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> "asyncio.Task[T]":
        """A task of this loop, named by what it runs and its number here."""
        self._tasks_count += 1
        label = name or f"{getattr(coro, '__qualname__', 'task')}#{self._tasks_count}"
        task = asyncio.Task(coro, loop=self, name=label, context=context)
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is not None:
            process.tasks.add(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """An error nobody took: to the handler that is set, else the run raises it."""
        if self._exception_handler is not None:
            self._exception_handler(self, context)
        else:
            self._failures.append(context.get("exception") or RuntimeError(context["message"]))

    def set_exception_handler(self, handler: Callable[..., Any] | None) -> None:
        """Where errors go that nobody took."""
        self._exception_handler = handler

    def is_running(self) -> bool:
        """Whether it runs now."""
        return self._is_running

    def is_closed(self) -> bool:
        """Whether it has been closed."""
        return self._is_closed

    def close(self) -> None:
        """Forget all that has not happened."""
        self._is_closed = True
        self._ready.clear()
        self._timers.clear()

    def get_debug(self) -> bool:
        """Never."""
        return False

    # One callback

    @contextmanager
    def _running(self) -> Generator[None]:
        self._is_stopping = False
        self._is_running = True
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)
            self._is_running = False

    def _is_told_to_stop(self) -> bool:
        return self._is_stopping

    def _run(self, until: float, is_over: Callable[[], bool]) -> bool:
        """Run callback after callback, moving the time when none is ready.

        False: none is left before `until`, and it is not over.
        """
        ready, standing, failures = self._ready, self._standing, self._failures
        chance, noted = self._chance.random, self._noted
        while not is_over():
            if not ready and not self._move_on(until):
                return False
            count = len(ready)
            if count > 1:
                index = int(chance() * count)
                ready[index], ready[-1] = ready[-1], ready[index]
            handle = ready.pop()
            callback = handle._callback
            if callback is None:
                continue  # it was cancelled
            if standing:
                process = handle._context.get(PROCESS)
                if process in standing:
                    process.held.append(handle)
                    continue
            label = _label(callback)
            noted.append(label)
            if self.on_trace is not None:
                self.on_trace(f"{self._time!r} {label}")
            try:
                handle._context.run(callback, *handle._args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except Killed:
                pass  # in the middle of this callback
            except BaseException as error:
                message = f"Exception in callback {callback!r}"
                self.call_exception_handler({"message": message, "exception": error})
            if failures:
                raise failures.pop(0)
        return True

    def _move_on(self, until: float) -> bool:
        """Move the time to the next timers and make them ready; False: none before `until`."""
        timers, ready = self._timers, self._ready
        while timers and timers[0][2]._callback is None:
            heapq.heappop(timers)
        if not timers or timers[0][0] > until:
            return False
        if timers[0][0] > self._time:
            self._be_at(timers[0][0])
        while timers and timers[0][0] <= self._time:
            ready.append(heapq.heappop(timers)[2])
        return True

    def _be_at(self, time: float) -> None:
        self._time = time
        self._noted.append(repr(time))
        if len(self._noted) >= _PORTION_COUNT:
            self._digest_noted()


class _Due(asyncio.TimerHandle):
    """asyncio's handle, made and cancelled in a fraction of the time: a world makes thousands.

    Once cancelled it has no callback; it waits in the heap until its time and is then passed over.
    """

    __slots__ = ()

    # What asyncio keeps in it, which its stubs do not say.
    _callback: Any
    _args: Any
    _context: Context
    _when: float

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[object, ...],
        context: Context | None,
    ) -> None:
        self._callback = callback
        self._args = args
        self._context = copy_context() if context is None else context
        self._cancelled = False

    def cancel(self) -> None:
        """Do not call back."""
        self._cancelled = True
        self._callback = self._args = None


def _label(callback: Any) -> str:
    """What a callback is, by names only: no address, no hash, no global counter."""
    kind = type(callback)
    if kind is FunctionType or kind is MethodType:
        return callback.__qualname__  # type: ignore[no-any-return]
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return owner.get_name()
    return getattr(callback, "__qualname__", None) or type(callback).__name__
