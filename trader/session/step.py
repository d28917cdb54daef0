"""The heart: `step(state, event, now_s) -> effects`, every decision of a session, without I/O.

Deterministic: the same state, event and second give the same effects. Time comes in: venue time on
the events, `now_s` as the host's elapsed seconds. One line an event here; each family has a module.
"""

from typing import assert_never

from trader.accounts.events import StreamConnected, StreamLost
from trader.market.events import (
    CandleClosed,
    CandlesBackfilled,
    ClockUnknown,
    FeedFresh,
    FeedStale,
    MarketClosed,
    MarketOpened,
    PriceMoved,
    SeriesOpened,
)
from trader.orders.events import (
    ChangeAnswered,
    ChangeRecorded,
    OpenOrdersReported,
    OrderAbsent,
    OrderAccepted,
    OrderDenied,
    OrderFilled,
    OrderRecorded,
    OrderRejected,
    OrderReported,
    OrderSubmitted,
    OrderUnanswered,
    QueryFailed,
    RecordRefused,
)
from trader.positions.events import PositionReported
from trader.risk.events import HeatChanged, HeatGranted, HeatRefused
from trader.session import (
    bars,
    changing,
    deciding,
    doubting,
    duties,
    flags,
    leaving,
    loading,
    ordering,
    reporting,
    truth,
)
from trader.session.effects import Effects
from trader.session.events import (
    ClockSuspected,
    CloseRequested,
    DutyDue,
    HeatAsked,
    LeaseChanged,
    ReconcileRequested,
    SessionLoaded,
    StoreChanged,
    StrategyDecided,
    StrategyFailed,
    StrategyReady,
    TradingStateChanged,
)
from trader.session.state import SessionState

MarketEvent = (
    CandleClosed
    | PriceMoved
    | CandlesBackfilled
    | SeriesOpened
    | FeedStale
    | FeedFresh
    | MarketOpened
    | MarketClosed
    | ClockUnknown
)
OrderEvent = (
    OrderRecorded
    | ChangeRecorded
    | RecordRefused
    | OrderSubmitted
    | OrderAccepted
    | OrderRejected
    | OrderUnanswered
    | OrderDenied
    | ChangeAnswered
    | OrderFilled
    | OrderReported
    | OrderAbsent
    | OpenOrdersReported
    | QueryFailed
)
OtherEvent = (
    StrategyDecided
    | StrategyReady
    | StrategyFailed
    | PositionReported
    | HeatGranted
    | HeatRefused
    | HeatChanged
    | HeatAsked
    | SessionLoaded
    | DutyDue
    | StoreChanged
    | LeaseChanged
    | ClockSuspected
    | StreamConnected
    | StreamLost
    | TradingStateChanged
    | CloseRequested
    | ReconcileRequested
)
SessionEvent = MarketEvent | OrderEvent | OtherEvent


def step(state: SessionState, event: SessionEvent, now_s: float) -> Effects:
    """Fold one event into the session, in place, and say what is to be done."""
    state.now_s = now_s
    effects: Effects
    match event:
        case CandleClosed():  # the two of every bar first: match tries in order
            return bars.closed(state, event, now_s)
        case StrategyDecided():
            return deciding.decided(state, event, now_s)
        case PriceMoved():
            return leaving.price_moved(state, event, now_s)
        case OrderSubmitted():
            return ordering.submitted(state, event, now_s)

        # What may change what should stand at the venue, or what stands there: settled below.
        case OrderFilled():
            effects = reporting.filled(state, event, now_s)
        case OrderRecorded():
            effects = ordering.recorded(state, event, now_s)
        case OrderAccepted():
            effects = ordering.accepted(state, event)
        case PositionReported():
            effects = truth.position_reported(state, event, now_s)
        case HeatGranted():
            effects = deciding.granted(state, event, now_s)
        case OrderReported():
            effects = reporting.reported(state, event, now_s)
        case DutyDue():
            effects = duties.due(state, now_s)
        case OrderRejected():
            effects = ordering.rejected(state, event, now_s)
        case OrderUnanswered():
            effects = doubting.unanswered(state, event, now_s)
        case OrderDenied():
            effects = ordering.denied(state, event, now_s)
        case OrderAbsent():
            effects = doubting.absent(state, event, now_s)
        case RecordRefused():
            effects = ordering.record_refused(state, event, now_s)
        case ChangeRecorded():
            effects = changing.recorded(state, event, now_s)
        case ChangeAnswered():
            effects = changing.answered(state, event, now_s)
        case HeatRefused():
            effects = deciding.heat_refused(state, event)
        case OpenOrdersReported():
            effects = truth.orders_reported(state, event, now_s)
        case QueryFailed():
            effects = truth.query_failed(state, event, now_s)
        case SessionLoaded():
            effects = loading.loaded(state, event, now_s)
        case CloseRequested():
            effects = leaving.close_requested(state, event, now_s)

        case StrategyReady():
            return bars.ready(state, event)
        case StrategyFailed():
            return bars.failed(state, event)
        case SeriesOpened():
            return bars.opened(state, event)
        case CandlesBackfilled():
            return bars.backfilled(state, event)
        case (
            FeedStale()
            | FeedFresh()
            | MarketOpened()
            | MarketClosed()
            | ClockUnknown()
            | HeatChanged()
            | HeatAsked()
            | StoreChanged()
            | LeaseChanged()
            | ClockSuspected()
            | StreamConnected()
            | StreamLost()
            | TradingStateChanged()
            | ReconcileRequested()
        ):
            return flags.changed(state, event, now_s)
        case _:
            assert_never(event)
    return effects + leaving.settle(state, now_s)
