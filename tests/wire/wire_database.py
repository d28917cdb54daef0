"""A real PostgreSQL, the ways to it, and the daemon's own store on it."""

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
from store.store_parts import (
    AAPL,
    ACCOUNT,
    SESSION,
    a_cursor,
    a_fence,
    a_fill,
    an_id,
    an_order,
    an_order_entry,
    progress,
)
from wire.proxy import PATIENCE_S, Proxy

from actors import journal
from actors.backlog import Backlog
from actors.journal import DescribeJournal, Journal, JournalView, KeepEntry, RecordEntry
from actors.lanes import CONFLATE, LANES
from actors.runtime import Actor, AsyncioHost, Child, Runtime, SupervisorSpec
from adapters.store.connect import readers
from adapters.store.ledger import PostgresLedger
from adapters.store.postgres import PostgresJournal
from adapters.store.spool import DiskFile, FileSpool
from trader.errors import StoreUnavailable
from trader.orders.events import OrderRecorded, RecordRefused
from trader.orders.order import Purpose
from trader.proofs import Cleared
from trader.records import Entry, Lease, OrderEntry, Outcome
from trader.session.events import StoreChanged

T = TypeVar("T")
TTL_S = 60.0
RESTART_S = 40.0  # a server that crashed, on a busy disk
TIMEOUT_S = 0.4  # of a command; the server ends a statement at nine tenths of it
_numbers = itertools.count(1)


def through(proxy: Proxy, url: str) -> str:
    """The same database, by TCP and through the proxy."""
    return f"postgresql://trader@127.0.0.1:{proxy.port}{urlsplit(url).path}"


async def begin(url: str, holder: str = "house-a") -> Lease:
    """Hold the account; begin its session."""
    async with readers(url) as pool:
        ledger = PostgresLedger(pool, elapsed=lambda: 0.0)
        lease = await ledger.claim(ACCOUNT, holder, TTL_S)
        assert isinstance(lease, Lease)
        await ledger.begin_session(SESSION, ACCOUNT, AAPL, lease.epoch)
    return lease


async def expire(url: str) -> None:
    """The server's clock passes the end of every lease."""
    async with readers(url) as pool:
        await pool.execute("update leases set expires_at = now() - interval '1 second'")


async def fetch(url: str, question: str) -> Any:
    """One value, by a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def order_ids(url: str) -> set[str]:
    """The orders that have a row."""
    return set(await fetch(url, "select coalesce(array_agg(id), '{}') from orders"))


def a_life(n: int = 1) -> list[Entry]:
    """An order's whole life in one batch: recorded, filled, and how far executions were read."""
    return [
        an_order_entry(n),
        progress(n=n),
        a_fill(f"x{n}", n=n, qty=4, position_qty=4, happened_at=datetime(2026, 3, 2, tzinfo=UTC)),
        a_cursor(f"c{n}"),
    ]


async def lives(url: str) -> tuple[Any, ...]:
    """What `a_life` leaves: orders, events, fills, position, jobs, cursor."""
    connection = await asyncpg.connect(url)
    try:
        row = await connection.fetchrow(
            "select (select count(*) from orders), (select count(*) from order_events),"
            " (select count(*) from fills), (select qty from positions),"
            " (select count(*) from pgqueuer), (select cursor from execution_cursors)"
        )
    finally:
        await connection.close()
    assert row is not None
    return tuple(row)


async def until_written(store: PostgresJournal, entries: list[Entry]) -> tuple[Outcome, ...]:
    """As the journal's actor does: the very same batch again, until there is an answer."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(StoreUnavailable):
                return await store.write(entries)
            await asyncio.sleep(0.005)


async def until(condition: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
    """Look, often, until it holds."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


