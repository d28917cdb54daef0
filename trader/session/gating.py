"""The gate's questions about the session, and the road from its yes to the journal."""

from decimal import Decimal

from trader.market.candle import Candle
from trader.money import Quantity
from trader.orders.order import Order, Purpose
from trader.orders.working import WorkingOrder
from trader.positions.position import reducible
from trader.proofs import Cleared
from trader.risk.gate import Refused
from trader.risk.standing import SESSION, Standing, first_failed
from trader.session.effects import NOTHING, AuditDecision, Effects, Record
from trader.session.events import TradingState
from trader.session.report import heat_report, refresh_view
from trader.session.state import SessionState


def standing(state: SessionState, now_s: float) -> Standing:
    """What the gate asks of the session's flags: all of it for entries only."""
    age = None if state.positions_ok_s is None else now_s - state.positions_ok_s
    entry_qty = Quantity(
        sum((w.leaves_qty for w in state.open_orders() if not w.is_exit), Decimal(0))
    )
    return Standing(
        state=TradingState.EXITS_ONLY if state.is_exits_only else state.trading_state,
        reconcile_age_s=age,
        reconcile_age_max_s=2 * state.rules.position_period_s,
        feed_fresh=state.is_feed_fresh,
        market_open=state.is_market_open,
        heat_level=state.heat_level,
        store_up=state.is_store_up,
        clock_ok=state.is_clock_trusted,
        lease_held=state.is_lease_held,
        stream_up=state.is_line_up,
        phase_ready=state.is_ready,
        is_closing=state.closing is not None,
        working_entry_qty=entry_qty,
        orders_last_minute=state.entries_since(now_s - 60.0),
        orders_last_day=len(state.entry_times_s),
        position_qty=state.position.qty,
    )


def why_not_now(state: SessionState, working: WorkingOrder, now_s: float) -> Refused | None:
    """Its row is durable; the world may have moved meanwhile. May the order (still) leave?"""
    if not working.is_exit:
        if now_s - working.decided_s > state.rules.entry_deadline_s:
            return Refused("deadline_passed", "its row came too late")
        failed = first_failed(SESSION, standing(state, now_s), state.rules.limits)
        return None if failed is None else Refused(failed.reason_code, failed.answer)
    held = state.broker.broker_qty
    free = reducible(held, (w for w in state.orders.values() if w is not working))
    if working.order.side.sign * held < 0 and working.leaves_qty <= free:
        return None
    return Refused("not_reducible", f"{working.leaves_qty} of {held}, {free} of it free")


def refusal(candle: Candle, code: str, detail: str) -> AuditDecision:
    """A decision that is not carried out, with the reason: a row, not a shrug."""
    return AuditDecision(candle, candle.opened_at, "refused", detail, code, ())


def record(
    state: SessionState, cleared: Cleared[Order], now_s: float, *, decided_s: float | None = None
) -> Effects:
    """Into memory as PENDING_RECORD, to the journal, and into the heat. `decided_s`: if not now."""
    order = cleared.item
    is_exit = order.purpose is not Purpose.ENTRY
    if order.id in state.orders or order.id in state.ended:
        return NOTHING  # the same decision again: it has its row
    since_s = now_s if decided_s is None else decided_s
    state.orders[order.id] = WorkingOrder(order, is_exit=is_exit, decided_s=since_s)
    effect = Record(cleared, is_exit)
    state.recording[order.id] = (effect, now_s)
    state.owe(now_s + 5.0)
    if not is_exit:
        state.count_entry(now_s)
    refresh_view(state)
    return (effect, *heat_report(state, now_s))
