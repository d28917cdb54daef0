"""What every checker is: it listens to the true history, and looks once more when all is calm."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from actors.app.simulation.world import World


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that did not hold."""

    invariant: str
    at_s: float  # since the start of the world
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.at_s:.3f} s: {self.what}"


class Checker:
    """One invariant, or a part of one. Derive, listen in `watch`, look in the others."""

    invariant: ClassVar[str] = ""  # I1 to I26
    promise: ClassVar[str] = ""  # in a sentence

    def __init__(self, world: "World", tell: Callable[[Broken], None]) -> None:
        self.world = world
        self._tell = tell

    def broken(self, what: str) -> None:
        """It does not hold, now."""
        self._tell(Broken(self.invariant, self.world.loop.time(), what))

    def watch(self) -> None:
        """Listen to the world's history from its start."""

    def after_position_period(self) -> Iterator[str]:
        """One position period after the last fault: what does not hold."""
        return iter(())

    async def after_order_period(self) -> list[str]:
        """One order period after the last fault, between two bars: what does not hold."""
        return []
