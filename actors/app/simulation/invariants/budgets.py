"""Order budgets, counted from what the venue got."""

from decimal import Decimal

from actors.app.simulation.invariants.checker import Checker
from actors.app.simulation.settings import settings_of
from adapters.simulated.history import WriteLeft
from adapters.simulated.rows import Restored
from trader.ids import ClientOrderId, SessionId, symbol_of
from trader.orders.order import Order, OrderType, Purpose

SLACK = Decimal("1.1")  # the price moves between the gate and the arrival
SPREAD_S = 1.0


class Budgets(Checker):
    """I10."""

    invariant = "I10"
    promise = "rate, quantity, value, collar and position of entries are bounded, over restarts"

    def watch(self) -> None:
        """Every order that leaves."""
        self._risk = settings_of(self.world.plan).risk
        self._left: dict[SessionId, dict[ClientOrderId, float]] = {}  # a world is within a day
        self.world.history.listen(WriteLeft, self._sent)
        self.world.history.listen(Restored, self._restored)

    def _restored(self, _: Restored) -> None:
        """What is counted from rows forgets with them."""
        rows = self.world.rows.orders
        for session_id, left in self._left.items():
            self._left[session_id] = {each: at_s for each, at_s in left.items() if each in rows}

    def _sent(self, write: WriteLeft) -> None:
        order_id = ClientOrderId(write.client_order_id)
        row = self.world.rows.orders.get(order_id)
        if write.method != "POST" or row is None or row.order.purpose is not Purpose.ENTRY:
            return
        left = self._left.setdefault(row.order.session_id, {})
        if order_id in left:  # the same row again
            return
        left[order_id] = write.at_s
        self._rate(row.order.session_id, list(left.values()))
        self._size(row.order)

    def _rate(self, session_id: SessionId, left_s: list[float]) -> None:
        lately = sum(at_s >= left_s[-1] - 60 + SPREAD_S for at_s in left_s)
        if lately > self._risk.orders_per_minute_max:
            self.broken(f"{session_id} sent {lately} entries within a minute")
        if len(left_s) > self._risk.orders_per_day_max:
            self.broken(f"{session_id} sent {len(left_s)} entries today")

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
