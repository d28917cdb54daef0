"""Nobody knows: an order that was sent and not answered, looked for until the venue speaks."""

from trader.orders.events import (
    OrderAbsent,
    OrderUnanswered,
)
from trader.orders.lifecycle import Happening
from trader.orders.order import Status
from trader.session.effects import (
    NOTHING,
    Effects,
    Find,
    Forget,
    Notice,
    Severity,
)
from trader.session.moving import doubt, move, probe_later
from trader.session.report import heat_report, refresh_view
from trader.session.sending import resend
from trader.session.state import SessionState


def unanswered(state: SessionState, event: OrderUnanswered, now_s: float) -> Effects:
    """UNKNOWN: look for it at once; an exit goes out again at once where that is safe."""
    working = state.orders.get(event.order_id)
    if working is None or working.status.is_terminal:
        return NOTHING
    effects = doubt(state, working, event.cause, now_s)
    if working.status is not Status.UNKNOWN:
        return effects
    is_first = state.attempts.get(event.order_id, 1) == 1
    again = resend(state, working, now_s) if working.is_exit and is_first else NOTHING
    text = f"order {working.order.id}: {event.cause}; asking the venue"
    notice = Notice(Severity.WARNING, "order_unknown", text)
    asked: Effects = (Find(working.order.id),) if is_first else NOTHING  # later ones are paced
    return (*effects, notice, *(again or asked), *heat_report(state, now_s))


def absent(state: SessionState, event: OrderAbsent, now_s: float) -> Effects:
    """The venue does not know it. Two sightings past the in-flight bound make it EXPIRED."""
    working = state.orders.get(event.order_id)
    if working is None or working.status.is_terminal:
        return NOTHING
    if working.status is Status.PENDING_RECORD or working.status is Status.INITIALIZED:
        return NOTHING
    if working.status is not Status.UNKNOWN:
        text = f"order {event.order_id} is {working.status} here and absent at the venue"
        doubted = doubt(state, working, "absent at the venue", now_s)
        return (*doubted, Notice(Severity.WARNING, "order_absent", text))
    working.absences += 1
    if working.first_absent_s is None:
        working.first_absent_s = event.asked_s
    sent_s = working.sent_s if working.sent_s is not None else working.unknown_since_s
    is_past = sent_s is None or event.asked_s > sent_s + (
        state.rules.capabilities.in_flight_bound_s
    )
    if is_past and event.asked_s >= working.first_absent_s + 5.0:
        effects = move(
            state,
            working,
            Happening.NEVER_ARRIVED,
            "order_never_arrived",
            reason_code="never_arrived",
            detail=f"absent {working.absences} times",
        )
        refresh_view(state)
        return (*effects, Forget(working.order.id), *heat_report(state, now_s))
    probe_later(state, working, now_s)
    return resend(state, working, now_s)
