"""Leaving a position: exit rules, closing to the end, and the stop that rests at the venue.

Level-triggered: after every event about orders `settle` compares what should stand at the venue
with what stands there and asks for the difference. A lost answer is therefore asked for again, and
nothing here is ever refused for heat, freshness or state: the position itself is the bound.
"""

from collections.abc import Iterable

from trader.exits.engine import first_exit
from trader.exits.stop_loss import StopLoss
from trader.ids import CauseKind, client_order_id, position_key
from trader.market.events import PriceMoved
from trader.money import NO_QTY, Price, Quantity, plain
from trader.orders.order import (
    Order,
    OrderType,
    Purpose,
    Replace,
    Side,
    TimeInForce,
)
from trader.orders.working import WorkingOrder
from trader.positions.position import reducible
from trader.proofs import Cleared
from trader.risk.gate import clear_exit
from trader.session import asking, changing, gating
from trader.session.effects import NOTHING, Effects, Notice, Severity
from trader.session.events import CloseRequested
from trader.session.report import heat_report
from trader.session.state import Closing, SessionState

CANCEL_PATIENCE_S = 5.0  # how long an exit waits for the cancel of what stands in its way


def price_moved(state: SessionState, event: PriceMoved, now_s: float) -> Effects:
    """A new mark; exit rules judge it where no stop rests at the venue."""
    state.mark = event.last
    state.marked_s = now_s
    position = state.position
    if position.qty == 0:
        return NOTHING
    if state.stop_price is None or state.closing is not None:
        return NOTHING
    resting = state.protective()
    if resting is not None and resting.status in changing.CHANGEABLE:
        return NOTHING  # the venue judges it
    signal = first_exit(
        (StopLoss(state.stop_price),),
        position,
        event.last,
        event.high,
        event.low,
        event.since,
        state.newest_entry_fill_at,
    )
    if signal is None:
        return NOTHING
    notice = Notice(Severity.WARNING, "engine_stop", f"{signal.reason}; no stop rests at the venue")
    effects = close(state, NO_QTY, signal.reason, now_s)
    return (notice, *effects, *settle(state, now_s))


def close_requested(state: SessionState, event: CloseRequested, now_s: float) -> Effects:
    """The operator closes: from the broker's truth, asked for afresh, in every state."""
    effects = close(state, NO_QTY, event.reason, now_s)
    return (*effects, *asking.ask_all(state, now_s))


def close(state: SessionState, target_qty: Quantity, reason: str, now_s: float) -> Effects:
    """From now on drive the position down to `target_qty` (unsigned)."""
    current = state.closing
    if current is not None and current.target_qty <= target_qty:
        return NOTHING
    state.closing = Closing(target_qty, reason, now_s)
    state.pending.clear()
    state.retry_exit_s = 0.0
    state.owe(now_s + 1.0)
    return settle(state, now_s)


def settle(state: SessionState, now_s: float) -> Effects:
    """What should stand at the venue, less what stands there."""
    if state.fence is None or state.broker.snapshot_qty is None:
        return NOTHING  # not loaded, or the broker has not spoken: nothing is known to reduce
    state.bury()
    if state.closing is not None:
        return _advance(state, state.closing, now_s)
    return _protect(state, now_s)


def _advance(state: SessionState, closing: Closing, now_s: float) -> Effects:
    held = abs(state.broker.broker_qty)
    working = state.open_orders()
    exits = [w for w in working if w.order.purpose is Purpose.EXIT]
    entries = [w for w in working if not w.is_exit]
    surplus = _surplus(exits, state.broker.broker_qty, closing.target_qty)
    is_leaving = any(w.order.type is OrderType.MARKET for w in exits)
    effects = _withdraw(state, [*entries, *surplus], closing.reason, now_s)
    is_patient = now_s - closing.since_s < CANCEL_PATIENCE_S
    is_known = state.broker.asked_s is not None and state.broker.asked_s > closing.since_s
    if held <= closing.target_qty and not is_known:
        state.position_due_s = min(state.position_due_s, now_s + 0.1)  # only the broker says so
        state.owe(state.position_due_s)
        return effects
    is_over = held <= closing.target_qty and not is_leaving and not surplus
    if is_over and not (entries and is_patient):
        state.closing = None
        text = f"position {plain(state.broker.broker_qty)}: {closing.reason}"
        done = Notice(Severity.INFO, "position_closed", text)
        return (*effects, done, *_protect(state, now_s))
    if entries and is_patient:
        state.owe(closing.since_s + CANCEL_PATIENCE_S)
        return effects
    stop = state.protective()
    if stop is not None:
        if now_s >= state.retry_exit_s:
            effects += changing.ask_cancel(state, stop, closing.reason, now_s)
        if not _is_lost(state, stop, now_s):
            return effects  # the next exit leaves once this cancel is confirmed
    if now_s < state.retry_exit_s:
        state.owe(state.retry_exit_s)
        return effects
    free = reducible(state.broker.broker_qty, state.orders.values())
    qty = Quantity(min(free, held - closing.target_qty))
    if qty <= 0:
        return effects
    order = _derived(state, Purpose.EXIT, qty, closing.reason, None)
    return effects if order is None else (*effects, *_send(state, order, now_s))


