"""What a simulated daemon is made of: fulfils `actors.app.wired.Wired`, with little around it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from actors.app.operator import Latch
from actors.desk import HouseDesk
from actors.runtime import Notice, Runtime, SimulationHost
from adapters.simulated.history import History as Past
from adapters.simulated.store import SimulatedStore
from trader.config import Settings
from trader.errors import StoreUnavailable
from trader.ids import AccountId
from trader.ports import Account, History, Journal, MarketFeed, Venue
from trader.records import Lease
from trader.views import OrderView


@dataclass(frozen=True, slots=True)
class SimulatedVenuePorts:
    """One login's four ports."""

    account: Account
    feed: MarketFeed
    history: History
    venue: Venue


@dataclass(frozen=True, slots=True)
class Alarmed:
    """A daemon said loudly that it found a difference to its broker."""

    at_s: float
    who: str
    kind: str


@dataclass(frozen=True, slots=True)
class Noticed:
    """What the runtime of a daemon said of its actors."""

    at_s: float
    who: str
    notice: Notice


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts nothing, and has the findings in the history."""

    history: Past
    elapsed: Callable[[], float]
    who: str

    def reconcile_broke(self, kind: str) -> None:
        """An alarm."""
        self.history.note(Alarmed(self.elapsed(), self.who, kind))

    def order_acknowledged(self, took_s: float) -> None:
        """Nothing."""

    def bar_decided(self, took_s: float) -> None:
        """Nothing."""


class NoReads:
    """The desk answers from its actors alone: nobody asks for pages of rows here."""

    async def orders(self, **_: object) -> tuple[OrderView, ...]:
        """None."""
        raise StoreUnavailable("no pages in the simulation")

    order: Any = orders
    fills: Any = orders
    trades: Any = orders
    decisions: Any = orders


@dataclass
class SimulatedHouse:
    """Fulfils `actors.app.wired.Wired`."""

    settings: Settings
    host: SimulationHost
    runtime: Runtime
    store: SimulatedStore
    venues: dict[AccountId, SimulatedVenuePorts]
    latch: Latch
    leases: dict[AccountId, Lease]
    metrics: Counts
    desk: HouseDesk | None = None
    ousted_because: asyncio.Future[str] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def ousted(self, why: str) -> None:
        """Another daemon owns an account: this process is to end."""
        if not self.ousted_because.done():
            self.ousted_because.set_result(why)

    @property
    def written(self) -> Journal:
        """The store's own."""
        return self.store.journal


class CalendarTimers:
    """Calendar jobs on the virtual clock."""

    def __init__(self, host: SimulationHost) -> None:
        self._host = host

    def at(self, name: str, instant: datetime, callback: Callable[[], None]) -> None:
        """Call back then, or at once where it has passed."""
        del name
        delay_s = (instant - self._host.now()).total_seconds()
        self._host.loop.call_later(max(0.0, delay_s), callback)
