"""An exit rule: when to leave a position, judged on every price."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from trader.money import Price
from trader.positions.position import Position


class ExitKind(IntEnum):
    """What a rule guards against; the numbers are the order in which rules are asked."""

    STOP = 1
    STALE_TRADE = 2
    TAKE_PROFIT = 3


@dataclass(frozen=True, slots=True)
class ExitSignal:
    """Leave now, with the numbers that say so."""

    kind: ExitKind
    reason: str
    level: Price  # the rule's own price
    price: Price  # the price that reached it


class ExitRule(Protocol):
    """One reason to leave. Pure: the same position and prices give the same answer."""

    @property
    def kind(self) -> ExitKind:
        """Its place in the order."""
        ...

    def judge(self, position: Position, last: Price, high: Price, low: Price) -> ExitSignal | None:
        """A signal when the prices say leave. Never asked about a flat position.

        `high` and `low` are of prices seen while this position was held, `last` among them.
        """
        ...
