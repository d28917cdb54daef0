"""The watchdog: a thread outside the loop that sees a handler which holds it.

Warns with the stack, interrupts (which counts as that actor's crash), and in the end gives up the
process, so that the service manager starts a new one.  Its callbacks run on its own thread: while
they matter, the loop does not.

Edge cases: when its own sleep overran, the machine was suspended or starved and it counts anew; a
blocking C call cannot be interrupted before it returns.
"""

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from actors.runtime.engine import Engine

EXIT_CODE_LOOP_DEAD = 70  # EX_SOFTWARE; the service manager restarts on it


@dataclass(frozen=True, slots=True)
class Stuck:
    """The loop has not been given back for so long."""

    name: str  # the actor whose handler holds it; empty when it is no handler
    held_s: float
    stack: str
    is_interrupted: bool


def _abort() -> None:
    os._exit(EXIT_CODE_LOOP_DEAD)


class Watchdog:
    """Watches one runtime's loop; started and stopped by the runtime."""

    def __init__(
        self,
        *,
        warn_after_s: float = 0.1,
        interrupt_after_s: float = 0.5,
        abort_after_s: float = 10.0,
        on_stuck: Callable[[Stuck], None] = lambda _: None,
        on_alive: Callable[[], None] = lambda: None,
        abort: Callable[[], None] = _abort,
    ) -> None:
        self._warn_after_s = warn_after_s
        self._interrupt_after_s = interrupt_after_s
        self._abort_after_s = abort_after_s
        self._on_stuck = on_stuck
        self._on_alive = on_alive
        self._abort = abort
        self._period_s = warn_after_s / 4
        self._has_ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._has_beaten = True

    def start(self, engine: Engine) -> None:
        """Begin to watch."""
        self._thread = threading.Thread(
            target=self._watch, args=(engine,), name="watchdog", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer; returns when the thread has ended."""
        self._has_ended.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self, engine: Engine) -> None:
        queue = engine.queue
        looked_at = since = beat_at = time.monotonic()
        turn, has_warned, interrupts_count = -1, False, 0
        while not self._has_ended.wait(self._period_s):
            now = time.monotonic()
            overran = now - looked_at > self._period_s + self._warn_after_s
            looked_at = now
            if self._has_beaten:
                self._has_beaten = False
                beat_at = now
                self._on_alive()
                try:
                    engine.loop.call_soon_threadsafe(self._beat)
                except RuntimeError:  # the loop is closed
                    return
            elif overran:
                beat_at = now
            if overran or beat_at == now:
                since, interrupts_count = now, 0
            if queue.turns_count != turn:
                turn, since, has_warned, interrupts_count = queue.turns_count, now, False, 0
            held_s = now - since
            if held_s >= self._warn_after_s and not has_warned:
                has_warned = True
                self._on_stuck(self._seen(engine, held_s, is_interrupted=False))
            if held_s >= self._interrupt_after_s * (interrupts_count + 1):
                seen = self._seen(engine, held_s, is_interrupted=True)
                interrupts_count += 1
                if queue.interrupt(turn):
                    self._on_stuck(seen)
            if now - beat_at >= self._abort_after_s:
                self._abort()
                return

    def _beat(self) -> None:
        self._has_beaten = True

    def _seen(self, engine: Engine, held_s: float, *, is_interrupted: bool) -> Stuck:
        frame = sys._current_frames().get(engine.queue.thread_id)
        stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
        current = engine.queue.current
        return Stuck("" if current is None else current.name, held_s, stack, is_interrupted)
