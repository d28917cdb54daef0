"""Changing and cancelling working orders: requests are rows before they leave, as submits are."""

from dataclasses import replace as copy_of

from trader.ids import CauseKind, client_order_id, instant_key
from trader.market.candle import Candle
from trader.money import Price, Quantity
from trader.orders.events import ChangeAnswered, ChangeRecorded, RecordRefused
from trader.orders.lifecycle import Happening
from trader.orders.order import Cancel, Change, OrderReport, Purpose, Replace, Status
from trader.orders.working import WorkingOrder
from trader.proofs import Cleared
from trader.risk.events import ReserveHeat
from trader.risk.gate import Refused, clear_change, raises_risk_by
from trader.risk.heat import Grant
from trader.session import gating
from trader.session.effects import (
    NOTHING,
    AuditDecision,
    Effects,
    Find,
    Notice,
    RecordChange,
    Release,
    Reserve,
    Severity,
    SubmitChange,
)
from trader.session.moving import move, settle_doubt
from trader.session.report import heat_report, refresh_view
from trader.session.state import Pending, SessionState
from trader.session.strategy import CancelOrders, ModifyOrder, ModifyOrders

CHANGEABLE = (Status.ACCEPTED, Status.PARTIALLY_FILLED)


def modify(state: SessionState, wanted: ModifyOrders, candle: Candle, now_s: float) -> Effects:
    """A strategy's changes; each is cleared, refused, or waits for its heat, on its own."""
    effects: Effects = (_audit(candle, "modify_orders", wanted.reason),)
    for ordinal, change in enumerate(wanted.changes):
        request = _replace(state, change, candle, ordinal, wanted.reason)
        if isinstance(request, Refused):
            effects += (gating.refusal(state, candle, request.reason_code, request.detail),)
            continue
        target = state.orders[request.target]
        more = raises_risk_by(
            request,
            target,
            state.mark,
            state.multiplier,
            state.rules.heat,
            broker_qty=state.broker.broker_qty,
        )
        if not more.is_finite():
            effects += (gating.refusal(state, candle, "no_mark", "no price to value it with"),)
            continue
        if more > 0:
            state.pending[request.successor.id] = Pending(request, candle.opened_at, now_s)
            ask = ReserveHeat(
                state.rules.session_id,
                state.incarnation,
                request.successor.id,
                more,
                state.rules.group,
            )
            effects += (Reserve(ask),)
            continue
        effects += clear_and_record(state, request, candle, now_s)
    return effects


def _replace(
    state: SessionState, change: ModifyOrder, candle: Candle, ordinal: int, reason: str
) -> Replace | Refused:
    target = state.orders.get(change.order_id)
    if target is None or target.status not in CHANGEABLE or target.broker_order_id is None:
        status = target.status if target else "not an order of this session"
        return Refused("not_changeable", f"{change.order_id}: {status}")
    old = target.order
    rules = state.rules
    key = instant_key(candle.opened_at)
    successor = copy_of(
        old,
        id=client_order_id(rules.session_id, CauseKind.CANDLE, key, "replace", ordinal),
        qty=Quantity(change.qty) if change.qty is not None else old.qty,
        price=Price(change.price) if change.price is not None else old.price,
        stop_price=Price(change.stop_price) if change.stop_price is not None else old.stop_price,
        reason=reason,
        cause_key=key,
        incarnation=state.incarnation,
        replaces=old.id,
    )
    return Replace(old.id, target.broker_order_id, successor, reason)


def cancel(state: SessionState, wanted: CancelOrders, candle: Candle, now_s: float) -> Effects:
    """A strategy's cancels; a protective stop is not among what it may take away."""
    effects: Effects = (_audit(candle, "cancel_orders", wanted.reason),)
    ids = wanted.order_ids or tuple(
        w.order.id for w in state.open_orders() if w.order.purpose is Purpose.ENTRY
    )
    for order_id in ids:
        target = state.orders.get(order_id)
        if target is None or not target.is_open:
            detail = f"{order_id} is not a working order of this session"
            effects += (gating.refusal(state, candle, "not_changeable", detail),)
        elif target.order.purpose is Purpose.PROTECT:
            detail = f"{order_id} is the stop that covers the position; exit instead"
            effects += (gating.refusal(state, candle, "stop_is_protective", detail),)
        else:
            effects += ask_cancel(state, target, wanted.reason, now_s)
    return effects


