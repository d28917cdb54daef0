"""What the venue says happened: fills, once each, and its word on every order."""

from dataclasses import replace as copy_of
from decimal import Decimal

from trader.ids import is_ours
from trader.money import Price, Quantity
from trader.orders.events import (
    OrderFilled,
    OrderReported,
)
from trader.orders.lifecycle import Happening, happening_of
from trader.orders.order import Fill, Order, OrderReport, Status
from trader.orders.reconcile import FindingKind, judge_report
from trader.orders.working import WorkingOrder
from trader.positions.position import LAG_S, nearer_stop
from trader.records import FillEntry
from trader.session import asking, changing
from trader.session.adopting import adopt
from trader.session.effects import (
    NOTHING,
    AskExecutions,
    Effects,
    Keep,
    Notice,
    Severity,
)
from trader.session.moving import kept, move, settle_doubt
from trader.session.report import heat_report, refresh_view
from trader.session.state import SessionState

AFTER_FILL_S = 0.1  # fills of one order come in bursts: one question for all of them


def filled(state: SessionState, event: OrderFilled, now_s: float) -> Effects:
    """One execution, exactly once, however often and in whatever order it is told."""
    fill = event.fill
    told = (fill.happened_at, fill.execution_id)
    if state.newest_execution is None or told > state.newest_execution:
        state.newest_execution = told  # told again too: a restart knows none
    same = f"{fill.broker_order_id}@{fill.cum_qty}"  # another id for it cannot hide (stream, poll)
    if fill.execution_id in state.executions or same in state.executions:
        return NOTHING
    assert state.fence is not None, "no fill is folded before the rows are loaded"
    state.executions.add(fill.execution_id)
    state.executions.add(same)
    working = state.find(fill.client_order_id, fill.broker_order_id)
    if working is not None and working.assumed_qty >= fill.qty:
        working.assumed_qty = Quantity(working.assumed_qty - fill.qty)
        return (_row(state, fill, working),)  # a reconcile took it in before it was shown
    before = state.position
    state.position = state.position.after(
        fill.side, fill.qty, fill.price, state.multiplier, fill.fee
    )
    state.broker.fold_fill(fill.side, fill.qty, now_s)
    state.newest_fill_s = now_s
    state.fresh_fills = [each for each in state.fresh_fills if now_s < each[0] + LAG_S]
    state.fresh_fills.append((now_s, fill.side.sign * fill.qty))
    if state.mark is None:
        state.mark, state.marked_s = fill.price, now_s
    if state.position.qty * before.qty <= 0:
        state.stop_price = None  # it covered a position that is over
    effects: Effects = (_row(state, fill, working),)
    if working is None:
        text = f"{fill.side} {fill.qty} {fill.instrument} at {fill.price}: not an order of ours"
        effects += (Notice(Severity.CRITICAL, "foreign_fill", text),)
        effects += asking.ask_all(state, now_s)
    else:
        effects += _fold(state, working, fill)
        if not working.is_exit:
            state.newest_entry_fill_at, state.newest_entry_fill_s = fill.happened_at, now_s
            state.stop_price = stop_after(state, working.order)
    # Stops are sized and exits ended by the broker's word, so it is asked for at once.
    state.position_due_s = min(state.position_due_s, now_s + AFTER_FILL_S)
    state.owe(state.position_due_s)
    if state.position.is_flat:
        state.failed_exits = 0
    refresh_view(state)
    return (*effects, *heat_report(state, now_s))


def _row(state: SessionState, fill: Fill, working: WorkingOrder | None) -> Keep:
    assert state.fence is not None
    entry = FillEntry(
        fill=fill,
        order_id=working.order.id if working else None,
        position_qty=state.position.qty,
        position_avg_px=state.position.avg_px,
        realized=state.position.realized,
        fence=state.fence,
    )
    return Keep(entry)


def stop_after(state: SessionState, entry: Order) -> Price | None:
    """The position's stop once an entry has filled.

    One stop covers the whole position, so what is added brings it nearer, never further away:
    that would risk more than was granted. An entry against the position says nothing of it."""
    stop, known, sign = entry.protective_stop, state.stop_price, entry.side.sign
    if stop is None or sign * state.position.qty <= 0:
        return known
    return nearer_stop(sign, stop, known)


