"""The line between a daemon and a server of the simulated world.

A request that left is performed by the server although whoever asked dies meanwhile; the reply of
one that died goes nowhere. What a stream carries arrives in order. This is why nothing else here
may touch the venue or the rows in the asker's own time.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class LineLost(ConnectionError):
    """The connection broke before a reply came: nobody here knows whether it was performed."""


class Loss(StrEnum):
    """What the line loses of one exchange."""

    NOTHING = "nothing"
    REQUEST = "request"
    REPLY = "reply"


@dataclass(frozen=True, slots=True)
class Way:
    """How one exchange travels. A loss is noticed `noticed_s` after the reply was due."""

    there_s: float
    back_s: float
    loss: Loss = Loss.NOTHING
    noticed_s: float = 0.0


class Line:
    """Made where the server lives: its context is the server's."""

    def __init__(self) -> None:
        self._server = copy_context()

    async def ask(self, way: Way, perform: Callable[[], T]) -> T:
        """Have the server perform it. Raises what it raises, or `LineLost`."""
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[T] = loop.create_future()

        def arrived() -> None:
            try:
                result = perform()
            except Exception as error:  # the server's refusal travels back as its reply
                refusal = error
                loop.call_later(way.back_s, lambda: _fail(reply, refusal), context=home)
            else:
                if way.loss is Loss.NOTHING:
                    loop.call_later(way.back_s, lambda: _tell(reply, result), context=home)

        home = copy_context()
        if way.loss is not Loss.REQUEST:
            loop.call_later(way.there_s, arrived, context=self._server)
        if way.loss is not Loss.NOTHING:
            noticed_s = way.there_s + way.back_s + way.noticed_s
            loop.call_later(noticed_s, lambda: _fail(reply, LineLost(way.loss)), context=home)
        return await reply


class Stream(Generic[T]):
    """What a server pushes: in order, each item so much later, in the listener's own process."""

    def __init__(self, take: Callable[[T], object], latency_s: float) -> None:
        """Made by the listener: its context is the listener's."""
        self._take = take
        self._latency_s = latency_s
        self._listener = copy_context()
        self._on_its_way: deque[T] = deque()
        self.is_open = True  # both ends know of a closed connection

    def push(self, item: T) -> None:
        """Send it."""
        self._on_its_way.append(item)
        asyncio.get_running_loop().call_later(self._latency_s, self._arrive, context=self._listener)

    def cut(self) -> None:
        """What is on its way is lost."""
        self.is_open = False
        self._on_its_way.clear()

    def _arrive(self) -> None:
        if self.is_open:
            self._take(self._on_its_way.popleft())


def _tell(reply: "asyncio.Future[T]", result: T) -> None:
    if not reply.done():
        reply.set_result(result)


def _fail(reply: "asyncio.Future[T]", error: Exception) -> None:
    if not reply.done():
        reply.set_exception(error)
