"""From a strategy's decision to an order on its way to the journal, or to a reasoned refusal."""

from decimal import Decimal
from typing import assert_never

from trader.ids import CauseKind, ClientOrderId, client_order_id, instant_key
from trader.market.candle import Candle
from trader.money import NO_QTY, Price, Quantity
from trader.orders.order import Order, OrderType, Purpose
from trader.positions.position import reducible
from trader.proofs import Cleared
from trader.risk.events import HeatGranted, HeatRefused, ReserveHeat
from trader.risk.gate import Refused, clear, worst_case
from trader.session import changing, gating, leaving, modifying
from trader.session.effects import (
    AUDIT_NOTHING,
    NOTHING,
    AuditDecision,
    Effects,
    Release,
    Reserve,
)
from trader.session.events import StrategyDecided
from trader.session.state import Pending, SessionState
from trader.session.strategy import CancelOrders, ModifyOrders, Nothing, SubmitOrder


def decided(state: SessionState, event: StrategyDecided, now_s: float) -> Effects:
    """Take the strategy's answer for the bar it was asked about."""
    candle = state.asked_candle
    if candle is None or event.rebuild != state.rebuild or event.bar_opened_at != candle.opened_at:
        return NOTHING  # an answer to an older question
    if state.decide_by_s is not None and now_s > state.decide_by_s:
        return (gating.refusal(candle, "bar_late", "the bar was over for too long"),)
    decision = event.decision
    state.decision = decision
    state.decided_candle = candle
    match decision:
        case Nothing():
            return AUDIT_NOTHING
        case SubmitOrder():
            return _submit(state, decision, candle, now_s)
        case ModifyOrders():
            return modifying.modify(state, decision, candle, now_s)
        case CancelOrders():
            return modifying.cancel(state, decision, candle, now_s)
        case _:
            assert_never(decision)


def _submit(state: SessionState, wanted: SubmitOrder, candle: Candle, now_s: float) -> Effects:
    key = instant_key(candle.opened_at)
    if wanted.is_exit:
        if state.broker.broker_qty == 0 and state.position.is_flat:
            return (gating.refusal(candle, "nothing_to_exit", "the position is flat"),)
        audit = _audit(candle, wanted.reason, ())
        return (audit, *leaving.close(state, NO_QTY, wanted.reason, now_s))
    order = _order(state, wanted, candle, key)
    if isinstance(order, Refused):
        return (gating.refusal(candle, order.reason_code, order.detail),)
    free = reducible(state.broker.broker_qty, state.orders.values())
    held = abs(state.broker.broker_qty)
    if order.side.sign * state.broker.broker_qty < 0 and order.qty <= held:
        return _reduce(state, order, free, candle, now_s)
    outcome = _clear(state, order, None, now_s)
    if isinstance(outcome, Cleared):
        return (_audit(candle, order.reason, (order.id,)), *gating.record(state, outcome, now_s))
    if outcome.reason_code != "heat_not_granted":
        return (gating.refusal(candle, outcome.reason_code, outcome.detail),)
    amount = worst_case(order, state.mark, state.multiplier, state.rules.heat)
    if amount is None:
        return (gating.refusal(candle, "no_mark", "no price to value the order with"),)
    state.pending[order.id] = Pending(order, candle.opened_at, now_s)
    request = ReserveHeat(
        state.rules.session_id, state.incarnation, order.id, amount, state.rules.group
    )
    return (_audit(candle, order.reason, (order.id,)), Reserve(request))


def _reduce(
    state: SessionState,
    order: Order,
    free: Quantity,
    candle: Candle,
    now_s: float,
) -> Effects:
    """The order is an exit: a market one is driven to its end, a resting one is sent as it is."""
    if order.type is OrderType.MARKET:
        target = Quantity(abs(state.broker.broker_qty) - order.qty)
        audit = _audit(candle, order.reason, ())
        return (audit, *leaving.close(state, target, order.reason, now_s))
    stop = state.protective()
    if stop is not None:  # both could fill, whether the venue reserves the shares or not
        detail = f"the resting stop {stop.order.id} holds the shares; exit with ctx.exit"
        return (gating.refusal(candle, "stop_holds_shares", detail),)
    if order.qty > free:
        detail = f"{order.qty} asked, {free} not yet under another exit"
        return (gating.refusal(candle, "not_reducible", detail),)
    outcome = _clear(state, order, None, now_s)
    if isinstance(outcome, Refused):
        return (gating.refusal(candle, outcome.reason_code, outcome.detail),)
    return (_audit(candle, order.reason, (order.id,)), *gating.record(state, outcome, now_s))


