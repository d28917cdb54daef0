"""Heat: how much money is lost if everything goes wrong, as an interval, and who is counted in it.

`high` has every entry wholly filled and no exit filled; `low` the reverse. Stopped quantity is
priced to its stop, the rest to a configured fraction of its value; a mark at or beyond a stop makes
that stop worth nothing. A sum with a hole in it is not a small sum: its level is UNKNOWN.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from trader.ids import ClientOrderId, SessionId
from trader.money import ZERO, Price, Quantity
from trader.orders.order import Order, OrderType, Side, Status
from trader.orders.working import WorkingOrder


class HeatLevel(StrEnum):
    """What entries may do: WARN only warns, BLOCK and UNKNOWN refuse them. Exits never ask."""

    CALM = "CALM"
    WARN = "WARN"
    BLOCK = "BLOCK"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class HeatRules:
    """How a loss is priced, and how often it is told."""

    stopless_loss_fraction_long: Decimal = Decimal(1)  # of the value; a price can fall to 0
    stopless_loss_fraction_short: Decimal = Decimal(2)  # a price has no top: a convention
    promised_stop_s: float = 10.0  # after its fill an entry's stop may still be on its way
    report_s: float = 5.0  # how often a session reports though nothing changes


@dataclass(frozen=True, slots=True)
class Contribution:
    """One session's share, as it reports it. The newest (incarnation, sequence) counts."""

    session_id: SessionId
    incarnation: int
    sequence: int
    low: Decimal  # money
    high: Decimal
    grants: tuple[ClientOrderId, ...]  # orders that `high` includes: their grants are used up
    group: str  # of correlated instruments; "" for none
    marked_s: float | None  # host seconds of the mark it is priced at; None: never seen a price
    is_complete: bool  # False: the session itself does not know all of its orders yet


@dataclass(frozen=True, slots=True)
class Grant:
    """Heat reserved for one order, until the session's report includes the order."""

    order_id: ClientOrderId
    session_id: SessionId
    amount: Decimal
    granted_s: float


@dataclass(frozen=True, slots=True)
class Heat:
    """The portfolio's sum, with its certificate: who is missing from it."""

    low: Decimal
    high: Decimal  # reservations included; a missing session counts at its last known worst
    missing: tuple[SessionId, ...]  # sorted; silent, incomplete, or priced at a stale mark
    as_of_s: float
    equity: Decimal | None  # None: an account has not told it
    ratio: Decimal | None  # high / equity; None where equity is unknown or not above 0
    level: HeatLevel
    groups: Mapping[str, Decimal]  # group -> its part of high


def unit_loss(sign: int, price: Decimal, stop: Price | None, rules: HeatRules) -> Decimal:
    """The worst loss of one unit held at `price`; `sign` +1 for a long. Never more with a stop."""
    is_long = sign > 0
    fraction = rules.stopless_loss_fraction_long if is_long else rules.stopless_loss_fraction_short
    whole = price * fraction
    if stop is None:
        return whole
    distance = sign * (price - stop)
    return min(distance, whole) if distance > 0 else whole


def fill_price(order: Order, mark: Price | None) -> Price | None:
    """Where it would fill, seen from the mark; None: nobody can say."""
    bound = order.price if order.type is OrderType.LIMIT else order.stop_price
    if bound is None or mark is None:
        return bound or mark
    # A limit waits for a better price than the mark, a stop for a worse one.
    is_buy_side_of_mark = (order.side is Side.BUY) is (order.type is OrderType.LIMIT)
    return min(bound, mark) if is_buy_side_of_mark else max(bound, mark)


_Segment = tuple[Decimal, Decimal]  # quantity, loss of one unit


