"""The faults: each a name, its group of failure points, and how it strikes a world."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from actors.app.simulation.faults import feed, process, store, strategies, venue
from actors.app.simulation.faults.kind import Kind

if TYPE_CHECKING:
    from actors.app.simulation.world import World

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (*feed.KINDS, *strategies.KINDS, *venue.KINDS, *store.KINDS, *process.KINDS)
}

__all__ = ["KINDS", "Kind", "strike"]


def strike(world: "World", name: str) -> None:
    """Let it happen, or let it wait for what it fits."""
    KINDS[name].hand(world)
