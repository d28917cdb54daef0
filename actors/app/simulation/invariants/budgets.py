"""Order budgets, counted from what the venue got."""

from decimal import Decimal

from actors.app.simulation.invariants.checker import Checker
from actors.app.simulation.settings import settings_of
from adapters.simulated.history import WriteLeft
from adapters.simulated.rows import Committed
from trader.ids import ClientOrderId, SessionId, symbol_of
from trader.orders.order import Order, OrderType, Purpose
from trader.records import OrderEntry

SLACK = Decimal("1.1")  # the price moves between the gate and the arrival
SPREAD_S = 1.0


class Budgets(Checker):
    """I10."""

    invariant = "I10"
    promise = "rate, quantity, value, collar and position of entries are bounded, over restarts"

    def watch(self) -> None:
        """Every order that leaves."""
        self._risk = settings_of(self.world.plan).risk
        self._left: dict[SessionId, list[float]] = {}
        self._counted: set[ClientOrderId] = set()
        self._recorded_s: dict[ClientOrderId, float] = {}
        self.world.history.listen(Committed, self._committed)
        self.world.history.listen(WriteLeft, self._sent)

    def _committed(self, committed: Committed) -> None:
        if isinstance(committed.what, OrderEntry):
            self._recorded_s.setdefault(committed.what.order.item.id, committed.at_s)

    def _sent(self, write: WriteLeft) -> None:
        order_id = ClientOrderId(write.client_order_id)
        row = self.world.rows.orders.get(order_id)
        if write.method != "POST" or row is None or row.order.purpose is not Purpose.ENTRY:
            return
        if order_id in self._counted:  # the same row again
            return
        self._counted.add(order_id)
        waited_s = write.at_s - self._recorded_s.get(order_id, write.at_s)
        if waited_s > self._risk.entry_deadline_s + SPREAD_S:
            self.broken(f"{order_id} left {waited_s:.1f} s after it was recorded")
        self._rate(row.order, write.at_s)
        self._size(row.order)

    def _rate(self, order: Order, at_s: float) -> None:
        left = self._left.setdefault(order.session_id, [])
        left.append(at_s)
        lately = sum(each > at_s - 60 + SPREAD_S for each in left)
        if lately > self._risk.orders_per_minute_max:
            self.broken(f"{order.session_id} sent {lately} entries within a minute")
        if len(left) > self._risk.orders_per_day_max:
            self.broken(f"{order.session_id} sent {len(left)} entries in a day")

    def _size(self, order: Order) -> None:
        risk = self._risk
        symbol = symbol_of(order.instrument)
        mark = self.world.venue.host.venue.ledger.marks.get(symbol, Decimal(0))
        price = order.price if order.type is OrderType.LIMIT and order.price else mark
        if order.qty > risk.qty_max:
            self.broken(f"{order.id}: {order.qty} units")
        if order.qty * price > risk.notional_max * SLACK:
            self.broken(f"{order.id}: worth {order.qty * price}")
        for bound in (order.price, order.stop_price):
            if bound is not None and abs(bound - mark) > mark * risk.collar_fraction * SLACK:
                self.broken(f"{order.id}: {bound} is far from {mark}")
