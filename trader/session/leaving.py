"""Leaving a position: exit rules, and closing to the end.

Level-triggered: after every event about orders `settle` compares what should stand at the venue
with what stands there and asks for the difference. A lost answer is therefore asked for again, and
nothing here is ever refused for heat, freshness or state: the position itself is the bound.
"""

from trader.exits.engine import first_exit
from trader.exits.stop_loss import StopLoss
from trader.market.events import PriceMoved
from trader.money import NO_QTY, Quantity, plain
from trader.orders.order import (
    OrderType,
    Purpose,
)
from trader.orders.working import WorkingOrder
from trader.positions.position import reducible
from trader.session import asking, changing, deriving, protecting, report
from trader.session.effects import NOTHING, Effects, Notice, Severity
from trader.session.events import CloseRequested
from trader.session.state import Closing, SessionState

CANCEL_PATIENCE_S = 5.0  # how long an exit waits for the cancel of what stands in its way
ASK_S, ASK_AGAIN_S = 0.1, 1.0  # the broker, whether the position is where it should be


def price_moved(state: SessionState, event: PriceMoved, now_s: float) -> Effects:
    """A new mark; exit rules judge it where no stop rests at the venue."""
    state.mark = event.last
    state.marked_s = now_s
    report.price_moved(state)
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
    return protecting.protect(state, now_s)


def _advance(state: SessionState, closing: Closing, now_s: float) -> Effects:
    held = abs(state.broker.broker_qty)
    working = state.open_orders()
    exits = [w for w in working if w.order.purpose is Purpose.EXIT]
    entries = [w for w in working if not w.is_exit]
    surplus = protecting.surplus_of(exits, state.broker.broker_qty, closing.target_qty)
    is_leaving = any(w.order.type is OrderType.MARKET for w in exits)
    effects = protecting.withdraw(state, [*entries, *surplus], closing.reason, now_s)
    is_patient = now_s - closing.since_s < CANCEL_PATIENCE_S
    if held <= closing.target_qty and not _is_confirmed(state, closing, now_s):
        return effects
    is_over = held <= closing.target_qty and not is_leaving and not surplus
    if is_over and not (entries and is_patient):
        state.closing = None
        text = f"position {plain(state.broker.broker_qty)}: {closing.reason}"
        done = Notice(Severity.INFO, "position_closed", text)
        return (*effects, done, *protecting.protect(state, now_s))
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
    order = deriving.derived(state, Purpose.EXIT, qty, closing.reason, None)
    return effects if order is None else (*effects, *deriving.send(state, order, now_s))


def _is_confirmed(state: SessionState, closing: Closing, now_s: float) -> bool:
    """Whether the broker says that it is over, asked since and after our newest fill.

    What certainly can be reduced proves nothing: it is the least of what may be held. Nor does a
    snapshot that our own fills contradict. Until it is so, the broker is asked again.
    """
    broker, target_qty = state.broker, closing.target_qty
    since_s = max(closing.since_s, state.newest_fill_s or closing.since_s)
    is_asked = broker.asked_s is not None and broker.asked_s > since_s
    held = (broker.snapshot_qty or NO_QTY, state.position.qty)
    if is_asked and all(abs(each) <= target_qty for each in held):
        return True
    state.position_due_s = min(state.position_due_s, now_s + (ASK_AGAIN_S if is_asked else ASK_S))
    state.owe(state.position_due_s)
    return False


def _is_lost(state: SessionState, stop: WorkingOrder, now_s: float) -> bool:
    """A stop that nobody knows of for longer than patience does not hold the exit up."""
    since = stop.unknown_since_s
    return since is not None and now_s - since > CANCEL_PATIENCE_S
