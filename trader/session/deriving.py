"""Orders that follow from the position: whoever sees the same position makes the same ones."""

from trader.ids import CauseKind, client_order_id, position_key
from trader.money import Price, Quantity, plain
from trader.orders.order import Order, OrderType, Purpose, Side, TimeInForce
from trader.orders.working import WorkingOrder
from trader.positions.position import reducible
from trader.proofs import Cleared
from trader.risk.gate import clear_exit
from trader.session import gating
from trader.session.effects import Effects, Notice, Severity
from trader.session.report import heat_report
from trader.session.state import SessionState


def derived(
    state: SessionState,
    purpose: Purpose,
    qty: Quantity,
    reason: str,
    stop_price: Price | None,
    replaces: WorkingOrder | None = None,
) -> Order | None:
    """An order that follows from the position: who sees the same position makes the same id."""
    rules = state.rules
    leg = purpose.lower()
    attempt = 0
    while True:
        key = position_key(
            rules.account_id,
            rules.instrument.id,
            plain(state.broker.broker_qty),
            state.newest_execution[1] if state.newest_execution else "",
            attempt,
        )
        order_id = client_order_id(rules.session_id, CauseKind.POSITION, key, leg, 0)
        known = state.find(order_id, "")
        if known is None:
            break
        if known.is_open:
            return None  # it is on its way
        attempt += 1
    return Order(
        id=order_id,
        session_id=rules.session_id,
        account_id=rules.account_id,
        instrument=rules.instrument.id,
        side=Side.SELL if state.broker.broker_qty > 0 else Side.BUY,
        type=OrderType.MARKET if stop_price is None else OrderType.STOP_MARKET,
        tif=TimeInForce.DAY if stop_price is None else TimeInForce.GTC,
        qty=qty,
        purpose=purpose,
        reason=reason,
        cause_kind=CauseKind.POSITION,
        cause_key=key,
        incarnation=state.incarnation,
        stop_price=stop_price,
        replaces=replaces.order.id if replaces else None,
    )


def send(state: SessionState, order: Order, now_s: float) -> Effects:
    """Through the gate's path for exits to the journal."""
    free = reducible(state.broker.broker_qty, state.orders.values())
    outcome = clear_exit(
        order,
        reducible=free,
        broker_qty=state.broker.broker_qty,
        instrument=state.rules.instrument,
    )
    if isinstance(outcome, Cleared):
        return gating.record(state, outcome, now_s)
    state.retry_exit_s = now_s + 1.0
    state.owe(state.retry_exit_s)
    text = f"{order.purpose} {order.qty}: {outcome.reason_code}: {outcome.detail}"
    notice = Notice(Severity.CRITICAL, "exit_not_cleared", text)
    return (notice, *heat_report(state, now_s))
