"""Portfolio heat: the sum that the venue's own books come to."""

from decimal import Decimal

from actors.app.simulation.invariants.checker import Checker
from adapters.sandbox.events import Happening, OrderChanged
from adapters.sandbox.orders import Fate
from adapters.sandbox.orders import Order as VenueOrder
from adapters.simulated.history import WriteArrived
from adapters.simulated.rows import OrderRow
from trader.ids import ClientOrderId, symbol_of
from trader.orders.order import Purpose

SLACK = Decimal("1.25")  # prices move between the grant and the arrival
LATELY_S = 15.0  # its stop may be on its way so long


class HeatCovers(Checker):
    """I6."""

    invariant = "I6"
    promise = "no entry leaves past the limit of the whole portfolio's worst loss"

    def watch(self) -> None:
        """At each entry that the venue takes."""
        self._entered: dict[str, tuple[float, Decimal | None]] = {}  # symbol -> when, its stop
        self._left_s: dict[str, float] = {}  # symbol -> an exit gives up the stop, and goes
        self.world.history.listen(WriteArrived, self._arrived)
        self.world.venue.listen(self._happened)

    def _happened(self, happenings: list[Happening]) -> None:
        """A limit fills long after it came: from then on its stop is on its way."""
        for each in happenings:
            trade = each.execution if isinstance(each, OrderChanged) else None
            if trade is None:
                continue
            row = self.world.rows.orders.get(ClientOrderId(trade.client_order_id))
            if row is not None and _is_entry(row):
                self._promise(trade.symbol, row.order.protective_stop)

    def _arrived(self, write: WriteArrived) -> None:
        row = self.world.rows.orders.get(ClientOrderId(write.client_order_id))
        if row is None or not write.is_accepted:
            return
        if row.order.purpose is not Purpose.ENTRY:
            self._left_s[symbol_of(row.order.instrument)] = write.at_s
            return
        if write.method != "POST" or write.order is None:
            return
        self._promise(write.order.request.symbol, row.order.protective_stop)
        equity = loss = Decimal(0)
        ledger = self.world.venue.host.venue.ledger
        for name in self.world.plan.accounts:
            equity += self.world.books(name).equity(ledger.marks)
        for plan in self.world.plan.sessions:
            loss += self._least_loss(plan.account, plan.symbol, write.at_s)
        if loss > equity * self.world.plan.block_ratio * SLACK:
            self.broken(
                f"{write.client_order_id} left with {loss:.0f} at risk of {equity:.0f}, and"
                f" {self.world.plan.block_ratio} is the limit"
            )

    def _promise(self, symbol: str, stop: Decimal | None) -> None:
        """An entry without a stop joins a position that keeps its own."""
        if stop is not None:
            self._entered[symbol] = (self.world.loop.time(), stop)

    def _least_loss(self, account: str, symbol: str, now_s: float) -> Decimal:
        """The kindest reading: all that is stopped, or about to be, loses up to its stop only."""
        books = self.world.books(account)
        mark = self.world.venue.host.venue.ledger.marks.get(symbol)
        if mark is None:
            return Decimal(0)
        is_leaving = now_s - self._left_s.get(symbol, -LATELY_S) < LATELY_S
        held = Decimal(0) if is_leaving else books.position_qty(symbol)
        orders = [each for each in books.all_open() if each.request.symbol == symbol]
        entries = [each for each in orders if (row := self._row(each)) and _is_entry(row)]
        replaced = {each.replaces for each in entries}  # it fills no more once its successor works
        entries = [each for each in entries if each.id not in replaced]
        # A row that a lagging replica forgot takes no stop from the venue.
        stops = [each for each in orders if not (row := self._row(each)) or not _is_entry(row)]
        stops += [
            each for each in books.orders_by_client_id.values() if self._is_mute(each, symbol)
        ]
        covered = Decimal(0)
        loss = Decimal(0)
        for stop in stops:
            if stop.request.stop_price is not None:
                part = min(stop.leaves, abs(held) - covered)
                loss += part * abs(mark - stop.request.stop_price)
                covered += part
        entered_s, promised = self._entered.get(symbol, (-LATELY_S, None))
        is_promised = promised is not None and now_s - entered_s < LATELY_S
        rest = abs(mark - promised) if is_promised and promised is not None else mark
        loss += (abs(held) - covered) * rest
        for each in entries:
            row = self._row(each)
            carried = row.order.protective_stop if row else None
            loss += each.leaves * (abs(mark - carried) if carried is not None else mark)
        return loss

    def _is_mute(self, order: VenueOrder, symbol: str) -> bool:
        """A stop that was rejected unsaid: nobody can know before orders are compared again."""
        row = self._row(order)
        is_silent = order.request.symbol == symbol and order.fate is Fate.SILENT_REJECT
        return is_silent and row is not None and not _is_entry(row) and not row.status.is_terminal

    def _row(self, order: VenueOrder) -> OrderRow | None:
        return self.world.rows.orders.get(ClientOrderId(order.request.client_order_id))


def _is_entry(row: OrderRow) -> bool:
    return row.order.purpose is Purpose.ENTRY
