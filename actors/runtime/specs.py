"""How a part of the tree is described: children, supervisors, and when which of them restarts."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from actors.runtime.actor import Actor


class Restart(StrEnum):
    """Which ends of a child are followed by a restart."""

    PERMANENT = "PERMANENT"  # every end
    TRANSIENT = "TRANSIENT"  # every end but a normal one
    TEMPORARY = "TEMPORARY"  # none


class Strategy(StrEnum):
    """Who else restarts with a child that crashed; stopped in reverse, started in order."""

    ONE_FOR_ONE = "ONE_FOR_ONE"  # nobody
    ONE_FOR_ALL = "ONE_FOR_ALL"  # all its siblings
    REST_FOR_ONE = "REST_FOR_ONE"  # those that were started after it


class Exhausted(StrEnum):
    """What follows when the restarts are used up (and the fallback, where a child has one)."""

    ESCALATE = "ESCALATE"  # the supervisor goes down, its own supervisor decides; counted together
    QUARANTINE = "QUARANTINE"  # that child stays down, its mail kept; counted for each child


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a restart waits: doubling from `base_s` to `max_s`, less up to half as jitter."""

    base_s: float = 0.05
    max_s: float = 10.0
    stable_after_s: float = 30.0  # up for so long, and the next crash counts as the first

    def delay_s(self, attempt: int, chance: float) -> float:
        """Seconds before that attempt (1, 2, ...); chance in [0, 1)."""
        exponent = min(attempt - 1, 32)  # past it the maximum rules anyway, and no overflow
        return min(self.max_s, self.base_s * 2.0**exponent) * (1.0 - chance / 2)


@dataclass(frozen=True, slots=True)
class Child:
    """One name, and how to make the actor that bears it.

    Past the restart limit a child with a `fallback` is made by that factory once more, with a
    fresh count, before it counts as exhausted.
    """

    name: str
    factory: Callable[[], Actor]
    restart: Restart = Restart.PERMANENT
    stop_timeout_s: float = 5.0
    start_timeout_s: float = 30.0
    fallback: Callable[[], Actor] | None = None


@dataclass(frozen=True, slots=True)
class SupervisorSpec:
    """A supervisor and its children, in the order they start; they stop in reverse.

    More than `restarts_count_max` restarts within `restarts_window_s` are one too many.
    """

    name: str
    children: "tuple[Child | SupervisorSpec, ...]"
    strategy: Strategy = Strategy.ONE_FOR_ONE
    restarts_count_max: int = 5
    restarts_window_s: float = 60.0
    exhausted: Exhausted = Exhausted.ESCALATE
    backoff: Backoff = field(default_factory=Backoff)


# A supervisor takes as long as its children do; each of them has its own limits.
NO_TIMEOUT_S = math.inf


@dataclass(frozen=True, slots=True)
class StartChild:
    """Add that child after the others and start it; answered False when the name is taken."""

    child: Child | SupervisorSpec
