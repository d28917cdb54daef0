"""The job runner: durable heavy work, off the trading path.

Owns: the worker that takes jobs from the database. Jobs are enqueued in the transaction of what
caused them and are idempotent, so a crash here loses nothing: the next worker takes them up again.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol, assert_never

import structlog

from actors.runtime import Actor

NAME = "jobs"
RETRY_S = 1.0

log = structlog.get_logger()


class Worker(Protocol):
    """Works until it is stopped; raises when it cannot reach the database."""

    def run(self) -> Awaitable[None]:
        """Take jobs until stopped."""
        ...

    async def stop(self) -> None:
        """Finish what is under way and return from `run`."""
        ...


@dataclass(frozen=True, slots=True)
class _Ended:
    reason: str


@dataclass(frozen=True, slots=True)
class _Again:
    pass


JobRunnerMessage = _Ended | _Again


class JobRunner(Actor):
    """See the module."""

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self._worker = worker
        self._reason = ""

    def on_start(self) -> None:
        """Begin working, beside the handlers."""
        self._work()

    async def on_stop(self) -> None:
        """Finish the job under way."""
        await self._worker.stop()

    def on_receive(self, message: JobRunnerMessage) -> None:
        """One line a message."""
        match message:
            case _Ended():
                self._ended(message)
            case _Again():
                self._work()
            case _:
                assert_never(message)

    def _work(self) -> None:
        self.pipe(
            self._worker.run(),
            done=lambda _: _Ended("by itself"),
            failed=lambda error: _Ended(repr(error)),
        )

    def _ended(self, message: _Ended) -> None:
        """Whatever the reason: the jobs wait in the database. It is said once, not each second."""
        if message.reason != self._reason:
            self._reason = message.reason
            log.warning("jobs_interrupted", reason=message.reason)
        self.remind(RETRY_S, _Again())
