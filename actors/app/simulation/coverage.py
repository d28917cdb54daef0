"""What a batch has reached: (fault kind, state of an order when it struck).

A fault is aimed: it waits, for a while, until some order has just reached the state that the seed
drew for it. Chance alone would hardly ever strike in the milliseconds between record and reply.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from random import Random
from typing import TYPE_CHECKING

from actors.app.simulation.faults import KINDS
from adapters.simulated.history import FaultStruck, FeedFaultMet, StrategyMisbehaved
from trader.orders.order import Status

if TYPE_CHECKING:
    from actors.app.simulation.world import World

Cell = tuple[str, str]  # fault, status
AIM_S = 60.0  # for so long it waits for its moment
RECENT_S = 30.0  # an order that ended so lately counts as being in that state
AIMED = (
    Status.INITIALIZED,
    Status.SUBMITTED,
    Status.UNKNOWN,
    Status.ACCEPTED,
    Status.PENDING_CANCEL,
    Status.PENDING_UPDATE,
    Status.PARTIALLY_FILLED,
    Status.FILLED,
    Status.CANCELED,
    Status.REJECTED,
)


# In which every fault must meet orders. PENDING_RECORD is in memory only: nothing is at risk yet.
# EXPIRED takes two minutes of silence first, so it is counted and not demanded.
MET = (
    Status.INITIALIZED,
    Status.SUBMITTED,
    Status.UNKNOWN,
    Status.ACCEPTED,
    Status.PENDING_UPDATE,
    Status.PENDING_CANCEL,
    Status.PARTIALLY_FILLED,
    Status.FILLED,
    Status.CANCELED,
    Status.REJECTED,
    Status.DENIED,
)


def never_met(cells: Mapping[Cell, int], faults: Iterable[str]) -> list[Cell]:
    """The cells that stayed empty."""
    return [(fault, status) for fault in faults for status in MET if not cells.get((fault, status))]


class Coverage:
    """Of one world."""

    def __init__(self, world: "World") -> None:
        self.cells: Counter[Cell] = Counter()
        self._world = world
        self._chance = Random(f"aim {world.plan.seed}")
        self._waiting: dict[Status, list[asyncio.Future[None]]] = {}
        world.on_status(self._reached)
        world.history.listen(FaultStruck, lambda struck: self._count(struck.kind))
        world.history.listen(FeedFaultMet, lambda met: self._count(met.kind))
        world.history.listen(StrategyMisbehaved, lambda did: self._count(did.kind))

    async def moment(self) -> None:
        """Wait for the moment of a strike, if it is aimed at one."""
        if self._chance.random() < 0.5:
            return
        aimed = self._chance.choice(AIMED)
        delay_s = self._chance.choice((0.0, self._world.plan.latency_s))
        reached = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(aimed, []).append(reached)
        try:
            async with asyncio.timeout(AIM_S):
                await reached
        except TimeoutError:
            pass  # then without aim
        else:
            await asyncio.sleep(delay_s)

    def struck(self, name: str) -> None:
        """A fault that waits for nothing has struck."""
        if not KINDS[name].is_awaited:
            self._count(name)

    def _count(self, name: str) -> None:
        for status in self._world.statuses(RECENT_S):
            self.cells[(name, status)] += 1

    def _reached(self, status: Status) -> None:
        for reached in self._waiting.pop(status, ()):
            if not reached.done():
                reached.set_result(None)
