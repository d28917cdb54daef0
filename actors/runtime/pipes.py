"""A wait made into a message: runs an awaitable beside the actors and hands on its outcome once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")


class Escaped(RuntimeError):
    """A SystemExit or KeyboardInterrupt was raised inside a wait; it is the cause of this."""


def contained(
    loop: asyncio.AbstractEventLoop,
    awaitable: Awaitable[T],
    ended: "Callable[[asyncio.Task[T]], None]",
) -> "asyncio.Task[T]":
    """A task that awaits it, then calls `ended`.

    No SystemExit or KeyboardInterrupt of it ends the event loop.
    """

    async def contain() -> T:
        try:
            return await awaitable
        except (SystemExit, KeyboardInterrupt) as error:
            raise Escaped(f"{type(error).__name__} inside a wait") from error

    def done(task: "asyncio.Task[T]") -> None:
        if task.cancelled() and isinstance(awaitable, Coroutine):
            # Perhaps before its first step: then Python would complain that it was never awaited.
            awaitable.close()
        ended(task)

    task = loop.create_task(contain())
    task.add_done_callback(done)
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
        under_way: "dict[Pipe, None]",
    ) -> None:
        """`under_way`: where it is entered until it has ended."""
        self._handed_on = False
        self._timer: asyncio.TimerHandle | None = None

        def ended(task: "asyncio.Task[T]") -> None:
            under_way.pop(self, None)
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

        self.task = contained(loop, awaitable, ended)
        under_way[self] = None
        if deadline_s is not None:
            self._timer = loop.call_later(deadline_s, late)
