"""How far a daemon is from a server of the simulated world."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Distance:
    """How long one way takes: `mean_s` on average, most of them less, a few of them far more.

    `spread` 0: always the same; 6, the most: from nothing up to six times the mean.
    """

    chance: Random
    mean_s: float
    spread: float = 3.0

    def draw_s(self) -> float:
        """Seconds of the next one."""
        tail = self.chance.random() ** 5  # a sixth on average
        return self.mean_s * (1 - self.spread / 6 + self.spread * tail)
