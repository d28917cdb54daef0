"""The stop that rests at the venue: one over the whole position, and nothing that rests at flat."""

from collections.abc import Iterable

from trader.money import Price, Quantity
from trader.orders.order import OrderType, Purpose, Replace
from trader.orders.working import WorkingOrder
from trader.positions.position import reducible
from trader.session import changing, deriving
from trader.session.effects import NOTHING, Effects
from trader.session.state import SessionState


def protect(state: SessionState, now_s: float) -> Effects:
    """One stop over the whole position while it has one; nothing that rests at flat."""
    if not state.orders and state.stop_price is None:
        return NOTHING  # nothing stands, and nothing should
    stop = state.protective()
    held = Quantity(abs(state.broker.broker_qty))
    exits = [w for w in state.open_orders() if w.order.purpose is Purpose.EXIT]
    surplus = surplus_of(exits, state.broker.broker_qty, held)
    if surplus:
        return withdraw(state, surplus, "the position it would reduce is gone", now_s)
    is_same_side = state.broker.broker_qty * state.position.qty > 0  # else reconcile comes first
    wanted = state.stop_price if is_same_side else None
    if stop is not None and stop.order.side.sign * state.broker.broker_qty >= 0:
        return changing.ask_cancel(state, stop, "it covers no position any more", now_s)
    if wanted is None:
        return NOTHING
    if now_s < state.retry_exit_s:
        state.owe(state.retry_exit_s)
        return NOTHING
    if stop is None:
        free = reducible(state.broker.broker_qty, state.orders.values())
        if exits or free < held:
            return NOTHING  # an exit rests over these shares, or its fills are on their way
        order = deriving.derived(state, Purpose.PROTECT, held, "the entry's stop", wanted)
        return NOTHING if order is None else deriving.send(state, order, now_s)
    if stop.status not in changing.CHANGEABLE or stop.cum_qty > 0:
        return NOTHING  # under change, or triggered: its rest is about to leave
    if stop.order.qty == held and stop.order.stop_price == wanted:
        return NOTHING
    return _resize(state, stop, held, wanted, now_s)


def _resize(
    state: SessionState, stop: WorkingOrder, held: Quantity, wanted: Price, now_s: float
) -> Effects:
    assert stop.broker_order_id is not None
    successor = deriving.derived(state, Purpose.PROTECT, held, "the position changed", wanted, stop)
    if successor is None:
        return NOTHING
    request = Replace(stop.order.id, stop.broker_order_id, successor, successor.reason)
    return changing.clear_and_record(state, request, None, now_s)


def is_uncovered(state: SessionState) -> bool:
    """A position that should have its stop at the venue, and has none that works."""
    if state.stop_price is None or state.broker.broker_qty == 0:
        return False
    stop = state.protective()
    return stop is None or stop.status not in changing.CHANGEABLE


def surplus_of(
    exits: Iterable[WorkingOrder], broker_qty: Quantity, room: Quantity
) -> list[WorkingOrder]:
    """Exits to be withdrawn: those that rest, if together they would take more than `room` or would
    add; and a market order that would add, for the position was turned behind its back."""
    resting: list[WorkingOrder] = []
    leaving: list[WorkingOrder] = []
    for each in exits:
        (leaving if each.order.type is OrderType.MARKET else resting).append(each)
    astray = [w for w in leaving if w.order.side.sign * broker_qty > 0]
    fits = sum(w.leaves_qty for w in resting) <= room
    reduces = all(w.order.side.sign * broker_qty < 0 for w in resting)
    return astray if fits and reduces else astray + resting


def withdraw(
    state: SessionState, surplus: Iterable[WorkingOrder], reason: str, now_s: float
) -> Effects:
    """Ask for the cancel of each, at the pace of failing exits."""
    effects: Effects = NOTHING
    for each in surplus if now_s >= state.retry_exit_s else ():
        effects += changing.ask_cancel(state, each, reason, now_s)
    return effects
