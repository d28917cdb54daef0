"""What the wiring needs of a house, whichever it is: the daemon's, or one in the simulation."""

from collections.abc import Mapping
from typing import Protocol

from actors.desk_needs import Commands, Latch
from actors.job_runner import Worker
from actors.runtime import Runtime
from adapters.store.portfolio import StoredLimits
from trader.config import Settings
from trader.ids import AccountId
from trader.ports import Account, History, Journal, Ledger, MarketFeed, Spool, Venue
from trader.records import Lease


class VenuePorts(Protocol):
    """One login's four ports."""

    @property
    def account(self) -> Account:
        """Orders, and what became of them."""
        ...

    @property
    def feed(self) -> MarketFeed:
        """Ticks and bars."""
        ...

    @property
    def history(self) -> History:
        """Bars of the past."""
        ...

    @property
    def venue(self) -> Venue:
        """Hours, and what is traded."""
        ...


class LimitsRows(Protocol):
    """The portfolio's limits as rows."""

    async def ensure(self, first: StoredLimits, changed_by: str) -> StoredLimits:
        """The newest version; the given one becomes it where there is none."""
        ...


class StorePorts(Protocol):
    """Everything that reads or writes rows for the actors."""

    @property
    def journal(self) -> Journal:
        """Where rows are written."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Where they are loaded from."""
        ...

    @property
    def spool(self) -> Spool:
        """Where exits are recorded while the database is away."""
        ...

    @property
    def jobs(self) -> Worker | None:
        """Heavy work; None: there is none."""
        ...

    @property
    def operator(self) -> Commands:
        """Commands and the trading state."""
        ...

    @property
    def portfolio(self) -> LimitsRows:
        """The portfolio's limits."""
        ...


class Counts(Protocol):
    """What is counted on the way."""

    def reconcile_broke(self, kind: str) -> None:
        """Broker, memory and database differed."""
        ...

    def order_acknowledged(self, took_s: float) -> None:
        """The venue answered so late."""
        ...

    def bar_decided(self, took_s: float) -> None:
        """A strategy answered so late."""
        ...


class Clock(Protocol):
    """Ages."""

    def elapsed(self) -> float:
        """Seconds since some fixed instant."""
        ...


class Wired(Protocol):
    """A house, as the wiring sees it."""

    @property
    def settings(self) -> Settings:
        """The configuration."""
        ...

    @property
    def host(self) -> Clock:
        """The outside world of the runtime."""
        ...

    @property
    def runtime(self) -> Runtime:
        """The engine room."""
        ...

    @property
    def store(self) -> StorePorts:
        """The rows."""
        ...

    @property
    def venues(self) -> Mapping[AccountId, VenuePorts]:
        """The logins."""
        ...

    @property
    def latch(self) -> Latch:
        """The operator's word."""
        ...

    @property
    def leases(self) -> Mapping[AccountId, Lease]:
        """What this daemon owns."""
        ...

    @property
    def metrics(self) -> Counts:
        """What is counted."""
        ...

    def ousted(self, why: str) -> None:
        """Another daemon owns an account: this process is to end."""
        ...

    @property
    def written(self) -> Journal:
        """Where the journal's actor writes: the store's, counted and told of in the daemon."""
        ...
