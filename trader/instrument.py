"""Instrument: what can be traded, in what steps, at which venue."""

from dataclasses import dataclass
from decimal import Decimal

from trader.ids import InstrumentId, symbol_of


@dataclass(frozen=True, slots=True)
class Instrument:
    """Steps and size of one instrument, from the venue's own list (source of truth: the venue)."""

    id: InstrumentId
    currency: str
    tick: Decimal  # smallest price step
    lot: Decimal  # smallest quantity step
    multiplier: Decimal  # money per whole point and unit
    shortable: bool

    @property
    def symbol(self) -> str:
        """The venue's own name for it."""
        return symbol_of(self.id)
