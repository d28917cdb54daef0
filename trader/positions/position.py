"""Position: what we hold by our own fills, and what the broker says we hold.

Average price accounting: what adds moves the average, what reduces realizes against it, and what
crosses zero does both, the rest opening at the fill's price.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from trader.money import NO_QTY, ZERO, Price, Quantity
from trader.orders.order import Side, Status
from trader.orders.working import WorkingOrder
from trader.positions.events import PositionReported

LAG_S = 10.0
"""A venue may show a position so much later than the executions that made it."""


@dataclass(frozen=True, slots=True)
class Position:
    """Our working copy: fills folded in, overruled by the broker."""

    qty: Quantity = NO_QTY  # signed, long positive
    avg_px: Price | None = None  # None when flat
    realized: Decimal = ZERO  # money, less fees

    @property
    def is_flat(self) -> bool:
        """Nothing held."""
        return self.qty == 0

    @property
    def is_long(self) -> bool:
        """It gains when the price rises."""
        return self.qty > 0

    def after(
        self,
        side: Side,
        qty: Quantity,
        price: Price,
        multiplier: Decimal,
        fee: Decimal | None = None,
    ) -> "Position":
        """The position after one execution."""
        change = side.sign * qty
        new_qty = Quantity(self.qty + change)
        avg_px = self.avg_px if self.avg_px is not None else price
        realized = self.realized - (fee or ZERO)
        if self.qty * change >= 0:
            cost = abs(self.qty) * avg_px + qty * price
            return Position(new_qty, Price(cost / abs(new_qty)) if new_qty else None, realized)
        gone = min(qty, abs(self.qty))
        direction = 1 if self.qty > 0 else -1
        realized += direction * gone * (price - avg_px) * multiplier
        if new_qty == 0:
            return Position(NO_QTY, None, realized)
        crossed = new_qty * self.qty < 0
        return Position(new_qty, price if crossed else avg_px, realized)

    def adjusted(self, qty: Quantity, avg_px: Price | None) -> "Position":
        """The broker won: assigned absolutely. Realized stays, for no execution is known."""
        if qty == 0:
            return Position(NO_QTY, None, self.realized)
        return Position(qty, avg_px if avg_px is not None else self.avg_px, self.realized)


FLAT = Position()


def nearer_stop(sign: int, stop: Price, other: Price | None) -> Price:
    """Of two stops the one that loses less; `sign` +1 for a long."""
    if other is None:
        return stop
    return max(stop, other) if sign > 0 else min(stop, other)


@dataclass(slots=True)
class BrokerView:
    """The broker's position: its last accepted snapshot, less what fills told since have taken."""

    snapshot_qty: Quantity | None = None  # None: the broker has not spoken
    asked_s: float | None = None  # host seconds of the snapshot's question
    broker_qty: Quantity = NO_QTY  # signed: what certainly can be reduced
    reduced_s: float = -LAG_S  # when a fill was seen that reduced
    most_qty: Quantity = NO_QTY  # signed: what that fill left, and what has been added since

    def take_snapshot(self, report: PositionReported, newest_fill_seen_s: float | None) -> bool:
        """Whether the report is taken. One asked for before our newest fill, or before the
        snapshot we have, settles nothing: ask again."""
        if newest_fill_seen_s is not None and report.asked_s <= newest_fill_seen_s:
            return False
        if self.asked_s is not None and report.asked_s < self.asked_s:
            return False
        self.snapshot_qty = self.broker_qty = report.qty
        self.asked_s = report.asked_s
        if report.asked_s < self.reduced_s + LAG_S:
            self.broker_qty = _smaller(report.qty, self.most_qty)
        return True

    def fold_fill(self, side: Side, qty: Quantity, seen_s: float) -> None:
        """An execution told after the snapshot; whether it lies inside it nobody knows.

        So one that adds counts nothing, and one that reduces counts wholly: what is left is there
        in any case. A sum of both would take an addition for new that the snapshot had already.
        For a while after it a snapshot that has more than fills explain is an old one.
        """
        if side.sign * self.broker_qty < 0:
            left = max(abs(self.broker_qty) - qty, NO_QTY)
            self.broker_qty = Quantity(-side.sign * left) if left else NO_QTY
            self.most_qty, self.reduced_s = self.broker_qty, seen_s
        else:
            self.most_qty = Quantity(self.most_qty + side.sign * qty)


def _smaller(one: Quantity, other: Quantity) -> Quantity:
    """The one nearer to zero; zero where one is long and the other is short."""
    if one * other <= 0:
        return NO_QTY
    return one if abs(one) <= abs(other) else other


def reducible(broker_qty: Quantity, working: Iterable[WorkingOrder]) -> Quantity:
    """How much of the broker's position no exit has taken yet: the bound of the next one, >= 0.

    Entries among `working` are passed over, and so is a protective stop while nothing of it has
    filled. Pass ended orders too: an exit counts until all its fills are in our position.
    """
    if broker_qty == 0:
        return NO_QTY
    free: Decimal = abs(broker_qty)
    for each in working:
        if each.is_exit and not _rests(each):
            free -= each.unapplied_qty
    return Quantity(max(free, NO_QTY))


def _rests(working: WorkingOrder) -> bool:
    """A stop that the venue has, and of which nothing has filled.

    One that has begun to fill has triggered: its rest is about to leave too. One that is UNKNOWN
    may arrive late, and then fire at once: beside an exit of the same shares it would overshoot.
    """
    return (
        working.is_protective
        and working.status is not Status.UNKNOWN
        and working.cum_qty == 0
        and working.applied_qty == 0
    )
