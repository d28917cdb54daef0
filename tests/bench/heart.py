"""The heart alone: bars per CPU second through `step` with the bundled SMA cross.

Every decision goes the whole way (gate, grant, row, submit, ack, fill, position, heat), answered by
a venue that fills at the close at once. Beside it a straight loop does the same trades.
"""

import csv
import gzip
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from adapters.strategies.inline import InlineRunner
from tests.trader.order_parts import AAPL, ACCOUNT, LIMITS, SESSION
from tests.trader.session.session_world import RULES
from trader.accounts.events import StreamConnected
from trader.ids import BrokerOrderId
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.market.events import CandleClosed, FeedFresh, MarketOpened, PriceMoved, SeriesOpened
from trader.money import Price, Quantity
from trader.orders.events import (
    OpenOrdersReported,
    OrderAccepted,
    OrderFilled,
    OrderRecorded,
    OrderSubmitted,
)
from trader.orders.order import Fill, Side
from trader.positions.events import PositionReported
from trader.proofs import Recorded
from trader.records import SessionRows
from trader.risk.events import HeatChanged, HeatGranted
from trader.risk.heat import Grant, Heat, HeatLevel
from trader.session import effects as fx
from trader.session.events import SessionLoaded
from trader.session.state import SessionState
from trader.session.step import SessionEvent, step
from trader.session.strategy import StrategySpec

WARMUP = 20
RUNS = 5
ENTRY_QTY = Decimal(1)
START = datetime(2022, 1, 1, tzinfo=UTC)


def bars_of(path: Path, symbol: str = "") -> list[Candle]:
    """Minute bars, or the shipped daily file stamped a minute apart."""
    with gzip.open(path, "rt", encoding="ascii") as file:
        rows = list(csv.reader(file))[1:]
    if symbol:
        daily = [row[2:7] for row in rows if row[0] == symbol]
        stamped = [(START + timedelta(minutes=n), row) for n, row in enumerate(daily)]
    else:
        stamped = [(datetime.fromtimestamp(int(row[0]) / 1000, UTC), row[1:6]) for row in rows]
    return [
        Candle(AAPL.id, Timeframe.M1, opened_at, *(Price(Decimal(text)) for text in row[:4]),
               Quantity(Decimal(row[4])))
        for opened_at, row in stamped
    ]  # fmt: skip


