"""The simulation: the outside world of a runtime, all of it from one seed."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from actors.runtime.hosts import make_uuid7
from actors.runtime.run_queue import Chance, Runnable
from actors.runtime.simulated_loop import SimulatedLoop

_STARTS_AT = datetime(2024, 1, 2, 9, 30, tzinfo=UTC)


class SimulationHost:
    """The outside world of a simulated runtime, all of it from one seed."""

    def __init__(
        self,
        seed: int | str,
        *,
        starts_at: datetime = _STARTS_AT,
        loop: SimulatedLoop | None = None,
    ) -> None:
        """`loop`: of a world that several machines share, each with a wall clock of its own."""
        self.loop = loop or SimulatedLoop(seed)  # type: ignore[abstract]
        self._chance = random.Random(f"host {seed}")
        self._starts_at = starts_at

    def move_wall_clock(self, by_s: float) -> None:
        """Set the wall clock by so many seconds; what has elapsed stays what it is."""
        self._starts_at += timedelta(seconds=by_s)

    def elapsed(self) -> float:
        """Virtual seconds since the start."""
        return self.loop.time()

    def now(self) -> datetime:
        """The virtual wall clock."""
        return self._starts_at + timedelta(seconds=self.loop.time())

    def new_id(self) -> str:
        """A UUID of version 7 of the virtual time and the seed's chance."""
        return make_uuid7(int(self.now().timestamp() * 1_000), self._chance.getrandbits(80))

    def random(self) -> float:
        """Chance in [0, 1), by the seed."""
        return self._chance.random()

    @property
    def chance(self) -> Chance:
        """It orders the turns itself."""
        return self

    def pick(self, ready: Sequence[Runnable]) -> int:
        """Pick which of those ready is served next, and note it in the trace."""
        index = self.loop.pick_index(len(ready)) if len(ready) > 1 else 0
        self.loop.note(f"turn of {ready[index].name}")
        return index

    def is_alone(self) -> bool:
        """Whether nothing else could happen between this turn and the next."""
        return self.loop.is_alone
