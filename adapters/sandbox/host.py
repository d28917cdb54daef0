"""The venue brought to life: the pure venue, its clock, its memory and those who listen.

`perform` is the one way in: fold the command, write it down, then tell the listeners. Nothing is
awaited between the three, so whoever hears of a change can rely on its surviving a kill.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeVar

from adapters.sandbox import commands
from adapters.sandbox.clock import VenueClock
from adapters.sandbox.events import Happening
from adapters.sandbox.faults import FaultBoard
from adapters.sandbox.orders import Fate, Order, OrderRequest, Status
from adapters.sandbox.venue import Venue

C = TypeVar("C", bound=commands.Command)
R = TypeVar("R")

PENDING = (Status.PENDING_NEW, Status.PENDING_CANCEL)


class Memory(Protocol):
    """Where each command is kept before anybody hears of what it did."""

    def append(self, command: commands.Command) -> None:
        """Write one command."""
        ...


class Host:
    """Owns the venue; the doors (wire, streams, control) and the pacer work through it."""

    def __init__(self, venue: Venue, clock: VenueClock, journal: Memory, latency_s: float) -> None:
        self.venue = venue
        self.clock = clock
        self.faults = FaultBoard()
        self.latency_s = latency_s  # of the host, between an answer and what follows from it
        self.listeners: list[Callable[[list[Happening]], None]] = []
        self._journal = journal
        self._timers: set[asyncio.TimerHandle] = set()

    def now(self) -> datetime:
        """The venue's instant; never before what has already happened."""
        return max(self.clock.now(), self.venue.ledger.now)

    def tell_time(self) -> datetime:
        """The instant for somebody outside: a restart of the venue goes on from there."""
        return self.perform(commands.TellTime(self.now()), self.venue.tell_time)

    def perform(self, command: C, act: Callable[[C], R]) -> R:
        """Let the venue act on a command, keep it, tell of it. A refusal leaves no trace."""
        result = act(command)
        self._journal.append(command)
        happenings, self.venue.ledger.outbox = self.venue.ledger.outbox, []
        if happenings:
            for listener in self.listeners:
                listener(happenings)
        return result

    def resume_pending(self) -> None:
        """After a restart: get round to what was pending when the venue died."""
        for order in self.venue.ledger.open_orders():
            if order.status in PENDING:
                self.settle_soon(order)

    def settle_soon(self, order: Order) -> None:
        """Get round to what is pending on an order: after the latency, or now if there is none."""
        if not self.latency_s:
            self._settle(order.id)
            return
        timer: asyncio.TimerHandle

        def due() -> None:
            self._timers.discard(timer)
            self._settle(order.id)

        timer = asyncio.get_running_loop().call_later(self.latency_s, due)
        self._timers.add(timer)

    def submit(self, account: str, request: OrderRequest, fate: Fate) -> Order:
        """Take an order in; whoever calls this has it settled."""
        return self.perform(
            commands.Submit(self.now(), account, request, fate), self.venue.lifecycle.submit
        )

    def request_cancel(self, account: str, order_id: str) -> Order:
        """Ask for an order to be cancelled; whoever calls this has it settled."""
        return self.perform(
            commands.RequestCancel(self.now(), account, order_id),
            self.venue.lifecycle.request_cancel,
        )

    def stop(self) -> None:
        """Drop the timers; what they were for is still pending in the journal."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _settle(self, order_id: str) -> None:
        self.perform(commands.Settle(self.now(), order_id), self.venue.lifecycle.settle)
