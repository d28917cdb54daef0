"""The rows of the store in memory: the database that outlives journals and ledgers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from trader.accounts.account import Balance
from trader.ids import AccountId, BrokerOrderId, ClientOrderId, InstrumentId, SessionId
from trader.money import NO_QTY, Price, Quantity
from trader.orders.order import Change, Order, Status
from trader.records import (
    AdjustmentEntry,
    DecisionEntry,
    FillEntry,
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


@dataclass(slots=True)
class LeaseRow:
    """Who holds an account, until when."""

    holder: str
    epoch: int
    expires_at: datetime


@dataclass(slots=True)
class SessionRow:
    """A session's name, and how often it was begun."""

    account_id: AccountId
    instrument: InstrumentId
    incarnation: int = 0


@dataclass(slots=True)
class MemoryStore:
    """The rows. Checkers read them; nobody but a journal or a ledger writes them."""

    now: Callable[[], datetime]
    elapsed: Callable[[], float]
    leases: dict[AccountId, LeaseRow] = field(default_factory=dict)
    sessions: dict[SessionId, SessionRow] = field(default_factory=dict)
    orders: dict[ClientOrderId, OrderRow] = field(default_factory=dict)
    changes: dict[ClientOrderId, ChangeRow] = field(default_factory=dict)
    fills: dict[tuple[AccountId, str], FillEntry] = field(default_factory=dict)
    adjustments: dict[str, AdjustmentEntry] = field(default_factory=dict)
    positions: dict[SessionId, PositionRow] = field(default_factory=dict)
    balances: list[Balance] = field(default_factory=list)
    decisions: list[DecisionEntry] = field(default_factory=list)
    cursors: dict[AccountId, str] = field(default_factory=dict)
