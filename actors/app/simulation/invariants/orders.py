"""The order path: durable first, one order for each intent, and unknown is not rejected."""

from decimal import Decimal

from actors.app.simulation.invariants.checker import Checker
from adapters.simulated.history import WriteArrived
from adapters.simulated.rows import Adopted, Committed
from adapters.simulated.store import SPOOL_RECORDS_COUNT_MAX
from trader.ids import ClientOrderId
from trader.orders.order import Change, Order, OrderType, Purpose, Replace, Status
from trader.records import ChangeEntry, OrderEntry, ProgressEntry

IN_MEMORY_S = 180.0  # an exit whose record the disk refused may go out again so much later
MAKES_ORDERS = ("POST", "PATCH")
TYPES = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP_MARKET: "stop",
    OrderType.STOP_LIMIT: "stop_limit",
}
EVIDENT = (Status.REJECTED, Status.CANCELED, Status.EXPIRED)


class Recordings(Checker):
    """What was ever recorded: restored rows have been rows."""

    def watch(self) -> None:
        """Every commit."""
        self.recorded: dict[ClientOrderId, Order] = {}
        self.world.history.listen(Committed, self._committed)
        self.world.history.listen(WriteArrived, self._arrived)

    def _committed(self, committed: Committed) -> None:
        what = committed.what
        if isinstance(what, OrderEntry):
            item: Order | Change = what.order.item
        elif isinstance(what, ChangeEntry):
            item = what.change.item
        elif isinstance(what, Adopted):
            item = what.item
        else:
            return
        order = item.successor if isinstance(item, Replace) else item
        if isinstance(order, Order):
            self.recorded.setdefault(order.id, order)

    def _arrived(self, write: WriteArrived) -> None:
        if write.method in MAKES_ORDERS and write.is_accepted:
            self.made(write, ClientOrderId(write.client_order_id))

    def made(self, write: WriteArrived, order_id: ClientOrderId) -> None:
        """The venue has made an order for us."""


class DurableFirst(Recordings):
    """I1, at the instant at which the venue has it."""

    invariant = "I1"
    promise = "when the broker has an order, a committed row or a spool record has it too"

    def made(self, write: WriteArrived, order_id: ClientOrderId) -> None:
        """Rows, or the disk of a machine; with no room there an exit may leave all the same."""
        if order_id in self.recorded:
            return
        daemons = self.world.daemons
        if any(daemon.disk.spool.holds(order_id.encode()) for daemon in daemons):
            return
        had_room = not any(
            write.at_s < daemon.disk.refused_s + IN_MEMORY_S
            or (daemon.house and daemon.house.store.spool.record_count() >= SPOOL_RECORDS_COUNT_MAX)
            for daemon in daemons
        )
        # The venue's own order: the body of a replace does not name the side.
        is_exit = write.order is not None and (
            write.order.request.side.sign * write.position_qty < 0
        )
        if had_room or not is_exit:
            self.broken(f"{order_id} is at the venue and nowhere else")


class OneOrderPerIntent(Recordings):
    """I2: what the venue has is what was recorded, once."""

    invariant = "I2"
    promise = "one broker order per intent, with the parameters of its durable row"

    def watch(self) -> None:
        """Every order made."""
        super().watch()
        self._by_intent: dict[tuple[str, ...], ClientOrderId] = {}

    def made(self, write: WriteArrived, order_id: ClientOrderId) -> None:
        """Compare it with its row, and its intent with those before."""
        order = self.recorded.get(order_id)
        made = write.order
        if order is None or made is None:
            return
        ours = (order.qty, order.side.lower(), TYPES[order.type], order.price, order.stop_price)
        asked = made.request
        theirs = (asked.qty, asked.side, asked.type, asked.limit_price, asked.stop_price)
        if ours != theirs:
            self.broken(f"{order_id}: recorded {ours}, sent {theirs}")
        if order.purpose is Purpose.ENTRY and order.replaces is None:
            leg = (order.side, str(order.qty), order.type, str(order.price))
            intent = (order.session_id, order.cause_kind, order.cause_key, *leg)
            first = self._by_intent.setdefault(intent, order_id)
            if first != order_id:
                self.broken(f"{first} and {order_id} were both sent for {intent}")


class UnknownIsNotRejected(Checker):
    """I9."""

    invariant = "I9"
    promise = "only broker evidence makes an order terminal"

    def watch(self) -> None:
        """Every ended order, and every order made after it was said to have ended."""
        self._ended: dict[ClientOrderId, ProgressEntry] = {}
        self.world.history.listen(Committed, self._committed)
        self.world.history.listen(WriteArrived, self._arrived)

    def _committed(self, committed: Committed) -> None:
        entry = committed.what
        if not isinstance(entry, ProgressEntry):
            return
        self._ended.pop(entry.order_id, None)
        if entry.status is Status.FILLED:
            self._filled(entry)
        elif entry.status in EVIDENT:
            self._ended[entry.order_id] = entry
            order = self.world.order_at_venue(entry.order_id)
            if order is not None and order.is_open:
                self.broken(
                    f"{entry.order_id} is said to be {entry.status} ({entry.reason_code}), and"
                    f" is {order.status} at the venue"
                )

    def _filled(self, entry: ProgressEntry) -> None:
        order = self.world.order_at_venue(entry.order_id)
        if order is None or order.filled_qty < entry.cum_qty or entry.cum_qty <= Decimal(0):
            self.broken(f"{entry.order_id} is said to be FILLED, and is not at the venue")

    def _arrived(self, write: WriteArrived) -> None:
        if write.method != "POST" or not write.is_accepted:
            return
        entry = self._ended.get(ClientOrderId(write.client_order_id))
        if entry is not None and entry.reason_code != "never_arrived":
            self.broken(f"{entry.order_id} was said to be {entry.status}, and then arrived")
