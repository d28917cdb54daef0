"""Sending a recorded order, and sending it again where two arrivals make one order."""

from trader.orders.order import Order
from trader.orders.working import WorkingOrder
from trader.ports import IdUniqueness
from trader.proofs import Recorded
from trader.session import gating
from trader.session.effects import (
    NOTHING,
    Effects,
    Submit,
)
from trader.session.state import SessionState


def submit(
    state: SessionState, working: WorkingOrder, proof: Recorded[Order], now_s: float
) -> Effects:
    """Send a recorded order, for the first time or again: the same row, the same id."""
    attempt = state.attempts.get(working.order.id, 0) + 1
    state.attempts[working.order.id] = attempt
    if attempt == 1:  # a resend counts from when it is on the wire: the gate may refuse it
        working.sent_s = now_s
    deadline_s = (
        now_s + state.rules.submit_deadline_s
        if working.is_exit
        else working.decided_s + state.rules.entry_deadline_s
    )
    state.owe(now_s + state.rules.submit_deadline_s)
    return (Submit(proof, working.is_exit, deadline_s, attempt),)


def resend(state: SessionState, working: WorkingOrder, now_s: float) -> Effects:
    """The same row, the same id: only where two arrivals make one order (settled 12)."""
    able = state.rules.capabilities
    order_id = working.order.id
    if not (able.resend_safe and able.client_id_unique is IdUniqueness.FOREVER):
        return NOTHING
    proof = state.proofs.get(order_id)
    if proof is None or working.order.replaces is not None:  # that leaves as a replace, never alone
        return NOTHING
    if working.is_protective and working.order.stop_price != state.stop_price:
        return NOTHING  # the position that it was to guard is over, or its stop has moved
    if not working.is_exit and working.order.incarnation != state.incarnation:
        return NOTHING
    if gating.why_not_now(state, working, now_s) is not None:
        return NOTHING
    return submit(state, working, proof, now_s)
