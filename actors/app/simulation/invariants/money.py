"""Money is exact: decimals everywhere, and the rows' cash is the venue's to the last digit."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from actors.app.simulation.invariants.checker import Checker
from adapters.simulated.history import WriteArrived
from adapters.simulated.rows import Committed, What
from trader.ids import AccountId
from trader.money import ZERO
from trader.orders.order import Order, Replace, Side
from trader.records import (
    AdjustmentEntry,
    BalanceEntry,
    ChangeEntry,
    FillEntry,
    OrderEntry,
    ProgressEntry,
)

NUMBERS_ON_THE_WIRE = ("qty", "limit_price", "stop_price")


class MoneyIsExact(Checker):
    """I20."""

    invariant = "I20"
    promise = "no float, NaN or negative quantity anywhere; the fills' cash is the venue's"

    def watch(self) -> None:
        """Every number that is kept or sent."""
        self.world.history.listen(Committed, self._committed)
        self.world.history.listen(WriteArrived, self._arrived)

    def _committed(self, committed: Committed) -> None:
        for name, number in _amounts(committed.what):
            if not isinstance(number, Decimal) or not number.is_finite():
                self.broken(f"{committed.by} kept {name} = {number!r}")
        for name, number in _sizes(committed.what):
            if not number > 0:
                self.broken(f"{committed.by} kept {name} = {number}")

    def _arrived(self, arrived: WriteArrived) -> None:
        for name in NUMBERS_ON_THE_WIRE:
            said = arrived.body.get(name)
            if said is None:
                continue
            number = Decimal(said) if isinstance(said, str) else Decimal("NaN")
            if not number.is_finite() or number <= 0:
                self.broken(f"{arrived.who} sent {name} = {said!r}")

    async def after_order_period(self) -> list[str]:
        """What was paid and received by the rows, and by the venue's books."""
        found = []
        for name in self.world.plan.accounts:
            books = self.world.books(name)
            rows = [
                entry.fill
                for (account_id, _), entry in self.world.rows.fills.items()
                if account_id == AccountId(name)
            ]
            ours = {fill.execution_id: _cash(fill.side, fill.qty, fill.price) for fill in rows}
            theirs = {
                each.id: _cash(Side(each.side.upper()), each.qty, each.price)
                for each in books.executions
            }
            found += [
                f"the rows have {ours[each]} for execution {each}, the venue {cash}"
                for each, cash in theirs.items()
                if each in ours and ours[each] != cash
            ]
        return found


def _cash(side: Side, qty: Decimal, price: Decimal) -> Decimal:
    return -side.sign * qty * price


def _amounts(what: What) -> Iterator[tuple[str, Any]]:
    """Every number of it that stands for money or shares."""
    if isinstance(what, OrderEntry):
        yield from _of_order(what.order.item)
    elif isinstance(what, ChangeEntry) and isinstance(what.change.item, Replace):
        yield from _of_order(what.change.item.successor)
    elif isinstance(what, FillEntry):
        yield "fill.qty", what.fill.qty
        yield "fill.price", what.fill.price
        yield "fill.fee", what.fill.fee or ZERO
        yield "position.qty", what.position_qty
        yield "position.avg_px", what.position_avg_px or ZERO
        yield "position.realized", what.realized
    elif isinstance(what, ProgressEntry):
        yield "order.cum_qty", what.cum_qty
        yield "order.avg_px", what.avg_px or ZERO
    elif isinstance(what, AdjustmentEntry):
        yield "adjustment.to_qty", what.to_qty
        yield "adjustment.to_avg_px", what.to_avg_px or ZERO
    elif isinstance(what, BalanceEntry):
        yield "cash", what.balance.cash.amount
        yield "equity", what.balance.equity.amount


def _of_order(order: Order) -> Iterator[tuple[str, Any]]:
    yield "order.qty", order.qty
    yield "order.price", order.price or ZERO
    yield "order.stop_price", order.stop_price or ZERO
    yield "order.protective_stop", order.protective_stop or ZERO


def _sizes(what: What) -> Iterator[tuple[str, Decimal]]:
    """Those that are more than nothing."""
    if isinstance(what, OrderEntry):
        yield "order.qty", what.order.item.qty
    elif isinstance(what, FillEntry):
        yield "fill.qty", what.fill.qty
        yield "fill.price", what.fill.price
