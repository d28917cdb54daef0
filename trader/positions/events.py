"""What the broker said about positions."""

from dataclasses import dataclass
from datetime import datetime

from trader.ids import AccountId, InstrumentId
from trader.money import Price, Quantity


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """One position as the broker has it. `qty` is signed, long positive, never 0 in a list."""

    instrument: InstrumentId
    qty: Quantity
    avg_px: Price
    mark: Price | None


@dataclass(frozen=True, slots=True)
class PositionReported:
    """The broker's position in one instrument. `asked_s`: host seconds at the question."""

    account_id: AccountId
    instrument: InstrumentId
    qty: Quantity  # signed; 0 = the broker said: none
    avg_px: Price | None
    mark: Price | None
    asked_s: float
    reported_at: datetime
    database_qty: Quantity | None = None  # the position row, read after the answer; None: not read


@dataclass(frozen=True, slots=True)
class PositionsReported:
    """Every position of an account, complete."""

    account_id: AccountId
    positions: tuple[BrokerPosition, ...]
    asked_s: float
    reported_at: datetime
