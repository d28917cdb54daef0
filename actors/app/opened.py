"""What is open while the house stands: for the wiring, the doors, the drills and the demo."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from actors.app.counted import CountedJournal
from actors.app.operator import Latch
from actors.app.venues import SandboxProcess
from actors.runtime import AsyncioHost, Runtime
from adapters.brokers.alpaca import AlpacaVenue
from adapters.folders import Folders
from adapters.gateway.metrics import Metrics
from adapters.store.store import Store
from trader.config import Settings
from trader.ids import AccountId
from trader.ports import Journal
from trader.records import Lease


@dataclass
class House:
    """Everything opened, in the order of opening."""

    settings: Settings
    folders: Folders
    host: AsyncioHost
    runtime: Runtime
    store: Store
    venues: dict[AccountId, AlpacaVenue]
    sandbox: SandboxProcess | None
    latch: Latch
    leases: dict[AccountId, Lease]
    boot_id: str
    started_at: datetime
    metrics: Metrics
    ousted_because: asyncio.Future[str] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def ousted(self, why: str) -> None:
        """Another daemon owns an account: this process is to end."""
        if not self.ousted_because.done():
            self.ousted_because.set_result(why)

    @cached_property
    def written(self) -> Journal:
        """The store's journal, counted and told of."""
        return CountedJournal(self.store.journal, self.metrics, self.host.elapsed)
