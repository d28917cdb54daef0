"""The ledger in memory, by the same contract as PostgreSQL's."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from adapters.simulated.rows import ChangeRow, LeaseRow, MemoryStore, OrderRow, SessionRow
from adapters.store.ledger import ACTING_PART_OF_TTL
from trader.accounts.account import Balance
from trader.errors import Fenced, StoreError
from trader.ids import AccountId, ClientOrderId, InstrumentId, SessionId
from trader.money import NO_QTY, ZERO, Quantity
from trader.orders.order import Cancel, Fill, Purpose, Status
from trader.records import (
    HeldByAnother,
    Lease,
    SessionRows,
    StoredOrder,
)

_ORDERS_LOADED_FOR = timedelta(hours=24)
_EXECUTIONS_LOADED_FOR = timedelta(days=7)


class MemoryLedger:
    """Fulfils `trader.ports.Ledger` over a `MemoryStore`."""

    def __init__(self, store: MemoryStore, by: str = "us") -> None:
        self._store = store
        self._by = by

    async def claim(
        self, account_id: AccountId, holder: str, ttl_s: float
    ) -> Lease | HeldByAnother:
        """Take or retake the account's lease."""
        store = self._store
        row = store.leases.get(account_id)
        epoch = 1 if row is None else row.epoch
        if row is not None and row.holder != holder:
            if row.expires_at >= store.now():
                return HeldByAnother(account_id, row.holder, row.epoch, row.expires_at)
            epoch += 1
        return self._prolonged(account_id, holder, epoch, ttl_s)

    async def renew(self, lease: Lease, ttl_s: float) -> Lease | HeldByAnother:
        """Prolong it, also when it ran out and nobody took it."""
        row = self._store.leases.get(lease.account_id)
        if row is None:
            return HeldByAnother.gone(lease.account_id)
        if (row.holder, row.epoch) != (lease.holder, lease.epoch):
            return HeldByAnother(lease.account_id, row.holder, row.epoch, row.expires_at)
        return self._prolonged(lease.account_id, lease.holder, lease.epoch, ttl_s)

    async def release(self, lease: Lease) -> None:
        """Give it back at once; nothing happens when it is not ours any more."""
        row = self._store.leases.get(lease.account_id)
        if row is not None and (row.holder, row.epoch) == (lease.holder, lease.epoch):
            ended = self._store.now() - timedelta(microseconds=1)
            self._store.commit(replace(row, expires_at=ended), self._by)

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
        before = store.sessions.get(session_id)
        incarnation = 1 if before is None else before.incarnation + 1
        store.commit(SessionRow(session_id, account_id, instrument, incarnation), self._by)
        position = store.positions.get(session_id)
        fills = [
            e.fill
            for e in store.fills.values()
            if (e.fill.account_id, e.fill.instrument) == (account_id, instrument)
        ]
        return SessionRows(
            session_id=session_id,
            incarnation=incarnation,
            position_qty=position.qty if position is not None else NO_QTY,
            position_avg_px=position.avg_px if position is not None else None,
            realized=position.realized if position is not None else ZERO,
            orders=self._orders_of(session_id),
            execution_ids=frozenset(f.execution_id for f in fills if self._is_recent(f)),
            newest_fill_at=max((f.happened_at for f in fills), default=None),
            read_at=store.now(),
        )

    async def position_qtys(self, account_id: AccountId) -> Mapping[SessionId, Quantity]:
        """The position rows of the account's sessions."""
        return {
            session_id: row.qty
            for session_id, row in self._store.positions.items()
            if row.account_id == account_id
        }

    async def open_orders(
        self, account_id: AccountId
    ) -> Mapping[SessionId, Mapping[ClientOrderId, Status]]:
        """The rows of each session's orders that have not ended."""
        by_session: dict[SessionId, dict[ClientOrderId, Status]] = {}
        for order_id, row in self._store.orders.items():
            if row.order.account_id == account_id and not row.status.is_terminal:
                by_session.setdefault(row.order.session_id, {})[order_id] = row.status
        return by_session

    async def executions_cursor(self, account_id: AccountId) -> str | None:
        """How far the account's executions were read."""
        return self._store.cursors.get(account_id)

    async def last_balance(self, account_id: AccountId) -> Balance | None:
        """The newest row."""
        return self._store.newest_balance(account_id)

    def _prolonged(self, account_id: AccountId, holder: str, epoch: int, ttl_s: float) -> Lease:
        expires_at = self._store.now() + timedelta(seconds=ttl_s)
        self._store.commit(LeaseRow(account_id, holder, epoch, expires_at), self._by)
        return Lease(account_id, holder, epoch, self._store.elapsed() + ACTING_PART_OF_TTL * ttl_s)

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
            is_of_position=self._is_of_position(row),
        )

    def _is_of_position(self, row: OrderRow) -> bool:
        position = self._store.positions.get(row.order.session_id)
        if position is None:
            return row.order.purpose is Purpose.PROTECT
        is_since = position.flat_at is None or row.recorded_at > position.flat_at
        return row.order.id in position.order_ids or (
            row.order.purpose is Purpose.PROTECT and is_since
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
