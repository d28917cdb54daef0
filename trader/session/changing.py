"""Changing and cancelling working orders: requests are rows before they leave, as submits are."""

from trader.ids import CauseKind, ClientOrderId, client_order_id
from trader.market.candle import Candle
from trader.orders.events import ChangeAnswered, ChangeRecorded, RecordRefused
from trader.orders.lifecycle import Happening
from trader.orders.order import Cancel, Change, OrderReport, Replace, Status, request_id
from trader.orders.working import WorkingOrder
from trader.proofs import Cleared
from trader.risk.gate import Refused, clear_change
from trader.risk.heat import Grant
from trader.session import gating
from trader.session.effects import (
    NOTHING,
    Effects,
    Find,
    Notice,
    RecordChange,
    Release,
    Severity,
    SubmitChange,
)
from trader.session.moving import doubt, durability, move, settle_doubt
from trader.session.report import heat_report, refresh_view
from trader.session.state import SessionState

CHANGEABLE = (Status.ACCEPTED, Status.PARTIALLY_FILLED)
CANCELABLE = (*CHANGEABLE, Status.PENDING_UPDATE)  # a cancel does not wait for a replace
UNDER_WAY = (Status.PENDING_CANCEL, Status.PENDING_UPDATE)
REFUSED_WAIT_S = 5.0  # the gate refused a change of our own: it will not allow it at once
CANCEL_TAKES_S = 2.0  # an accepted cancel whose order still works this much later did not take
LOOK_S_MAX = 30.0  # between two looks at an order whose change is under way


def ask_cancel(state: SessionState, target: WorkingOrder, reason: str, now_s: float) -> Effects:
    """Have one order canceled; nothing if that is already asked or it has no venue id yet."""
    if target.status not in CANCELABLE or target.broker_order_id is None:
        return NOTHING
    request = Cancel(
        id=client_order_id(
            state.rules.session_id, CauseKind.COMMAND, target.order.id, "cancel", target.cancels
        ),
        session_id=state.rules.session_id,
        account_id=state.rules.account_id,
        instrument=state.rules.instrument.id,
        target=target.order.id,
        target_broker_id=target.broker_order_id,
        reason=reason,
        incarnation=state.incarnation,
    )
    return clear_and_record(state, request, None, now_s)


def clear_and_record(
    state: SessionState, request: Change, candle: Candle | None, now_s: float
) -> Effects:
    """The exit's road: a change that cannot raise the worst-case loss needs no grant."""
    outcome = cleared(state, request, None, now_s)
    if isinstance(outcome, Refused):
        if candle is None:
            state.retry_exit_s = now_s + REFUSED_WAIT_S
            state.owe(state.retry_exit_s)
            text = f"change of {request.target}: {outcome.reason_code}: {outcome.detail}"
            return (Notice(Severity.WARNING, "change_refused", text),)
        return (gating.refusal(candle, outcome.reason_code, outcome.detail),)
    return record(state, outcome, now_s, is_exit=True)


def cleared(
    state: SessionState, request: Change, grant: Grant | None, now_s: float
) -> Cleared[Change] | Refused:
    """Ask the gate."""
    return clear_change(
        request,
        grant,
        gating.standing(state, now_s),
        state.orders.get(request.target),
        state.rules.limits,
        broker_qty=state.broker.broker_qty,
        instrument=state.rules.instrument,
        mark=state.mark,
        rules=state.rules.heat,
    )


def record(
    state: SessionState, cleared: Cleared[Change], now_s: float, *, is_exit: bool
) -> Effects:
    """To the journal; the target is PENDING_* from here on."""
    change = cleared.item
    key = request_id(change)
    target = state.orders[change.target]
    if target.status not in UNDER_WAY:
        target.before_pending = target.status
    happening = Happening.REPLACE_ASKED if isinstance(change, Replace) else Happening.CANCEL_ASKED
    target.cancels += isinstance(change, Cancel)
    effect = RecordChange(cleared, is_exit)
    state.recording[key] = (effect, now_s)
    state.owe(now_s + 5.0)
    name = "replace_asked" if isinstance(change, Replace) else "cancel_asked"
    moved = move(state, target, happening, name, detail=change.reason)
    if isinstance(change, Replace):
        state.orders[key] = WorkingOrder(change.successor, is_exit=target.is_exit, decided_s=now_s)
        refresh_view(state)
    return (effect, *moved)


def recorded(state: SessionState, event: ChangeRecorded, now_s: float) -> Effects:
    """The request is durable: send it, if there is still something to change."""
    change = event.change.item
    key = request_id(change)
    if state.recording.pop(key, None) is None:
        return NOTHING
    successor, target = state.orders.get(key), state.orders.get(change.target)
    if successor is not None and successor.status is Status.PENDING_RECORD:
        successor.status, successor.sent_s = Status.INITIALIZED, now_s
    if target is None or not target.is_open:
        return end_successors(state, change.target)
    _expect_word(state, target, now_s + state.rules.submit_deadline_s)
    submit = SubmitChange(event.change, True, now_s + state.rules.submit_deadline_s)
    return (*durability(event.change), submit)


def _expect_word(state: SessionState, target: WorkingOrder, by_s: float) -> None:
    """By then the venue has spoken of the order, or it is asked; and its word is final."""
    if target.is_open:
        state.request_over_s[target.order.id] = state.probe_due_s[target.order.id] = by_s
        state.owe(by_s)


