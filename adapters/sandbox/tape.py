"""What a market prints: trades, and the bars that they make.  Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from adapters.sandbox.orders import ZERO, Order


class Path(StrEnum):
    """How the house price reaches its next value."""

    WALK = "walk"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Trade:
    """A buyer met a seller. None stands for the house."""

    symbol: str
    buyer: Order | None
    seller: Order | None
    price: Decimal
    qty: Decimal


@dataclass(frozen=True, slots=True)
class Bar:
    """What traded in one timeframe, labelled by its opening instant (UTC)."""

    opened_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trade_count: int
    notional: Decimal  # sum of price x quantity, so that the mean price needs no history


class Forming:
    """The bar under way; its label is known when it closes."""

    __slots__ = ("close", "count", "high", "low", "notional", "open", "volume")

    def __init__(self, price: Decimal) -> None:
        self.open = self.high = self.low = self.close = price
        self.volume = self.notional = ZERO
        self.count = 0

    def take(self, price: Decimal, qty: Decimal) -> None:
        """Add one trade; quantity 0 only moves the prices."""
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        if qty:
            self.volume += qty
            self.notional += price * qty
            self.count += 1

    def closed(self, opened_at: datetime) -> Bar:
        """The finished bar."""
        return Bar(
            opened_at, self.open, self.high, self.low, self.close,
            self.volume, self.count, self.notional,
        )  # fmt: skip
