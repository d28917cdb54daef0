"""The store in memory, by the same contract as PostgreSQL's: for the simulation host and tests.

`MemoryStore` (`rows.py`) is the database: it outlives the journals and ledgers over it, as rows
outlive a daemon. Time comes from the host; nothing here waits.
"""

from collections.abc import Sequence
from typing import assert_never

from adapters.simulated.rows import Adopted, MemoryStore
from trader.ids import AccountId, ClientOrderId
from trader.orders.order import Change, Order, Status, request_id
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

Progress = ProgressEntry | FillEntry | AdjustmentEntry | BalanceEntry | DecisionEntry | CursorEntry


class MemoryJournal:
    """Fulfils `trader.ports.Journal` over a `MemoryStore`."""

    def __init__(self, store: MemoryStore, by: str = "us") -> None:
        self._store = store
        self._by = by

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
        for item, fence in records:
            if not self._store.holds(item):
                self._store.commit(Adopted(item, fence), self._by)
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
        return NotKept("bad_data", "") if _is_bad(entry) else None

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
        match entry:
            case OrderEntry():
                return self._keep_decision(entry, entry.order.item)
            case ChangeEntry():
                return self._keep_decision(entry, entry.change.item)
            case _:
                if self._is_new(entry):
                    self._store.commit(entry, self._by)
                return Kept()

    def _keep_decision(self, entry: OrderEntry | ChangeEntry, item: Order | Change) -> Kept:
        store = self._store
        was_stored = store.holds(item)
        if not was_stored:
            store.commit(entry, self._by)
        order = store.orders.get(item.id if isinstance(item, Order) else request_id(item))
        status = Status.INITIALIZED if order is None else order.status
        if isinstance(item, Order):
            assert order is not None
            return Kept(Recorded(order.order, order.recorded_at), was_stored, status)
        row = store.changes[request_id(item)]
        return Kept(Recorded(row.change, row.recorded_at), was_stored, status)

    def _is_new(self, entry: Progress) -> bool:
        """Whether it changes anything."""
        store = self._store
        match entry:
            case ProgressEntry():
                return True
            case FillEntry():
                return (entry.fill.account_id, entry.fill.execution_id) not in store.fills
            case AdjustmentEntry():
                return entry.key not in store.adjustments
            case BalanceEntry():
                newest = store.newest_balance(entry.balance.account_id)
                return newest is None or not newest.says_the_same_as(entry.balance)
            case DecisionEntry():
                return entry not in store.decisions
            case CursorEntry():
                return store.cursors.get(entry.fence.account_id) != entry.cursor
            case _:
                assert_never(entry)


def _is_bad(entry: Entry) -> bool:
    """What the tables themselves refuse."""
    match entry:
        case OrderEntry():
            qty = entry.order.item.qty
        case FillEntry():
            qty = entry.fill.qty
        case _:
            return False
    return not qty.is_finite() or qty <= 0
