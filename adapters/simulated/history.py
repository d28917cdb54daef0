"""What truly happened in a simulated world, in order: written by its servers, read by checkers.

One `History` per world. Whatever a server did is noted by it as one small frozen dataclass; no
daemon ever writes here, and none reads.
"""

from collections.abc import Callable
from typing import Any, TypeVar

E = TypeVar("E")


class History:
    """Every event, oldest first; whoever checks listens by type, and hears each as it happens."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._listeners: dict[type, list[Callable[[Any], None]]] = {}

    def note(self, event: Any) -> None:
        """It has happened."""
        self.events.append(event)
        for listener in self._listeners.get(type(event), ()):
            listener(event)

    def listen(self, kind: type[E], listener: Callable[[E], None]) -> None:
        """From now on that one hears of each event of exactly this type."""
        self._listeners.setdefault(kind, []).append(listener)

    def of(self, kind: type[E]) -> list[E]:
        """All events of exactly this type so far."""
        return [each for each in self.events if type(each) is kind]
