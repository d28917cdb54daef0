"""A batch of entries as the few statements that write it, and what came of each entry."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import assert_never

import asyncpg

from adapters.store.codec import (
    Values,
    adjustment_values,
    balance_values,
    change_key,
    change_of,
    change_values,
    decision_values,
    fence_values,
    fill_values,
    order_of,
    order_values,
    progress_values,
)
from adapters.store.connect import Connection
from adapters.store.statements import (
    RECORD_ADJUSTMENTS,
    RECORD_BALANCES,
    RECORD_CHANGES,
    RECORD_CURSORS,
    RECORD_DECISIONS,
    RECORD_FILLS,
    RECORD_ORDERS,
    RECORD_PROGRESS,
    RowsStatement,
)
from trader.ids import AccountId, ClientOrderId, SessionId
from trader.orders.order import Cancel, Change, Order, Replace, Status
from trader.proofs import Recorded
from trader.records import (
    AdjustmentEntry,
    BalanceEntry,
    ChangeEntry,
    CursorEntry,
    DecisionEntry,
    Entry,
    FillEntry,
    Kept,
    NotKept,
    OrderEntry,
    Outcome,
    ProgressEntry,
)

# The order of application. Fills and adjustments keep the order in which they were given, because
# both move positions; a cursor comes after the fills that it covers.
_RANK = {
    RECORD_ORDERS: 0,
    RECORD_CHANGES: 1,
    RECORD_PROGRESS: 2,
    RECORD_FILLS: 3,
    RECORD_ADJUSTMENTS: 3,
    RECORD_BALANCES: 4,
    RECORD_DECISIONS: 5,
    RECORD_CURSORS: 6,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One statement of a batch: its rows, and the places of their entries in the batch."""

    statement: RowsStatement
    places: list[int]
    rows: list[Values]


def steps_of(given: Iterable[tuple[int, RowsStatement, Values]]) -> list[Step]:
    """One step a statement, in the order that foreign keys and the cursor need."""
    ranked = sorted(given, key=lambda row: _RANK[row[1]])
    grouped = groupby(ranked, key=lambda row: row[1])
    return [
        Step(statement, [row[0] for row in rows], [row[2] for row in rows])
        for statement, rows in ((statement, list(group)) for statement, group in grouped)
    ]


def rows_of(entry: Entry) -> Iterator[tuple[RowsStatement, Values]]:
    """The rows that an entry becomes, each with its statement."""
    fence = fence_values(entry.fence)
    match entry:
        case OrderEntry():
            yield from rows_of_item(entry.order.item, fence)
        case ChangeEntry():
            yield from rows_of_item(entry.change.item, fence)
        case ProgressEntry():
            yield RECORD_PROGRESS, progress_values(entry) + fence
        case FillEntry():
            yield RECORD_FILLS, fill_values(entry) + fence
        case AdjustmentEntry():
            yield RECORD_ADJUSTMENTS, adjustment_values(entry) + fence
        case BalanceEntry():
            yield RECORD_BALANCES, balance_values(entry) + fence
        case DecisionEntry():
            yield RECORD_DECISIONS, decision_values(entry) + fence
        case CursorEntry():
            yield RECORD_CURSORS, (entry.cursor, *fence)
        case _:
            assert_never(entry)


def rows_of_item(item: Order | Change, fence: Values) -> Iterator[tuple[RowsStatement, Values]]:
    """The rows of an order or a request; a replace brings its successor's."""
    match item:
        case Order():
            yield RECORD_ORDERS, order_values(item) + fence
        case Replace():
            yield RECORD_ORDERS, order_values(item.successor) + fence
            yield RECORD_CHANGES, change_values(item) + fence
        case Cancel():
            yield RECORD_CHANGES, change_values(item) + fence
        case _:
            assert_never(item)


