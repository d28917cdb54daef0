"""What the venue has to say, in the order in which it happened."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from adapters.sandbox.orders import Execution, Order
from adapters.sandbox.tape import Bar


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """Something an order's owner is told. The order is a copy as it was at that moment."""

    event: str
    execution_id: str
    at: datetime
    order: Order
    execution: Execution | None


@dataclass(frozen=True, slots=True)
class TradePrinted:
    """A trade on the tape; `id` counts from 1 over all symbols."""

    id: int
    symbol: str
    price: Decimal
    qty: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class BarClosed:
    """A bar is finished."""

    symbol: str
    bar: Bar


@dataclass(frozen=True, slots=True)
class BarRevised:
    """A finished bar was replaced."""

    symbol: str
    bar: Bar


Happening = OrderChanged | TradePrinted | BarClosed | BarRevised
