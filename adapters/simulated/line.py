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


class Step(StrEnum):
    """How far an exchange has come."""

    LEAVES = "leaves"  # still with the asker
    DONE = "done"  # by the server, which has not answered yet
    HEARD = "heard"  # its answer, by the asker
    LOST = "lost"  # so the asker thinks


Watch = Callable[[str, Step], object]


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
        self.watch: Watch | None = None  # hears of every step, where it is taken

    async def ask(self, way: Way, perform: Callable[[], T], what: str = "") -> T:
        """Have the server perform it. Raises what it raises, or `LineLost`."""
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[T] = loop.create_future()

        def arrived() -> None:
            try:
                result = perform()
            except Exception as error:  # the server's refusal travels back as its reply
                refusal = error
                loop.call_later(way.back_s, lambda: fail(refusal, Step.HEARD), context=home)
            else:
                if way.loss is Loss.NOTHING:
                    loop.call_later(way.back_s, lambda: tell(result), context=home)
            self._pass(what, Step.DONE)

        def tell(result: T) -> None:
            self._pass(what, Step.HEARD)
            if not reply.done():
                reply.set_result(result)

        def fail(error: Exception, step: Step) -> None:
            self._pass(what, step)
            if not reply.done():
                reply.set_exception(error)

        home = copy_context()
        self._pass(what, Step.LEAVES)
        if way.loss is not Loss.REQUEST:
            loop.call_later(way.there_s, arrived, context=self._server)
        if way.loss is not Loss.NOTHING:
            noticed_s = way.there_s + way.back_s + way.noticed_s
            lost = LineLost(way.loss)
            loop.call_later(noticed_s, lambda: fail(lost, Step.LOST), context=home)
        return await reply

    def _pass(self, what: str, step: Step) -> None:
        if self.watch is not None:
            self.watch(what, step)


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
