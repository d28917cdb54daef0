"""A venue that closes and opens, halts a symbol, or corrects a bar: always between two bars.

A real session ends on a whole bar, and a bar that a close cut short would be one from the future
to whoever reads its stamp.
"""

import asyncio
from contextvars import copy_context
from dataclasses import replace
from datetime import timedelta

from adapters.sandbox import commands
from adapters.sandbox.clock import next_boundary
from adapters.sandbox.orders import ZERO
from adapters.simulated.venue import MINUTE, SimulatedVenue

BEFORE_END = timedelta(milliseconds=10)  # so that the next bar has not printed yet


class MarketHours:
    """One venue's. Made where the venue lives."""

    def __init__(self, venue: SimulatedVenue) -> None:
        self._venue = venue
        self._host = venue.host
        self._server = copy_context()
        self._pending: dict[str, asyncio.TimerHandle] = {}  # a symbol's halt; "": the close

    def close(self) -> None:
        """Close when the bar under way ends. Day orders end with it."""
        if "" not in self._pending and self._host.venue.is_open:
            self._at_end_of_bar("")

    def open(self) -> None:
        """Open; bars go on at the next whole one."""
        if self._cancel("") or self._host.venue.is_open:
            return
        venue, now = self._host.venue, self._host.now()
        start = commands.StartAt(now, venue.cursor.slot, next_boundary(now, MINUTE))
        self._host.perform(start, venue.start_at)
        self._host.perform(commands.SetMarket(now, True), venue.set_market)
        self._venue.resume()

    def halt(self, symbol: str) -> None:
        """No trade of it from the next bar on; orders wait."""
        if symbol not in self._pending and symbol not in self._venue.path.halted:
            self._at_end_of_bar(symbol)

    def lift(self, symbol: str) -> None:
        """It trades again from the next bar on."""
        self._cancel(symbol)
        self._venue.path.halted.pop(symbol, None)

    def correct(self, symbol: str, back: int) -> None:
        """A late trade at its high changes the bar that is `back` before the newest."""
        bars = self._host.venue.markets[symbol].bars
        if back >= len(bars):
            return
        bar = bars[-1 - back]
        late = replace(
            bar,
            close=bar.high,
            volume=bar.volume + 1,
            trade_count=bar.trade_count + 1,
            notional=bar.notional + bar.high,
        )
        command = commands.ReviseBar(self._host.now(), symbol, late)
        self._host.perform(command, self._host.venue.revise_bar)

    def _at_end_of_bar(self, symbol: str) -> None:
        opened_at = self._host.venue.cursor.opened_at
        assert opened_at is not None, "the venue has a path"
        rest = opened_at + MINUTE - BEFORE_END - self._host.now()
        delay_s = max(0.0, rest.total_seconds() / self._host.clock.speed)
        self._pending[symbol] = asyncio.get_running_loop().call_later(
            delay_s, self._bar_ends, symbol, context=self._server
        )

    def _bar_ends(self, symbol: str) -> None:
        del self._pending[symbol]
        if symbol:
            self._venue.path.halted[symbol] = None
            # Nobody stands there any more to take an order that comes in.
            self._host.venue.markets[symbol].liquidity = ZERO
            return
        self._venue.pause()
        venue, cursor = self._host.venue, self._host.venue.cursor
        if cursor.step:
            assert cursor.opened_at is not None
            ended_at = cursor.opened_at + MINUTE
            at = max(self._host.now(), ended_at)
            bars = commands.CloseBars(at, cursor.opened_at, cursor.slot + 1, ended_at)
            self._host.perform(bars, venue.close_bars)
        self._host.perform(commands.SetMarket(self._host.now(), False), venue.set_market)

    def _cancel(self, name: str) -> bool:
        pending = self._pending.pop(name, None)
        if pending is not None:
            pending.cancel()
        return pending is not None
