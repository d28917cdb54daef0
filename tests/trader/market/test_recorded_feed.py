"""A recorded exchange feed whose local clock is 1.2 s behind the exchange's."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from market_parts import M1, A, rows, values

from trader.market.events import CandleClosed
from trader.market.feed_time import FeedTime
from trader.market.line import Line
from trader.market.tick import Tick
from trader.money import Price, Quantity


def captured() -> list[tuple[float, Tick]]:
    """Trades with the local clock's seconds at which they came."""
    ticks = []
    for row in rows("binance_usdm_btcusdt_trades_2024-08-08.csv.gz"):
        received_s = int(row["recv_ts_ns"]) / 1e9
        happened_at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(row["trade_ts"]))
        seen_at = datetime.fromtimestamp(received_s, UTC)
        price, size = Price(Decimal(row["price"])), Quantity(Decimal(row["size"]))
        ticks.append((received_s, Tick(A, price, size, happened_at, seen_at, row["trade_id"])))
    return ticks


def grouped(ticks: list[tuple[datetime, Tick]]) -> dict[datetime, list[Tick]]:
    groups: dict[datetime, list[Tick]] = {}
    for stamp, tick in ticks:
        groups.setdefault(M1.open_of(stamp), []).append(tick)
    return groups


@pytest.fixture(scope="module")
def capture() -> list[tuple[float, Tick]]:
    return captured()


def test_bars_are_those_of_the_venues_time_though_our_clock_is_behind(
    capture: list[tuple[float, Tick]],
) -> None:
    time: FeedTime[Any] = FeedTime()
    line = Line(A, M1, time, None)
    line.connected(capture[0][0])
    bars: dict[datetime, Any] = {}
    beat_s = capture[0][0]

    def hear(events: Any) -> None:
        bars.update({e.candle.opened_at: e.candle for e in events if isinstance(e, CandleClosed)})

    for received_s, tick in capture:
        while beat_s < received_s:
            hear(line.beat(beat_s))
            beat_s += 0.25
        for admitted in time.admit(tick, tick.happened_at, received_s):
            hear(line.tick(admitted, received_s))
        ask = line.wants(received_s)
        if ask is not None:
            hear(line.answered(ask, [], received_s))
    hear(line.beat(beat_s + 120))

    by_venue = grouped([(tick.happened_at, tick) for _, tick in capture])
    by_local_clock = grouped([(tick.seen_at, tick) for _, tick in capture])
    whole = sorted(by_venue)[1:]  # in the midst of the first one we came
    assert sorted(bars) == whole
    for opened_at in whole:
        trades = by_venue[opened_at]
        prices = [tick.price for tick in trades]
        assert values(bars[opened_at]) == (
            opened_at,
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
            sum((tick.volume for tick in trades), Decimal(0)),
        )
    assert any(by_local_clock[each] != by_venue[each] for each in whole)
    assert time.ahead_count == 0
