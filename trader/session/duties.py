"""Duties: whatever is due by now is done; the timer is one, the state says when the next is owed.

Level-triggered: a lost answer, a lost message or a crashed neighbour shows up here as something
that is still owed, and is asked for again. Every repetition is idempotent.
"""

from trader.money import plain
from trader.orders.order import OrderType, Status
from trader.orders.working import WorkingOrder
from trader.session import asking, changing, protecting
from trader.session.effects import (
    NOTHING,
    AuditDecision,
    Effects,
    Find,
    Notice,
    Release,
    Severity,
)
from trader.session.moving import doubt, probe_wait_s
from trader.session.report import heat_report
from trader.session.state import NEVER_S, SessionState

REPEAT_RECORD_S = 5.0  # an answer of the journal that did not come: the write is idempotent
UNFILLED_S = 30.0  # a market order that works for longer will hardly fill by itself


def due(state: SessionState, now_s: float) -> Effects:
    """Everything owed by now; afterwards `state.due_s` is the next instant."""
    state.due_s = NEVER_S
    effects: Effects = NOTHING
    if state.fence is not None:
        if now_s >= state.position_due_s:
            effects += asking.ask_position(state, now_s)
        if now_s >= state.orders_due_s:
            effects += asking.ask_orders(state, now_s)
        effects += _records(state, now_s) + _submits(state, now_s) + _probes(state, now_s)
        effects += _unfilled(state, now_s)
        if now_s >= state.heat_due_s:
            effects += heat_report(state, now_s)
        state.owe(state.position_due_s)
        state.owe(state.orders_due_s)
        state.owe(state.heat_due_s)
        if state.closing is not None or protecting.is_uncovered(state):
            state.owe(now_s + 1.0)
    effects += _grants(state, now_s)
    return effects


def _records(state: SessionState, now_s: float) -> Effects:
    effects: Effects = NOTHING
    for request_id, (effect, asked_s) in list(state.recording.items()):
        if now_s - asked_s >= REPEAT_RECORD_S:
            state.recording[request_id] = (effect, now_s)
            effects += (effect,)
        state.owe(state.recording[request_id][1] + REPEAT_RECORD_S)
    return effects


def _submits(state: SessionState, now_s: float) -> Effects:
    """Sent, and the broker's actor never said how it went: nobody knows."""
    effects: Effects = NOTHING
    patience_s = state.rules.submit_deadline_s + 5.0
    for working in state.open_orders():
        if working.status not in (Status.INITIALIZED, Status.SUBMITTED):
            continue
        if working.sent_s is None or working.order.id in state.recording:
            continue
        if now_s - working.sent_s >= patience_s:
            effects += doubt(state, working, "no answer from the broker's actor", now_s)
            effects += (Find(working.order.id),)
        else:
            state.owe(working.sent_s + patience_s)
    return effects


def _probes(state: SessionState, now_s: float) -> Effects:
    effects: Effects = NOTHING
    for order_id, at_s in list(state.probe_due_s.items()):
        working = state.orders.get(order_id)
        if working is None or working.status.is_terminal:
            del state.probe_due_s[order_id]
            continue
        if now_s >= at_s:
            working.probes += 1
            at_s = now_s + probe_wait_s(state, working)
            state.probe_due_s[order_id] = at_s
            effects += (Find(order_id),)
        state.owe(at_s)
    return effects


def _unfilled(state: SessionState, now_s: float) -> Effects:
    """A market order that the venue has and does not fill, in an open market: a person must look.

    It is asked for, and never sent again: it may fill at any moment.
    """
    effects: Effects = NOTHING
    for working in state.open_orders():
        order = working.order
        if order.type is not OrderType.MARKET or working.status not in changing.CHANGEABLE:
            continue
        if not state.is_market_open:
            working.unfilled_s = None
            continue
        if working.unfilled_s is None:
            working.unfilled_s = now_s + UNFILLED_S
        elif now_s >= working.unfilled_s:
            working.unfilled_s = now_s + UNFILLED_S
            effects += (Find(order.id), *_alarm(state, working))
        state.owe(working.unfilled_s)
    return effects


def _alarm(state: SessionState, working: WorkingOrder) -> Effects:
    order, key = working.order, f"unfilled:{working.order.id}"
    if key in state.noticed:
        return NOTHING
    state.noticed.add(key)
    severity = Severity.CRITICAL if working.is_exit else Severity.WARNING
    text = (
        f"{order.purpose} {order.side} {plain(order.qty)} {order.instrument} ({order.id}): "
        f"the venue has it and does not fill it ({plain(working.cum_qty)} so far)"
    )
    return (Notice(severity, "market_order_unfilled", text),)


def _grants(state: SessionState, now_s: float) -> Effects:
    """An entry whose heat never came is over with its deadline."""
    effects: Effects = NOTHING
    deadline_s = state.rules.entry_deadline_s
    for order_id, waiting in list(state.pending.items()):
        if now_s - waiting.decided_s < deadline_s:
            state.owe(waiting.decided_s + deadline_s)
            continue
        del state.pending[order_id]
        effects += (Release(order_id),)
        if waiting.bar_opened_at is not None:
            why = "no answer from the portfolio within the entry's deadline"
            effects += (
                AuditDecision(None, waiting.bar_opened_at, "refused", why, "heat_unanswered", ()),
            )
    return effects
