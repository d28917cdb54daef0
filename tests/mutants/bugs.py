"""Every planted bug, by its name."""

from collections.abc import Mapping

from tests.mutants import bars, commands, heat, orders, store, truth
from tests.mutants.planting import Bug

BUGS: Mapping[str, Bug] = {
    each.name: each for room in (orders, truth, bars, heat, store, commands) for each in room.BUGS
}
