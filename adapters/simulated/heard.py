"""What a daemon hears of the market: the same as the adapter reads off the wire, without a wire.

A test holds the two together, so that no world pays for JSON on each of its trades.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import assert_never

from adapters.sandbox.events import BarClosed, BarRevised, Happening, OrderChanged, TradePrinted
from adapters.sandbox.tape import Bar
from trader.ids import InstrumentId
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.market.tick import Tick
from trader.money import Price, Quantity
from trader.ports import BarReceived, FeedKind, TickReceived


def candle_of_bar(
    bar: Bar, instrument: InstrumentId, timeframe: Timeframe, revision: int
) -> Candle:
    """The venue's bar as its adapter hands it on: what the wire's words would come to."""
    return Candle(
        instrument,
        timeframe,
        bar.opened_at,
        Price(bar.open),
        Price(bar.high),
        Price(bar.low),
        Price(bar.close),
        Quantity(bar.volume),
        True,
        revision,
    )


def heard_of(
    happenings: Iterable[Happening],
    wanted: Mapping[str, InstrumentId],
    kind: FeedKind,
    now: Callable[[], datetime],
) -> Iterator[TickReceived | BarReceived]:
    """What one who wants those instruments, by symbol, hears; `now`: his wall clock."""
    for each in happenings:
        match each:
            case TradePrinted():
                instrument = wanted.get(each.symbol)
                if instrument is not None:
                    price, qty = Price(each.price), Quantity(each.qty)
                    yield TickReceived(Tick(instrument, price, qty, each.at, now(), str(each.id)))
            case BarClosed() | BarRevised():
                instrument = wanted.get(each.symbol)
                if instrument is not None and kind is FeedKind.BARS:
                    revision = 1 if isinstance(each, BarRevised) else 0
                    yield BarReceived(candle_of_bar(each.bar, instrument, Timeframe.M1, revision))
            case OrderChanged():
                pass
            case _:
                assert_never(each)
