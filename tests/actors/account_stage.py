"""A stage for the account manager in virtual time: a broker that answers as it is told."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from actors import broker_out, journal
from actors.account_book import AccountBook
from actors.account_messages import AttachSession, SubmitOrder, name_of
from actors.broker import AccountManager, AccountNeighbours, AccountRules
from actors.lanes import CONFLATE, LANES, NEVER_AGAIN
from actors.runtime import Actor, Address, Child, Runtime, SimulationHost, SupervisorSpec
from adapters.simulated.ledger import MemoryLedger
from adapters.simulated.rows import MemoryStore
from tests.trader.order_parts import AAPL, ACCOUNT, NOON, SESSION, px, qty
from tests.trader.session.session_world import ABLE
from trader.accounts.account import Balance
from trader.accounts.events import BalanceReported, StreamConnected
from trader.errors import StoreUnavailable
from trader.ids import AccountId, BrokerOrderId, ClientOrderId, InstrumentId, SessionId
from trader.money import Money
from trader.orders.events import OrderAbsent, OrderReported, QueryFailed
from trader.orders.order import Cancel, Fill, Order, Purpose, Replace
from trader.ports import (
    Accepted,
    AccountEvent,
    Answer,
    Capabilities,
    ExecutionsReported,
    LastGate,
    OrdersReported,
)
from trader.positions.events import BrokerPosition, PositionsReported
from trader.proofs import Recorded
from trader.records import HeldByAnother, Lease

T = TypeVar("T")
IBM = InstrumentId("IBM.SIM")
TTL_S = 20.0
CRASH = "crash"  # nobody understands it: whoever is told it dies of it


@dataclass
class Broker:
    """A broker behind the port. A question takes `takes_s`, an order `connect_s` to be written."""

    host: SimulationHost
    takes_s: float = 0.1
    connect_s: float = 0.0
    answer: Answer = field(default_factory=lambda: Accepted(BrokerOrderId("b1")))
    is_silent: bool = False  # a write is never answered
    fails: str = ""  # why no question is answered
    held: dict[InstrumentId, int] = field(default_factory=dict)
    fills: list[Any] = field(default_factory=list)
    known: dict[ClientOrderId, OrderReported] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)  # questions, in the order of their sending
    written: list[str] = field(default_factory=list)  # what got past the gate
    cursors: list[str | None] = field(default_factory=list)
    cash: int = 1000
    sink: Callable[[AccountEvent], None] = lambda event: None

    @property
    def capabilities(self) -> Capabilities:
        return ABLE

    async def start(self, sink: Callable[[AccountEvent], None]) -> None:
        self.sink = sink
        sink(StreamConnected(ACCOUNT))

    async def stop(self) -> None:
        self.sink = lambda event: None

    async def submit(self, order: Recorded[Order], gate: LastGate) -> Answer:
        return await self._write(order.item.id, gate)

    async def replace(self, change: Recorded[Replace], gate: LastGate) -> Answer:
        return await self._write(change.item.successor.id, gate)

    async def cancel(self, change: Recorded[Cancel], gate: LastGate) -> Answer:
        return await self._write(change.item.id, gate)

    async def find(
        self, client_order_id: ClientOrderId
    ) -> OrderReported | OrderAbsent | QueryFailed:
        asked_s = self.host.elapsed()
        failed = await self._ask("find")
        return failed or self.known.get(client_order_id) or OrderAbsent(client_order_id, asked_s)

    async def open_orders(self) -> OrdersReported | QueryFailed:
        asked_s = self.host.elapsed()
        failed = await self._ask("orders")
        return failed or OrdersReported(tuple(r.report for r in self.known.values()), asked_s)

    async def positions(self) -> PositionsReported | QueryFailed:
        asked_s = self.host.elapsed()
        held = tuple(
            BrokerPosition(instrument, qty(size), px(100), px(100))
            for instrument, size in self.held.items()
        )
        failed = await self._ask("positions")
        return failed or PositionsReported(ACCOUNT, held, asked_s, NOON)

    async def executions(self, cursor: str | None) -> ExecutionsReported | QueryFailed:
        self.cursors.append(cursor)
        fills = tuple(self.fills[int(cursor or 0) :])
        failed = await self._ask("executions")
        return failed or ExecutionsReported(fills, str(len(self.fills)), has_more=False)

    async def balance(self) -> BalanceReported | QueryFailed:
        asked_s = self.host.elapsed()
        failed = await self._ask("balance")
        return failed or BalanceReported(a_balance(self.cash), asked_s)

    async def _ask(self, what: str) -> QueryFailed | None:
        self.calls.append(what)
        await asyncio.sleep(self.takes_s)
        return QueryFailed(what, self.fails, self.host.elapsed()) if self.fails else None

    async def _write(self, written: str, gate: LastGate) -> Answer:
        await asyncio.sleep(self.connect_s)
        refusal = gate()
        if refusal is not None:
            return refusal
        self.written.append(written)
        await asyncio.sleep(1e9 if self.is_silent else self.takes_s)
        return self.answer


def a_balance(cash: int) -> Balance:
    """So much cash, and nothing else."""
    dollars = Money(qty(cash), "USD")
    return Balance(ACCOUNT, "PA1", dollars, dollars, dollars, False, NOON)


def a_fill(order: Order, size: int, number: int = 1) -> Fill:
    """One execution of that order."""
    return Fill(
        execution_id=f"{order.id}-{number}",
        account_id=order.account_id,
        instrument=order.instrument,
        client_order_id=order.id,
        broker_order_id=BrokerOrderId("b"),
        side=order.side,
        qty=qty(size),
        price=px(100),
        cum_qty=qty(size),
        happened_at=NOON,
        seen_at=NOON,
    )


class Ledger(MemoryLedger):
    """The ledger, which can be away, and can find the account in other hands."""

    is_down = False
    other: HeldByAnother | None = None

    async def renew(self, lease: Lease, ttl_s: float) -> Lease | HeldByAnother:
        self._answer()
        return self.other or await super().renew(lease, ttl_s)

    async def position_qtys(self, account_id: AccountId) -> Any:
        self._answer()
        return await super().position_qtys(account_id)

    async def executions_cursor(self, account_id: AccountId) -> str | None:
        self._answer()
        return await super().executions_cursor(account_id)

    def _answer(self) -> None:
        if self.is_down:
            raise StoreUnavailable("connection refused")


class Host(SimulationHost):
    """A host whose wall clock can be moved."""

    moved = timedelta()

    def now(self) -> datetime:
        return super().now() + self.moved


class Listener(Actor):
    """Keeps what it is told."""

    def __init__(self, told: list[Any]) -> None:
        super().__init__()
        self.told = told

    def on_receive(self, message: Any) -> None:
        self.told.append(message)


class Stage:
    """The account manager, and everybody around it as listeners."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.broker = Broker(host)
        self.rows = MemoryStore(host.now, host.elapsed)
        self.ledger = Ledger(self.rows)
        self.book = AccountBook(host.elapsed, ())
        self.halted = ""
        self.told: dict[str, list[Any]] = {}
        self.lease: Lease | None = None
        self.runtime = Runtime(
            host,
            lanes=LANES,
            conflate=CONFLATE,
            never_again=NEVER_AGAIN,
            on_lost=broker_out.lost,
        )

    @property
    def account(self) -> Address:
        return self.runtime.address(name_of(ACCOUNT))

    def actor(self) -> AccountManager:
        assert self.lease is not None
        at = self.runtime.address
        return AccountManager(
            AccountRules(ACCOUNT, self.lease, TTL_S),
            self.broker,
            self.ledger,
            self.book,
            AccountNeighbours(at(journal.NAME), at("portfolio"), at("sessions")),
            lambda: self.halted,
        )

    def listener(self, name: str) -> Child:
        told = self.told.setdefault(name, [])
        return Child(name, lambda: Listener(told))

    def heard(self, name: str, kind: type[T]) -> list[T]:
        """What that one was told of that kind."""
        return [each for each in self.told[name] if isinstance(each, kind)]

    def attach(
        self, name: str = "one", instrument: InstrumentId = AAPL.id, incarnation: int = 1
    ) -> None:
        """That listener is the session of that instrument."""
        session_id = SESSION if name == "one" else SessionId(name)
        address = self.runtime.address(name)
        self.account.tell(AttachSession(session_id, instrument, incarnation, address))

    def submit(self, order: Order, *, deadline_s: float = 10.0, attempt: int = 1) -> None:
        """Have the first session's order sent."""
        is_exit = order.purpose is not Purpose.ENTRY
        deadline_s += self.host.elapsed()
        proof = Recorded(order, NOON)
        reply_to = self.runtime.address("one")
        self.account.tell(SubmitOrder(proof, is_exit, deadline_s, attempt, reply_to))


def play(scenario: Callable[[Stage], Awaitable[None]]) -> None:
    """Run it in virtual time: two sessions, attached; the broker holds nothing."""
    host = Host(7)

    async def staged() -> None:
        stage = Stage(host)
        lease = await stage.ledger.claim(ACCOUNT, "us", TTL_S)
        assert isinstance(lease, Lease)
        stage.lease = lease
        names = ("one", "two", journal.NAME, "portfolio", "sessions")
        children = (*map(stage.listener, names), Child(name_of(ACCOUNT), stage.actor))
        await stage.runtime.start(SupervisorSpec("root", children, restarts_count_max=100))
        stage.attach("one", AAPL.id)
        stage.attach("two", IBM)
        await asyncio.sleep(0.5)
        try:
            await scenario(stage)
        finally:
            await stage.runtime.stop(grace_s=0.1)

    try:
        host.loop.run_until_complete(staged())
    finally:
        host.loop.close()
