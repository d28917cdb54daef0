"""Answers of journal and broker about orders: from the row to the last fill."""

from decimal import Decimal

from trader.ids import is_ours
from trader.money import Price, Quantity
from trader.orders.events import (
    OrderAbsent,
    OrderAccepted,
    OrderDenied,
    OrderFilled,
    OrderRecorded,
    OrderRejected,
    OrderReported,
    OrderSubmitted,
    OrderUnanswered,
    RecordRefused,
)
from trader.orders.lifecycle import Happening, happening_of
from trader.orders.order import Fill, Order, OrderReport, Purpose, Status
from trader.orders.reconcile import FindingKind, judge_report
from trader.orders.working import WorkingOrder
from trader.ports import IdUniqueness
from trader.positions.position import reducible
from trader.proofs import Recorded
from trader.records import FillEntry
from trader.session import changing, truth
from trader.session.adopting import adopt
from trader.session.effects import (
    NOTHING,
    AskExecutions,
    Effects,
    Find,
    Keep,
    Notice,
    Release,
    Severity,
    Submit,
)
from trader.session.events import TradingState
from trader.session.moving import doubt, move, probe_later, settle_doubt
from trader.session.report import heat_report, refresh_view
from trader.session.state import SessionState

AFTER_FILL_S = 0.1  # fills of one order come in bursts: one question for all of them
RESEND_MAX = 5  # of one exit's row; past it the venue's word is awaited


def recorded(state: SessionState, event: OrderRecorded, now_s: float) -> Effects:
    """The row is durable: send it, unless it was sent before or its time has passed."""
    order = event.order.item
    working = state.orders.get(order.id)
    if state.recording.pop(order.id, None) is None or working is None:
        return NOTHING  # answered before: by the spool, or by an earlier try
    state.proofs[order.id] = event.order
    if working.status is not Status.PENDING_RECORD:
        return _resend(state, working, now_s)  # loaded: now it has its proof again
    working.status = Status.INITIALIZED  # the journal wrote this event with the row itself
    if event.was_stored:
        state.attempts[order.id] = 1
        doubted = doubt(state, working, "its row stood there already", now_s)
        return (*doubted, Find(order.id))
    if not working.is_exit:
        why = _why_not_now(state, working, now_s)
        if why:
            return (Release(order.id), *_deny(state, working, why, "", now_s))
    return _submit(state, working, event.order, now_s)


def _why_not_now(state: SessionState, working: WorkingOrder, now_s: float) -> str:
    """An entry's row came: may it still leave?"""
    if now_s - working.decided_s > state.rules.entry_deadline_s:
        return "deadline_passed"
    if state.trading_state is not TradingState.ACTIVE:
        return "halted"
    if state.closing is not None:
        return "closing"
    return ""


def _submit(
    state: SessionState, working: WorkingOrder, proof: Recorded[Order], now_s: float
) -> Effects:
    attempt = state.attempts.get(working.order.id, 0) + 1
    state.attempts[working.order.id] = attempt
    working.sent_s = now_s
    deadline_s = (
        now_s + state.rules.submit_deadline_s
        if working.is_exit
        else working.decided_s + state.rules.entry_deadline_s
    )
    state.owe(now_s + state.rules.submit_deadline_s)
    return (Submit(proof, working.is_exit, deadline_s, attempt),)


def record_refused(state: SessionState, event: RecordRefused, now_s: float) -> Effects:
    """It has no row, so it never leaves."""
    state.recording.pop(event.order_id, None)
    if event.order_id in state.changes:
        return changing.not_recorded(state, event, now_s)
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
        working.sent_s = now_s
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
    return (Notice(severity, "order_refused", text), *heat_report(state, now_s))


def unanswered(state: SessionState, event: OrderUnanswered, now_s: float) -> Effects:
    """UNKNOWN: look for it at once; an exit goes out again at once where that is safe."""
    working = state.orders.get(event.order_id)
    if working is None or working.status.is_terminal:
        return NOTHING
    effects = doubt(state, working, event.cause, now_s)
    if working.status is not Status.UNKNOWN:
        return effects
    again = _resend(state, working, now_s) if working.is_exit else NOTHING
    text = f"order {working.order.id}: {event.cause}; asking the venue"
    notice = Notice(Severity.WARNING, "order_unknown", text)
    return (*effects, notice, *(again or (Find(working.order.id),)), *heat_report(state, now_s))


def _resend(state: SessionState, working: WorkingOrder, now_s: float) -> Effects:
    """The same row, the same id: only where two arrivals make one order (settled 12)."""
    able = state.rules.capabilities
    order_id = working.order.id
    if not (able.resend_safe and able.client_id_unique is IdUniqueness.FOREVER):
        return NOTHING
    attempts = state.attempts.get(order_id, 0)
    proof = state.proofs.get(order_id)
    if proof is None or attempts > RESEND_MAX or (attempts > 1 and working.absences == 0):
        return NOTHING
    if working.is_exit:
        others = [w for w in state.orders.values() if w is not working]
        if working.order.purpose is not Purpose.PROTECT and working.leaves_qty > reducible(
            state.broker.broker_qty, others
        ):
            return NOTHING
    elif (
        now_s - working.decided_s > state.rules.entry_deadline_s
        or working.order.incarnation != state.incarnation
        or state.trading_state is not TradingState.ACTIVE
    ):
        return NOTHING
    return _submit(state, working, proof, now_s)


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
        return (*effects, *heat_report(state, now_s))
    probe_later(state, working, now_s)
    return _resend(state, working, now_s)


