"""The venue under a seed: the sandbox's own engine in this process, in whatever time the loop has.

Prices, matching, latency and faults are the sandbox's; the ports over it (`account`, `market`) read
its shapes by the adapter's own translation, so a simulated day meets the same words as a real one.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from adapters.brokers.alpaca_json import exact_json
from adapters.clock import Clock
from adapters.sandbox import commands
from adapters.sandbox.clock import VenueClock
from adapters.sandbox.events import Happening
from adapters.sandbox.faults import Fault, FaultKind
from adapters.sandbox.host import Host
from adapters.sandbox.orders import Side
from adapters.sandbox.pace import Pacer
from adapters.sandbox.prices import PriceSource, RandomWalk
from adapters.sandbox.venue import Venue
from adapters.simulated.path import HaltablePath

VENUE = "alpaca"  # the words it speaks; instruments are named so
MINUTE = timedelta(minutes=1)
PLENTY = Decimal(1_000_000)


class NothingKept:
    """A simulated venue does not outlive its world."""

    def append(self, command: commands.Command) -> None:
        """Forget it."""


class SimulatedVenue:
    """One venue, its accounts and its prices. Prices stand still until `resume`."""

    def __init__(
        self,
        clock: Clock,
        symbols: tuple[str, ...],
        *,
        seed: int,
        accounts: Mapping[str, Decimal],
        source: PriceSource | None = None,
        speed: float = 1.0,
        latency_s: float = 0.001,
        prefill_bars_count: int = 60,
    ) -> None:
        """`accounts`: cash by number. Without a source every symbol walks from 100, by the seed."""
        engine = Venue()
        self.symbols = symbols
        self.clock = clock
        self.host = Host(
            engine, VenueClock(clock.now(), speed, clock.elapsed), NothingKept(), latency_s
        )
        host = self.host
        host.perform(commands.SetRules(host.now(), commands.Rules(seed=seed)), engine.set_rules)
        for symbol in symbols:
            host.perform(commands.ListSymbol(host.now(), symbol), engine.list_symbol)
        for number, cash in accounts.items():
            host.perform(commands.OpenAccount(host.now(), number, cash), engine.open_account)
        walk = source or RandomWalk(symbols, seed, Decimal(100), 0.001)
        self.path = HaltablePath(walk)
        self._pacer = Pacer(host, self.path, MINUTE, revise_fraction=0.0)
        self._pacer.begin(0, prefill_bars_count)
        self._pacing: asyncio.Task[None] | None = None
        self.on_cut: list[Callable[[], None]] = []  # streams hear that their line is cut

    def now(self) -> datetime:
        """The venue's instant."""
        return self.host.now()

    def resume(self) -> None:
        """Let prices run from here on."""
        self._pacer.resume()
        if self._pacing is None:
            self._pacing = asyncio.get_running_loop().create_task(self._pacer.run())

    def pause(self) -> None:
        """Let prices stand still at once, in the middle of a bar or not."""
        self._pacer.pause()
        if self._pacing is not None:
            self._pacing.cancel()
            self._pacing = None

    def stop(self) -> None:
        """Stand still for good."""
        self.host.stop()
        if self._pacing is not None:
            self._pacing.cancel()

    # A hand on it

    def price(self, symbol: str, price: Decimal) -> None:
        """Trade at a price, with ample liquidity there."""
        command = commands.SetPrice(self.now(), symbol, price, PLENTY)
        self.host.perform(command, self.host.venue.set_price)

    def operator_trade(self, number: str, symbol: str, side: Side, qty: Decimal) -> None:
        """Trade in an account behind everybody's back."""
        command = commands.OperatorTrade(self.now(), number, symbol, side, qty)
        self.host.perform(command, self.host.venue.operator_trade)

    def adjust(self, number: str, symbol: str, signed_qty: Decimal) -> None:
        """Move shares without any order, as a margin desk does."""
        command = commands.OperatorAdjust(self.now(), number, symbol, signed_qty)
        self.host.perform(command, self.host.venue.operator_adjust)

    def fault(self, kind: FaultKind, **match: Any) -> None:
        """Misbehave, in the sandbox's own vocabulary."""
        self.host.faults.install(Fault(kind=kind, **match))

    def cut(self) -> None:
        """Cut every stream."""
        for hear in tuple(self.on_cut):
            hear()

    def listen(self, listener: Callable[[list[Happening]], None]) -> None:
        """Hear everything that happens, in order."""
        self.host.listeners.append(listener)


def wired(value: object) -> Any:
    """As it would come out of the wire: decimals by their digits, nothing else than JSON."""
    return exact_json(orjson.dumps(value))
