"""Builders for market tests, and readers of recorded data."""

import csv
import gzip
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from trader.ids import InstrumentId
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.market.tick import Tick
from trader.money import Price, Quantity

START = datetime(2024, 1, 2, 15, 0, tzinfo=UTC)
A = InstrumentId("AAA.TEST")
M1 = Timeframe.M1


def at(seconds: float) -> datetime:
    """That many seconds after the start."""
    return START + timedelta(seconds=seconds)


def a_tick(
    seconds: float, price: str | int = 100, volume: str | int = 1, trade_id: str = ""
) -> Tick:
    """A trade of A."""
    return Tick(
        A, Price(Decimal(price)), Quantity(Decimal(volume)), at(seconds), at(seconds), trade_id
    )


def a_bar(
    minute: int, close: str | int = 100, *, revision: int = 0, timeframe: Timeframe = M1
) -> Candle:
    """A final bar of A; its length is the timeframe's, its place a minute after the start."""
    price = Price(Decimal(close))
    opened_at = START + minute * timedelta(minutes=1)
    return Candle(
        A, timeframe, opened_at, price, price, price, price, Quantity(Decimal(1)), True, revision
    )


def minutes(candles: object) -> list[int]:
    """Where bars stand, in minutes after the start."""
    return [int((c.opened_at - START) / timedelta(minutes=1)) for c in candles]  # type: ignore[attr-defined]


def values(candle: Candle) -> tuple[object, ...]:
    """What two equal bars have in common."""
    return (
        candle.opened_at, candle.open, candle.high, candle.low, candle.close, candle.volume,
    )  # fmt: skip


def rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of a recorded file; skips the test where the data is not here."""
    with gzip.open(recorded(name), "rt", newline="") as lines:
        yield from csv.DictReader(lines)


def recorded(name: str) -> Path:
    """A recorded file; skips the test where the data is not here."""
    folder = os.environ.get("MARKET_DATA_DIR")
    if not folder:
        pytest.skip("MARKET_DATA_DIR is not set: the recorded market data is not here")
    return Path(folder) / name


def from_ms(text: str) -> datetime:
    """Milliseconds since the epoch."""
    return datetime.fromtimestamp(int(text) // 1000, UTC) + timedelta(milliseconds=int(text) % 1000)
