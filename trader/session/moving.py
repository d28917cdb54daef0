"""Moving an order through its table, and the row that says so."""

from datetime import datetime

from trader.orders.lifecycle import Happening, Illegal, after
from trader.orders.order import Cancel, Change, Order, Replace
from trader.orders.working import WorkingOrder
from trader.proofs import Durability, Recorded
from trader.records import ProgressEntry
from trader.session.effects import NOTHING, Effects, Find, Keep, Notice, Severity
from trader.session.state import SessionState

PROBES_S = (3.0, 5.0, 10.0, 20.0, 30.0)  # after the first; then every 30 s until it is known


def move(
    state: SessionState,
    working: WorkingOrder,
    happening: Happening,
    event: str,
    *,
    reason_code: str = "",
    detail: str = "",
    at: datetime | None = None,
) -> Effects:
    """Apply one happening. An illegal one is told and looked into, never raised: venues are odd."""
    status = after(
        working.status, happening, before_pending=working.before_pending, cum_qty=working.cum_qty
    )
    if isinstance(status, Illegal):
        text = f"order {working.order.id}: {event} while {working.status}: {status.why}"
        return (Notice(Severity.WARNING, "illegal_transition", text), Find(working.order.id))
    if status.is_terminal and not working.status.is_terminal:
        state.probe_due_s.pop(working.order.id, None)
        state.doubted.discard(working.order.id)
    if status is not working.status:
        working.status = status
        working.status_changed_s = state.now_s
    if reason_code:
        working.reason_code = reason_code
    return (kept(state, working, event, reason_code=reason_code, detail=detail, at=at),)


def kept(
    state: SessionState,
    working: WorkingOrder,
    event: str,
    *,
    reason_code: str = "",
    detail: str = "",
    at: datetime | None = None,
) -> Keep:
    """The order's state row and one event row."""
    assert state.fence is not None, "nothing moves before the session is loaded"
    return Keep(
        ProgressEntry(
            order_id=working.order.id,
            event=event,
            status=working.status,
            broker_order_id=working.broker_order_id,
            cum_qty=working.cum_qty,
            avg_px=working.avg_px,
            reason_code=reason_code,
            detail=detail,
            happened_at=at,
            fence=state.fence,
        )
    )


def probe_wait_s(state: SessionState, working: WorkingOrder) -> float:
    """Soon at first, then ever less often."""
    if working.probes == 0:
        return state.rules.unknown_probe_s
    return PROBES_S[min(working.probes, len(PROBES_S)) - 1]


def probe_later(state: SessionState, working: WorkingOrder, now_s: float) -> Effects:
    """Ask for this order soon, and again on a schedule until somebody knows."""
    wait_s = probe_wait_s(state, working)
    state.probe_due_s[working.order.id] = now_s + wait_s
    state.owe(now_s + wait_s)
    return NOTHING


def doubt(state: SessionState, working: WorkingOrder, cause: str, now_s: float) -> Effects:
    """Nobody knows whether it arrived: UNKNOWN, priced at its worst, asked for within 2 s."""
    effects = move(
        state,
        working,
        Happening.UNANSWERED,
        "order_unanswered",
        reason_code="unknown",
        detail=cause,
    )
    if working.unknown_since_s is None:
        working.unknown_since_s = now_s
    probe_later(state, working, now_s)
    return effects


def settle_doubt(state: SessionState, working: WorkingOrder) -> None:
    """The venue has spoken of it: no probe is owed any more."""
    working.unknown_since_s = None
    working.absences = 0
    working.first_absent_s = None
    working.probes = 0
    state.probe_due_s.pop(working.order.id, None)
    state.doubted.discard(working.order.id)


def durability(proof: Recorded[Order] | Recorded[Change]) -> Effects:
    """An exit leaves even when database and spool both fail, and then an alarm rings."""
    if proof.durability is not Durability.MEMORY:
        return NOTHING
    item = proof.item
    what = item.target if isinstance(item, Cancel | Replace) else item.id
    text = f"{what}: neither database nor spool took its record; it is adopted by its id later"
    return (Notice(Severity.CRITICAL, "recorded_in_memory", text),)
