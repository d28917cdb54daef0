"""Order budgets, counted from what the venue got."""

from collections import Counter, deque
from decimal import Decimal

from actors.app.simulation.invariants.checker import Checker
from actors.app.simulation.settings import settings_of
from adapters.simulated.history import WriteLeft
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
        self._left: dict[SessionId, deque[float]] = {}
        self._today: Counter[SessionId] = Counter()  # a world is shorter than a day
        self._counted: set[ClientOrderId] = set()
        self.world.history.listen(WriteLeft, self._sent)

    def _sent(self, write: WriteLeft) -> None:
        order_id = ClientOrderId(write.client_order_id)
        row = self.world.rows.orders.get(order_id)
        if write.method != "POST" or row is None or row.order.purpose is not Purpose.ENTRY:
            return
        if order_id in self._counted:  # the same row again
            return
        self._counted.add(order_id)
        self._rate(row.order, write.at_s)
        self._size(row.order)

    def _rate(self, order: Order, at_s: float) -> None:
        left = self._left.setdefault(order.session_id, deque())
        left.append(at_s)
        while left[0] < at_s - 60 + SPREAD_S:
            left.popleft()
        if len(left) > self._risk.orders_per_minute_max:
            self.broken(f"{order.session_id} sent {len(left)} entries within a minute")
        self._today[order.session_id] += 1
        if self._today[order.session_id] > self._risk.orders_per_day_max:
            self.broken(f"{order.session_id} sent {self._today[order.session_id]} entries today")

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
