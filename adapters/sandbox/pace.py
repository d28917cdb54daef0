"""The price path in real time: slots of the source become bars on the venue's clock.

Bars follow one another one timeframe apart. After a pause, a closed market or a restart the path
goes on where it stood, at the next whole timeframe: the stamps never go back, lap after lap.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b

from adapters.sandbox import commands
from adapters.sandbox.clock import next_boundary
from adapters.sandbox.host import Host
from adapters.sandbox.prices import PriceSource, Slot
from adapters.sandbox.tape import Bar, Forming


class Pacer:
    """Plays the source while it may."""

    def __init__(
        self, host: Host, source: PriceSource, timeframe: timedelta, revise_fraction: float
    ) -> None:
        self._host = host
        self._source = source
        self._timeframe = timeframe
        self._revise_fraction = revise_fraction
        self._may_run = asyncio.Event()
        self._stood_still = True
        self.is_paused = True

    def pause(self) -> None:
        """Stand still after the print under way."""
        self.is_paused = True
        self.look()

    def resume(self) -> None:
        """Go on, unless the market is closed."""
        self.is_paused = False
        self.look()

    def look(self) -> None:
        """See whether the path may go on; asked whenever the market opens or closes."""
        if self.is_paused or not self._host.venue.is_open:
            self._may_run.clear()
            self._stood_still = True
        else:
            self._may_run.set()

    def begin(self, first_slot: int, prefill_count: int) -> None:
        """On the very first start: write the history, and put the live start after it."""
        host, venue = self._host, self._host.venue
        opened_at = next_boundary(host.now(), self._timeframe)
        for symbol in venue.markets:
            bars = self._history(symbol, first_slot, prefill_count, opened_at)
            host.perform(commands.Prefill(host.now(), symbol, bars), venue.prefill)
        slot = first_slot + prefill_count
        host.perform(commands.StartAt(host.now(), slot, opened_at), venue.start_at)

    async def run(self) -> None:
        """Play until cancelled."""
        while True:
            await self._may_run.wait()
            await self._play_slot()

    async def _play_slot(self) -> None:
        host, venue = self._host, self._host.venue
        cursor = venue.cursor
        assert cursor.opened_at is not None
        slot = self._source.slot(cursor.slot)
        if self._stood_still and cursor.step == 0:
            self._start_afresh(cursor.slot, cursor.opened_at)
            cursor = venue.cursor
        opened_at = cursor.opened_at
        assert opened_at is not None
        for number in range(cursor.step, len(slot)):
            stamped_at = opened_at + self._timeframe * slot[number].fraction
            await host.clock.sleep_until(stamped_at)
            await self._may_run.wait()
            moves = slot[number].moves
            step = commands.Step(host.now(), moves, opened_at, cursor.slot, number, stamped_at)
            host.perform(step, venue.step)
        ended_at = opened_at + self._timeframe
        await host.clock.sleep_until(ended_at)
        close = commands.CloseBars(max(host.now(), ended_at), opened_at, cursor.slot + 1, ended_at)
        host.perform(close, venue.close_bars)
        self._revise(opened_at)

    def _start_afresh(self, slot: int, opened_at: datetime) -> None:
        """After standing still a whole bar or longer: skip the time that passed, not the bars."""
        self._stood_still = False
        now = self._host.now()
        if now >= opened_at + self._timeframe:
            start = commands.StartAt(now, slot, next_boundary(now, self._timeframe))
            self._host.perform(start, self._host.venue.start_at)

    def _revise(self, opened_at: datetime) -> None:
        """Some bars turn out to have missed a late trade at their high."""
        for symbol, market in self._host.venue.markets.items():
            bar = market.bars[-1] if market.bars else None
            if bar is None or bar.opened_at != opened_at:
                continue
            if _chance(f"{symbol}{opened_at}") < self._revise_fraction:
                late = replace(
                    bar,
                    close=bar.high,
                    volume=bar.volume + 1,
                    trade_count=bar.trade_count + 1,
                    notional=bar.notional + bar.high,
                )
                revise = commands.ReviseBar(self._host.now(), symbol, late)
                self._host.perform(revise, self._host.venue.revise_bar)

    def _history(
        self, symbol: str, first_slot: int, count: int, live_at: datetime
    ) -> tuple[Bar, ...]:
        bars = (
            _bar_of(
                self._source.slot(first_slot + n), symbol, live_at - self._timeframe * (count - n)
            )
            for n in range(count)
        )
        return tuple(bar for bar in bars if bar is not None)


def _bar_of(slot: Slot, symbol: str, opened_at: datetime) -> Bar | None:
    forming: Forming | None = None
    for step in slot:
        for move in step.moves:
            if move.symbol == symbol:
                forming = forming or Forming(move.price)
                forming.take(move.price, move.volume)
    return None if forming is None else forming.closed(opened_at)


def _chance(key: str) -> float:
    """A number in [0, 1) that is always the same for the same key."""
    return int.from_bytes(blake2b(key.encode(), digest_size=6).digest(), "big") / 2**48
