"""The last gate: asked in the same loop turn as the write to the socket.

Owns: what this account has sent, per instrument what the broker last said and what fills said
since. It refuses *any* order, exits included, that was already sent, is too late, belongs to an
older incarnation, or would take more than the position has; all its other refusals hit entries.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from trader.ids import ClientOrderId, InstrumentId
from trader.money import NO_QTY, ZERO, Quantity
from trader.orders.order import Fill, Order, Purpose
from trader.ports import NotSent
from trader.positions.events import PositionReported
from trader.positions.position import BrokerView

EXITS_KEPT_MAX = 1_000  # of one instrument
SENT_KEPT_MAX = 100_000  # ids remembered; older ones are refused by the venue itself

EntryBar = Callable[[], NotSent | None]
"""Asked when an entry is about to leave: why it may not, or None."""


@dataclass(slots=True)
class Exit:
    """An exit that left. One that is over is remembered, so that a resend does not count anew."""

    qty: Quantity
    applied: Quantity

    @property
    def left(self) -> Quantity:
        """What of it has not reached the position yet."""
        return Quantity(max(self.qty - self.applied, NO_QTY))


@dataclass(slots=True)
class InstrumentBook:
    """What the gate knows of one instrument."""

    incarnation: int = 0
    broker: BrokerView = field(default_factory=BrokerView)
    newest_fill_s: float | None = None  # host seconds at which it was seen
    exits: dict[ClientOrderId, Exit] = field(default_factory=dict)
    executions: set[str] = field(default_factory=set)


class LastGate:
    """See the module."""

    def __init__(self, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._sent: dict[tuple[ClientOrderId, int], None] = {}
        self._books: dict[InstrumentId, InstrumentBook] = {}
        self.stopped_because = ""  # another holder was seen: nothing leaves at all

    def attach(self, instrument: InstrumentId, incarnation: int) -> None:
        """From now on only this incarnation's orders leave for the instrument."""
        book = self._book(instrument)
        book.incarnation = max(book.incarnation, incarnation)

    def snapshot(self, report: PositionReported) -> None:
        """The broker's word on the position; one asked for before our newest fill is discarded."""
        book = self._book(report.instrument)
        book.broker.take_snapshot(report, book.newest_fill_s)

    def filled(self, fill: Fill) -> None:
        """A fill; the second time it is no news."""
        book = self._book(fill.instrument)
        if fill.execution_id in book.executions:
            return
        book.executions.add(fill.execution_id)
        book.newest_fill_s = self._elapsed()
        book.broker.fold_fill(fill.side, fill.qty, book.newest_fill_s)
        left = book.exits.get(ClientOrderId(fill.client_order_id))
        if left is not None:
            left.applied = Quantity(left.applied + fill.qty)

    def over(self, instrument: InstrumentId, order_id: str, cum_qty: Quantity) -> None:
        """That order is terminal at the venue: more than it has filled it never will."""
        left = self._book(instrument).exits.get(ClientOrderId(order_id))
        if left is not None:
            left.qty = cum_qty

    def may_submit(
        self, order: Order, *, is_exit: bool, deadline_s: float, attempt: int, entry_bar: EntryBar
    ) -> NotSent | None:
        """None: it leaves now, and is remembered as sent."""
        refusal = self._refusal(order, deadline_s, attempt)
        if refusal is None and not is_exit:
            refusal = entry_bar()
        if refusal is None and is_exit and order.purpose is Purpose.EXIT:
            refusal = self._reduce(order)
        if refusal is None:
            self._remember(order.id, attempt)
        return refusal

    def may_change(
        self, *, raises_risk: bool, deadline_s: float, entry_bar: EntryBar
    ) -> NotSent | None:
        """For a replace or cancel."""
        if self.stopped_because:
            return NotSent("not_the_owner", self.stopped_because)
        if self._elapsed() > deadline_s:
            return NotSent("deadline_passed", "the request waited too long")
        return entry_bar() if raises_risk else None

    def _refusal(self, order: Order, deadline_s: float, attempt: int) -> NotSent | None:
        """Why no order at all, exits included, may leave."""
        if self.stopped_because:
            return NotSent("not_the_owner", self.stopped_because)
        if (order.id, attempt) in self._sent:
            return NotSent("already_sent", f"{order.id}, attempt {attempt}")
        now_s = self._elapsed()
        if now_s > deadline_s:
            return NotSent("deadline_passed", f"{now_s - deadline_s:.1f} s too late")
        newest = self._book(order.instrument).incarnation
        if order.incarnation < newest and attempt == 1:  # a resend is the newest one's decision
            return NotSent("old_incarnation", f"{order.incarnation} of {newest}")
        return None

    def _reduce(self, order: Order) -> NotSent | None:
        """Count the exit, unless it would take what others take already."""
        book = self._book(order.instrument)
        ours = book.exits.get(order.id)
        if ours is not None and not ours.left:
            return NotSent("already_over", f"{order.id} was sent, and is over")
        others = sum((each.left for i, each in book.exits.items() if i != order.id), ZERO)
        free = abs(book.broker.broker_qty) - others
        if book.broker.snapshot_qty is not None and order.qty > free:
            return NotSent("not_reducible", f"{order.qty} of {free} left to reduce")
        book.exits.setdefault(order.id, Exit(order.qty, NO_QTY))
        if len(book.exits) > EXITS_KEPT_MAX:
            book.exits = {i: each for i, each in book.exits.items() if each.left}
        return None

    def _remember(self, order_id: ClientOrderId, attempt: int) -> None:
        self._sent[(order_id, attempt)] = None
        if len(self._sent) > SENT_KEPT_MAX:
            self._sent.pop(next(iter(self._sent)))

    def _book(self, instrument: InstrumentId) -> InstrumentBook:
        book = self._books.get(instrument)
        if book is None:
            book = self._books[instrument] = InstrumentBook()
        return book
