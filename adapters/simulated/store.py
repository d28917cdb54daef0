"""The store in memory, by the same contract as PostgreSQL's: for the simulation host and tests.

`MemoryStore` is the database: it outlives the journals and ledgers over it, as rows outlive a
daemon. Time comes from the host; nothing here waits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import assert_never

from trader.accounts.account import Balance
from trader.errors import Fenced, StoreError
from trader.ids import AccountId, BrokerOrderId, ClientOrderId, InstrumentId, SessionId
from trader.money import NO_QTY, ZERO, Price, Quantity
from trader.orders.order import Cancel, Change, Fill, Order, Replace, Status
from trader.proofs import Recorded
from trader.records import (
    AdjustmentEntry,
    BalanceEntry,
    ChangeEntry,
    CursorEntry,
    DecisionEntry,
    Entry,
    Fence,
    FillEntry,
    HeldByAnother,
    Kept,
    Lease,
    NotKept,
    OrderEntry,
    Outcome,
    ProgressEntry,
    SessionRows,
    StoredOrder,
)

_ORDERS_LOADED_FOR = timedelta(hours=24)
_EXECUTIONS_LOADED_FOR = timedelta(days=7)
_ACTING_PART_OF_TTL = 0.8


@dataclass(slots=True)
class OrderRow:
    """One order as it stands, with its events, oldest first; the first is its recording."""

    order: Order
    recorded_at: datetime
    status: Status = Status.INITIALIZED
    broker_order_id: BrokerOrderId | None = None
    cum_qty: Quantity = NO_QTY
    avg_px: Price | None = None
    reason_code: str = ""
    events: list[ProgressEntry] = field(default_factory=list)  # without the recording


@dataclass(slots=True)
class ChangeRow:
    """One request, and how many events its target had when it was made."""

    change: Change
    recorded_at: datetime
    after_count: int


@dataclass(frozen=True, slots=True)
class PositionRow:
    """A session's position."""

    account_id: AccountId
    qty: Quantity
    avg_px: Price | None
    realized: Decimal


@dataclass(slots=True)
class _LeaseRow:
    holder: str
    epoch: int
    expires_at: datetime


@dataclass(slots=True)
class _SessionRow:
    account_id: AccountId
    instrument: InstrumentId
    incarnation: int = 0


@dataclass(slots=True)
class MemoryStore:
    """The rows. Checkers read them; nobody but a journal or a ledger writes them."""

    now: Callable[[], datetime]
    elapsed: Callable[[], float]
    leases: dict[AccountId, _LeaseRow] = field(default_factory=dict)
    sessions: dict[SessionId, _SessionRow] = field(default_factory=dict)
    orders: dict[ClientOrderId, OrderRow] = field(default_factory=dict)
    changes: dict[ClientOrderId, ChangeRow] = field(default_factory=dict)
    fills: dict[tuple[AccountId, str], FillEntry] = field(default_factory=dict)
    adjustments: dict[str, AdjustmentEntry] = field(default_factory=dict)
    positions: dict[SessionId, PositionRow] = field(default_factory=dict)
    balances: list[Balance] = field(default_factory=list)
    decisions: list[DecisionEntry] = field(default_factory=list)
    cursors: dict[AccountId, str] = field(default_factory=dict)


