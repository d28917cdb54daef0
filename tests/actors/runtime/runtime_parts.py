"""Small actors and houses for the tests of the engine room."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from actors.runtime import (
    Actor,
    AsyncioHost,
    Backoff,
    Child,
    Exit,
    Host,
    Notice,
    Runtime,
    SimulationHost,
    SupervisorSpec,
)

QUICK = Backoff(base_s=0.001, max_s=0.004)


class Failed(Exception):
    """What a test's actor raises when it is told to."""


@dataclass(frozen=True, slots=True)
class Boom:
    """Raise this."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Fill:
    """A fact: never dropped, never reordered."""

    number: int


class Recorder(Actor):
    """Writes down what it serves, in a book that outlives it; raises what it is told to."""

    def __init__(self, book: list[Any]) -> None:
        super().__init__()
        self.book = book

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, Boom):
            raise message.error
        self.book.append(message)
        return message


class Chronicle(Actor):
    """Writes its starts and stops into a book; raises what it is told to."""

    def __init__(self, book: list[str]) -> None:
        super().__init__()
        self.book = book

    def on_start(self) -> None:
        self.book.append(f"+{self.name}")

    def on_stop(self) -> None:
        self.book.append(f"-{self.name}")

    def on_failure(self, *_: object) -> None:
        self.book.append(f"!{self.name}")

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, Boom):
            raise message.error
        return message


def recorder(name: str, book: list[Any], **options: Any) -> Child:
    """A child that writes what it serves into that book."""
    return Child(name, lambda: Recorder(book), **options)


def chronicle(name: str, book: list[str], **options: Any) -> Child:
    """A child that writes its starts and stops into that book."""
    return Child(name, lambda: Chronicle(book), **options)


def root(*children: Child | SupervisorSpec, **options: Any) -> SupervisorSpec:
    """A root supervisor that restarts at once and (almost) without end."""
    options = {"backoff": QUICK, "restarts_count_max": 1_000_000, **options}
    return SupervisorSpec("root", children, **options)


@asynccontextmanager
async def running(
    spec: SupervisorSpec, host: Host | None = None, **options: Any
) -> AsyncGenerator[Runtime]:
    """A started runtime, stopped at the end."""
    runtime = Runtime(host or AsyncioHost(), **options)
    await runtime.start(spec)
    try:
        yield runtime
    finally:
        await runtime.stop()


def notices(runtime: Runtime, kind: type[Any] = Exit) -> list[Any]:
    """A list that grows by each notice of that kind."""
    heard: list[Any] = []

    def hear(notice: Notice) -> None:
        if isinstance(notice, kind):
            heard.append(notice)

    runtime.listen(hear)
    return heard


async def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Give way until it holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  (it is the loop's turns that are waited for)
            await asyncio.sleep(0.0001)


def simulate(seed: int, scenario: Callable[[SimulationHost], Any]) -> SimulationHost:
    """Run `scenario(host)`, a coroutine, to its end in virtual time."""
    host = SimulationHost(seed)
    host.loop.run_until_complete(scenario(host))
    return host
