"""The session's share of the portfolio's heat, and its view for the strategy."""

from trader.money import ZERO
from trader.orders.order import Purpose
from trader.risk.heat import Contribution, contribution
from trader.session.effects import Effects, ReportHeat
from trader.session.state import SessionState
from trader.session.strategy import View, WorkingView

REPORT_MOVED_S = 1.0  # how soon after its last report an exposed one reports that the price moved


def heat_report(state: SessionState, now_s: float) -> Effects:
    """Worst-case loss of position, working and UNKNOWN orders, right now."""
    working = state.open_orders()
    is_exposed = bool(working) or not state.position.is_flat
    low = high = ZERO
    if is_exposed:
        low, high = contribution(
            state.position.qty,
            state.mark,
            working,
            state.stop_price,
            state.newest_entry_fill_s,
            state.multiplier,
            state.rules.heat,
            now_s,
        )
    state.heat_sequence += 1
    state.heat_reported_s = now_s
    state.heat_due_s = now_s + state.rules.heat.report_s
    if is_exposed and state.newest_entry_fill_s is not None:
        unpromised_s = state.newest_entry_fill_s + state.rules.heat.promised_stop_s
        if now_s < unpromised_s:
            state.heat_due_s = min(state.heat_due_s, unpromised_s)
    state.owe(state.heat_due_s)
    share = Contribution(
        session_id=state.rules.session_id,
        incarnation=state.incarnation,
        sequence=state.heat_sequence,
        low=low,
        high=high,
        grants=tuple(w.order.id for w in working),
        group=state.rules.group,
        marked_s=state.marked_s if is_exposed else now_s,
        is_complete=state.is_counted,
    )
    return (ReportHeat(share),)


def price_moved(state: SessionState) -> None:
    """What an exposed session may lose has changed: it reports soon, but not at every price."""
    if state.orders or not state.position.is_flat:
        state.heat_due_s = min(state.heat_due_s, state.heat_reported_s + REPORT_MOVED_S)
        state.owe(state.heat_due_s)


def refresh_view(state: SessionState) -> None:
    """Something changed that the strategy sees: its next bar makes the view anew."""
    state.view = None


def view_of(state: SessionState) -> View:
    """What the strategy sees, made anew and kept until something changes."""
    state.view = View(
        state.position.qty,
        state.position.avg_px,
        tuple(
            WorkingView(
                w.order.id,
                w.order.side,
                w.order.type,
                w.order.qty,
                w.leaves_qty,
                w.order.price,
                w.order.stop_price,
                w.order.purpose is Purpose.PROTECT,
            )
            for w in state.orders.values()
            if w.is_open
        ),
    )
    return state.view