class MemoryJournal:
    """Fulfils `trader.ports.Journal` over a `MemoryStore`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def write(self, entries: Sequence[Entry]) -> tuple[Outcome, ...]:
        """Keep the entries; one outcome each."""
        replayed = self._replayed(entries)
        outcomes: list[Outcome] = []
        lost: set[AccountId] = set()
        for place, entry in enumerate(entries):
            account_id = entry.fence.account_id
            if refused := self._refused(entry):
                outcomes.append(refused)
            elif isinstance(entry, CursorEntry) and account_id in lost:
                outcomes.append(NotKept("fill_not_kept", ""))
            else:
                outcomes.append(Kept() if place in replayed else self._keep(entry))
            if isinstance(entry, FillEntry) and isinstance(outcomes[-1], NotKept):
                lost.add(account_id)
        return tuple(outcomes)

    async def adopt(self, records: Sequence[tuple[Order | Change, Fence]]) -> tuple[Outcome, ...]:
        """Insert spooled records, exempt from the fence, changing nothing."""
        for item, _ in records:
            self._keep_item(item)
        return (Kept(),) * len(records)

    def _refused(self, entry: Entry) -> NotKept | None:
        fence = entry.fence
        lease = self._store.leases.get(fence.account_id)
        if lease is None or lease.epoch != fence.epoch:
            return NotKept("fenced_epoch", f"epoch {fence.epoch} does not hold {fence.account_id}")
        session = self._store.sessions.get(fence.session_id)
        if fence.session_id and (session is None or session.incarnation != fence.incarnation):
            detail = f"incarnation {fence.incarnation} of {fence.session_id} is not the newest"
            return NotKept("fenced_incarnation", detail)
        if isinstance(entry, ProgressEntry) and entry.order_id not in self._store.orders:
            return NotKept("unknown_order", "")
        return None

    def _replayed(self, entries: Sequence[Entry]) -> set[int]:
        """Places of progress that is the end of its order's history already: the batch again."""
        places: dict[ClientOrderId, list[int]] = {}
        for place, entry in enumerate(entries):
            if isinstance(entry, ProgressEntry):
                places.setdefault(entry.order_id, []).append(place)
        replayed: set[int] = set()
        for order_id, ours in places.items():
            row = self._store.orders.get(order_id)
            events = row.events if row is not None else []
            for count in range(min(len(ours), len(events)), 0, -1):
                if [entries[place] for place in ours[:count]] == events[-count:]:
                    replayed.update(ours[:count])
                    break
        return replayed

    def _keep(self, entry: Entry) -> Outcome:
        store = self._store
        match entry:
            case OrderEntry():
                return self._keep_item(entry.order.item)
            case ChangeEntry():
                return self._keep_item(entry.change.item)
            case ProgressEntry():
                self._move(store.orders[entry.order_id], entry)
            case FillEntry():
                self._fill(entry)
            case AdjustmentEntry():
                self._adjust(entry)
            case BalanceEntry():
                newest = self._newest_balance(entry.balance.account_id)
                if newest is None or not newest.says_the_same_as(entry.balance):
                    store.balances.append(entry.balance)
            case DecisionEntry():
                if entry not in store.decisions:
                    store.decisions.append(entry)
            case CursorEntry():
                store.cursors[entry.fence.account_id] = entry.cursor
            case _:
                assert_never(entry)
        return Kept()

    def _keep_item(self, item: Order | Change) -> Kept:
        match item:
            case Order():
                is_new = self._keep_order(item)
                row = self._store.orders[item.id]
                recorded = Recorded(row.order, row.recorded_at)
                return Kept(recorded, was_stored=not is_new, stored_status=row.status)
            case Replace():
                self._keep_order(item.successor)
                successor = self._store.orders[item.successor.id]
                return self._keep_change(item.successor.id, item, successor.status)
            case Cancel():
                return self._keep_change(item.id, item, Status.INITIALIZED)
            case _:
                assert_never(item)

    def _keep_order(self, order: Order) -> bool:
        if order.id in self._store.orders:
            return False
        self._store.orders[order.id] = OrderRow(order, self._store.now())
        return True

    def _keep_change(self, key: ClientOrderId, change: Change, status: Status) -> Kept:
        is_new = key not in self._store.changes
        if is_new:
            target = self._store.orders.get(change.target)
            after_count = len(target.events) if target is not None else 0
            self._store.changes[key] = ChangeRow(change, self._store.now(), after_count)
        row = self._store.changes[key]
        recorded: Recorded[Change] = Recorded(row.change, row.recorded_at)
        return Kept(recorded, was_stored=not is_new, stored_status=status)

    def _move(self, row: OrderRow, entry: ProgressEntry) -> None:
        row.events.append(entry)
        row.status = entry.status
        row.broker_order_id = entry.broker_order_id or row.broker_order_id
        row.cum_qty = entry.cum_qty
        row.avg_px = entry.avg_px
        row.reason_code = entry.reason_code

    def _fill(self, entry: FillEntry) -> None:
        key = (entry.fill.account_id, entry.fill.execution_id)
        if key not in self._store.fills:
            self._store.fills[key] = entry
            self._store.positions[entry.fence.session_id] = PositionRow(
                entry.fill.account_id, entry.position_qty, entry.position_avg_px, entry.realized
            )

    def _adjust(self, entry: AdjustmentEntry) -> None:
        if entry.key not in self._store.adjustments:
            self._store.adjustments[entry.key] = entry
            before = self._store.positions.get(entry.fence.session_id)
            self._store.positions[entry.fence.session_id] = PositionRow(
                entry.fence.account_id,
                entry.to_qty,
                entry.to_avg_px,
                before.realized if before is not None else ZERO,
            )

    def _newest_balance(self, account_id: AccountId) -> Balance | None:
        of_account = [b for b in self._store.balances if b.account_id == account_id]
        return of_account[-1] if of_account else None


