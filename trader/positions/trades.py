"""Trades: round trips from flat to flat, computed from executions after the fact.

A trade has what was entered and what was exited at their average prices. What the broker assigned
without an execution (an adjustment) was not traded by us: the round trip starts anew from it.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from trader.money import NO_QTY, ZERO, Price, Quantity
from trader.orders.order import Side


@dataclass(frozen=True, slots=True)
class Execution:
    """A fill, and its place among all that moved the position."""

    execution_id: str
    side: Side
    qty: Quantity
    price: Price
    fee: Decimal | None
    happened_at: datetime
    place: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """The position as the broker had it, against ours."""

    qty: Quantity  # signed
    avg_px: Price | None
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Trade:
    """One round trip, over."""

    side: Side  # of its entry
    qty: Quantity
    entry_px: Price
    exit_px: Price
    fees: Decimal
    realized: Decimal  # after fees
    opened_at: datetime
    closed_at: datetime
    closing_execution_id: str
    closing_place: int
    left_over_qty: Quantity  # signed: what the closing execution opened in the other direction


@dataclass(frozen=True, slots=True)
class _Open:
    """A round trip under way."""

    side: Side
    opened_at: datetime
    entered_qty: Decimal
    entry_cost: Decimal
    exited_qty: Decimal = ZERO
    exit_value: Decimal = ZERO
    fees: Decimal = ZERO

    @property
    def held_qty(self) -> Decimal:
        return self.entered_qty - self.exited_qty


class RoundTrips:
    """Folds moves, in order, into the trades that they close.

    Begin where the session was flat; or at the closing execution of an earlier trade, with the
    signed quantity that was left over of it.
    """

    __slots__ = ("_left_over_qty", "_multiplier", "_under_way")

    def __init__(self, multiplier: Decimal, left_over_qty: Quantity = NO_QTY) -> None:
        self._multiplier = multiplier
        self._left_over_qty = left_over_qty
        self._under_way: _Open | None = None

    def take(self, move: Execution | Assignment) -> Trade | None:
        """The next move; the trade that it closed."""
        if isinstance(move, Assignment):
            self._under_way = _assigned(self._under_way, move)
            return None
        opening_qty: Decimal = move.qty
        if self._left_over_qty:
            opening_qty, self._left_over_qty = abs(self._left_over_qty), NO_QTY
        closed: Trade | None = None
        under_way = self._under_way
        if under_way is not None and under_way.side is not move.side:
            closing_qty = min(move.qty, under_way.held_qty)
            opening_qty -= closing_qty
            under_way = replace(
                under_way,
                exited_qty=under_way.exited_qty + closing_qty,
                exit_value=under_way.exit_value + closing_qty * move.price,
                fees=under_way.fees + _fee_of(closing_qty, move),
            )
            if under_way.held_qty == 0:
                rest = Quantity(move.side.sign * opening_qty)
                closed = _closed(under_way, move, self._multiplier, rest)
                under_way = None
        if opening_qty > 0:
            before = under_way or _Open(move.side, move.happened_at, ZERO, ZERO)
            under_way = replace(
                before,
                entered_qty=before.entered_qty + opening_qty,
                entry_cost=before.entry_cost + opening_qty * move.price,
                fees=before.fees + _fee_of(opening_qty, move),
            )
        self._under_way = under_way
        return closed


def _assigned(under_way: _Open | None, move: Assignment) -> _Open | None:
    if move.qty == 0:
        return None
    side = Side.BUY if move.qty > 0 else Side.SELL
    px: Decimal | None = move.avg_px
    if px is None and under_way is not None and under_way.side is side:
        px = under_way.entry_cost / under_way.entered_qty
    if px is None:  # at no known price there is nothing to compare an exit with
        return None
    return _Open(side, move.happened_at, abs(move.qty), abs(move.qty) * px)


def _fee_of(qty: Decimal, execution: Execution) -> Decimal:
    """The part of the execution's fee that belongs to `qty` of it."""
    if execution.fee is None or qty == execution.qty:
        return execution.fee or ZERO
    return execution.fee * qty / execution.qty


def _closed(done: _Open, last: Execution, multiplier: Decimal, rest: Quantity) -> Trade:
    gained = done.side.sign * (done.exit_value - done.entry_cost) * multiplier
    return Trade(
        side=done.side,
        qty=Quantity(done.entered_qty),
        entry_px=Price(done.entry_cost / done.entered_qty),
        exit_px=Price(done.exit_value / done.exited_qty),
        fees=done.fees,
        realized=gained - done.fees,
        opened_at=done.opened_at,
        closed_at=last.happened_at,
        closing_execution_id=last.execution_id,
        closing_place=last.place,
        left_over_qty=rest,
    )
