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
    def account(self) -> Account: ...
    @property
    def feed(self) -> MarketFeed: ...
    @property
    def history(self) -> History: ...
    @property
    def venue(self) -> Venue: ...


class LimitsRows(Protocol):
    """The portfolio's limits as rows."""

    async def ensure(self, first: StoredLimits, changed_by: str) -> StoredLimits:
        """The newest version; the given one becomes it where there is none."""
        ...


class StorePorts(Protocol):
    """Everything that reads or writes rows for the actors."""

    @property
    def journal(self) -> Journal: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def spool(self) -> Spool: ...
    @property
    def jobs(self) -> Worker | None: ...
    @property
    def operator(self) -> Commands: ...
    @property
    def portfolio(self) -> LimitsRows: ...


class Counts(Protocol):
    """What is counted on the way."""

    def reconcile_broke(self, kind: str) -> None: ...
    def order_acknowledged(self, took_s: float) -> None: ...
    def bar_decided(self, took_s: float) -> None: ...


class Clock(Protocol):
    """Ages."""

    def elapsed(self) -> float: ...


class Wired(Protocol):
    """A house, as the wiring sees it."""

    @property
    def settings(self) -> Settings: ...
    @property
    def host(self) -> Clock: ...
    @property
    def runtime(self) -> Runtime: ...
    @property
    def store(self) -> StorePorts: ...
    @property
    def venues(self) -> Mapping[AccountId, VenuePorts]: ...
    @property
    def latch(self) -> Latch: ...
    @property
    def leases(self) -> Mapping[AccountId, Lease]: ...
    @property
    def metrics(self) -> Counts: ...
    def ousted(self, why: str) -> None:
        """Another daemon owns an account: this process is to end."""
        ...

    @property
    def written(self) -> Journal:
        """Where the journal's actor writes: the store's, counted and told of in the daemon."""
        ...