def _order(state: SessionState, wanted: SubmitOrder, candle: Candle, key: str) -> Order | Refused:
    rules = state.rules
    symbol = rules.instrument.symbol
    if wanted.symbol is not None and wanted.symbol != symbol:
        return Refused("wrong_symbol", f"{wanted.symbol} decided, this session trades {symbol}")
    return Order(
        id=client_order_id(rules.session_id, CauseKind.CANDLE, key, "order", 0),
        session_id=rules.session_id,
        account_id=rules.account_id,
        instrument=rules.instrument.id,
        side=wanted.side,
        type=wanted.type,
        tif=wanted.tif,
        qty=Quantity(wanted.qty),
        purpose=Purpose.EXIT
        if wanted.side.sign * state.broker.broker_qty < 0
        and wanted.qty <= abs(state.broker.broker_qty)
        else Purpose.ENTRY,
        reason=wanted.reason,
        cause_kind=CauseKind.CANDLE,
        cause_key=key,
        incarnation=state.incarnation,
        price=_price(wanted.price),
        stop_price=_price(wanted.stop_price),
        protective_stop=_price(wanted.protective_stop),
        decided_at=candle.closes_at,
    )


def _price(number: Decimal | None) -> Price | None:
    return None if number is None else Price(number)


def _clear(
    state: SessionState, order: Order, grant: HeatGranted | None, now_s: float
) -> Cleared[Order] | Refused:
    free = reducible(state.broker.broker_qty, state.orders.values())
    return clear(
        order,
        reducible=free,
        broker_qty=state.broker.broker_qty,
        grant=grant.grant if grant else None,
        standing=gating.standing(state, now_s),
        limits=state.rules.limits,
        instrument=state.rules.instrument,
        mark=state.mark,
    )


def granted(state: SessionState, event: HeatGranted, now_s: float) -> Effects:
    """Heat is reserved: the gate looks once more, then the journal gets the order."""
    order_id = event.grant.order_id
    waiting = state.pending.pop(order_id, None)
    if waiting is None:
        return (Release(order_id),)
    item = waiting.item
    if now_s - waiting.decided_s > state.rules.entry_deadline_s:
        late = Refused("deadline_passed", "heat was granted too late")
        return (Release(order_id), *_refused(state, waiting, late))
    if isinstance(item, Order):
        outcome = _clear(state, item, event, now_s)
        if isinstance(outcome, Cleared):
            return gating.record(state, outcome, now_s, decided_s=waiting.decided_s)
        return (Release(order_id), *_refused(state, waiting, outcome))
    change = changing.cleared(state, item, event.grant, now_s)
    if isinstance(change, Cleared):
        return changing.record(state, change, now_s, is_exit=False)
    return (Release(order_id), *_refused(state, waiting, change))


def heat_refused(state: SessionState, event: HeatRefused) -> Effects:
    """No heat for it: the decision ends here, with the portfolio's reason."""
    waiting = state.pending.pop(event.order_id, None)
    if waiting is None:
        return NOTHING
    return _refused(state, waiting, Refused(event.reason_code, event.detail))


def _refused(state: SessionState, waiting: Pending, why: Refused) -> Effects:
    if waiting.bar_opened_at is None:
        return NOTHING
    candle = state.decided_candle
    same = candle if candle and candle.opened_at == waiting.bar_opened_at else None
    ids = (waiting.item.id,) if isinstance(waiting.item, Order) else ()
    return (
        AuditDecision(same, waiting.bar_opened_at, "refused", why.detail, why.reason_code, ids),
    )


def _audit(candle: Candle, reason: str, ids: tuple[ClientOrderId, ...]) -> AuditDecision:
    return AuditDecision(candle, candle.opened_at, "submit_order", reason, "", ids)
