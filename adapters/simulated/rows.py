"""The rows of the store in memory: the database that outlives journals and ledgers.

Every change is one `Committed` in the history, and the tables are what these come to. Nobody but
`commit` writes a row, so a backup is the history up to its moment, applied again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import assert_never

from adapters.simulated.history import History
from adapters.store.portfolio import StoredLimits
from trader.accounts.account import Balance
from trader.ids import AccountId, BrokerOrderId, ClientOrderId, InstrumentId, SessionId
from trader.money import NO_QTY, ZERO, Price, Quantity
from trader.operator import CommandRow, TradingStanding
from trader.orders.order import Cancel, Change, Order, Replace, Status, request_id
from trader.records import (
    AdjustmentEntry,
    BalanceEntry,
    ChangeEntry,
    CursorEntry,
    DecisionEntry,
    Entry,
    Fence,
    FillEntry,
    OrderEntry,
    ProgressEntry,
)


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
    moved_at: datetime
    flat_at: datetime | None = None  # the last move that left nothing, or the other side
    order_ids: tuple[ClientOrderId, ...] = ()  # that have filled since


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """Who holds an account, until when."""

    account_id: AccountId
    holder: str
    epoch: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session's name, and how often it was begun."""

    session_id: SessionId
    account_id: AccountId
    instrument: InstrumentId
    incarnation: int


@dataclass(frozen=True, slots=True)
class Adopted:
    """A spooled record, whatever the fence says."""

    item: Order | Change
    fence: Fence


What = (
    Entry
    | Adopted
    | LeaseRow
    | SessionRow
    | CommandRow  # asked, or finished
    | TradingStanding
    | StoredLimits
)


@dataclass(frozen=True, slots=True)
class Committed:
    """One change that took effect. What changed nothing is not among them."""

    at: datetime  # the database's clock
    at_s: float  # seconds of the world
    by: str  # which daemon asked for it
    what: What


@dataclass(frozen=True, slots=True)
class Restored:
    """The database is again what it was then."""

    at_s: float
    as_of_s: float


