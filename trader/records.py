"""What the journal is asked to keep, and what it answers: the write side of the store.

Two classes (`is_decision`): decisions commit durably before anything leaves; progress is what the
broker can tell again, so it may share a later flush. Every entry carries its `Fence`: an entry of
an older epoch or incarnation takes no effect.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from trader.accounts.account import Balance
from trader.ids import AccountId, BrokerOrderId, ClientOrderId, InstrumentId, SessionId
from trader.money import Price, Quantity
from trader.orders.order import Change, Fill, Order, Status
from trader.proofs import Cleared, Recorded


@dataclass(frozen=True, slots=True)
class Fence:
    """Who writes: the account's lease epoch and the session's incarnation."""

    account_id: AccountId
    epoch: int
    session_id: SessionId
    incarnation: int


@dataclass(frozen=True, slots=True)
class OrderEntry:
    """Decision: an order, before it is sent."""

    order: Cleared[Order]
    fence: Fence
    is_exit: bool  # exits go to the head of the list, and through the spool when the store is down


@dataclass(frozen=True, slots=True)
class ChangeEntry:
    """Decision: a request to replace (with its successor's row) or cancel, before it is sent."""

    change: Cleared[Change]
    fence: Fence
    is_exit: bool


@dataclass(frozen=True, slots=True)
class ProgressEntry:
    """How an order fares now: its state row moves, one event row is added."""

    order_id: ClientOrderId
    event: str  # what happened: wire name of the event, e.g. "order_accepted"
    status: Status
    broker_order_id: BrokerOrderId | None
    cum_qty: Quantity
    avg_px: Price | None
    reason_code: str
    detail: str
    happened_at: datetime | None
    fence: Fence


@dataclass(frozen=True, slots=True)
class FillEntry:
    """One execution, once; a background job over it is enqueued in the same transaction.

    The position row after it rides along, and the account's executions cursor when it came by poll.
    """

    fill: Fill
    order_id: ClientOrderId | None  # None: an order nobody of us knows
    position_qty: Quantity  # signed, of the session's instrument, after the fill
    position_avg_px: Price | None
    realized: Decimal
    fence: Fence


@dataclass(frozen=True, slots=True)
class AdjustmentEntry:
    """The broker won: the position is assigned absolutely, with its cause. Idempotent by key."""

    key: str  # session, snapshot instant and both quantities: the same finding writes one row
    instrument: InstrumentId
    from_qty: Quantity
    to_qty: Quantity
    to_avg_px: Price | None
    cause: str  # missed_fill | manual_or_margin_trade | split | ...
    detail: str
    happened_at: datetime
    fence: Fence


@dataclass(frozen=True, slots=True)
class BalanceEntry:
    """The account's money, written because it changed."""

    balance: Balance
    fence: Fence


@dataclass(frozen=True, slots=True)
class DecisionEntry:
    """Audit: what was decided on a bar and why. The candle itself is never stored."""

    session_id: SessionId
    bar_opened_at: datetime
    action: str  # nothing | submit_order | modify_orders | cancel_orders | refused
    reason: str
    reason_code: str  # of a refusal; "" otherwise
    bar_digest: str  # of the bar as seen at the decision
    order_ids: tuple[ClientOrderId, ...]
    fence: Fence


@dataclass(frozen=True, slots=True)
class CursorEntry:
    """How far executions were read; commits after the fills that stand before it in the batch."""

    cursor: str
    fence: Fence


Entry = (
    OrderEntry
    | ChangeEntry
    | ProgressEntry
    | FillEntry
    | AdjustmentEntry
    | BalanceEntry
    | DecisionEntry
    | CursorEntry
)


def is_decision(entry: Entry) -> bool:
    """Whether the entry must be durable before its effect."""
    return isinstance(entry, OrderEntry | ChangeEntry)


@dataclass(frozen=True, slots=True)
class Kept:
    """Committed. For decisions `recorded` is the proof; if the row stood there already
    (`was_stored`) it holds the stored row's item, and `stored_status` where that order stands."""

    recorded: Recorded[Order] | Recorded[Change] | None = None
    was_stored: bool = False
    stored_status: Status = Status.INITIALIZED


@dataclass(frozen=True, slots=True)
class NotKept:
    """Not written, definitively: fenced, or the data itself is bad."""

    reason_code: str  # "fenced_epoch" | "fenced_incarnation" | "bad_data" | "store_down" | ...
    detail: str


Outcome = Kept | NotKept


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order as its rows tell: for loading after a restart."""

    order: Order
    status: Status
    broker_order_id: BrokerOrderId | None
    cum_qty: Quantity
    avg_px: Price | None
    reason_code: str
    applied_qty: Quantity  # the sum of its fills' rows
    pending_cancel: bool  # a cancel request's row exists and no answer was written
    recorded_at: datetime  # the database's clock: budgets are counted from it
    is_of_position: bool  # since it was last flat or on the other side: filled, or a stop made


@dataclass(frozen=True, slots=True)
class SessionRows:
    """Everything a trader is rebuilt from besides broker and candles."""

    session_id: SessionId
    incarnation: int  # bumped by this load: older ones can write no more
    position_qty: Quantity
    position_avg_px: Price | None
    realized: Decimal
    orders: tuple[StoredOrder, ...]  # every non-terminal one, and those of the last 24 hours
    execution_ids: frozenset[str]  # of this session's instrument, last 7 days
    newest_fill_at: datetime | None
    read_at: datetime  # the database's clock, as the rows' own instants: their ages are by it


@dataclass(frozen=True, slots=True)
class Lease:
    """Ownership of an account. `deadline_s`: host seconds until which we may act on it."""

    account_id: AccountId
    holder: str
    epoch: int
    deadline_s: float


@dataclass(frozen=True, slots=True)
class HeldByAnother:
    """Someone else has the account."""

    account_id: AccountId
    holder: str
    epoch: int
    expires_at: datetime

    @classmethod
    def gone(cls, account_id: AccountId) -> "HeldByAnother":
        """Nobody's: the row was deleted, or the database is an older one. It is claimed anew."""
        return cls(account_id, "nobody", 0, datetime.min.replace(tzinfo=UTC))
