"""What became of an order in a world: read from the venue and the rows, never from a daemon."""

from typing import TYPE_CHECKING

from adapters.sandbox.events import OrderChanged
from adapters.simulated.history import WriteArrived, WriteLeft
from adapters.simulated.rows import Adopted, Committed
from trader.ids import ClientOrderId
from trader.orders.order import Cancel, Order, Replace, request_id
from trader.records import ProgressEntry

if TYPE_CHECKING:
    from actors.app.simulation.world import World

NONE = ClientOrderId("")
_INSIDE = ("item", "entry", "event", "order", "change", "request", "grant", "report", "fill")
_IDS = ("order_id", "request_id", "client_order_id")


def order_in(subject: object) -> ClientOrderId:
    """The order or request that a message, an entry or an event is about; "" if none."""
    if subject is None or isinstance(subject, str):
        return NONE
    if isinstance(subject, Order):
        return subject.id
    if isinstance(subject, Replace | Cancel):
        return request_id(subject)
    if isinstance(subject, OrderChanged):
        return ClientOrderId(subject.order.request.client_order_id)
    for name in _IDS:
        found = getattr(subject, name, None)
        if isinstance(found, str) and found:
            return ClientOrderId(found)
    for name in _INSIDE:
        found = order_in(getattr(subject, name, None))
        if found:
            return found
    return NONE


def title_of(world: "World", order_id: ClientOrderId) -> str:
    """What it was, in a few words."""
    row, request = world.rows.orders.get(order_id), world.rows.changes.get(order_id)
    if request is not None:
        target = world.rows.orders.get(request.change.target)
        verb = "replace" if isinstance(request.change, Replace) else "cancel"
        return verb if target is None else f"{verb} {_title(target.order)}"
    return "" if row is None else _title(row.order)


def fate_of(world: "World", order_id: ClientOrderId, struck_s: float) -> str:
    """Its story from there on."""
    if not order_id:
        return "no order yet"
    request = world.rows.changes.get(order_id)
    if request is not None and isinstance(request.change, Cancel):
        return _fate_of_cancel(world, request.change)
    row = world.rows.orders.get(order_id)
    sent = [each for each in world.history.of(WriteLeft) if each.client_order_id == order_id]
    sent = [each for each in sent if each.method != "DELETE"]
    words = [_recorded(world, order_id, struck_s), _sent(world, order_id, len(sent))]
    if row is None:
        return words[0] if not sent else ", ".join(words)
    learned = [
        each.what.event
        for each in world.history.of(Committed)
        if each.at_s > struck_s
        and isinstance(each.what, ProgressEntry)
        and each.what.order_id == order_id
    ]
    if "order_unanswered" in learned:
        is_found = learned[-1] not in ("order_unanswered", "order_never_arrived")
        words.append("in doubt, then found" if is_found else "in doubt, never found")
    reason = f" ({row.reason_code})" if row.reason_code else ""
    return ", ".join(each for each in words if each) + f": {row.status}{reason}"


def _fate_of_cancel(world: "World", cancel: Cancel) -> str:
    sent = [
        each
        for each in world.history.of(WriteLeft)
        if each.method == "DELETE" and each.client_order_id == cancel.target
    ]
    target = world.rows.orders[cancel.target]
    return f"recorded, {_times(len(sent))}: {target.status}"


def _recorded(world: "World", order_id: ClientOrderId, struck_s: float) -> str:
    for each in world.history.of(Committed):
        if order_in(each.what) == order_id:
            how = "adopted from the spool" if isinstance(each.what, Adopted) else "recorded"
            return how if each.at_s <= struck_s else f"{how} afterwards"
    return "never recorded"


def _sent(world: "World", order_id: ClientOrderId, sent_count: int) -> str:
    arrived = [
        each
        for each in world.history.of(WriteArrived)
        if each.client_order_id == order_id and each.method != "DELETE"
    ]
    accepted_count = sum(each.is_accepted for each in arrived)
    if sent_count and not arrived:
        return f"{_times(sent_count)}, never arrived"
    if len(arrived) > accepted_count:
        return f"{_times(sent_count)}, refused {len(arrived) - accepted_count} times"
    return _times(sent_count)


def _times(count: int) -> str:
    return ("never sent", "sent once", "sent twice")[count] if count < 3 else f"sent {count} times"


def _title(order: Order) -> str:
    return f"{order.purpose.lower()} {order.side.lower()} {order.qty}"
