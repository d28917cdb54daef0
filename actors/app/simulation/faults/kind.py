"""What a kind of fault is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.app.simulation.world import World

Hand = Callable[["World"], object]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of misfortune. `group`: A to I, the failure points of the failure model."""

    name: str
    group: str
    says: str
    hand: Hand
    is_awaited: bool = False  # it waits for what it fits; the history says when it struck
