"""A stage for the journal's actor in virtual time: the store in memory, which can be away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from actors import journal
from actors.backlog import Backlog
from actors.journal import DescribeJournal, Journal, JournalView, KeepEntry, RecordEntry
from actors.lanes import CONFLATE, LANES
from actors.runtime import Actor, Address, Child, Exit, Runtime, SimulationHost, SupervisorSpec
from adapters.simulated.journal import MemoryJournal
from adapters.simulated.ledger import MemoryLedger
from adapters.simulated.rows import MemoryStore
from tests.store.store_parts import AAPL, ACCOUNT, NOON, SESSION, a_fence, an_order
from trader.errors import StoreUnavailable
from trader.orders.order import Change, Order, Purpose
from trader.proofs import Cleared, Durability, Recorded
from trader.records import (
    ChangeEntry,
    Entry,
    Fence,
    NotKept,
    OrderEntry,
    Outcome,
)

T = TypeVar("T")
PENDING_MAX = 20
CRASH = "crash"  # nobody understands it: whoever is told it dies of it


@dataclass
class Store:
    """The store: slow, away, or losing its answers, as it is told."""

    journal: MemoryJournal
    takes_s: float = 0.005
    is_down: bool = False
    answers: asyncio.Event = field(default_factory=asyncio.Event)  # cleared: it hangs
    answers_lost: int = 0  # so many writes are committed and never said to be
    batches: list[list[Entry]] = field(default_factory=list)  # as asked, the repeated ones too
    adopting: asyncio.Event = field(default_factory=asyncio.Event)  # a replay has begun
    poison: str = ""  # the order id that cannot be stored

    async def write(self, entries: Sequence[Entry]) -> tuple[Outcome, ...]:
        self.batches.append(list(entries))
        await self._answer()
        outcomes = await self.journal.write([e for e in entries if not self._is_poison(e)])
        if self.answers_lost:
            self.answers_lost -= 1
            raise StoreUnavailable("the connection was lost after the commit")
        kept = iter(outcomes)
        return tuple(
            NotKept("bad_data", "poison") if self._is_poison(e) else next(kept) for e in entries
        )

    async def adopt(self, records: Sequence[tuple[Order | Change, Fence]]) -> tuple[Outcome, ...]:
        self.adopting.set()
        await self._answer()
        return await self.journal.adopt(records)

    async def _answer(self) -> None:
        await asyncio.sleep(self.takes_s)
        await self.answers.wait()
        if self.is_down:
            raise StoreUnavailable("connection refused")

    def _is_poison(self, entry: Entry) -> bool:
        return isinstance(entry, OrderEntry) and entry.order.item.id == self.poison


@dataclass
class Spool:
    """The spool, in memory."""

    now: datetime = NOON
    records: list[tuple[Order | Change, Fence]] = field(default_factory=list)
    appended: int = 0
    is_broken: bool = False
    takes_s: float = 0.001
    under_way: int = 0

    def record_count(self) -> int:
        return len(self.records) + self.under_way

    async def append(self, entry: OrderEntry | ChangeEntry) -> Recorded[Order] | Recorded[Change]:
        self.under_way += 1
        await asyncio.sleep(self.takes_s)
        self.under_way -= 1
        if self.is_broken:
            raise OSError("read-only file system")
        item = entry.order.item if isinstance(entry, OrderEntry) else entry.change.item
        self.records.append((item, entry.fence))
        self.appended += 1
        return Recorded(item, self.now, Durability.SPOOL)  # type: ignore[return-value]

    async def replay(self, journal: Any) -> int:
        given = list(self.records)
        outcomes = await journal.adopt(given)
        del self.records[: len(given)]
        return len(outcomes)


class Asker(Actor):
    """Keeps what it is told."""

    def __init__(self, told: list[Any]) -> None:
        super().__init__()
        self.told = told

    def on_start(self) -> None:
        self.runtime.subscribe(journal.TOPIC, self.address)

    def on_receive(self, message: Any) -> None:
        if message == CRASH:
            raise RuntimeError("as told")
        self.told.append(message)


class Stage:
    """The journal, one asker, and what lies behind."""

    def __init__(self, host: SimulationHost) -> None:
        self.host = host
        self.rows = MemoryStore(host.now, host.elapsed)
        self.store = Store(MemoryJournal(self.rows))
        self.store.answers.set()
        self.spool = Spool()
        self.backlog = Backlog()
        self.told: list[Any] = []
        self.exits: list[Exit] = []
        self.runtime = Runtime(host, lanes=LANES, conflate=CONFLATE)
        self.runtime.listen(
            lambda notice: self.exits.append(notice) if isinstance(notice, Exit) else None
        )

    @property
    def journal(self) -> Address:
        return self.runtime.address(journal.NAME)

    @property
    def asker(self) -> Address:
        return self.runtime.address("asker")

    def actor(self) -> Journal:
        return Journal(
            self.store, self.spool, self.backlog, pending_max=PENDING_MAX, degraded_after_s=0.5
        )

    def an_entry(self, n: int, *, is_exit: bool = False) -> OrderEntry:
        purpose = Purpose.EXIT if is_exit else Purpose.ENTRY
        return OrderEntry(Cleared(an_order(n, purpose=purpose)), a_fence(), is_exit)

    def record(self, n: int, *, is_exit: bool = False) -> None:
        """Ask for the session's n-th order to be recorded."""
        self.journal.tell(RecordEntry(self.an_entry(n, is_exit=is_exit), self.asker))

    def keep(self, entry: Entry) -> None:
        self.journal.tell(KeepEntry(entry))

    def of(self, kind: type[T]) -> list[T]:
        """What the asker was told of that kind."""
        return [each for each in self.told if isinstance(each, kind)]

    async def view(self) -> JournalView:
        """How the journal says that it stands."""
        return await self.journal.ask(DescribeJournal(), 1.0)

    def statuses(self) -> dict[str, str]:
        """Every order row, and where it stands."""
        return {order_id: row.status.value for order_id, row in self.rows.orders.items()}


def play(scenario: Callable[[Stage], Awaitable[None]], seed: int = 7) -> None:
    """Run it in virtual time."""
    host = SimulationHost(seed)

    async def staged_scenario() -> None:
        async with staged(host) as stage:
            await scenario(stage)

    try:
        host.loop.run_until_complete(staged_scenario())
    finally:
        host.loop.close()


@asynccontextmanager
async def staged(host: SimulationHost) -> AsyncIterator[Stage]:
    """The stage, up; the session is begun, so that the store takes its rows."""
    stage = Stage(host)
    ledger = MemoryLedger(stage.rows)
    await ledger.claim(ACCOUNT, "us", 1_000_000.0)
    await ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)
    await stage.runtime.start(
        SupervisorSpec(
            "root",
            (Child("asker", lambda: Asker(stage.told)), Child(journal.NAME, stage.actor)),
            restarts_count_max=1_000,
        )
    )
    try:
        yield stage
    finally:
        stage.store.answers.set()
        await stage.runtime.stop()
