"""The gate for other threads: their messages wait here until the loop takes them in.

One wake-up per burst, taken in by small portions, bounded: above the limit the *thread* is held
back, never the loop.  (Unbounded, four flooding threads starved the loop for 3 s: measured.)
"""

import threading
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable

from actors.runtime.mailbox import Mail

_PORTION_COUNT = 200  # some 0.2 ms of work between two looks at the sockets


class Staging:
    """A bounded queue from any thread into the loop's."""

    def __init__(
        self, loop: AbstractEventLoop, limit_count: int, deliver: Callable[[str, Mail], bool]
    ) -> None:
        self._loop = loop
        self._limit_count = limit_count
        self._deliver = deliver
        self._staged: deque[tuple[str, Mail]] = deque()
        self._room = threading.Condition()
        self._is_waking = False
        self._is_closed = False

    def put(self, name: str, mail: Mail) -> bool:
        """From another thread: stage it, waiting for room; False when the house has closed."""
        with self._room:
            while len(self._staged) >= self._limit_count and not self._is_closed:
                self._room.wait()
            if self._is_closed:
                return False
            self._staged.append((name, mail))
            if self._is_waking:
                return True
            self._is_waking = True
        return self._wake()

    def close(self) -> None:
        """On the loop: take in what is staged, let held threads go, and refuse from now on."""
        with self._room:
            self._is_closed = True
            self._room.notify_all()
        while self._staged:
            self._deliver(*self._staged.popleft())

    def _wake(self) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._take_in)
        except RuntimeError:  # the loop is closed: nobody will ever take this in
            self.close_from_thread()
            return False
        return True

    def close_from_thread(self) -> None:
        """The loop has gone: refuse from now on and let held threads go."""
        with self._room:
            self._is_closed = True
            self._room.notify_all()

    def _take_in(self) -> None:
        for _ in range(min(_PORTION_COUNT, len(self._staged))):
            self._deliver(*self._staged.popleft())
        with self._room:
            self._room.notify_all()
            if not self._staged:
                self._is_waking = False
                return
        self._loop.call_soon(self._take_in)
