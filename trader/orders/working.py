"""WorkingOrder: how one order fares. Ours is a working copy; the venue is the source of truth."""

from dataclasses import dataclass

from trader.ids import BrokerOrderId
from trader.money import NO_QTY, Price, Quantity
from trader.orders.order import Order, Purpose, Status


@dataclass(slots=True)
class WorkingOrder:
    """An order and its fate, changed in place by the heart. Seconds are the host's elapsed ones."""

    order: Order
    is_exit: bool  # as cleared: protective orders are exits too
    decided_s: float = 0.0
    status: Status = Status.PENDING_RECORD
    broker_order_id: BrokerOrderId | None = None
    cum_qty: Quantity = NO_QTY  # the venue's word; never shrinks
    applied_qty: Quantity = NO_QTY  # the sum of its fills that our position has taken in
    assumed_qty: Quantity = NO_QTY  # of it, without their executions: a reconcile took them in
    avg_px: Price | None = None
    reason_code: str = ""
    before_pending: Status = Status.ACCEPTED  # at the last request to cancel or replace
    unanswered_s: float | None = None  # when the sending before this one left
    sent_s: float | None = None
    status_changed_s: float | None = None
    unknown_since_s: float | None = None
    absences: int = 0  # how often the venue did not know it, since it was UNKNOWN
    first_absent_s: float | None = None
    probes: int = 0
    unfilled_s: float | None = None  # when a market order that works still is looked into
    cancels: int = 0  # how often we asked for its cancel

    @property
    def leaves_qty(self) -> Quantity:
        """What may still be filled; 0 once it has ended."""
        if self.status.is_terminal:
            return NO_QTY
        return Quantity(max(self.order.qty - max(self.cum_qty, self.applied_qty), NO_QTY))

    @property
    def is_open(self) -> bool:
        """Not ended: something may still come of it."""
        return not self.status.is_terminal

    @property
    def is_settled(self) -> bool:
        """Ended, and every fill the venue told of is in our position."""
        return self.status.is_terminal and self.applied_qty == self.cum_qty

    @property
    def unapplied_qty(self) -> Quantity:
        """What an exit may still take from our position: all of it but its fills, until settled."""
        if self.is_settled:
            return NO_QTY
        return Quantity(max(self.order.qty - self.applied_qty, NO_QTY))

    @property
    def is_protective(self) -> bool:
        """The stop that covers a position."""
        return self.order.purpose is Purpose.PROTECT

    @property
    def is_stop(self) -> bool:
        """An exit that limits the loss: it takes effect where the price goes against us."""
        return self.is_exit and self.order.stop_price is not None