def _surplus(
    exits: Iterable[WorkingOrder], broker_qty: Quantity, room: Quantity
) -> list[WorkingOrder]:
    """The strategy's resting exits, if together they would take more than `room`, or would add."""
    resting = [w for w in exits if w.order.type is not OrderType.MARKET]
    fits = sum(w.leaves_qty for w in resting) <= room
    reduces = all(w.order.side.sign * broker_qty < 0 for w in resting)
    return [] if fits and reduces else resting


def _withdraw(
    state: SessionState, surplus: Iterable[WorkingOrder], reason: str, now_s: float
) -> Effects:
    effects: Effects = NOTHING
    for each in surplus if now_s >= state.retry_exit_s else ():
        effects += changing.ask_cancel(state, each, reason, now_s)
    return effects


def _is_lost(state: SessionState, stop: WorkingOrder, now_s: float) -> bool:
    """A stop that nobody knows of for longer than patience does not hold the exit up."""
    since = stop.unknown_since_s
    return since is not None and now_s - since > CANCEL_PATIENCE_S


def _protect(state: SessionState, now_s: float) -> Effects:
    """One stop over the whole position while it has one; nothing that rests at flat."""
    stop = state.protective()
    held = Quantity(abs(state.broker.broker_qty))
    exits = [w for w in state.open_orders() if w.order.purpose is Purpose.EXIT]
    surplus = _surplus(exits, state.broker.broker_qty, held)
    if surplus:
        return _withdraw(state, surplus, "the position it would reduce is gone", now_s)
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
        if exits:
            return NOTHING  # an exit of the strategy's own rests over these shares
        order = _derived(state, Purpose.PROTECT, held, "the entry's stop", wanted)
        return NOTHING if order is None else _send(state, order, now_s)
    if stop.status not in changing.CHANGEABLE or stop.cum_qty > 0:
        return NOTHING  # under change, or triggered: its rest is about to leave
    if stop.order.qty == held and stop.order.stop_price == wanted:
        return NOTHING
    return _resize(state, stop, held, wanted, now_s)


def _resize(
    state: SessionState, stop: WorkingOrder, held: Quantity, wanted: Price, now_s: float
) -> Effects:
    assert stop.broker_order_id is not None
    successor = _derived(state, Purpose.PROTECT, held, "the position changed", wanted, stop)
    if successor is None:
        return NOTHING
    request = Replace(stop.order.id, stop.broker_order_id, successor, successor.reason)
    return changing.clear_and_record(state, request, None, now_s)


def _derived(
    state: SessionState,
    purpose: Purpose,
    qty: Quantity,
    reason: str,
    stop_price: Price | None,
    replaces: WorkingOrder | None = None,
) -> Order | None:
    """An order that follows from the position: who sees the same position makes the same id."""
    rules = state.rules
    leg = purpose.lower()
    attempt = 0
    while True:
        key = position_key(
            rules.account_id,
            rules.instrument.id,
            plain(state.broker.broker_qty),
            state.newest_execution[1] if state.newest_execution else "",
            attempt,
        )
        order_id = client_order_id(rules.session_id, CauseKind.POSITION, key, leg, 0)
        known = state.find(order_id, "")
        if known is None:
            break
        if known.is_open:
            return None  # it is on its way
        attempt += 1
    return Order(
        id=order_id,
        session_id=rules.session_id,
        account_id=rules.account_id,
        instrument=rules.instrument.id,
        side=Side.SELL if state.broker.broker_qty > 0 else Side.BUY,
        type=OrderType.MARKET if stop_price is None else OrderType.STOP_MARKET,
        tif=TimeInForce.DAY if stop_price is None else TimeInForce.GTC,
        qty=qty,
        purpose=purpose,
        reason=reason,
        cause_kind=CauseKind.POSITION,
        cause_key=key,
        incarnation=state.incarnation,
        stop_price=stop_price,
        replaces=replaces.order.id if replaces else None,
    )


def _send(state: SessionState, order: Order, now_s: float) -> Effects:
    free = reducible(state.broker.broker_qty, state.orders.values())
    outcome = clear_exit(
        order,
        reducible=free,
        broker_qty=state.broker.broker_qty,
        instrument=state.rules.instrument,
    )
    if isinstance(outcome, Cleared):
        return gating.record(state, outcome, now_s)
    state.retry_exit_s = now_s + 1.0
    state.owe(state.retry_exit_s)
    text = f"{order.purpose} {order.qty}: {outcome.reason_code}: {outcome.detail}"
    notice = Notice(Severity.CRITICAL, "exit_not_cleared", text)
    return (notice, *heat_report(state, now_s))


def is_uncovered(state: SessionState) -> bool:
    """A position that should have its stop at the venue, and has none that works."""
    if state.stop_price is None or state.broker.broker_qty == 0:
        return False
    stop = state.protective()
    return stop is None or stop.status not in changing.CHANGEABLE
