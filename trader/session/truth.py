"""Reconciliation: broker, memory and database side by side. The broker wins, loudly.

The trader owns the duty and the verdict: the next run is due within a period of the last one,
together with the account's other sessions, and liveness is the age of the last success. A failed
question settles nothing.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import assert_never

from trader.ids import instant_key
from trader.money import Quantity, plain
from trader.orders.events import OpenOrdersReported, OrderReported, QueryFailed
from trader.orders.order import OrderType, Status
from trader.orders.reconcile import judge_open_orders
from trader.orders.working import WorkingOrder
from trader.positions.events import PositionReported
from trader.positions.position import LAG_S
from trader.positions.reconcile import Adjust, Agree, Wait, judge
from trader.records import AdjustmentEntry
from trader.session import asking, reporting
from trader.session.effects import (
    NOTHING,
    AskExecutions,
    Effects,
    Find,
    Forget,
    Keep,
    Notice,
    Severity,
)
from trader.session.moving import kept
from trader.session.report import heat_report, refresh_view
from trader.session.state import SessionState

FRESH_S = 10.0  # a market order that takes longer to fill explains no difference
RECHECK_S = 1.0  # a difference must be seen again, with nothing under way, before it is acted on
ROW_ON_ITS_WAY_S = 2.0  # progress is gathered and written a moment after it happened


def position_reported(state: SessionState, event: PositionReported, now_s: float) -> Effects:
    """Three columns, one verdict."""
    if state.fence is None:
        return NOTHING
    state.noticed.discard("query:positions")
    if event.mark is not None and state.mark is None:
        state.mark, state.marked_s = event.mark, now_s
    if not state.broker.take_snapshot(event, state.newest_fill_s):
        return _look_again(state, now_s)  # asked for before our newest fill: it settles nothing
    missing = sum((w.cum_qty - w.applied_qty for w in state.orders.values()), Decimal(0))
    verdict = judge(
        state.position,
        event.database_qty,
        event,
        is_in_flight=_may_lag(state, event, now_s) or _is_in_flight(state, now_s),
        missed_qty=missing,
    )
    match verdict:
        case Agree():
            state.differing, state.differs_since_s = "", None
            told = [w for w in state.orders.values() if _is_told(w, event.asked_s)]
            return (*_assume_filled(told), *_reconciled(state, now_s))
        case Wait():
            return _look_into(state, now_s)
        case Adjust():
            seen = f"{event.qty}|{state.position.qty}|{event.database_qty}"
            if state.differing != seen:
                state.differing = seen
                return _look_into(state, now_s)
            state.differing, state.differs_since_s = "", None
            return _adjust(state, event, verdict, now_s)
        case _:
            assert_never(verdict)


def _is_in_flight(state: SessionState, now_s: float) -> bool:
    """Whether an order is so fresh that broker and memory may rightly differ for a moment."""
    return any(
        w.is_open
        and w.order.type is OrderType.MARKET
        and w.unknown_since_s is None
        and now_s - (w.decided_s if w.sent_s is None else w.sent_s) < FRESH_S
        for w in state.orders.values()
    )


def _may_lag(state: SessionState, event: PositionReported, now_s: float) -> bool:
    """Whether a copy may have answered that has not heard of our newest fills.

    What they explain waits; what they do not explain waits as long as a copy may lag, and no
    longer, however often we trade.
    """
    if event.qty == state.position.qty:
        return False
    if state.differs_since_s is None:
        state.differs_since_s = now_s
    fills = state.fresh_fills
    is_fresh = bool(fills) and event.asked_s < fills[-1][0] + LAG_S
    if is_fresh and now_s < state.differs_since_s + LAG_S:
        return True
    held = state.position.qty
    for seen_s, signed_qty in reversed(state.fresh_fills):
        if event.asked_s >= seen_s + LAG_S:
            return False
        held = Quantity(held - signed_qty)
        if held == event.qty:
            return True
    return False


def _is_told(working: WorkingOrder, asked_s: float) -> bool:
    """It ended, which we knew well before the broker was asked: all of its fills are in there."""
    at_s = working.status_changed_s
    return not working.is_open and (at_s is None or at_s + RECHECK_S < asked_s)


def _assume_filled(told: Iterable[WorkingOrder]) -> Effects:
    """What these have filled lies inside the position that the broker confirms, though not every
    execution was shown. One that is shown later is a row and no fill any more."""
    effects: Effects = NOTHING
    for working in told:
        if working.cum_qty > working.applied_qty:
            working.assumed_qty = Quantity(
                working.assumed_qty + working.cum_qty - working.applied_qty
            )
            working.applied_qty = working.cum_qty
            if working.is_exit and not working.is_open:
                effects += (Forget(working.order.id),)
    return effects


def _look_into(state: SessionState, now_s: float) -> Effects:
    """What may explain a difference: executions we were not shown, orders that have gone on."""
    finds = tuple(Find(w.order.id) for w in state.open_orders() if w.sent_s is not None)
    return (AskExecutions(), *finds, *_look_again(state, now_s))


def _look_again(state: SessionState, now_s: float) -> Effects:
    state.position_due_s = now_s + RECHECK_S
    state.owe(state.position_due_s)
    return NOTHING


def _reconciled(state: SessionState, now_s: float) -> Effects:
    was_counted = state.is_counted
    state.positions_ok_s = now_s
    state.position_due_s = asking.next_s(now_s, state.rules.position_period_s)
    state.owe(state.position_due_s)
    if state.is_lease_held:
        state.is_clock_trusted = True
    return heat_report(state, now_s) if state.is_counted is not was_counted else NOTHING


def _adjust(state: SessionState, event: PositionReported, verdict: Adjust, now_s: float) -> Effects:
    assert state.fence is not None
    before = state.position.qty
    state.position = state.position.adjusted(verdict.to_qty, verdict.to_avg_px)
    key = (
        f"{state.rules.session_id}|{instant_key(event.reported_at)}"
        f"|{plain(before)}|{plain(verdict.to_qty)}"
    )
    entry = AdjustmentEntry(
        key=key,
        instrument=state.rules.instrument.id,
        from_qty=before,
        to_qty=verdict.to_qty,
        to_avg_px=verdict.to_avg_px,
        cause=verdict.cause,
        detail=verdict.detail,
        happened_at=event.reported_at,
        fence=state.fence,
    )
    if verdict.to_qty * before <= 0:
        state.stop_price = None  # it covered a position that is over
    for working in state.orders.values():
        if not working.is_exit and working.cum_qty > working.applied_qty:
            state.stop_price = reporting.stop_after(state, working.order)
    text = (
        f"{state.rules.instrument.id}: broker {plain(verdict.to_qty)}, memory {plain(before)}, "
        f"database {'?' if event.database_qty is None else plain(event.database_qty)}: "
        f"{verdict.cause}; the broker wins"
    )
    assumed = _assume_filled(state.orders.values())
    refresh_view(state)
    notice = Notice(Severity.CRITICAL, "position_adjusted", text)
    # The alarm first: it is kept when the row is, and a crash in between repeats both.
    return (*assumed, notice, Keep(entry), *_reconciled(state, now_s), *heat_report(state, now_s))


def orders_reported(state: SessionState, event: OpenOrdersReported, now_s: float) -> Effects:
    """Each open order at the venue is its own report; ours that are missing are looked for."""
    if state.fence is None:
        return NOTHING
    state.noticed.discard("query:orders")
    effects: Effects = NOTHING
    for report in event.reports:
        effects += reporting.reported(state, OrderReported(report, event.asked_s), now_s)
    verdict = judge_open_orders(state.orders.values(), event.reports, event.asked_s)
    for order_id in verdict.absent:
        effects += (Find(order_id),)
    effects += _database_orders(state, event)
    was_counted = state.is_counted
    state.orders_ok_s = now_s
    if not was_counted and state.is_counted:
        effects += heat_report(state, now_s)
    state.orders_due_s = asking.next_s(now_s, state.rules.order_period_s)
    state.owe(state.orders_due_s)
    return effects


def _database_orders(state: SessionState, event: OpenOrdersReported) -> Effects:
    """The third column: a row that says something else than memory is written again."""
    if event.database is None:
        return NOTHING
    effects: Effects = NOTHING
    for order_id in {**state.orders, **event.database}:
        working = state.find(order_id, "")
        if working is None or working.status_changed_s is None:
            continue  # another session's, or as it was loaded
        if working.status in NO_ROW_YET:
            continue
        if working.status_changed_s > event.asked_s - ROW_ON_ITS_WAY_S:
            continue
        row = event.database.get(order_id)
        if row is working.status or (row is None and working.status.is_terminal):
            continue
        text = f"order {order_id}: {row or 'not open'} in the database, {working.status} here"
        effects += (
            Notice(Severity.WARNING, "database_differs", text),
            kept(state, working, "status_repaired"),
        )
    return effects


NO_ROW_YET = (Status.PENDING_RECORD, Status.INITIALIZED, Status.SUBMITTED)


def query_failed(state: SessionState, event: QueryFailed, now_s: float) -> Effects:
    """Silence is not flat: nothing moves, the question is asked again soon."""
    if event.what == "positions":
        state.position_due_s = now_s + 2.0
        state.owe(state.position_due_s)
    elif event.what == "orders":
        state.orders_due_s = now_s + 2.0
        state.owe(state.orders_due_s)
    key = f"query:{event.what}"
    if key in state.noticed:
        return NOTHING
    state.noticed.add(key)
    text = f"{event.what}: {event.reason}; asked again until it answers"
    return (Notice(Severity.WARNING, "query_failed", text),)
