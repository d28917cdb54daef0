"""The store in memory, by the same contract as PostgreSQL's: for the simulation host and tests.

`MemoryStore` (`rows.py`) is the database: it outlives the journals and ledgers over it, as rows
outlive a daemon. Time comes from the host; nothing here waits.
"""

from collections.abc import Sequence
from typing import assert_never

from adapters.simulated.rows import ChangeRow, MemoryStore, OrderRow, PositionRow
from trader.accounts.account import Balance
from trader.ids import AccountId, ClientOrderId
from trader.money import ZERO
from trader.orders.order import Cancel, Change, Order, Replace, Status
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
    Kept,
    NotKept,
    OrderEntry,
    Outcome,
    ProgressEntry,
)


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
