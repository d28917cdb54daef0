"""What changes only a flag: the feed, the market, the operator, the store, the lease, the line."""

from typing import assert_never

from trader.accounts.events import StreamConnected, StreamLost
from trader.market.events import ClockUnknown, FeedFresh, FeedStale, MarketClosed, MarketOpened
from trader.risk.events import HeatChanged
from trader.session import asking
from trader.session.effects import NOTHING, AskExecutions, Effects, Notice, Severity
from trader.session.events import (
    ClockSuspected,
    HeatAsked,
    LeaseChanged,
    ReconcileRequested,
    StoreChanged,
    TradingState,
    TradingStateChanged,
)
from trader.session.report import heat_report
from trader.session.state import SessionState

FlagEvent = (
    FeedStale
    | FeedFresh
    | MarketOpened
    | MarketClosed
    | ClockUnknown
    | HeatChanged
    | HeatAsked
    | StoreChanged
    | LeaseChanged
    | ClockSuspected
    | StreamConnected
    | StreamLost
    | TradingStateChanged
    | ReconcileRequested
)


def changed(state: SessionState, event: FlagEvent, now_s: float) -> Effects:
    """Set the flag; entries look at it in the gate, exits never do."""
    match event:
        case FeedStale():
            was_fresh, state.is_feed_fresh = state.is_feed_fresh, False
            return (_warn("feed_stale", event.reason),) if was_fresh else NOTHING
        case FeedFresh():
            state.is_feed_fresh = True
        case MarketOpened():
            state.is_market_open = True
        case MarketClosed():
            state.is_market_open = False
        case ClockUnknown():
            state.is_market_open = None
        case HeatChanged():
            state.heat_level = event.heat.level
        case HeatAsked():
            return heat_report(state, now_s)
        case StoreChanged():
            state.is_store_up = event.is_up
        case LeaseChanged():
            state.is_lease_held = event.is_held
        case ClockSuspected():
            state.is_clock_trusted = False
            state.positions_ok_s = None  # the next reconcile, with the lease held, clears it
            text = f"wall clock moved {event.jump_s:+.1f} s against elapsed time: no entry"
            return (_warn("clock_suspect", text), *asking.ask_all(state, now_s))
        case StreamConnected():
            state.is_line_up = True
            return (AskExecutions(), *asking.ask_all(state, now_s))
        case StreamLost():
            state.is_line_up = False
            return (_warn("order_stream_lost", event.cause),)
        case TradingStateChanged():
            state.trading_state = event.state
            if event.state is not TradingState.ACTIVE:
                state.pending.clear()  # what waits for its grant would be an entry
        case ReconcileRequested():
            return (AskExecutions(), *asking.ask_all(state, now_s))
        case _:
            assert_never(event)
    return NOTHING


def _warn(code: str, text: str) -> Notice:
    return Notice(Severity.WARNING, code, text)
