"""Orders at the venue that bear our mark and that memory does not know: adopted, with a label."""

from trader.ids import CauseKind, ClientOrderId
from trader.orders.order import Order, OrderReport, OrderType, Purpose
from trader.orders.working import WorkingOrder
from trader.session.effects import Effects, Notice, Severity
from trader.session.state import SessionState


def adopt(state: SessionState, report: OrderReport) -> Effects:
    """Take it in as the venue has it, so that it counts in heat and can be cancelled."""
    rules = state.rules
    reduces = report.side.sign * state.broker.broker_qty < 0
    resting_stop = reduces and report.type in (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
    purpose = Purpose.PROTECT if resting_stop else Purpose.EXIT if reduces else Purpose.ENTRY
    order = Order(
        id=ClientOrderId(report.client_order_id),
        session_id=rules.session_id,
        account_id=rules.account_id,
        instrument=report.instrument,
        side=report.side,
        type=report.type,
        tif=report.tif,
        qty=report.qty,
        purpose=purpose,
        reason="adopted from the venue",
        cause_kind=CauseKind.POSITION,
        cause_key=report.broker_order_id,
        incarnation=state.incarnation,
        price=report.price,
        stop_price=report.stop_price,
    )
    working = WorkingOrder(order, is_exit=purpose is not Purpose.ENTRY)
    working.status = report.status
    working.broker_order_id = report.broker_order_id
    working.cum_qty = report.cum_qty
    working.applied_qty = report.cum_qty  # what it filled is in the broker's position already
    working.avg_px = report.avg_px
    state.orders[order.id] = working
    text = f"{order.side} {order.qty} {order.instrument} ({order.id}) bears our mark; adopted"
    return (Notice(Severity.CRITICAL, "order_adopted", text),)