class MemoryLedger:
    """Fulfils `trader.ports.Ledger` over a `MemoryStore`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def claim(
        self, account_id: AccountId, holder: str, ttl_s: float
    ) -> Lease | HeldByAnother:
        """Take or retake the account's lease."""
        store = self._store
        row = store.leases.setdefault(account_id, _LeaseRow(holder, 1, store.now()))
        if row.holder != holder:
            if row.expires_at >= store.now():
                return HeldByAnother(account_id, row.holder, row.epoch, row.expires_at)
            row.holder, row.epoch = holder, row.epoch + 1
        return self._prolonged(account_id, row, ttl_s)

    async def renew(self, lease: Lease, ttl_s: float) -> Lease | HeldByAnother:
        """Prolong it, also when it ran out and nobody took it."""
        row = self._store.leases[lease.account_id]
        if (row.holder, row.epoch) != (lease.holder, lease.epoch):
            return HeldByAnother(lease.account_id, row.holder, row.epoch, row.expires_at)
        return self._prolonged(lease.account_id, row, ttl_s)

    async def release(self, lease: Lease) -> None:
        """Give it back at once; nothing happens when it is not ours any more."""
        row = self._store.leases[lease.account_id]
        if (row.holder, row.epoch) == (lease.holder, lease.epoch):
            row.expires_at = self._store.now() - timedelta(microseconds=1)

    async def begin_session(
        self, session_id: SessionId, account_id: AccountId, instrument: InstrumentId, epoch: int
    ) -> SessionRows:
        """Ensure the row, bump its incarnation, load its rows."""
        store = self._store
        for other_id, other in store.sessions.items():
            is_same = (other.account_id, other.instrument) == (account_id, instrument)
            if is_same != (other_id == session_id):
                raise StoreError(f"session {session_id} cannot start: the store has {other_id}")
        lease = store.leases.get(account_id)
        if lease is None or lease.epoch != epoch:
            raise Fenced(f"epoch {epoch} does not hold account {account_id}")
        session = store.sessions.setdefault(session_id, _SessionRow(account_id, instrument))
        session.incarnation += 1
        position = store.positions.get(session_id)
        fills = [
            e.fill
            for e in store.fills.values()
            if (e.fill.account_id, e.fill.instrument) == (account_id, instrument)
        ]
        return SessionRows(
            session_id=session_id,
            incarnation=session.incarnation,
            position_qty=position.qty if position is not None else NO_QTY,
            position_avg_px=position.avg_px if position is not None else None,
            realized=position.realized if position is not None else ZERO,
            orders=self._orders_of(session_id),
            execution_ids=frozenset(f.execution_id for f in fills if self._is_recent(f)),
            newest_fill_at=max((f.happened_at for f in fills), default=None),
        )

    async def position_qtys(self, account_id: AccountId) -> Mapping[SessionId, Quantity]:
        """The position rows of the account's sessions."""
        return {
            session_id: row.qty
            for session_id, row in self._store.positions.items()
            if row.account_id == account_id
        }

    async def open_orders(self, account_id: AccountId) -> Mapping[ClientOrderId, Status]:
        """The rows of the account's orders that have not ended."""
        return {
            order_id: row.status
            for order_id, row in self._store.orders.items()
            if row.order.account_id == account_id and not row.status.is_terminal
        }

    async def executions_cursor(self, account_id: AccountId) -> str | None:
        """How far the account's executions were read."""
        return self._store.cursors.get(account_id)

    async def last_balance(self, account_id: AccountId) -> Balance | None:
        """The newest row."""
        of_account = [b for b in self._store.balances if b.account_id == account_id]
        return of_account[-1] if of_account else None

    def _prolonged(self, account_id: AccountId, row: _LeaseRow, ttl_s: float) -> Lease:
        row.expires_at = self._store.now() + timedelta(seconds=ttl_s)
        deadline_s = self._store.elapsed() + _ACTING_PART_OF_TTL * ttl_s
        return Lease(account_id, row.holder, row.epoch, deadline_s)

    def _is_recent(self, fill: Fill) -> bool:
        return fill.happened_at > self._store.now() - _EXECUTIONS_LOADED_FOR

    def _orders_of(self, session_id: SessionId) -> tuple[StoredOrder, ...]:
        since = self._store.now() - _ORDERS_LOADED_FOR
        return tuple(
            self._stored(row)
            for row in self._store.orders.values()
            if row.order.session_id == session_id
            and (not row.status.is_terminal or row.recorded_at > since)
        )

    def _stored(self, row: OrderRow) -> StoredOrder:
        fills = (e.fill.qty for e in self._store.fills.values() if e.order_id == row.order.id)
        return StoredOrder(
            order=row.order,
            status=row.status,
            broker_order_id=row.broker_order_id,
            cum_qty=row.cum_qty,
            avg_px=row.avg_px,
            reason_code=row.reason_code,
            applied_qty=Quantity(sum(fills, ZERO)),
            pending_cancel=any(self._is_pending(c, row) for c in self._store.changes.values()),
            recorded_at=row.recorded_at,
        )

    def _is_pending(self, request: ChangeRow, row: OrderRow) -> bool:
        """A cancel that nothing has answered: the target said nothing else since."""
        return (
            isinstance(request.change, Cancel)
            and request.change.target == row.order.id
            and all(
                event.status is Status.PENDING_CANCEL for event in row.events[request.after_count :]
            )
        )
