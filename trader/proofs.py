"""Types that prove a step: what is `Cleared` passed the gate, what is `Recorded` is durable.

`Cleared` is made only in `trader/risk/gate.py`; `Recorded` only by a journal after its commit
(`adapters/store/`, `adapters/simulated/`). A house test reads who calls the constructors.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Durability(StrEnum):
    """Where the record lies."""

    DATABASE = "DATABASE"
    SPOOL = "SPOOL"  # fsynced local file, replayed into the database later
    MEMORY = "MEMORY"  # exits only, when both fail: critical, adopted later by its id


@dataclass(frozen=True, slots=True)
class Cleared(Generic[T_co]):
    """Passed the risk gate."""

    item: T_co


@dataclass(frozen=True, slots=True)
class Recorded(Generic[T_co]):
    """Committed to the journal before anything leaves for the broker."""

    item: T_co
    recorded_at: datetime  # UTC, the journal's clock
    durability: Durability = Durability.DATABASE
