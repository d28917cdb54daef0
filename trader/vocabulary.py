"""Every event by its wire name and version: the page to read first, and what a record says.

An event is past tense and says what happened; commands and effects are not here. A name or a field
that changes its meaning gets a new version, so that what was written stays readable.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from trader.accounts import events as accounts
from trader.market import events as market
from trader.money import plain
from trader.orders import events as orders
from trader.ports import BarReceived, FeedBeat, FeedConnected, FeedLost, TickReceived
from trader.positions import events as positions
from trader.risk import events as risk
from trader.session import events as session


@dataclass(frozen=True, slots=True)
class Word:
    """One event: its class, and the version of its fields as written now."""

    kind: type
    version: int = 1


VOCABULARY: Mapping[str, Word] = {
    # The market, as a feed tells it
    "tick_received": Word(TickReceived),
    "bar_received": Word(BarReceived),
    "feed_beat": Word(FeedBeat),
    "feed_connected": Word(FeedConnected),
    "feed_lost": Word(FeedLost),
    # The market, as a session hears it
    "series_opened": Word(market.SeriesOpened),
    "candle_updated": Word(market.CandleUpdated),
    "candle_closed": Word(market.CandleClosed),
    "candles_backfilled": Word(market.CandlesBackfilled),
    "price_moved": Word(market.PriceMoved),
    "feed_stale": Word(market.FeedStale),
    "feed_fresh": Word(market.FeedFresh),
    "market_opened": Word(market.MarketOpened),
    "market_closed": Word(market.MarketClosed),
    "clock_unknown": Word(market.ClockUnknown),
    # The strategy
    "strategy_ready": Word(session.StrategyReady),
    "strategy_decided": Word(session.StrategyDecided),
    "strategy_failed": Word(session.StrategyFailed),
    # Heat
    "reserve_heat": Word(risk.ReserveHeat),
    "heat_granted": Word(risk.HeatGranted),
    "heat_refused": Word(risk.HeatRefused),
    "heat_changed": Word(risk.HeatChanged),
    "heat_asked": Word(session.HeatAsked),
    # An order's life
    "order_recorded": Word(orders.OrderRecorded),
    "change_recorded": Word(orders.ChangeRecorded),
    "record_refused": Word(orders.RecordRefused),
    "order_submitted": Word(orders.OrderSubmitted),
    "order_accepted": Word(orders.OrderAccepted),
    "order_rejected": Word(orders.OrderRejected),
    "order_unanswered": Word(orders.OrderUnanswered),
    "order_denied": Word(orders.OrderDenied),
    "change_answered": Word(orders.ChangeAnswered),
    "order_filled": Word(orders.OrderFilled),
    # The broker's word
    "order_reported": Word(orders.OrderReported),
    "order_absent": Word(orders.OrderAbsent),
    "open_orders_reported": Word(orders.OpenOrdersReported),
    "position_reported": Word(positions.PositionReported),
    "positions_reported": Word(positions.PositionsReported),
    "balance_reported": Word(accounts.BalanceReported),
    "query_failed": Word(orders.QueryFailed),
    "stream_connected": Word(accounts.StreamConnected),
    "stream_lost": Word(accounts.StreamLost),
    "account_auth_failed": Word(accounts.AccountAuthFailed),
    "frame_refused": Word(accounts.FrameRefused),
    # The house and its operator
    "session_loaded": Word(session.SessionLoaded),
    "duty_due": Word(session.DutyDue),
    "store_changed": Word(session.StoreChanged),
    "lease_changed": Word(session.LeaseChanged),
    "clock_suspected": Word(session.ClockSuspected),
    "trading_state_changed": Word(session.TradingStateChanged),
    "close_requested": Word(session.CloseRequested),
    "reconcile_requested": Word(session.ReconcileRequested),
}

_NAMES = {word.kind: name for name, word in VOCABULARY.items()}


class NotAWord(ValueError):
    """A record names an event that is not in the vocabulary, or a version not spoken any more."""


def encode(event: object) -> dict[str, Any]:
    """The event as plain JSON values: decimals and instants as text."""
    name = _NAMES[type(event)]
    word = VOCABULARY[name]
    return {
        "event": name,
        "version": word.version,
        "data": spelled(_adapter(word.kind).dump_python(event)),
    }


def decode(record: Mapping[str, Any]) -> Any:
    """The event again, equal to what was encoded. Raises NotAWord, or ValueError for its data.

    For transcripts and replays: a proof that comes out of it proves what it proved then.
    """
    name, version = record.get("event"), record.get("version")
    word = VOCABULARY.get(str(name))
    if word is None or version != word.version:
        raise NotAWord(f"event {name!r}, version {version!r}")
    return _adapter(word.kind).validate_python(record.get("data"))


@functools.cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def spelled(value: Any) -> Any:
    """As plain JSON values, sets in order, from what a TypeAdapter took apart."""
    match value:
        case StrEnum():
            return value.value
        case Decimal():
            return plain(value)
        case datetime():
            return value.isoformat()
        case Mapping():
            return {str(key): spelled(each) for key, each in value.items()}
        case frozenset():
            return [spelled(each) for each in sorted(value)]
        case tuple() | list():
            return [spelled(each) for each in value]
        case _:
            assert not is_dataclass(value), f"{type(value)} was not taken apart"
            return value
