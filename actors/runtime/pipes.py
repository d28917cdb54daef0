"""A wait made into a message: runs an awaitable beside the actors and hands on its outcome once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")


class Escaped(RuntimeError):
    """A SystemExit or KeyboardInterrupt was raised inside a wait; it is the cause of this."""


def contained(loop: asyncio.AbstractEventLoop, awaitable: Awaitable[T]) -> "asyncio.Task[T]":
    """A task that awaits it; no SystemExit or KeyboardInterrupt of it ends the event loop."""

    async def contain() -> T:
        try:
            return await awaitable
        except (SystemExit, KeyboardInterrupt) as error:
            raise Escaped(f"{type(error).__name__} inside a wait") from error

    task = loop.create_task(contain())
    if isinstance(awaitable, Coroutine):
        # Cancelled before its first step it has never been awaited, and Python would complain.
        task.add_done_callback(lambda _: awaitable.close())
    return task


class Pipe:
    """One awaitable whose outcome is handed on exactly once: value, error or deadline.

    At the deadline the outcome is handed on at once, also when the awaitable is slow to be
    cancelled (a half-open socket may take for ever).
    """

    __slots__ = ("_handed_on", "_timer", "task")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        awaitable: Awaitable[T],
        hand_on: Callable[[T | None, BaseException | None], None],
        deadline_s: float | None,
    ) -> None:
        self._handed_on = False
        self._timer: asyncio.TimerHandle | None = None
        self.task = contained(loop, awaitable)

        def ended(task: "asyncio.Task[T]") -> None:
            if self._timer is not None:
                self._timer.cancel()
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            if not self._handed_on:
                self._handed_on = True
                hand_on(None if error is not None else task.result(), error)

        def late() -> None:
            self._handed_on = True
            self.task.cancel()
            hand_on(None, TimeoutError(f"not done in {deadline_s} s"))

        self.task.add_done_callback(ended)
        if deadline_s is not None:
            self._timer = loop.call_later(deadline_s, late)
