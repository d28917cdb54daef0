"""Names that outlive actors: what everyone holds, stores and passes on instead of a body."""

from collections import deque
from collections.abc import Awaitable
from typing import Any, Protocol

from actors.runtime.future import LoopFuture
from actors.runtime.mailbox import Mail
from actors.runtime.messages import DeadLetter

_DEAD_LETTERS_KEPT = 1_000  # enough to read what happened; the count goes on


class Post(Protocol):
    """Who carries mail to names."""

    def send(self, name: str, mail: Mail) -> bool:
        """Carry it; False when it became a dead letter."""

    def expire(self, future: LoopFuture[Any], timeout_s: float, what: str) -> None:
        """Fail the future with TimeoutError unless it is answered in time."""


class Address:
    """A name one can tell and ask. It survives crashes and restarts of whoever bears it."""

    __slots__ = ("_post", "name")

    def __init__(self, name: str, post: Post) -> None:
        self.name = name
        self._post = post

    def tell(self, message: Any) -> bool:
        """Send and forget, from any thread; never raises. False: it became a dead letter."""
        return self._post.send(self.name, Mail(message))

    def ask(self, message: Any, timeout_s: float) -> Awaitable[Any]:
        """Send, and await what the handler returns.

        Raises what the handler raised (it crashed of it and is restarted), `TimeoutError` when
        the answer is late (if the message still waits then, it is not served any more), and
        `pykka.ActorDeadError` when nobody bears the name.
        """
        future: LoopFuture[Any] = LoopFuture()
        self._post.expire(future, timeout_s, f"{self.name} did not answer in {timeout_s} s")
        self._post.send(self.name, Mail(message, future))
        return future

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and other.name == self.name and other._post is self._post

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Address({self.name!r})"


class DeadLetters:
    """The messages that reached nobody: all counted, the newest kept to be read."""

    def __init__(self) -> None:
        self.count = 0
        self.recent: deque[DeadLetter] = deque(maxlen=_DEAD_LETTERS_KEPT)

    def add(self, letter: DeadLetter) -> None:
        """Count and keep it."""
        self.count += 1
        self.recent.append(letter)
