"""What a batch has reached: (fault kind, state of an order when it struck).

A fault is aimed: it waits, for a while, until some order has just reached the state that the seed
drew for it. Chance alone would hardly ever strike in the milliseconds between record and reply.
"""

import asyncio
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from actors.app.simulation.plan import Strike
from trader.orders.order import Status

if TYPE_CHECKING:
    from actors.app.simulation.world import World

Cell = tuple[str, str]  # fault, status
AIM_S = 60.0  # for so long it waits for its moment
RECENT_S = 5.0  # an order that ended so lately counts as being in that state
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


class Coverage:
    """Of one world."""

    def __init__(self, world: "World") -> None:
        self.cells: Counter[Cell] = Counter()
        self._world = world
        self._chance = Random(f"aim {world.plan.seed}")
        self._waiting: tuple[Status, asyncio.Event] | None = None
        world.on_status(self._reached)

    async def moment(self, strike: Strike) -> None:
        """Wait for the moment of that strike."""
        del strike
        if self._chance.random() < 0.5:
            return
        aimed = self._chance.choice(AIMED)
        reached = asyncio.Event()
        self._waiting = (aimed, reached)
        try:
            async with asyncio.timeout(AIM_S):
                await reached.wait()
            await asyncio.sleep(self._chance.choice((0.0, self._world.plan.latency_s)))
        except TimeoutError:
            pass
        finally:
            self._waiting = None

    def struck(self, strike: Strike) -> None:
        """Count the states that all orders are in."""
        for status in self._world.statuses(RECENT_S):
            self.cells[(strike.what, status)] += 1

    def _reached(self, status: Status) -> None:
        if self._waiting is not None and self._waiting[0] is status:
            self._waiting[1].set()
