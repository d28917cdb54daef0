"""Candle: open, high, low, close and volume of one stretch of time."""

from dataclasses import dataclass
from datetime import datetime

from trader.ids import InstrumentId
from trader.instants import Timeframe
from trader.money import Price, Quantity


@dataclass(slots=True)
class Candle:
    """One bar. Made once per bar, so not frozen at run time; a house test forbids assignment."""

    instrument: InstrumentId
    timeframe: Timeframe
    opened_at: datetime  # UTC, the venue's time: with instrument and timeframe its identity
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Quantity
    is_final: bool = True
    revision: int = 0  # 0 as first closed; each replacement by the venue counts one up

    @property
    def closes_at(self) -> datetime:
        """The instant at which the next bar opens."""
        return self.opened_at + self.timeframe.duration

    def same_values(self, other: "Candle") -> bool:
        """Whether prices and volume are equal, whatever the revision."""
        return (
            self.open == other.open
            and self.high == other.high
            and self.low == other.low
            and self.close == other.close
            and self.volume == other.volume
        )


Bar = Candle  # the name that strategies use