class Server:
    """A running PostgreSQL of our own, which is started again whenever it ends."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    @property
    def postmaster(self) -> int:
        """Its main process."""
        return int((self.folder / "cluster" / "postmaster.pid").read_text().split()[0])

    def everyone(self) -> list[int]:
        """All its processes, backends too."""
        found = []
        for each in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if Path(os.readlink(each / "cwd")) == self.folder / "cluster":
                    found.append(int(each.name))
        return found

    @contextlib.contextmanager
    def without_a_wal_writer(self) -> Iterator[None]:
        """Nothing is flushed but by those who wait for it."""
        titles = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in self.everyone()}
        (writer,) = (pid for pid, title in titles.items() if b"walwriter" in title)
        os.kill(writer, signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(writer, signal.SIGCONT)

    def kill_everyone(self) -> None:
        """As the machine does when its power goes, but for what the kernel still writes."""
        for pid in self.everyone():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def database(self) -> str:
        """A fresh one, with the schema in it."""
        name = f"wire_{os.getpid()}_{next(_numbers)}"
        connection = await asyncpg.connect(self.url)
        await connection.execute(f"create database {name} template migrated")
        await connection.close()
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()

    async def answers(self) -> None:
        """Until it takes connections again."""
        async with asyncio.timeout(RESTART_S):
            while True:
                with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    await fetch(self.url, "select 1")
                    return
                await asyncio.sleep(0.01)


class Asker(Actor):
    """Keeps what it is told."""

    def __init__(self, told: list[Any], heard: Callable[[Any], None]) -> None:
        super().__init__()
        self._told = told
        self._heard = heard

    def on_start(self) -> None:
        self.runtime.subscribe(journal.TOPIC, self.address)

    def on_receive(self, message: Any) -> None:
        self._told.append(message)
        self._heard(message)


class JournalStage:
    """The journal's actor in real time, on the real store and spool, and one who asks it."""

    def __init__(self, url: str, folder: Path, command_timeout_s: float) -> None:
        host = AsyncioHost()
        self.store = PostgresJournal(url, command_timeout_s)
        file = DiskFile(folder / "exits.spool")
        self.spool = FileSpool(file, host.now, records_count_max=400)
        self.backlog = Backlog()
        self.told: list[Any] = []
        self.heard: Callable[[Any], None] = lambda message: None
        self.runtime = Runtime(host, lanes=LANES, conflate=CONFLATE)

    def record(self, n: int, *, is_exit: bool = False) -> None:
        """Ask for the session's n-th order to be recorded."""
        purpose = Purpose.EXIT if is_exit else Purpose.ENTRY
        entry = OrderEntry(Cleared(an_order(n, purpose=purpose)), a_fence(), is_exit)
        address = self.runtime.address
        address(journal.NAME).tell(RecordEntry(entry, address("asker")))

    def keep(self, entry: Entry) -> None:
        """Progress."""
        self.runtime.address(journal.NAME).tell(KeepEntry(entry))

    async def view(self) -> JournalView:
        """How the journal says that it stands."""
        view = await self.runtime.address(journal.NAME).ask(DescribeJournal(), PATIENCE_S)
        assert isinstance(view, JournalView)
        return view

    def of(self, kind: type[T]) -> list[T]:
        """What the asker was told of that kind."""
        return [each for each in self.told if isinstance(each, kind)]

    @property
    def recorded(self) -> dict[str, OrderRecorded]:
        """The first answer that lets an order go, by its id."""
        return {each.order.item.id: each for each in reversed(self.of(OrderRecorded))}

    @property
    def refused(self) -> set[str]:
        """The ids of the orders that were not to go."""
        return {each.order_id for each in self.of(RecordRefused)}

    async def answered(self, *numbers: int) -> None:
        """Until each of these orders has its answer; what is under way waits for the server."""
        wanted = {an_id(n) for n in numbers}
        await until(lambda: wanted <= self.recorded.keys() | self.refused, RESTART_S)

    async def is_down(self) -> StoreChanged:
        """Until it is said that the store is away."""
        await until(lambda: any(not each.is_up for each in self.of(StoreChanged)))
        return next(each for each in self.of(StoreChanged) if not each.is_up)

    async def is_up(self) -> None:
        """Until it is said that it is back."""
        await until(
            lambda: bool(self.of(StoreChanged)) and self.of(StoreChanged)[-1].is_up, RESTART_S
        )

    def _listen(self, message: Any) -> None:
        self.heard(message)


@contextlib.asynccontextmanager
async def journal_stage(
    url: str, folder: Path, command_timeout_s: float = TIMEOUT_S
) -> AsyncIterator[JournalStage]:
    """The stage, up; the session must have been begun."""
    stage = JournalStage(url, folder, command_timeout_s)
    actor = Child(
        journal.NAME,
        lambda: Journal(
            stage.store, stage.spool, stage.backlog, pending_max=10_000, degraded_after_s=0.5
        ),
    )
    asker = Child("asker", lambda: Asker(stage.told, stage._listen))
    await stage.runtime.start(SupervisorSpec("root", (asker, actor)))
    try:
        yield stage
    finally:
        await stage.runtime.stop()
        stage.store.close()
        stage.spool.close()
