"""What a strategy may decide, and what it sees: the promise between user code and the heart.

A decision is one of four, each with a reason: no reason, no decision.
"""

from dataclasses import dataclass
from decimal import Decimal

from trader.ids import ClientOrderId
from trader.money import NO_QTY, Price, Quantity
from trader.orders.order import OrderType, Side, TimeInForce


@dataclass(frozen=True, slots=True)
class Nothing:
    """Do nothing, because."""

    reason: str


@dataclass(frozen=True, slots=True)
class SubmitOrder:
    """Send one order. What it *is* (entry or exit) the gate decides, by side and quantity."""

    side: Side
    qty: Decimal
    reason: str
    type: OrderType = OrderType.MARKET
    tif: TimeInForce = TimeInForce.DAY
    price: Decimal | None = None
    stop_price: Decimal | None = None
    protective_stop: Decimal | None = None  # an entry's stop: kept at the venue while it is open
    is_exit: bool = False  # `ctx.exit`: close the whole position, whatever it then is
    symbol: str | None = None  # None: the session's own; another one is refused


@dataclass(frozen=True, slots=True)
class ModifyOrder:
    """The changes to one working order; None leaves a field as it is."""

    order_id: ClientOrderId
    qty: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ModifyOrders:
    """Change working orders."""

    changes: tuple[ModifyOrder, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class CancelOrders:
    """Cancel working orders; an empty tuple means: all working entries."""

    order_ids: tuple[ClientOrderId, ...]
    reason: str


Decision = Nothing | SubmitOrder | ModifyOrders | CancelOrders


@dataclass(frozen=True, slots=True)
class WorkingView:
    """A working order as a strategy sees it."""

    id: ClientOrderId
    side: Side
    type: OrderType
    qty: Quantity
    leaves_qty: Quantity
    price: Price | None
    stop_price: Price | None
    is_protective: bool


@dataclass(frozen=True, slots=True)
class View:
    """What the session knows, as a strategy may see it: a copy, made when something changed."""

    position_qty: Quantity = NO_QTY  # signed
    avg_px: Price | None = None
    working: tuple[WorkingView, ...] = ()


FLAT_VIEW = View()


@dataclass(frozen=True, slots=True)
class StrategySpec:
    """Which strategy, with what: enough to make it anew anywhere."""

    name: str  # entry point name, or `path/to/file.py:Class`
    params: tuple[tuple[str, str | int | float | bool], ...]
    symbol: str
    tick: Decimal
    lot: Decimal
