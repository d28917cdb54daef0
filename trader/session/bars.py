"""Bars and the strategy that reads them: it decides on new, final bars and on nothing else."""

from typing import assert_never

from trader.market.candle import Candle
from trader.market.events import CandleClosed, CandlesBackfilled, SeriesOpened
from trader.market.series import Duplicate, Gap, New, Replaced, SeriesCursor, Stale
from trader.session.effects import (
    NOTHING,
    AskStrategy,
    AuditDecision,
    Backfill,
    Effects,
    Notice,
    OpenStrategy,
    Severity,
)
from trader.session.events import StrategyFailed, StrategyReady
from trader.session.report import view_of
from trader.session.state import SessionState


def closed(state: SessionState, event: CandleClosed, now_s: float) -> Effects:
    """A final bar. Only a new one, in time and as first closed, goes to a warm strategy."""
    cursor = state.cursor
    if cursor is None:
        return NOTHING  # warming up: the stitched series will hold it
    candle = event.candle
    taken = cursor.take(candle, event.previous_at)
    match taken:
        case New():
            is_over = event.decide_by_s is not None and now_s > event.decide_by_s
            is_late = event.is_late or is_over
            is_in_time = not is_late and not candle.revision
            if is_in_time and state.is_strategy_ready and not state.is_exits_only:
                state.asked_candle = candle
                state.decide_by_s = event.decide_by_s
                return (AskStrategy(candle, state.view or view_of(state), state.rebuild),)
            return _undecided(state, candle, is_late)
        case Replaced():
            return rebuild(state)  # the strategy's past has changed; it never runs on it
        case Duplicate():
            return NOTHING
        case Stale():
            return (_odd("bar_stale", state, candle),)
        case Gap():
            state.is_strategy_ready = False  # until the hole is filled
            return (_odd("bar_gap", state, candle), Backfill(cursor.newest_at))
        case _:
            assert_never(taken)


def _undecided(state: SessionState, candle: Candle, is_late: bool) -> Effects:
    if state.is_exits_only:
        why = "exits_only"
    elif is_late:
        why = "bar_late"
    elif candle.revision:
        why = "bar_replaced"  # we never saw it as it first closed
    else:
        why = "strategy_warming_up"
    audit = AuditDecision(candle, candle.opened_at, "nothing", why.replace("_", " "), why, ())
    return (audit, *rebuild(state)) if state.is_strategy_ready else (audit,)


def _odd(code: str, state: SessionState, candle: Candle) -> Notice:
    newest = state.cursor.newest_at if state.cursor else None
    text = f"{candle.instrument} {candle.timeframe} bar of {candle.opened_at}, newest {newest}"
    return Notice(Severity.WARNING, code, text)


def opened(state: SessionState, event: SeriesOpened) -> Effects:
    """Warm-up and live bars are stitched: the window stands."""
    state.cursor = SeriesCursor(event.candles, state.rules.warmup_bars)
    return rebuild(state)


def backfilled(state: SessionState, event: CandlesBackfilled) -> Effects:
    """History filled a hole: the state is rebuilt, nothing is traded on it."""
    if state.cursor is None:
        return NOTHING
    state.cursor.extend(event.candles)
    return rebuild(state)


def rebuild(state: SessionState) -> Effects:
    """Warm the strategy up anew from the window, so that it equals a freshly restarted one."""
    if state.cursor is None or state.is_exits_only or state.rules.strategy is None:
        return NOTHING
    state.rebuild += 1
    state.is_strategy_ready = False
    state.rebuilt_to = state.cursor.newest_at
    return (OpenStrategy(state.cursor.window(), state.rebuild),)


def ready(state: SessionState, event: StrategyReady) -> Effects:
    """The strategy is warm, if it was given all that has been taken since."""
    if event.rebuild != state.rebuild or state.cursor is None:
        return NOTHING
    if state.rebuilt_to != state.cursor.newest_at:
        return rebuild(state)  # a bar came while it warmed up
    state.is_strategy_ready = True
    return NOTHING


def failed(state: SessionState, event: StrategyFailed) -> Effects:
    """No decision for that bar, with the reason; its state may have to be made anew."""
    if event.rebuild != state.rebuild:
        return NOTHING
    text = f"{event.reason_code}: {event.detail}"
    notice = Notice(Severity.WARNING, event.reason_code, text)
    audit: Effects = NOTHING
    if event.bar_opened_at is not None:
        audit = (
            AuditDecision(
                state.asked_candle, event.bar_opened_at, "nothing", text, event.reason_code, ()
            ),
        )
    if not event.must_rebuild:
        return (*audit, notice)
    return (*audit, notice, *rebuild(state))