@dataclass(slots=True)
class MemoryStore:
    """The rows. Whoever likes may read them; only `commit` and `restore` write them."""

    now: Callable[[], datetime]
    elapsed: Callable[[], float]
    history: History = field(default_factory=History)
    leases: dict[AccountId, LeaseRow] = field(default_factory=dict)
    sessions: dict[SessionId, SessionRow] = field(default_factory=dict)
    orders: dict[ClientOrderId, OrderRow] = field(default_factory=dict)
    changes: dict[ClientOrderId, ChangeRow] = field(default_factory=dict)
    fills: dict[tuple[AccountId, str], FillEntry] = field(default_factory=dict)
    adjustments: dict[str, AdjustmentEntry] = field(default_factory=dict)
    positions: dict[SessionId, PositionRow] = field(default_factory=dict)
    balances: list[Balance] = field(default_factory=list)
    decisions: dict[DecisionEntry, datetime] = field(default_factory=dict)  # when recorded
    cursors: dict[AccountId, str] = field(default_factory=dict)
    commands: dict[str, CommandRow] = field(default_factory=dict)
    standings: list[TradingStanding] = field(default_factory=list)  # the last one counts
    limits: list[StoredLimits] = field(default_factory=list)  # the last one counts

    def commit(self, what: What, by: str) -> None:
        """It is durable."""
        committed = Committed(self.now(), self.elapsed(), by, what)
        self._apply(committed)
        self.history.note(committed)

    def restore(self, as_of_s: float) -> None:
        """Everything after that second of the world is lost, as from a replica that lagged."""
        kept: list[Committed] = []
        for event in self.history.events:
            if isinstance(event, Restored):
                kept = [each for each in kept if each.at_s <= event.as_of_s]
            elif isinstance(event, Committed) and event.at_s <= as_of_s:
                kept.append(event)
        for table in (
            *(self.leases, self.sessions, self.orders, self.changes, self.fills),
            *(self.adjustments, self.positions, self.decisions, self.cursors, self.commands),
            *(self.balances, self.standings, self.limits),
        ):
            table.clear()
        for committed in kept:
            self._apply(committed)
        self.history.note(Restored(self.elapsed(), as_of_s))

    def holds(self, item: Order | Change) -> bool:
        """Whether a row of that id stands."""
        if isinstance(item, Order):
            return item.id in self.orders
        return request_id(item) in self.changes

    def newest_balance(self, account_id: AccountId) -> Balance | None:
        """Of that account."""
        of_account = (each for each in reversed(self.balances) if each.account_id == account_id)
        return next(of_account, None)

    def _apply(self, committed: Committed) -> None:
        what, at = committed.what, committed.at
        match what:
            case ProgressEntry():
                self._move(what)
            case DecisionEntry():
                self.decisions[what] = at
            case OrderEntry():
                self._keep(what.order.item, at)
            case ChangeEntry():
                self._keep(what.change.item, at)
            case Adopted():
                self._keep(what.item, at)
            case FillEntry():
                self.fills[what.fill.account_id, what.fill.execution_id] = what
                self._fill(what, at)
            case AdjustmentEntry():
                self._adjust(what, at)
            case BalanceEntry():
                self.balances.append(what.balance)
            case CursorEntry():
                self.cursors[what.fence.account_id] = what.cursor
            case LeaseRow():
                self.leases[what.account_id] = what
            case SessionRow():
                self.sessions[what.session_id] = what
            case CommandRow():
                self.commands[what.id] = what
            case TradingStanding():
                self.standings.append(what)
            case StoredLimits():
                self.limits.append(what)
            case _:
                assert_never(what)

    def _keep(self, item: Order | Change, at: datetime) -> None:
        """The first row of an id stands."""
        match item:
            case Order():
                self.orders.setdefault(item.id, OrderRow(item, at))
            case Replace():
                self.orders.setdefault(item.successor.id, OrderRow(item.successor, at))
                self._request(item, at)
            case Cancel():
                self._request(item, at)
            case _:
                assert_never(item)

    def _request(self, change: Change, at: datetime) -> None:
        target = self.orders.get(change.target)
        after_count = 0 if target is None else len(target.events)
        self.changes.setdefault(request_id(change), ChangeRow(change, at, after_count))

    def _move(self, entry: ProgressEntry) -> None:
        row = self.orders[entry.order_id]
        row.events.append(entry)
        row.status = entry.status
        row.broker_order_id = entry.broker_order_id or row.broker_order_id
        row.cum_qty = entry.cum_qty
        row.avg_px = entry.avg_px
        row.reason_code = entry.reason_code

    def _fill(self, entry: FillEntry, at: datetime) -> None:
        self.fills[entry.fill.account_id, entry.fill.execution_id] = entry
        session_id, account_id = entry.fence.session_id, entry.fill.account_id
        position = PositionRow(
            account_id, entry.position_qty, entry.position_avg_px, entry.realized, at
        )
        self._hold(session_id, position, entry.order_id)

    def _adjust(self, entry: AdjustmentEntry, at: datetime) -> None:
        self.adjustments[entry.key] = entry
        session_id, account_id = entry.fence.session_id, entry.fence.account_id
        before = self.positions.get(session_id)
        realized = ZERO if before is None else before.realized
        position = PositionRow(account_id, entry.to_qty, entry.to_avg_px, realized, at)
        self._hold(session_id, position, None)

    def _hold(
        self, session_id: SessionId, position: PositionRow, order_id: ClientOrderId | None
    ) -> None:
        before = self.positions.get(session_id)
        flat_at, order_ids = (None, ()) if before is None else (before.flat_at, before.order_ids)
        if before is not None and _sign(before.qty) != _sign(position.qty):
            flat_at, order_ids = before.moved_at, ()
        if order_id is not None:
            order_ids += (order_id,)
        self.positions[session_id] = replace(position, flat_at=flat_at, order_ids=order_ids)


def _sign(qty: Quantity) -> int:
    return (qty > 0) - (qty < 0)