def contribution(
    position_qty: Quantity,
    mark: Price | None,
    working: Iterable[WorkingOrder],
    stop_price: Price | None,
    newest_entry_fill_s: float | None,
    multiplier: Decimal,
    rules: HeatRules,
    now_s: float,
) -> tuple[Decimal, Decimal]:
    """A session's (low, high) in money.

    `stop_price`: what the position's entry carried; it prices what no stop covers yet, for
    `promised_stop_s` after the newest fill. Without a mark nothing can be priced: (0, 0), and the
    report must say so by `marked_s` None.
    """
    if mark is None:
        return ZERO, ZERO
    sign = 1 if position_qty > 0 else -1
    is_promised = (
        newest_entry_fill_s is not None and now_s - newest_entry_fill_s <= rules.promised_stop_s
    )
    rest = unit_loss(sign, mark, stop_price if is_promised else None, rules)
    orders = [each for each in working if each.is_open]
    if not orders:  # nothing can be added or taken away
        loss = abs(position_qty) * rest * multiplier
        return loss, loss
    held = _held(position_qty, sign, mark, orders, rest, rules)
    low = high = _loss(held)
    if any(not each.is_exit for each in orders):
        high = max(
            _if_entered(side, position_qty, low, mark, orders, rules)
            for side in (Side.BUY, Side.SELL)
        )
    leaving = sum(
        (
            each.leaves_qty
            for each in orders
            if each.is_exit and not each.is_protective and each.order.side.sign == -sign
        ),
        ZERO,
    )
    if leaving:
        costliest_first = sorted(held, key=lambda each: each[1], reverse=True)
        low = _loss(_without(costliest_first, leaving))
    return low * multiplier, high * multiplier


def _held(
    position_qty: Quantity,
    sign: int,
    mark: Price,
    orders: Sequence[WorkingOrder],
    rest: Decimal,
    rules: HeatRules,
) -> list[_Segment]:
    """The position in pieces: what lies under working stops, and the rest.

    A price that turns against us meets the nearest stop first, so that one counts first.
    """
    if position_qty == 0:
        return []
    stops = {
        each.order.id: each
        for each in orders
        if each.is_stop and each.order.side.sign == -sign and each.status in _STANDS
    }
    successors = {each.order.replaces: each for each in orders if each.order.replaces is not None}
    covers: list[_Segment] = []
    for order_id, stop in stops.items():
        if stop.order.replaces in stops:
            continue  # counted with the one it replaces
        qty = Decimal(stop.leaves_qty)
        loss = unit_loss(sign, mark, stop.order.stop_price, rules)
        successor = successors.get(order_id)
        if successor is not None:  # nobody knows which of the two stands: the worse one
            qty = min(qty, successor.leaves_qty)
            loss = max(loss, unit_loss(sign, mark, successor.order.stop_price, rules))
        covers.append((qty, loss))
    pieces: list[_Segment] = []
    left = Decimal(abs(position_qty))
    for qty, loss in sorted(covers, key=lambda each: each[1]):
        taken = min(qty, left)
        pieces.append((taken, loss))
        left -= taken
    return [*pieces, (left, rest)]


_STANDS = (Status.ACCEPTED, Status.PARTIALLY_FILLED, Status.PENDING_UPDATE)


def _if_entered(
    side: Side,
    position_qty: Quantity,
    held_loss: Decimal,
    mark: Price,
    orders: Sequence[WorkingOrder],
    rules: HeatRules,
) -> Decimal:
    """The loss with every entry of one side filled, and none of the other."""
    entries: dict[ClientOrderId, _Segment] = {}
    for each in orders:
        if each.is_exit or each.order.side is not side:
            continue
        price = fill_price(each.order, mark) or mark
        loss = unit_loss(side.sign, price, each.order.protective_stop, rules)
        entries[each.order.id] = (Decimal(each.leaves_qty), loss)
    lost = held_loss if side.sign * position_qty > 0 else ZERO
    if not entries:
        return lost
    for each in orders:  # old and new of a replace: the worse of the two
        old = each.order.replaces
        if old in entries and each.order.id in entries:
            lesser = min(old, each.order.id, key=lambda one: entries[one][0] * entries[one][1])
            del entries[lesser]
    against = max(-side.sign * position_qty, ZERO)
    cheapest_first = sorted(entries.values(), key=lambda each: each[1])
    return _loss(_without(cheapest_first, against)) + lost


def _without(segments: Sequence[_Segment], qty: Decimal) -> list[_Segment]:
    """What is left when so much is taken away from the front."""
    rest: list[_Segment] = []
    for size, loss in segments:
        taken = min(size, qty)
        qty -= taken
        rest.append((size - taken, loss))
    return rest


def _loss(segments: Iterable[_Segment]) -> Decimal:
    return sum((size * loss for size, loss in segments), ZERO)
