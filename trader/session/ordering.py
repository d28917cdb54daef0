"""Answers of journal and broker about orders: from the row to the last fill."""

from trader.orders.events import (
    OrderAccepted,
    OrderDenied,
    OrderRecorded,
    OrderRejected,
    OrderSubmitted,
    RecordRefused,
)
from trader.orders.lifecycle import Happening
from trader.orders.order import Order, Purpose, Status
from trader.orders.working import WorkingOrder
from trader.session import changing, gating
from trader.session.effects import (
    NOTHING,
    Effects,
    Find,
    Forget,
    Notice,
    RecordChange,
    Release,
    Severity,
)
from trader.session.moving import doubt, durability, move, settle_doubt
from trader.session.report import heat_report, refresh_view
from trader.session.sending import resend, submit
from trader.session.state import SessionState


def recorded(state: SessionState, event: OrderRecorded, now_s: float) -> Effects:
    """The row is durable: send it, unless it was sent before or its time has passed."""
    order = event.order.item
    working = state.orders.get(order.id)
    if state.recording.pop(order.id, None) is None or working is None:
        return _not_awaited(state, order, now_s)
    state.proofs[order.id] = event.order
    if working.status is not Status.PENDING_RECORD:
        return resend(state, working, now_s)  # loaded: now it has its proof again
    working.status = Status.INITIALIZED  # the journal wrote this event with the row itself
    if event.was_stored and order.incarnation != state.incarnation:
        state.attempts[order.id] = 2  # a predecessor may have sent it, and more than once
        doubted = doubt(state, working, "its row stood there already", now_s)
        return (*doubted, Find(order.id))
    refused = gating.why_not_now(state, working, now_s)
    if refused is not None:
        denied = _deny(state, working, refused.reason_code, refused.detail, now_s)
        return denied if working.is_exit else (Release(order.id), *denied)
    return (*durability(event.order), *submit(state, working, event.order, now_s))


def _not_awaited(state: SessionState, order: Order, now_s: float) -> Effects:
    """Answered before: by the spool, or by an earlier try. If that one refused, its row ends."""
    if state.find(order.id, "") is not None or order.incarnation != state.incarnation:
        return NOTHING
    is_exit = order.purpose is not Purpose.ENTRY
    working = WorkingOrder(order, is_exit=is_exit, status=Status.INITIALIZED)
    state.orders[order.id] = working
    return _deny(state, working, "not_recorded_in_time", "it had been refused", now_s)


def record_refused(state: SessionState, event: RecordRefused, now_s: float) -> Effects:
    """It has no row, so it never leaves."""
    asked, _ = state.recording.pop(event.order_id, (None, 0.0))
    if isinstance(asked, RecordChange):
        return changing.not_recorded(state, asked.change.item, event, now_s)
    working = state.orders.get(event.order_id)
    if working is None or working.status is not Status.PENDING_RECORD:
        return NOTHING
    del state.orders[event.order_id]
    state.retry_exit_s = now_s + 1.0
    state.owe(state.retry_exit_s)
    refresh_view(state)
    text = f"order {event.order_id} not recorded: {event.reason_code}: {event.detail}"
    return (
        Release(event.order_id),
        Notice(Severity.WARNING, "order_not_recorded", text),
        *heat_report(state, now_s),
    )


def submitted(state: SessionState, event: OrderSubmitted, now_s: float) -> Effects:
    """Past the last gate and on the wire; the row needs no second commit for it."""
    working = state.orders.get(event.order_id)
    if working is not None:
        working.unanswered_s, working.sent_s = working.sent_s, now_s
        if working.status is Status.INITIALIZED:
            working.status = Status.SUBMITTED
    return NOTHING


def accepted(state: SessionState, event: OrderAccepted) -> Effects:
    """The venue has it (a fill may have come first)."""
    working = state.orders.get(event.order_id)
    if working is None:
        return NOTHING
    settle_doubt(state, working)
    is_news = working.broker_order_id is None
    working.broker_order_id = event.broker_order_id
    refresh_view(state)
    if not is_news and working.status not in (Status.INITIALIZED, Status.SUBMITTED):
        return NOTHING  # its own events came first
    return move(state, working, Happening.ACCEPTED, "order_accepted")


def rejected(state: SessionState, event: OrderRejected, now_s: float) -> Effects:
    """The venue refused. A refused exit or stop is derived anew, a little later."""
    working = state.orders.get(event.order_id)
    if working is None:
        return NOTHING
    if state.attempts.get(event.order_id, 1) > 1:  # that says nothing of the first sending
        working.sent_s = working.unanswered_s or working.sent_s
        return doubt(state, working, f"resend refused: {event.code}: {event.text}", now_s)
    settle_doubt(state, working)
    effects = move(
        state,
        working,
        Happening.REJECTED,
        "order_rejected",
        reason_code=event.code,
        detail=event.text,
    )
    return effects + _after_refusal(state, working, f"{event.code}: {event.text}", now_s)


def denied(state: SessionState, event: OrderDenied, now_s: float) -> Effects:
    """Not sent: the last gate refused, or there was no line."""
    working = state.orders.get(event.order_id)
    if working is None:
        return NOTHING
    if state.attempts.get(event.order_id, 1) > 1:
        return NOTHING  # a resend did not leave; the first sending is still the question
    return _deny(state, working, event.reason_code, event.detail, now_s)


def _deny(
    state: SessionState, working: WorkingOrder, code: str, detail: str, now_s: float
) -> Effects:
    effects = move(
        state, working, Happening.DENIED, "order_denied", reason_code=code, detail=detail
    )
    return effects + _after_refusal(state, working, f"{code}: {detail}", now_s)


def _after_refusal(state: SessionState, working: WorkingOrder, why: str, now_s: float) -> Effects:
    refresh_view(state)
    order = working.order
    severity = Severity.WARNING
    if working.is_exit:
        state.failed_exits += 1
        state.retry_exit_s = now_s + min(1.0 * 2 ** (state.failed_exits - 1), 10.0)
        state.owe(state.retry_exit_s)
        if state.failed_exits >= 3:
            severity = Severity.CRITICAL
    text = f"{order.purpose} {order.side} {order.qty} {order.instrument} ({order.id}): {why}"
    effects = (Notice(severity, "order_refused", text), *heat_report(state, now_s))
    return (Forget(order.id), *effects) if working.is_exit else effects