def filled(state: SessionState, event: OrderFilled, now_s: float) -> Effects:
    """One execution, exactly once, however often and in whatever order it is told."""
    fill = event.fill
    same = f"{fill.broker_order_id}@{fill.cum_qty}"  # another id for it cannot hide (stream, poll)
    if fill.execution_id in state.executions or same in state.executions:
        return NOTHING
    assert state.fence is not None, "no fill is folded before the rows are loaded"
    state.executions.add(fill.execution_id)
    state.executions.add(same)
    working = state.find(fill.client_order_id, fill.broker_order_id)
    state.position = state.position.after(
        fill.side, fill.qty, fill.price, state.multiplier, fill.fee
    )
    state.broker.fold_fill(fill.side, fill.qty)
    state.newest_execution_id = fill.execution_id
    state.newest_fill_s = now_s
    if state.mark is None:
        state.mark, state.marked_s = fill.price, now_s
    entry = FillEntry(
        fill=fill,
        order_id=working.order.id if working else None,
        position_qty=state.position.qty,
        position_avg_px=state.position.avg_px,
        realized=state.position.realized,
        fence=state.fence,
    )
    effects: Effects = (Keep(entry),)
    if working is None:
        text = f"{fill.side} {fill.qty} {fill.instrument} at {fill.price}: not an order of ours"
        effects += (Notice(Severity.CRITICAL, "foreign_fill", text),)
        effects += truth.ask_all(state, now_s)
    else:
        effects += _fold(state, working, fill)
        if not working.is_exit:
            state.newest_entry_fill_at = fill.happened_at
            if working.order.protective_stop is not None:
                state.stop_price = working.order.protective_stop
            # The stop is sized by the broker's word, so it is asked for at once.
            state.position_due_s = min(state.position_due_s, now_s + AFTER_FILL_S)
            state.owe(state.position_due_s)
    if state.position.is_flat:
        state.stop_price = None
        state.failed_exits = 0
    refresh_view(state)
    return (*effects, *heat_report(state, now_s))


def _fold(state: SessionState, working: WorkingOrder, fill: Fill) -> Effects:
    settle_doubt(state, working)
    state.revive(working)
    if working.broker_order_id is None:
        working.broker_order_id = fill.broker_order_id
    before = working.applied_qty
    working.applied_qty = Quantity(before + fill.qty)
    paid = (working.avg_px or Decimal(0)) * before + fill.price * fill.qty
    working.avg_px = Price(paid / working.applied_qty)
    working.cum_qty = Quantity(max(working.cum_qty, fill.cum_qty, working.applied_qty))
    is_all = working.applied_qty >= working.order.qty
    happening = Happening.FILLED_ALL if is_all else Happening.FILLED_PART
    effects = move(state, working, happening, "order_filled", at=fill.happened_at)
    if working.applied_qty > working.order.qty:
        text = f"order {working.order.id}: {working.applied_qty} filled of {working.order.qty}"
        effects += (Notice(Severity.CRITICAL, "overfill", text),)
    return effects


def reported(state: SessionState, event: OrderReported, now_s: float) -> Effects:
    """The venue's own word on an order. What it has filled beyond our fills is fetched."""
    report = event.report
    working = state.find(report.client_order_id, report.broker_order_id)
    if working is None:
        return _foreign(state, report)
    was_unknown = working.status is Status.UNKNOWN
    state.revive(working)
    settle_doubt(state, working)
    is_news = working.broker_order_id is None or report.cum_qty > working.cum_qty
    working.broker_order_id = report.broker_order_id
    findings = judge_report(working, report)
    working.cum_qty = Quantity(max(working.cum_qty, report.cum_qty))
    effects: Effects = NOTHING
    if is_news or any(each.kind in MOVES for each in findings):
        happening = happening_of(report)
        effects = move(
            state,
            working,
            happening,
            f"order_{report.status.lower()}",
            reason_code="replaced" if happening is Happening.REPLACED else "",
            detail=report.text,
            at=report.happened_at,
        )
    for each in findings:
        if each.kind in TOLD:
            severity = Severity.CRITICAL if each.kind is FindingKind.OVERFILL else Severity.WARNING
            text = f"order {working.order.id}: {each.detail}"
            effects += (Notice(severity, each.kind.lower(), text),)
    if report.replaced_by is not None:
        effects += changing.replaced(state, working, report)
    if was_unknown and working.status is not Status.UNKNOWN:
        text = f"order {working.order.id} found at the venue: {working.status}"
        effects += (Notice(Severity.INFO, "order_found", text),)
    if working.cum_qty > working.applied_qty:
        effects += _missing_fills(state, event, now_s)
    if not effects:
        return NOTHING
    refresh_view(state)
    return (*effects, *heat_report(state, now_s))


MOVES = frozenset(
    {FindingKind.STATUS, FindingKind.OUT_OF_BAND_CANCEL, FindingKind.OUT_OF_BAND_REPLACE}
)
TOLD = frozenset(
    {FindingKind.OUT_OF_BAND_CANCEL, FindingKind.OUT_OF_BAND_REPLACE, FindingKind.OVERFILL}
)


def _missing_fills(state: SessionState, event: OrderReported, now_s: float) -> Effects:
    """A stream tells of the order and of its execution side by side; a query knows better."""
    if event.asked_s is not None:
        return (AskExecutions(),)
    state.position_due_s = min(state.position_due_s, now_s + 1.0)
    state.owe(state.position_due_s)
    return NOTHING


def _foreign(state: SessionState, report: OrderReport) -> Effects:
    if report.status.is_terminal:
        return NOTHING
    if is_ours(report.client_order_id):
        return adopt(state, report)
    key = f"foreign:{report.broker_order_id}"
    if key in state.noticed:
        return NOTHING
    state.noticed.add(key)
    text = (
        f"{report.side} {report.qty} {report.instrument} ({report.broker_order_id}) works at the "
        "venue and is not ours; it is left alone"
    )
    return (Notice(Severity.WARNING, "foreign_order", text),)
