"""The market-data side of the Alpaca wire, and what its venue trades, translated.  Pure."""

from datetime import datetime
from decimal import Decimal

from adapters.brokers import alpaca_json as read
from trader.errors import BrokerProtocolError
from trader.ids import InstrumentId, symbol_of
from trader.instants import Timeframe
from trader.instrument import Instrument
from trader.market.candle import Candle
from trader.market.tick import Tick
from trader.ports import VenueClock

TIMEFRAME_WORDS = {
    Timeframe.M1: "1Min",
    Timeframe.M5: "5Min",
    Timeframe.M15: "15Min",
    Timeframe.H1: "1Hour",
    Timeframe.D1: "1Day",
}
CENT = Decimal("0.01")
ONE = Decimal(1)
CURRENCY = "USD"


def tick_of(data: read.Json, instrument: InstrumentId, seen_at: datetime) -> Tick:
    """A trade off the tape."""
    trade_id = data.get("i")
    return Tick(
        instrument=instrument,
        price=read.market_price(data, "p"),
        volume=read.market_qty(data, "s"),
        happened_at=read.instant(data, "t"),
        seen_at=seen_at,
        trade_id="" if trade_id is None else str(trade_id)[:40],
    )


def candle_of(
    data: read.Json, instrument: InstrumentId, timeframe: Timeframe, revision: int
) -> Candle:
    """A finished bar; `t` is its opening."""
    candle = Candle(
        instrument=instrument,
        timeframe=timeframe,
        opened_at=read.instant(data, "t"),
        open=read.market_price(data, "o"),
        high=read.market_price(data, "h"),
        low=read.market_price(data, "l"),
        close=read.market_price(data, "c"),
        volume=read.market_qty(data, "v"),
        revision=revision,
    )
    inside = (candle.open, candle.close)
    if not candle.low <= min(inside) <= max(inside) <= candle.high:
        raise BrokerProtocolError("a bar whose extremes do not hold its prices")
    return candle


def venue_clock(value: object) -> VenueClock:
    """The venue's word on its own time; only the sandbox says a speed."""
    data = read.an_object(value)
    sandbox = data.get("sandbox")
    speed = sandbox.get("speed", 1) if isinstance(sandbox, dict) else 1
    if isinstance(speed, bool) or not isinstance(speed, int | Decimal) or not speed > 0:
        raise BrokerProtocolError(f"speed {speed!r:.40}")
    return VenueClock(
        now=read.instant(data, "timestamp"),
        is_open=read.flag(data, "is_open"),
        opens_at=read.instant(data, "next_open"),
        closes_at=read.instant(data, "next_close"),
        speed=float(speed),
    )


def instrument_of(value: object, instrument: InstrumentId) -> Instrument | None:
    """An asset's rules; None where it is not to be traded now."""
    data = read.an_object(value)
    if read.text(data, "symbol") != symbol_of(instrument):
        raise BrokerProtocolError("the answer speaks of another asset")
    is_tradable = read.flag(data, "tradable")
    if not is_tradable or read.text(data, "status") != "active":
        return None
    return Instrument(
        id=instrument,
        currency=CURRENCY,
        # Given for coins only; US shares move by cents from a dollar up, and we trade whole ones.
        tick=read.optional_price(data, "price_increment") or CENT,
        lot=read.optional_price(data, "min_trade_increment") or ONE,
        multiplier=ONE,
        shortable=read.flag(data, "shortable"),
    )
