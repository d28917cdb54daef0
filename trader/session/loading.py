"""After a start: rows become working copies, and every doubt becomes a question to the venue."""

from datetime import timedelta

from trader.money import Price
from trader.orders.order import Purpose, Status
from trader.orders.working import WorkingOrder
from trader.positions.position import Position, nearer_stop
from trader.records import Fence, SessionRows, StoredOrder
from trader.risk.gate import reclear
from trader.session import asking
from trader.session.effects import AskExecutions, Effects, Find, Notice, Record, Severity
from trader.session.events import SessionLoaded
from trader.session.moving import doubt
from trader.session.report import heat_report, refresh_view
from trader.session.state import SessionState

NEVER_STOOD = (Status.DENIED, Status.REJECTED, Status.EXPIRED)
NEVER_SENT = (Status.INITIALIZED, Status.SUBMITTED)  # no commit stands between gate and write


def loaded(state: SessionState, event: SessionLoaded, now_s: float) -> Effects:
    """Rebuilt from truth: rows first, then the broker is asked about everything."""
    rows = event.rows
    state.fence = Fence(
        state.rules.account_id, event.epoch, state.rules.session_id, rows.incarnation
    )
    state.position = Position(rows.position_qty, rows.position_avg_px, rows.realized)
    state.executions = set(rows.execution_ids)
    effects: Effects = ()
    for stored in sorted(rows.orders, key=lambda each: each.recorded_at):
        effects += _take(state, stored, rows, now_s)
    state.stop_price = _standing_stop(rows) if rows.position_qty != 0 else None
    refresh_view(state)
    state.position_due_s = state.orders_due_s = now_s
    asked = asking.ask_all(state, now_s)
    return (*effects, AskExecutions(), *asked, *heat_report(state, now_s))


def _take(state: SessionState, stored: StoredOrder, rows: SessionRows, now_s: float) -> Effects:
    order = stored.order
    age_s = (rows.read_at - stored.recorded_at) / timedelta(seconds=1)
    working = WorkingOrder(
        order, is_exit=order.purpose is not Purpose.ENTRY, decided_s=now_s - age_s
    )
    working.status = stored.status
    working.broker_order_id = stored.broker_order_id
    working.cum_qty = stored.cum_qty
    working.applied_qty = stored.applied_qty
    working.avg_px = stored.avg_px
    working.reason_code = stored.reason_code
    state.orders[order.id] = working
    if not working.is_exit and stored.status is not Status.DENIED:
        state.count_entry(now_s - age_s)
    if stored.status.is_terminal:
        return ()
    working.sent_s = now_s - age_s
    state.attempts[order.id] = 2  # perhaps: so that no single refusal ends it
    if stored.status in (*NEVER_SENT, Status.UNKNOWN):
        state.doubted.add(order.id)
        effects = doubt(state, working, "the daemon was restarted", now_s)
        text = f"order {order.id} was {stored.status} at the restart; asking the venue"
        notice = Notice(Severity.WARNING, "order_unknown", text)
        return (*effects, notice, Find(order.id), *_proof_again(state, working))
    if stored.status in (Status.PENDING_CANCEL, Status.PENDING_UPDATE):
        working.before_pending = Status.ACCEPTED
    return (Find(order.id),)


def _proof_again(state: SessionState, working: WorkingOrder) -> Effects:
    """An exit may be sent again after a restart: the journal gives its stored row's proof."""
    if not working.is_exit:
        return ()
    effect = Record(reclear(working.order), True)
    state.recording[working.order.id] = (effect, state.now_s)
    return (effect,)


def _standing_stop(rows: SessionRows) -> Price | None:
    """The stop that rested at the venue last, or a nearer one that a later entry carried.

    Of this very position: one that somebody else entered has none.
    """
    sign = 1 if rows.position_qty > 0 else -1
    stop: Price | None = None
    own = [each for each in rows.orders if each.is_of_position]
    for stored in sorted(own, key=lambda each: each.recorded_at, reverse=True):
        order, carried = stored.order, None
        if order.purpose is Purpose.ENTRY and order.side.sign == sign:
            carried = order.protective_stop
        elif order.purpose is Purpose.PROTECT and stored.status not in NEVER_STOOD:
            carried = order.stop_price if order.side.sign == -sign else None
        if carried is not None:
            stop = nearer_stop(sign, carried, stop)
            if order.purpose is Purpose.PROTECT:
                break
    return stop
