"""The last gate: asked in the same loop turn as the write to the socket.

Owns: what this account has sent, per instrument what the broker last said and what fills said
since. It refuses *any* order, exits included, that was already sent, is too late, belongs to an
older incarnation, or would take more than the position has; all its other refusals hit entries.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from trader.ids import ClientOrderId, InstrumentId
from trader.money import NO_QTY, Quantity
from trader.orders.order import Fill, Order, Purpose
from trader.ports import NotSent
from trader.positions.events import PositionReported
from trader.positions.position import BrokerView

SENT_KEPT_MAX = 100_000  # ids remembered; older ones are refused by the venue itself


@dataclass(slots=True)
class Exit:
    """An exit that left: what of it has not reached the position yet."""

    qty: Quantity
    applied: Quantity


@dataclass(slots=True)
class InstrumentBook:
    """What the gate knows of one instrument."""

    incarnation: int = 0
    broker: BrokerView = field(default_factory=BrokerView)
    exits: dict[ClientOrderId, Exit] = field(default_factory=dict)
    executions: set[str] = field(default_factory=set)


class LastGate:
    """See the module. `entry_bars` gives the reasons for which no entry may leave now."""

    def __init__(
        self, elapsed: Callable[[], float], entry_bars: Callable[[], NotSent | None]
    ) -> None:
        self._elapsed = elapsed
        self._entry_bars = entry_bars
        self._sent: dict[tuple[ClientOrderId, int], None] = {}
        self._books: dict[InstrumentId, InstrumentBook] = {}
        self.stopped_because = ""  # another holder was seen: nothing leaves at all

    def attach(self, instrument: InstrumentId, incarnation: int) -> None:
        """From now on only this incarnation's orders leave for the instrument."""
        book = self._book(instrument)
        book.incarnation = max(book.incarnation, incarnation)

    def snapshot(self, report: PositionReported, newest_fill_s: float | None) -> None:
        """The broker's word on the position."""
        self._book(report.instrument).broker.take_snapshot(report, newest_fill_s)

    def filled(self, fill: Fill) -> bool:
        """A fill, once; whether it is news."""
        book = self._book(fill.instrument)
        if fill.execution_id in book.executions:
            return False
        book.executions.add(fill.execution_id)
        book.broker.fold_fill(fill.side, fill.qty)
        left = book.exits.get(ClientOrderId(fill.client_order_id))
        if left is not None:
            left.applied = Quantity(left.applied + fill.qty)
        return True

    def over(self, instrument: InstrumentId, order_id: str, cum_qty: Quantity) -> None:
        """That order is terminal at the venue: more than it has filled it never will."""
        left = self._book(instrument).exits.get(ClientOrderId(order_id))
        if left is not None:
            left.qty = cum_qty

    def may_submit(
        self, order: Order, *, is_exit: bool, deadline_s: float, attempt: int
    ) -> NotSent | None:
        """None: it leaves now, and is remembered as sent."""
        if self.stopped_because:
            return NotSent("not_the_owner", self.stopped_because)
        if (order.id, attempt) in self._sent:
            return NotSent("already_sent", f"{order.id}, attempt {attempt}")
        now_s = self._elapsed()
        if now_s > deadline_s:
            return NotSent("deadline_passed", f"{now_s - deadline_s:.1f} s too late")
        book = self._book(order.instrument)
        if order.incarnation < book.incarnation and attempt == 1:
            return NotSent("old_incarnation", f"{order.incarnation} of {book.incarnation}")
        if not is_exit:
            bar = self._entry_bars()
            if bar is not None:
                return bar
        elif order.purpose is Purpose.EXIT:
            book.exits = {i: e for i, e in book.exits.items() if e.qty > e.applied}
            others = sum(e.qty - e.applied for i, e in book.exits.items() if i != order.id)
            free = abs(book.broker.broker_qty) - others
            if book.broker.snapshot_qty is not None and order.qty > free:
                return NotSent("not_reducible", f"{order.qty} of {free} left to reduce")
            book.exits[order.id] = Exit(order.qty, NO_QTY)
        self._remember(order.id, attempt)
        return None

    def may_change(self, *, raises_risk: bool, deadline_s: float) -> NotSent | None:
        """For a replace or cancel."""
        if self.stopped_because:
            return NotSent("not_the_owner", self.stopped_because)
        if self._elapsed() > deadline_s:
            return NotSent("deadline_passed", "the request waited too long")
        return self._entry_bars() if raises_risk else None

    def _remember(self, order_id: ClientOrderId, attempt: int) -> None:
        self._sent[(order_id, attempt)] = None
        if len(self._sent) > SENT_KEPT_MAX:
            self._sent.pop(next(iter(self._sent)))

    def _book(self, instrument: InstrumentId) -> InstrumentBook:
        book = self._books.get(instrument)
        if book is None:
            book = self._books[instrument] = InstrumentBook()
        return book
