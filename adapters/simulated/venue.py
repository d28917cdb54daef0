"""The venue under a seed: the sandbox's own engine in this process, in whatever time the loop has.

Prices, matching and wire are the sandbox's; the ports over it (`account`, `market`) read its shapes
by the adapter's own translation, so a simulated day meets the same words as a real one.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import orjson

from adapters.brokers.alpaca_json import exact_json
from adapters.clock import Clock
from adapters.sandbox import commands
from adapters.sandbox.clock import VenueClock
from adapters.sandbox.entry import Refused
from adapters.sandbox.events import Happening
from adapters.sandbox.host import Host
from adapters.sandbox.orders import Execution, Fate, Order, OrderRequest, Side
from adapters.sandbox.pace import Pacer
from adapters.sandbox.prices import PriceSource, RandomWalk
from adapters.sandbox.venue import Venue
from adapters.simulated.account_faults import AccountFault, AccountFaults
from adapters.simulated.distance import Distance
from adapters.simulated.door import Door
from adapters.simulated.history import History
from adapters.simulated.line import Line
from adapters.simulated.path import HaltablePath
from adapters.simulated.streams import OrderStreams

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
        spread: float = 3.0,
        prefill_bars_count: int = 60,
        history: History | None = None,
    ) -> None:
        """`accounts`: cash by number. Without a source every symbol walks from 100, by the seed.

        `latency_s`: one way, on average; `spread` as in `Distance`.
        """
        engine = Venue()
        self.symbols = symbols
        self.clock = clock
        self.history = history or History()
        self.faults = AccountFaults(clock.elapsed, self.history)
        self.line = Line()
        self.streams = OrderStreams(self.faults)
        self._distances = (seed, latency_s, spread)
        self._distances_count = 0
        self._by_hand: list[Order] = []
        self.host = Host(
            engine, VenueClock(clock.now(), speed, clock.elapsed), NothingKept(), latency_s
        )
        host = self.host
        self.door = Door(host, clock, self.faults, self.history)
        host.listeners.append(self.streams.happened)
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
        self.on_hang_up: list[Callable[[str], None]] = []  # and which daemon is gone

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
        """Trade in an account behind everybody's back: a fill of an order we do not know."""
        command = commands.OperatorTrade(self.now(), number, symbol, side, qty)
        self.host.perform(command, self.host.venue.operator_trade)

    def operator_order(self, number: str, request: OrderRequest) -> Order | None:
        """Enter an order as a human does on the venue's own screen; None: the venue refuses."""
        try:
            order = self.host.submit(number, request, Fate.NORMAL)
        except Refused:
            return None
        self.host.settle_soon(order)
        self._by_hand.append(order)
        return order

    def operator_cancel(self, number: str, order_id: str) -> bool:
        """Cancel an order on the venue's own screen; False: the venue refuses."""
        try:
            self.host.settle_soon(self.host.request_cancel(number, order_id))
        except Refused:
            return False
        return True

    def adjust(self, number: str, symbol: str, signed_qty: Decimal) -> None:
        """Move shares without any order, as a margin desk does."""
        command = commands.OperatorAdjust(self.now(), number, symbol, signed_qty)
        self.host.perform(command, self.host.venue.operator_adjust)

    def bust(self, number: str, execution_id: str) -> None:
        """Undo a trade that has been executed."""
        command = commands.BustTrade(self.now(), number, execution_id)
        self.host.perform(command, self.host.venue.bust_trade)

    def thin_out(self, liquidity_fraction: Decimal) -> None:
        """Let accounts take only that part of the volume: what they order fills in pieces."""
        rules = replace(self.host.venue.ledger.rules, liquidity_fraction=liquidity_fraction)
        self.host.perform(commands.SetRules(self.now(), rules), self.host.venue.set_rules)

    def recover(self) -> None:
        """Have as much on offer as ever."""
        self.thin_out(commands.Rules().liquidity_fraction)

    def strike(self, fault: AccountFault) -> None:
        """Misbehave towards an account."""
        self.faults.install(fault)

    def clear_faults(self) -> None:
        """Misbehave no longer; the human goes home, and leaves no order behind."""
        self.faults.clear()
        self.host.faults.clear()  # where an order's doom waits for it
        self.recover()
        for order in self._by_hand:
            self.operator_cancel(order.account, order.id)
        self._by_hand.clear()

    def hang_up(self, who: str) -> None:
        """That daemon's process is gone: its connections are."""
        self.streams.hang_up(who)
        for hear in self.on_hang_up:
            hear(who)

    def cut(self) -> None:
        """Cut every stream."""
        self.streams.cut()
        for hear in tuple(self.on_cut):
            hear()

    # The truth

    def orders(self, number: str) -> list[Order]:
        """Every order ever of an account, in order of arrival."""
        return self.host.venue.ledger.account(number).orders

    def executions(self, number: str) -> list[Execution]:
        """Every trade of an account that stands, oldest first."""
        return self.host.venue.ledger.account(number).executions

    def busted(self, number: str) -> list[Execution]:
        """Every trade of an account that was undone."""
        return self.host.venue.ledger.account(number).busted

    def position(self, number: str, symbol: str) -> Decimal:
        """Signed shares."""
        return self.host.venue.ledger.account(number).position_qty(symbol)

    def cash(self, number: str) -> Decimal:
        """Dollars."""
        return self.host.venue.ledger.account(number).cash

    # For the ports

    def distance(self) -> Distance:
        """Of the next daemon that comes: its ways differ from those of the others."""
        seed, latency_s, spread = self._distances
        self._distances_count += 1
        return Distance(Random(f"distance {self._distances_count} {seed}"), latency_s, spread)

    def client_id_of(self, order_id: str) -> str:
        """Whose order that is; "" where there is none."""
        order = self.host.venue.ledger.orders.get(order_id)
        return "" if order is None else order.request.client_order_id

    def listen(self, listener: Callable[[list[Happening]], None]) -> None:
        """Hear everything that happens, in order."""
        self.host.listeners.append(listener)


def wired(value: object) -> Any:
    """As it would come out of the wire: decimals by their digits, nothing else than JSON."""
    return exact_json(orjson.dumps(value))
