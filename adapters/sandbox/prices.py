"""Where prices come from: recorded files, or a seeded random walk.

A source is cut into slots, numbered from 0 without end; one slot becomes one bar of the venue,
stamped on the venue's own clock. A recording starts over when it ends (a lap). A slot is a tuple
of steps, each at a fraction of the timeframe, each with the prints of the symbols that trade then.
"""

import csv
import gzip
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import as_file, files
from itertools import groupby
from pathlib import Path as FilePath
from typing import Protocol, TextIO

from adapters.sandbox.commands import Move
from adapters.sandbox.tape import Path

SHIPPED = "us_stocks_1d.csv.gz"
TRADES_SLOT_MS = 60_000
QUARTERS = 4
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class PathStep:
    """Prints at one moment of a slot."""

    fraction: float  # of the timeframe, 0 <= fraction < 1
    moves: tuple[Move, ...]


Slot = tuple[PathStep, ...]


class PriceSource(Protocol):
    """Prices by slot number. The same source gives the same slots, in whatever order asked."""

    def slot(self, number: int) -> Slot:
        """The steps of a slot, in time order; never empty."""
        ...


@dataclass(frozen=True, slots=True)
class SourceBar:
    """A recorded bar, without its time."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def moves(self, symbol: str) -> tuple[Move, ...]:
        """Four prints: a gap to the open, then a walk over both extremes to the close.

        The nearer extreme comes first: a rising bar dips before it rises.
        """
        quarter = self.volume // QUARTERS
        rising = self.close >= self.open
        turns = (self.low, self.high) if rising else (self.high, self.low)
        return (
            Move(symbol, self.open, quarter, Path.GAP),
            *(Move(symbol, price, quarter, Path.WALK) for price in turns),
            Move(symbol, self.close, self.volume - 3 * quarter, Path.WALK),
        )


def bars_slot(bars: Mapping[str, SourceBar]) -> Slot:
    """The slot of one bar for each symbol: all symbols take their quarters together."""
    paths = [bar.moves(symbol) for symbol, bar in bars.items()]
    return tuple(
        PathStep(quarter / QUARTERS, tuple(path[quarter] for path in paths))
        for quarter in range(QUARTERS)
    )


class Replay:
    """A recording, played in laps."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        if not slots:
            raise ValueError("the recording has no row for any of the symbols")
        self._slots = slots

    def slot(self, number: int) -> Slot:
        """Slot `number`, counted over the laps."""
        return self._slots[number % len(self._slots)]


class RandomWalk:
    """Invented prices: each symbol walks on its own, from a seed."""

    def __init__(
        self, symbols: Iterable[str], seed: int, start: Decimal, volatility: float
    ) -> None:
        self._symbols = tuple(symbols)
        self._seed = seed
        self._start = start
        self._volatility = volatility  # standard deviation of a quarter's return
        self._slot: Slot = ()
        self._rewind()

    def slot(self, number: int) -> Slot:
        """Slot `number`; going back means walking again from the start."""
        if number < self._next:
            self._rewind()
        while self._next <= number:
            self._slot = bars_slot({symbol: self._bar(symbol) for symbol in self._symbols})
            self._next += 1
        return self._slot

    def _rewind(self) -> None:
        self._next = 0
        self._dice = {symbol: random.Random(f"{self._seed}:{symbol}") for symbol in self._symbols}
        self._last = dict.fromkeys(self._symbols, self._start)

    def _bar(self, symbol: str) -> SourceBar:
        dice, price = self._dice[symbol], self._last[symbol]
        turns = []
        for _ in range(QUARTERS):
            factor = Decimal(repr(round(1 + dice.gauss(0, self._volatility), 6)))
            price = max(CENT, (price * max(factor, CENT)).quantize(CENT))
            turns.append(price)
        self._last[symbol] = price
        volume = Decimal(dice.randrange(10_000, 1_000_000))
        return SourceBar(turns[0], max(turns), min(turns), turns[-1], volume)


def load_replay(paths: Mapping[str | None, FilePath], symbols: Sequence[str]) -> Replay:
    """Read recordings. A file under None names its symbols itself, or there is one symbol only.

    Slots are the distinct instants of all files together: gaps of a source are not replayed.
    """
    bars: dict[int, dict[str, SourceBar]] = {}
    trades: dict[int, list[tuple[int, Move]]] = {}
    for symbol, path in paths.items():
        with _open_text(path) as lines:
            rows = csv.DictReader(lines)
            columns = set(rows.fieldnames or ())
            if {"price", "size"} <= columns:
                _read_trades(rows, _only_symbol(symbol, symbols, path), trades)
            elif "date" in columns or "ts" in columns:
                own = None if "symbol" in columns else _only_symbol(symbol, symbols, path)
                _read_bars(rows, own, frozenset(symbols), bars)
            else:
                raise ValueError(f"{path}: neither bars nor trades: columns {sorted(columns)}")
    slots = [(key, bars_slot(by_symbol)) for key, by_symbol in bars.items()]
    slots += [(key, _trades_slot(key, prints)) for key, prints in trades.items()]
    slots.sort(key=lambda item: item[0])
    merged = [_merge([slot for _, slot in same]) for _, same in groupby(slots, lambda s: s[0])]
    return Replay(merged)


@contextmanager
def shipped_recording() -> Iterator[FilePath]:
    """The daily file that comes with the product."""
    with as_file(files("adapters.sandbox") / "data" / SHIPPED) as path:
        yield path


@contextmanager
def _open_text(path: FilePath) -> Iterator[TextIO]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            yield lines
    else:
        with path.open(encoding="utf-8", newline="") as lines:
            yield lines


def _only_symbol(symbol: str | None, symbols: Sequence[str], path: FilePath) -> str:
    if symbol is not None:
        return symbol
    if len(symbols) != 1:
        raise ValueError(f"{path} does not name its symbol: write SYMBOL={path}")
    return symbols[0]


def _read_bars(
    rows: Iterable[Mapping[str, str]],
    own: str | None,
    wanted: frozenset[str],
    into: dict[int, dict[str, SourceBar]],
) -> None:
    for row in rows:
        symbol = own or row["symbol"]
        if symbol not in wanted:
            continue
        if "ts" in row:
            key = int(row["ts"])
        else:
            day = datetime.fromisoformat(row["date"]).replace(tzinfo=UTC)
            key = int(day.timestamp()) * 1000
        into.setdefault(key, {})[symbol] = SourceBar(
            *(Decimal(row[name]) for name in ("open", "high", "low", "close", "volume"))
        )


def _read_trades(
    rows: Iterable[Mapping[str, str]], symbol: str, into: dict[int, list[tuple[int, Move]]]
) -> None:
    for row in rows:
        ts = int(row["ts"])
        move = Move(symbol, Decimal(row["price"]), Decimal(row["size"]), Path.GAP)
        into.setdefault(ts - ts % TRADES_SLOT_MS, []).append((ts, move))


def _trades_slot(key: int, prints: list[tuple[int, Move]]) -> Slot:
    """Recorded trades at their own moments of the minute."""
    return tuple(PathStep((ts - key) / TRADES_SLOT_MS, (move,)) for ts, move in prints)


def _merge(slots: list[Slot]) -> Slot:
    if len(slots) == 1:
        return slots[0]
    steps = [step for slot in slots for step in slot]
    return tuple(sorted(steps, key=lambda step: step.fraction))