class Venue:
    """Answers every effect at once; a market order fills whole at the newest close."""

    def __init__(self, candles: list[Candle]) -> None:
        wide = replace(
            LIMITS,
            qty_max=Decimal(10**6),
            notional_max=Decimal(10**12),
            position_qty_max=Decimal(10**6),
            orders_per_minute_max=10**9,
            orders_per_day_max=10**9,
        )
        spec = StrategySpec("sma_cross", (("qty", "1"),), "AAPL", AAPL.tick, AAPL.lot)
        self.rules = replace(RULES, strategy=spec, warmup_bars=WARMUP, limits=wide)
        self.state = SessionState(self.rules)
        self.runner = InlineRunner()
        self.now_s = 0.0
        self.held = Decimal(0)
        self.close = candles[WARMUP - 1].close
        self.trades: list[tuple[datetime, Side, Decimal]] = []
        rows = SessionRows(
            SESSION, 1, Quantity(Decimal(0)), None, Decimal(0), (), frozenset(), None, START
        )
        nothing = Decimal(0)
        calm = Heat(nothing, nothing, (), 0.0, Decimal(1), None, HeatLevel.CALM, {})
        for event in (
            SessionLoaded(rows, 1),
            StreamConnected(ACCOUNT),
            FeedFresh(AAPL.id),
            MarketOpened(START),
            HeatChanged(calm),
            SeriesOpened(AAPL.id, Timeframe.M1, tuple(candles[:WARMUP])),
            PriceMoved(AAPL.id, self.close, self.close, self.close, START, START),
        ):
            self.feed(event)

    def feed(self, event: SessionEvent) -> None:
        """Fold an event and answer what follows, until nothing follows."""
        for effect in step(self.state, event, self.now_s):
            kind = type(effect)  # the hot two first; the others are as rare as trades are
            if kind is fx.AskStrategy:
                self.feed(
                    self.runner.decide_now(SESSION, effect.candle, effect.view, effect.rebuild)
                )
            elif kind is not fx.AuditNothing:
                for answer in self._answers(effect):
                    self.feed(answer)

    def _answers(self, effect: fx.Effect) -> Iterator[SessionEvent]:
        match effect:
            case fx.OpenStrategy():
                assert self.rules.strategy is not None
                yield self.runner.open_now(
                    SESSION, self.rules.strategy, effect.candles, effect.rebuild
                )
            case fx.Reserve():
                request = effect.request
                yield HeatGranted(Grant(request.order_id, SESSION, request.amount, self.now_s))
            case fx.Record():
                yield OrderRecorded(Recorded(effect.order.item, START))
            case fx.Submit():
                order = effect.order.item
                broker_id = BrokerOrderId(order.id)
                self.held += order.side.sign * order.qty
                self.trades.append((self.at, order.side, self.close))
                yield OrderSubmitted(order.id)
                yield OrderAccepted(order.id, broker_id)
                yield OrderFilled(
                    Fill(order.id, ACCOUNT, AAPL.id, order.id, broker_id, order.side, order.qty,
                         self.close, order.qty, self.at, self.at)
                )  # fmt: skip
                self.now_s += 0.001
                yield self._position()
            case fx.AskPosition():
                yield self._position()
            case fx.AskOrders():
                yield OpenOrdersReported((), self.now_s)
            case _:
                pass

    def _position(self) -> PositionReported:
        return PositionReported(
            ACCOUNT, AAPL.id, Quantity(self.held), self.close, None, self.now_s, START
        )

    def replay(self, events: list[CandleClosed]) -> float:
        """CPU seconds for all of them."""
        began = time.process_time()
        feed = self.feed
        for event in events:
            candle = event.candle
            self.close, self.at = candle.close, candle.opened_at
            self.now_s += 0.2  # so that a minute of the budget holds a few trades
            feed(event)
        return time.process_time() - began


def straight(candles: list[Candle]) -> tuple[float, list[tuple[datetime, Side, Decimal]]]:
    """The floor: the same rule and the same trades in one plain loop."""
    began = time.process_time()
    closes = [candle.close for candle in candles]
    fast, slow = sum(closes[WARMUP - 10 : WARMUP]), sum(closes[:WARMUP])
    is_long = False
    trades = []
    for n in range(WARMUP, len(closes)):
        fast += closes[n] - closes[n - 10]
        slow += closes[n] - closes[n - 20]
        if fast * 2 > slow and not is_long:
            is_long = True
            trades.append((candles[n].opened_at, Side.BUY, closes[n]))
        elif fast * 2 < slow and is_long:
            is_long = False
            trades.append((candles[n].opened_at, Side.SELL, closes[n]))
    return time.process_time() - began, trades


def run(data: Path | None) -> list[str]:
    """The lines of the report."""
    recorded = data / "btc_perp_1m_2022-01.csv.gz" if data else None
    if recorded is not None and recorded.exists():
        candles, name = bars_of(recorded), recorded.name
    else:
        shipped = Path(__file__).parents[2] / "adapters" / "sandbox" / "data"
        candles, name = bars_of(shipped / "us_stocks_1d.csv.gz", "IBM") * 1, "shipped daily IBM"
    events = [
        CandleClosed(candle, before.opened_at)
        for before, candle in zip(candles[WARMUP - 1 :], candles[WARMUP:], strict=False)
    ]
    rates, floors = [], []
    for _ in range(RUNS):
        venue = Venue(candles)
        rates.append(len(events) / venue.replay(events))
        took, expected = straight(candles)
        floors.append(len(events) / took)
        assert venue.trades == expected, "the heart made other trades than the plain loop"
    rate, floor = statistics.median(rates), statistics.median(floors)
    return [
        f"heart: {rate:,.0f} bars per CPU second ({name}, {len(events):,} bars, "
        f"{len(expected):,} trades); a plain loop doing the same trades {floor:,.0f}: "
        f"{floor / rate:.1f}x of it (aim: 250,000 bars)"
    ]