@dataclass(slots=True)
class Written:
    """What came of a batch, entry by entry."""

    entries: Sequence[Entry]
    refused: dict[int, str] = field(default_factory=dict)
    recorded_at: dict[int, datetime | None] = field(default_factory=dict)
    closing: dict[SessionId, str] = field(default_factory=dict)  # newest execution of each session
    _stored_orders: dict[str, asyncpg.Record] = field(default_factory=dict)
    _stored_changes: dict[str, asyncpg.Record] = field(default_factory=dict)

    def take(self, step: Step, rows: list[asyncpg.Record]) -> None:
        """Fold one statement's answer."""
        taken: set[object] = set()
        for place, values, row in zip(step.places, step.rows, rows, strict=True):
            entry = self.entries[place]
            if row["refused"]:
                self.refused[place] = row["refused"]
            elif isinstance(entry, FillEntry):
                if row["is_new"]:
                    self.closing[entry.fence.session_id] = entry.fill.execution_id
            elif step.statement in (RECORD_ORDERS, RECORD_CHANGES):
                # The same id twice in one batch: the first made the row, the second met it.
                self.recorded_at[place] = None if values[0] in taken else row["recorded_at"]
                taken.add(values[0])

    def without_covering_refused_fills(self, step: Step) -> Step:
        """A cursor past a fill that was not kept would lose that fill."""
        lost: set[AccountId] = {
            entry.fence.account_id
            for entry in (self.entries[place] for place in self.refused)
            if isinstance(entry, FillEntry)
        }
        held = [p for p in step.places if self.entries[p].fence.account_id in lost]
        self.refused.update((place, "fill_not_kept") for place in held)
        kept = [given for given in zip(step.places, step.rows, strict=True) if given[0] not in held]
        return Step(step.statement, [place for place, _ in kept], [row for _, row in kept])

    def repeated_ids(self) -> list[ClientOrderId]:
        """The decisions whose row stood there already."""
        return [
            _key(self.entries[place])
            for place, recorded_at in self.recorded_at.items()
            if recorded_at is None and place not in self.refused
        ]

    async def read_stored(self, connection: Connection, ids: list[ClientOrderId]) -> None:
        """The rows that won."""
        orders = await connection.fetch("select * from orders where id = any ($1)", ids)
        changes = await connection.fetch("select * from changes where id = any ($1)", ids)
        self._stored_orders = {row["id"]: row for row in orders}
        self._stored_changes = {row["id"]: row for row in changes}

    def outcomes(self) -> tuple[Outcome, ...]:
        """One for each entry, in their order."""
        return tuple(self._outcome(place, entry) for place, entry in enumerate(self.entries))

    def _outcome(self, place: int, entry: Entry) -> Outcome:
        if reason_code := self.refused.get(place):
            return NotKept(reason_code, _detail_of(reason_code, entry))
        match entry:
            case OrderEntry():
                if recorded_at := self.recorded_at[place]:
                    return Kept(Recorded(entry.order.item, recorded_at))
                row = self._stored_orders[entry.order.item.id]
                recorded = Recorded(order_of(row), row["recorded_at"])
                return Kept(recorded, was_stored=True, stored_status=Status(row["status"]))
            case ChangeEntry():
                if recorded_at := self.recorded_at[place]:
                    return Kept(Recorded(entry.change.item, recorded_at))
                row = self._stored_changes[change_key(entry.change.item)]
                of = self._stored_orders.get(row["id"])
                return Kept(
                    Recorded(change_of(row, order_of(of) if of else None), row["recorded_at"]),
                    was_stored=True,
                    stored_status=Status(of["status"]) if of else Status.INITIALIZED,
                )
            case _:
                return Kept()


def _key(entry: Entry) -> ClientOrderId:
    assert isinstance(entry, OrderEntry | ChangeEntry)
    return entry.order.item.id if isinstance(entry, OrderEntry) else change_key(entry.change.item)


def _detail_of(reason_code: str, entry: Entry) -> str:
    match reason_code:
        case "fenced_epoch":
            return f"epoch {entry.fence.epoch} does not hold account {entry.fence.account_id}"
        case "fenced_incarnation":
            session_id, incarnation = entry.fence.session_id, entry.fence.incarnation
            return f"incarnation {incarnation} of session {session_id} is not the newest"
        case _:
            return ""
