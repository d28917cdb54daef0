"""Cash, positions and what open orders hold of both.  Pure.

Buying power = multiplier x equity - size of all positions - reserves of opening orders. A closing
order reserves the shares instead. No order may turn a position round: it closes or it opens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from adapters.sandbox.orders import ZERO, Execution, Order, PositionEffect, Side


@dataclass(slots=True)
class Position:
    """Signed shares (long positive) and what the open part cost, with the same sign."""

    qty: Decimal = ZERO
    cost: Decimal = ZERO

    @property
    def average_price(self) -> Decimal:
        """Mean entry price of the open part; 0 when flat."""
        return self.cost / self.qty if self.qty else ZERO

    def take(self, signed_qty: Decimal, price: Decimal) -> None:
        """Fold one trade: adding averages, reducing keeps the mean, crossing zero starts anew."""
        after = self.qty + signed_qty
        if self.qty * signed_qty >= 0:
            self.cost += signed_qty * price
        elif after * self.qty > 0:
            self.cost = self.average_price * after
        else:
            self.cost = after * price
        self.qty = after


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A change of position without any order, as a margin desk makes it."""

    at: datetime
    symbol: str
    signed_qty: Decimal
    price: Decimal


@dataclass(slots=True)
class Account:
    """One account: the venue's own record, changed by the venue alone."""

    number: str
    opened_at: datetime
    cash: Decimal
    last_equity: Decimal
    positions: dict[str, Position] = field(default_factory=dict)  # by symbol, flat ones removed
    orders: list[Order] = field(default_factory=list)  # all of them, in order of arrival
    orders_by_client_id: dict[str, Order] = field(default_factory=dict)  # for ever
    # By symbol and side, then by id: an order meets only those it could trade with.
    open_orders: dict[tuple[str, Side], dict[str, Order]] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)  # oldest first
    execution_index: dict[str, int] = field(default_factory=dict)  # place in `executions`, by id
    busted: list[Execution] = field(default_factory=list)  # undone, and listed no longer
    adjustments: list[Adjustment] = field(default_factory=list)
    fees_paid: Decimal = ZERO
    reserved: Decimal = ZERO  # dollars, sum over open orders
    held: dict[str, Decimal] = field(default_factory=dict)  # shares by symbol, sum over open orders

    def position_qty(self, symbol: str) -> Decimal:
        """Signed shares held of a symbol."""
        position = self.positions.get(symbol)
        return position.qty if position is not None else ZERO

    def available(self, symbol: str) -> Decimal:
        """Shares of the position that no open closing order holds yet."""
        return max(ZERO, abs(self.position_qty(symbol)) - self.held.get(symbol, ZERO))

    def equity(self, marks: Mapping[str, Decimal]) -> Decimal:
        """Cash plus positions at their marks; a position without a mark counts at cost."""
        return self.cash + self.market_value(marks)

    def market_value(self, marks: Mapping[str, Decimal]) -> Decimal:
        """Signed value of all positions."""
        return sum((self._value(symbol, p, marks) for symbol, p in self.positions.items()), ZERO)

    def gross_value(self, marks: Mapping[str, Decimal]) -> Decimal:
        """Size of all positions, long and short alike."""
        return sum(
            (abs(self._value(symbol, p, marks)) for symbol, p in self.positions.items()), ZERO
        )

    def buying_power(self, marks: Mapping[str, Decimal], multiplier: Decimal) -> Decimal:
        """What may still be opened, never below zero."""
        used = self.gross_value(marks) + self.reserved
        return max(ZERO, self.equity(marks) * multiplier - used)

    def hold(self, order: Order, dollars: Decimal, shares: Decimal) -> None:
        """Set what an order holds: the one place where reserves change."""
        self.reserved += dollars - order.reserved
        held = self.held.get(order.request.symbol, ZERO) + shares - order.held
        self.held[order.request.symbol] = held
        order.reserved, order.held = dollars, shares

    def hold_for_rest(self, order: Order) -> None:
        """Hold what the rest of an open order needs; nothing for a finished one."""
        rest = order.leaves if order.is_open else ZERO
        if order.effect is PositionEffect.OPEN:
            self.hold(order, rest * order.reserve_price, ZERO)
        else:
            self.hold(order, ZERO, rest)

    def add(self, order: Order) -> None:
        """Book a new order."""
        self.orders.append(order)
        self.orders_by_client_id[order.request.client_order_id] = order
        key = order.request.symbol, order.request.side
        self.open_orders.setdefault(key, {})[order.id] = order

    def finish(self, order: Order) -> None:
        """Drop a terminal order from the open ones and free what it held."""
        self.open_orders[order.request.symbol, order.request.side].pop(order.id, None)
        self.hold_for_rest(order)

    def working(self, symbol: str, side: Side) -> list[Order]:
        """Open orders of one symbol and side."""
        return list(self.open_orders.get((symbol, side), {}).values())

    def all_open(self) -> list[Order]:
        """Every open order, in order of arrival."""
        orders = [order for by_id in self.open_orders.values() for order in by_id.values()]
        return sorted(orders, key=lambda order: order.arrival)

    def trade(self, symbol: str, signed_qty: Decimal, price: Decimal, fee: Decimal) -> None:
        """Move cash and shares for one trade."""
        self.cash -= signed_qty * price + fee
        self.fees_paid += fee
        position = self.positions.setdefault(symbol, Position())
        position.take(signed_qty, price)
        if not position.qty:
            del self.positions[symbol]

    def _value(self, symbol: str, position: Position, marks: Mapping[str, Decimal]) -> Decimal:
        mark = marks.get(symbol)
        return position.cost if mark is None else position.qty * mark