def not_recorded(
    state: SessionState, change: Change, event: RecordRefused, now_s: float
) -> Effects:
    """The request has no row, so it does not leave; the order works on as before."""
    text = f"change of {change.target} not recorded: {event.reason_code}: {event.detail}"
    notice = Notice(Severity.WARNING, "change_not_recorded", text)
    state.retry_exit_s = now_s + 1.0
    state.owe(state.retry_exit_s)
    return (notice, Release(event.order_id), *_back(state, change.target, event.order_id))


def answered(state: SessionState, event: ChangeAnswered, now_s: float) -> Effects:
    """The venue's answer to the request; what became of the order its own reports tell."""
    target = state.find(event.target, "")
    if target is None:
        return NOTHING
    successor = state.find(event.request_id, "")  # None: it was a cancel
    match event.outcome:
        case "accepted":
            return _accepted(state, event, target, successor, now_s)
        case "unknown":
            _expect_word(state, target, now_s)
            asked: Effects = (Find(event.target),)
            if successor is None or not successor.is_open:
                return asked
            return (*doubt(state, successor, event.text, now_s), *asked, Find(event.request_id))
        case _:
            text = f"change of {event.target}: {event.code}: {event.text}"
            state.retry_exit_s = now_s + 1.0
            state.owe(state.retry_exit_s)
            notice = Notice(Severity.WARNING, "change_refused", text)
            back = _back(state, event.target, event.request_id)
            return (notice, *back, Find(event.target), *heat_report(state, now_s))


def _accepted(
    state: SessionState,
    event: ChangeAnswered,
    target: WorkingOrder,
    successor: WorkingOrder | None,
    now_s: float,
) -> Effects:
    """A cancel: its report should come by itself. A replace: the venue has the successor."""
    _expect_word(state, target, now_s + CANCEL_TAKES_S)
    if successor is None or event.broker_order_id is None:
        return NOTHING
    if successor.broker_order_id is not None:
        return (Find(event.target),)  # its own events came first
    successor.broker_order_id = event.broker_order_id
    settle_doubt(state, successor)
    return (*move(state, successor, Happening.ACCEPTED, "order_accepted"), Find(event.target))


def still_works(
    state: SessionState, target: WorkingOrder, report: OrderReport, asked_s: float | None
) -> Effects:
    """The venue shows an order as working whose change is under way: did the request not take?

    It did not where the question is younger than the request's end and no successor may still
    come; a cancel that arrives later only does what was asked. Until then: look again.
    """
    order_id, now_s = target.order.id, state.now_s
    over_s = state.request_over_s.get(order_id, 0.0)  # 0: a predecessor's request
    is_final = asked_s is not None and asked_s >= over_s and report.status not in UNDER_WAY
    coming = any(w.order.replaces == order_id and w.is_open for w in state.orders.values())
    if not is_final or (coming and target.status is Status.PENDING_UPDATE):
        age_s = now_s - (target.status_changed_s or now_s)
        wait_s = min(max(state.rules.unknown_probe_s, age_s / 2), LOOK_S_MAX)
        state.probe_due_s[order_id] = max(now_s + wait_s, over_s)
        state.owe(state.probe_due_s[order_id])
        return NOTHING
    state.retry_exit_s = now_s + 1.0  # then whatever still wants it asks again
    state.owe(state.retry_exit_s)
    text = f"change of {order_id}: the venue never did it"
    return (Notice(Severity.WARNING, "change_lost", text), *_back(state, order_id, None))


def _back(state: SessionState, target_id: ClientOrderId, request: ClientOrderId | None) -> Effects:
    """The request is over: the target stands as it stood, what was to replace it ends."""
    state.request_over_s.pop(target_id, None)
    effects: Effects = NOTHING
    target = state.orders.get(target_id)
    if target is not None and target.status in UNDER_WAY:
        is_cancel = target.status is Status.PENDING_CANCEL
        happening = Happening.CANCEL_REFUSED if is_cancel else Happening.REPLACE_REFUSED
        effects = move(state, target, happening, "change_refused")
    successor = None if request is None else state.orders.get(request)
    if successor is not None:
        effects += _never_to_be(state, successor)
    refresh_view(state)
    return effects


def end_successors(state: SessionState, target_id: ClientOrderId) -> Effects:
    """The target ended and was not replaced: what was to take its place never will."""
    effects: Effects = NOTHING
    for each in [w for w in state.orders.values() if w.order.replaces == target_id]:
        effects += _never_to_be(state, each)
    return effects


def _never_to_be(state: SessionState, successor: WorkingOrder) -> Effects:
    if successor.broker_order_id is not None or not successor.is_open:
        return NOTHING
    if successor.status is Status.UNKNOWN:
        happening, event, code = Happening.NEVER_ARRIVED, "order_never_arrived", "never_arrived"
    else:
        happening, event, code = Happening.DENIED, "order_denied", "replace_refused"
    return move(state, successor, happening, event, reason_code=code)


def replaced(state: SessionState, working: WorkingOrder, report: OrderReport) -> Effects:
    """The venue says that a successor took over: it has the successor's id."""
    if report.replaced_by is not None and state.find("", report.replaced_by) is not None:
        return NOTHING  # told before
    known = (*state.orders.values(), *state.ended.values())
    nameless = [w for w in known if w.order.replaces == working.order.id and not w.broker_order_id]
    could_be = [w for w in nameless if w.is_open] or nameless
    if len(could_be) != 1:
        return tuple(
            Find(w.order.id) for w in could_be
        )  # which of them it is, only the venue knows
    (successor,) = could_be
    state.revive(successor)
    successor.broker_order_id = report.replaced_by
    settle_doubt(state, successor)
    return move(state, successor, Happening.ACCEPTED, "order_accepted")
