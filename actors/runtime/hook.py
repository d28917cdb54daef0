"""An on_start or on_stop that is a coroutine: waited for beside the handlers, for so long."""

import asyncio
import math
from collections.abc import Awaitable, Callable

from actors.runtime.pipes import contained


class HookTimeout(TimeoutError):
    """An on_start or on_stop took longer than its child allows."""


class Hook:
    """One hook under way; `ended` hears of it exactly once, unless it is cancelled."""

    __slots__ = ("_ended", "_task", "_timer")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        waiting: Awaitable[None],
        timeout_s: float,
        ended: Callable[[BaseException | None], None],
    ) -> None:
        self._ended: Callable[[BaseException | None], None] | None = ended
        self._task = contained(loop, waiting, self._done)
        self._timer = (
            loop.call_later(timeout_s, self._late, timeout_s) if math.isfinite(timeout_s) else None
        )

    def cancel(self) -> None:
        """End it; nobody hears of it any more."""
        self._ended = None
        if self._timer is not None:
            self._timer.cancel()
        self._task.cancel()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tell(asyncio.CancelledError() if task.cancelled() else task.exception())

    def _late(self, timeout_s: float) -> None:
        self._tell(HookTimeout(f"not done in {timeout_s} s"))

    def _tell(self, error: BaseException | None) -> None:
        ended = self._ended
        self.cancel()
        if ended is not None:
            ended(error)
