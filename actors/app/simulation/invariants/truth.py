"""What the venue truly held, and when."""

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from adapters.simulated.rows import Committed
from trader.money import ZERO

if TYPE_CHECKING:
    from actors.app.simulation.world import World


class Holdings:
    """Each session's position by the venue's own books, from the start of the world on."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._tracks: dict[str, list[tuple[float, Decimal]]] = {
            plan.name: [(0.0, ZERO)] for plan in world.plan.sessions
        }
        world.venue.listen(lambda _: self._look())
        world.history.listen(Committed, lambda _: self._look())

    def since(self, session: str, since_s: float) -> Iterator[Decimal]:
        """Every quantity that it had from then until now, the newest first."""
        self._look()
        for at_s, qty in reversed(self._tracks[session]):
            yield qty
            if at_s < since_s:
                return

    def _look(self) -> None:
        now_s = self._world.loop.time()
        for plan in self._world.plan.sessions:
            track = self._tracks[plan.name]
            qty = self._world.books(plan.account).position_qty(plan.symbol)
            if qty != track[-1][1]:
                track.append((now_s, qty))
