"""What a strategy wants changed or canceled among its working orders."""

from dataclasses import replace as copy_of

from trader.ids import CauseKind, client_order_id, instant_key
from trader.market.candle import Candle
from trader.money import Price, Quantity
from trader.orders.order import Purpose, Replace
from trader.risk.events import ReserveHeat
from trader.risk.gate import Refused, raises_risk_by
from trader.session import changing, gating
from trader.session.effects import AuditDecision, Effects, Reserve
from trader.session.state import Pending, SessionState
from trader.session.strategy import CancelOrders, ModifyOrder, ModifyOrders


def modify(state: SessionState, wanted: ModifyOrders, candle: Candle, now_s: float) -> Effects:
    """A strategy's changes; each is cleared, refused, or waits for its heat, on its own."""
    effects: Effects = (_audit(candle, "modify_orders", wanted.reason),)
    for ordinal, change in enumerate(wanted.changes):
        request = _replace(state, change, candle, ordinal, wanted.reason)
        if isinstance(request, Refused):
            effects += (gating.refusal(candle, request.reason_code, request.detail),)
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
            effects += (gating.refusal(candle, "no_mark", "no price to value it with"),)
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
        effects += changing.clear_and_record(state, request, candle, now_s)
    return effects


def _replace(
    state: SessionState, change: ModifyOrder, candle: Candle, ordinal: int, reason: str
) -> Replace | Refused:
    target = state.orders.get(change.order_id)
    if target is None or target.status not in changing.CHANGEABLE or target.broker_order_id is None:
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
        cause_kind=CauseKind.CANDLE,
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
            effects += (gating.refusal(candle, "not_changeable", detail),)
        elif target.order.purpose is Purpose.PROTECT:
            detail = f"{order_id} is the stop that covers the position; exit instead"
            effects += (gating.refusal(candle, "stop_is_protective", detail),)
        else:
            effects += changing.ask_cancel(state, target, wanted.reason, now_s)
    return effects


def _audit(candle: Candle, action: str, reason: str) -> AuditDecision:
    return AuditDecision(candle, candle.opened_at, action, reason, "", ())
