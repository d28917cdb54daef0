"""The session's share of the portfolio's heat, and its view for the strategy."""

from trader.orders.order import Purpose
from trader.risk.heat import Contribution, contribution
from trader.session.effects import Effects, ReportHeat
from trader.session.state import SessionState
from trader.session.strategy import View, WorkingView

REPORT_EXPOSED_S = 1.0  # how often an exposed session reports, prices moving or not
REPORT_FLAT_S = 5.0


def heat_report(state: SessionState, now_s: float) -> Effects:
    """Worst-case loss of position, working and UNKNOWN orders, right now."""
    working = state.open_orders()
    low, high = contribution(
        state.position.qty,
        state.mark,
        working,
        state.stop_price,
        state.newest_fill_s,
        state.multiplier,
        state.rules.heat,
        now_s,
    )
    state.heat_sequence += 1
    is_exposed = bool(working) or not state.position.is_flat
    state.heat_due_s = now_s + (REPORT_EXPOSED_S if is_exposed else REPORT_FLAT_S)
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