def ask_cancel(state: SessionState, target: WorkingOrder, reason: str, now_s: float) -> Effects:
    """Have one order canceled; nothing if that is already asked or it has no venue id yet."""
    if target.status not in CHANGEABLE or target.broker_order_id is None:
        return NOTHING
    tries = sum(1 for c in state.changes.values() if c.target == target.order.id)
    request = Cancel(
        id=client_order_id(
            state.rules.session_id, CauseKind.COMMAND, target.order.id, "cancel", tries
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
            text = f"change of {request.target}: {outcome.reason_code}: {outcome.detail}"
            return (Notice(Severity.WARNING, "change_refused", text),)
        return (gating.refusal(state, candle, outcome.reason_code, outcome.detail),)
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
    request_id = change.successor.id if isinstance(change, Replace) else change.id
    target = state.orders[change.target]
    target.before_pending = target.status
    happening = Happening.REPLACE_ASKED if isinstance(change, Replace) else Happening.CANCEL_ASKED
    state.changes[request_id] = change
    effect = RecordChange(cleared, is_exit)
    state.recording[request_id] = (effect, now_s)
    state.owe(now_s + 5.0)
    name = "replace_asked" if isinstance(change, Replace) else "cancel_asked"
    moved = move(state, target, happening, name, detail=change.reason)
    if isinstance(change, Replace):
        state.orders[request_id] = WorkingOrder(
            change.successor, is_exit=target.is_exit, decided_s=now_s
        )
    return (effect, *moved)


def recorded(state: SessionState, event: ChangeRecorded, now_s: float) -> Effects:
    """The request is durable: send it."""
    change = event.change.item
    request_id = change.successor.id if isinstance(change, Replace) else change.id
    if state.recording.pop(request_id, None) is None:
        return NOTHING
    if isinstance(change, Replace) and request_id in state.orders:
        state.orders[request_id].status = Status.INITIALIZED
    state.owe(now_s + state.rules.submit_deadline_s)
    state.probe_due_s[change.target] = now_s + state.rules.submit_deadline_s
    return (SubmitChange(event.change, True, now_s + state.rules.submit_deadline_s),)


def not_recorded(state: SessionState, event: RecordRefused, now_s: float) -> Effects:
    """The request has no row, so it does not leave; the order works on as before."""
    change = state.changes.pop(event.order_id)
    text = f"change of {change.target} not recorded: {event.reason_code}: {event.detail}"
    notice = Notice(Severity.WARNING, "change_not_recorded", text)
    state.retry_exit_s = now_s + 1.0
    state.owe(state.retry_exit_s)
    return (notice, Release(event.order_id), *_back(state, change))


def answered(state: SessionState, event: ChangeAnswered, now_s: float) -> Effects:
    """The venue's answer to the request; what became of the order its own reports tell."""
    change = state.changes.get(event.request_id)
    target = state.orders.get(event.target)
    if change is None or target is None:
        return NOTHING
    if event.outcome == "accepted":
        if isinstance(change, Replace) and event.broker_order_id is not None:
            successor = state.orders[event.request_id]
            successor.broker_order_id = event.broker_order_id
            successor.sent_s = now_s
            effects = move(state, successor, Happening.ACCEPTED, "order_accepted")
            return (*effects, Find(change.target))
        state.probe_due_s[event.target] = now_s + 2.0  # the report should come by itself
        state.owe(now_s + 2.0)
        return NOTHING
    if event.outcome == "unknown":
        state.probe_due_s[event.target] = now_s + 1.0
        state.owe(now_s + 1.0)
        return (Find(event.target),)
    text = f"change of {event.target}: {event.code}: {event.text}"
    state.retry_exit_s = now_s + 1.0
    state.owe(state.retry_exit_s)
    notice = Notice(Severity.WARNING, "change_refused", text)
    return (notice, *_back(state, change), Find(event.target), *heat_report(state, now_s))


def _back(state: SessionState, change: Change) -> Effects:
    """The request is over: the target stands as it stood."""
    target = state.orders.get(change.target)
    effects: Effects = NOTHING
    if target is not None and target.status in (Status.PENDING_CANCEL, Status.PENDING_UPDATE):
        happening = (
            Happening.REPLACE_REFUSED if isinstance(change, Replace) else Happening.CANCEL_REFUSED
        )
        effects = move(state, target, happening, "change_refused")
    if isinstance(change, Replace):
        successor = state.orders.get(change.successor.id)
        if successor is not None and successor.is_open:
            effects += move(
                state, successor, Happening.DENIED, "order_denied", reason_code="replace_refused"
            )
    refresh_view(state)
    return effects


def replaced(state: SessionState, working: WorkingOrder, report: OrderReport) -> Effects:
    """The venue says that a successor took over: it has the successor's id."""
    for request_id, change in state.changes.items():
        if isinstance(change, Replace) and change.target == working.order.id:
            successor = state.orders.get(request_id)
            if successor is None or successor.broker_order_id is not None:
                continue
            successor.broker_order_id = report.replaced_by
            settle_doubt(state, successor)
            return move(state, successor, Happening.ACCEPTED, "order_accepted")
    return NOTHING


def _audit(candle: Candle, action: str, reason: str) -> AuditDecision:
    return AuditDecision(candle, candle.opened_at, action, reason, "", ())
