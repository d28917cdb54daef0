"""What a daemon hears of a trade or a bar while faults are in force."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from adapters.brokers.alpaca_feed import events_of
from adapters.simulated.feed_faults import FeedFaultKind, FeedFaults
from adapters.simulated.venue import MINUTE, VENUE
from trader.ids import InstrumentId, symbol_of
from trader.instants import EPOCH
from trader.ports import BarReceived, FeedEvent, TickReceived

FLOOD_COUNT = 10
# One after the other; what the adapter makes of each, it says itself.
_GARBAGE = (
    '[{"T":"b","S":"%s","t":"2024-01-02T14:30:00Z","o":1',
    "<html>502 Bad Gateway</html>",
    '[{"T":"b","S":"%s","t":"2024-01-02T14:30:00Z","o":NaN,"h":2,"l":1,"c":1,"v":1}]',
    '[{"T":"b","S":"%s","t":"2024-01-02T14:30:00Z","o":1,"h":2,"l":1,"c":-1,"v":1}]',
    '[{"T":"b","S":"%s","t":"2024-01-02T14:30:00Z","o":1,"h":2,"l":1,"c":1,"v":-5}]',
    '[{"T":"b","S":"%s","t":"2024-01-02T14:30:00Z","o":3,"h":2,"l":1,"c":1,"v":5}]',
    '[{"T":"t","S":"%s.OLD","t":"2024-01-02T14:30:00Z","p":1,"s":1,"i":1}]',
    '[{"T":"t","S":"%s","t":"2024-01-02T14:30:00Z","p":"a lot","s":1,"i":1}]',
    '[{"T":"t","S":"%s","t":"yesterday","p":1,"s":1,"i":1}]',
    '[{"T":"error","code":500,"msg":"internal error"}]',
    "[7]",
    "{}",
)


class Spoiler:
    """One feed's."""

    def __init__(self, faults: FeedFaults, daemon: str) -> None:
        self._faults = faults
        self._daemon = daemon
        self._overtaken: dict[str, FeedEvent] = {}  # by symbol: a trade that the next one passes
        self._garbage_count = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is held back."""
        return not self._overtaken

    def forget(self) -> None:
        """The connection is over."""
        self._overtaken.clear()

    def spoil(
        self, event: TickReceived | BarReceived, wanted: Mapping[str, InstrumentId], now: datetime
    ) -> Iterator[tuple[float, FeedEvent]]:
        """What comes instead, each with the seconds that it comes later."""
        match event:
            case TickReceived():
                symbol = symbol_of(event.tick.instrument)
            case BarReceived():
                symbol = symbol_of(event.candle.instrument)
            case _:
                assert_never(event)
        if self._strikes(FeedFaultKind.DATALESS, symbol):
            return
        if self._strikes(FeedFaultKind.GARBAGE, symbol):
            frame = _GARBAGE[self._garbage_count % len(_GARBAGE)].replace("%s", symbol)
            self._garbage_count += 1
            for heard in events_of(frame.encode(), wanted, VENUE, now):
                yield 0.0, heard
        elif isinstance(event, TickReceived):
            yield from self._tick(event, symbol)
        else:
            yield from self._bar(event, symbol)

    def _tick(self, event: TickReceived, symbol: str) -> Iterator[tuple[float, FeedEvent]]:
        tick = event.tick
        if self._strikes(FeedFaultKind.UNSET_CLOCK, symbol):
            event = TickReceived(replace(tick, happened_at=EPOCH))
        elif ahead_s := self._by_s(FeedFaultKind.FUTURE_TRADE, symbol):
            ahead = timedelta(seconds=ahead_s)
            event = TickReceived(replace(tick, happened_at=tick.happened_at + ahead))
        elif symbol not in self._overtaken and self._strikes(FeedFaultKind.OUT_OF_ORDER, symbol):
            self._overtaken[symbol] = event
            return
        yield 0.0, event
        if symbol in self._overtaken:
            yield 0.0, self._overtaken.pop(symbol)
        if self._strikes(FeedFaultKind.FLOOD, symbol):
            for number in range(1, FLOOD_COUNT):
                yield 0.0, TickReceived(replace(tick, trade_id=f"{tick.trade_id}.{number}"))

    def _bar(self, event: BarReceived, symbol: str) -> Iterator[tuple[float, FeedEvent]]:
        candle = event.candle
        if self._strikes(FeedFaultKind.GAP, symbol):
            return
        if self._strikes(FeedFaultKind.UNSET_CLOCK, symbol):
            event = BarReceived(replace(candle, opened_at=EPOCH))
        elif ahead_s := self._by_s(FeedFaultKind.FUTURE_BAR, symbol):
            ahead = MINUTE * max(1, round(ahead_s / MINUTE.total_seconds()))
            event = BarReceived(replace(candle, opened_at=candle.opened_at + ahead))
            yield 0.0, event  # not late too: it would pass for a correction of the bar it names
            return
        yield self._by_s(FeedFaultKind.LATE_BAR, symbol), event
        if self._strikes(FeedFaultKind.DUPLICATE, symbol):
            yield 0.0, event

    def _strikes(self, kind: FeedFaultKind, symbol: str) -> bool:
        return self._faults.strikes(kind, self._daemon, symbol) is not None

    def _by_s(self, kind: FeedFaultKind, symbol: str) -> float:
        fault = self._faults.strikes(kind, self._daemon, symbol)
        return 0.0 if fault is None else fault.by_s