def _fold(state: SessionState, working: WorkingOrder, fill: Fill) -> Effects:
    settle_doubt(state, working)
    state.revive(working)
    if working.broker_order_id is None:
        working.broker_order_id = fill.broker_order_id
    is_news = fill.cum_qty > working.cum_qty  # else the venue's status came first: it stands
    before = working.applied_qty
    working.applied_qty = Quantity(before + fill.qty)
    paid = (working.avg_px or Decimal(0)) * before + fill.price * fill.qty
    working.avg_px = Price(paid / working.applied_qty)
    working.cum_qty = Quantity(max(working.cum_qty, fill.cum_qty, working.applied_qty))
    is_all = working.applied_qty >= working.order.qty
    happening = Happening.FILLED_ALL if is_all else Happening.FILLED_PART
    if is_news or working.is_open:
        effects = move(state, working, happening, "order_filled", at=fill.happened_at)
    else:
        effects = (kept(state, working, "order_filled", at=fill.happened_at),)
    if working.status.is_terminal:
        effects += changing.end_successors(state, working.order.id)
    if working.applied_qty > working.order.qty:
        text = f"order {working.order.id}: {working.applied_qty} filled of {working.order.qty}"
        effects += (Notice(Severity.CRITICAL, "overfill", text),)
    return effects


def reported(state: SessionState, event: OrderReported, now_s: float) -> Effects:
    """The venue's own word on an order. What it has filled beyond our fills is fetched."""
    report = event.report
    working = state.find(report.client_order_id, report.broker_order_id)
    if working is None:
        return _foreign(state, report)
    was_unknown = working.status is Status.UNKNOWN
    state.revive(working)
    settle_doubt(state, working)
    is_news = working.broker_order_id is None or report.cum_qty > working.cum_qty
    working.broker_order_id = report.broker_order_id
    if working.order.replaces is not None and report.qty < working.order.qty:
        # Its request said the whole; a successor trades what its predecessor left over.
        working.order = copy_of(working.order, qty=report.qty)
    findings = judge_report(working, report)
    working.cum_qty = Quantity(max(working.cum_qty, report.cum_qty))
    effects: Effects = NOTHING
    if is_news or any(each.kind in MOVES for each in findings):
        happening = happening_of(report)
        effects = move(
            state,
            working,
            happening,
            f"order_{report.status.lower()}",
            reason_code="replaced" if happening is Happening.REPLACED else "",
            detail=report.text,
            at=report.happened_at,
        )
    for each in findings:
        if each.kind in TOLD:
            severity = Severity.CRITICAL if each.kind is FindingKind.OVERFILL else Severity.WARNING
            text = f"order {working.order.id}: {each.detail}"
            effects += (Notice(severity, each.kind.lower(), text),)
    if report.replaced_by is not None:
        effects += changing.replaced(state, working, report)
    elif working.status.is_terminal:
        effects += changing.end_successors(state, working.order.id)
    elif working.status in changing.UNDER_WAY:
        effects += changing.still_works(state, working, report, event.asked_s)
    if was_unknown and working.status is not Status.UNKNOWN:
        text = f"order {working.order.id} found at the venue: {working.status}"
        effects += (Notice(Severity.INFO, "order_found", text),)
    if working.cum_qty > working.applied_qty:
        effects += _missing_fills(state, event, now_s)
    if not effects:
        return NOTHING
    refresh_view(state)
    return (*effects, *heat_report(state, now_s))


MOVES = frozenset(
    {FindingKind.STATUS, FindingKind.OUT_OF_BAND_CANCEL, FindingKind.OUT_OF_BAND_REPLACE}
)


TOLD = frozenset(
    {FindingKind.OUT_OF_BAND_CANCEL, FindingKind.OUT_OF_BAND_REPLACE, FindingKind.OVERFILL}
)


def _missing_fills(state: SessionState, event: OrderReported, now_s: float) -> Effects:
    """A stream tells of the order and of its execution side by side; a query knows better."""
    if event.asked_s is not None:
        return (AskExecutions(),)
    state.position_due_s = min(state.position_due_s, now_s + 1.0)
    state.owe(state.position_due_s)
    return NOTHING


def _foreign(state: SessionState, report: OrderReport) -> Effects:
    if report.status.is_terminal:
        return NOTHING
    if is_ours(report.client_order_id):
        return adopt(state, report)
    key = f"foreign:{report.broker_order_id}"
    if key in state.noticed:
        return NOTHING
    state.noticed.add(key)
    text = (
        f"{report.side} {report.qty} {report.instrument} ({report.broker_order_id}) works at the "
        "venue and is not ours; it is left alone"
    )
    return (Notice(Severity.WARNING, "foreign_order", text),)
