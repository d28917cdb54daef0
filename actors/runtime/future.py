"""The answer to an ask: a pykka future that can be awaited on the loop without blocking it."""

import asyncio
import queue
import threading
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import pykka

T = TypeVar("T")
ExcInfo = tuple[type[BaseException], BaseException, Any] | tuple[None, None, None]


class LoopFuture(pykka.ThreadingFuture[T]):
    """A pykka future for actors on a loop.

    On a thread `get` waits as pykka's does. On a running loop `await` gives way to others (stock
    pykka blocks the whole loop there), and a `get` that would have to wait raises.
    """

    def __init__(self) -> None:
        super().__init__()
        self._done_callbacks: list[Callable[[], None]] = []

    def done(self) -> bool:
        """Whether the value or the error is there."""
        return self._result is not None

    def get(self, *, timeout: float | None = None) -> Any:
        """The value, or raise the error; on a thread wait for it, on a loop refuse to wait."""
        waits = self._result is None and self._get_hook is None
        if waits and asyncio._get_running_loop() is not None:
            raise RuntimeError("get() would block the event loop for ever: await the future")
        return super().get(timeout=timeout)

    def set(self, value: Any | None = None) -> None:
        """Give the value; a second answer raises `queue.Full`, as pykka's does."""
        super().set(value)
        self._run_callbacks()

    def set_exception(self, exc_info: Any = None) -> None:
        """Give the error; a second answer raises `queue.Full`, as pykka's does."""
        super().set_exception(exc_info)
        self._run_callbacks()

    def fail(self, error: BaseException) -> bool:
        """Give this error unless an answer is there already; False if so."""
        try:
            self.set_exception((type(error), error, error.__traceback__))
        except queue.Full:
            return False
        return True

    def succeed(self, value: Any) -> bool:
        """Give this value unless an answer is there already; False if so."""
        try:
            self.set(value)
        except queue.Full:
            return False
        return True

    def add_done_callback(self, callback: Callable[[], None]) -> None:
        """Call back once answered, in the answering thread; at once if it is answered already."""
        with self._condition:
            if self._result is None:
                self._done_callbacks.append(callback)
                return
        callback()

    def _run_callbacks(self) -> None:
        with self._condition:
            callbacks, self._done_callbacks = self._done_callbacks, []
        for callback in callbacks:
            callback()

    def __await__(self) -> Generator[Any, None, T]:
        loop = asyncio.get_running_loop()
        if self._get_hook is not None:
            # A mapped or joined future computes its value inside get(): only a thread can wait.
            computed: T = yield from loop.run_in_executor(None, self.get).__await__()
            return computed
        if self._result is None:
            thread_id = threading.get_ident()
            waiter: asyncio.Future[None] = loop.create_future()

            def wake() -> None:
                if threading.get_ident() == thread_id:
                    release()
                else:
                    loop.call_soon_threadsafe(release)

            def release() -> None:
                if not waiter.done():
                    waiter.set_result(None)

            self.add_done_callback(wake)
            yield from waiter
        value: T = self.get()
        return value

    __iter__ = __await__
