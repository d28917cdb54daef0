"""Order: what a broker gets, and the changes one may ask of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from trader.ids import AccountId, BrokerOrderId, CauseKind, ClientOrderId, InstrumentId, SessionId
from trader.money import Price, Quantity


class Side(StrEnum):
    """Buy or sell."""

    BUY = "BUY"
    SELL = "SELL"

    sign: int  # +1 for a buy, -1 for a sell; kept, for it is read a dozen times an order

    def __init__(self, name: str) -> None:
        self.sign = 1 if name == "BUY" else -1

    @property
    def opposite(self) -> "Side":
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """How the price is found."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP_MARKET = "STOP_MARKET"
    STOP_LIMIT = "STOP_LIMIT"


class TimeInForce(StrEnum):
    """How long the order works."""

    DAY = "DAY"
    GTC = "GTC"
    IOC = "IOC"


class Purpose(StrEnum):
    """Which road made the order; what *is* an exit the gate decides by side and quantity."""

    ENTRY = "ENTRY"
    EXIT = "EXIT"
    PROTECT = "PROTECT"  # the resting stop that covers a position


class Status(StrEnum):
    """Where an order stands (settled 7)."""

    PENDING_RECORD = "PENDING_RECORD"  # in memory, no row yet; counts like UNKNOWN
    INITIALIZED = "INITIALIZED"  # row durable, not sent
    SUBMITTED = "SUBMITTED"  # written to the socket
    UNKNOWN = "UNKNOWN"  # sent, and nobody knows: priced at its worst, probed, never guessed
    ACCEPTED = "ACCEPTED"
    PENDING_UPDATE = "PENDING_UPDATE"
    PENDING_CANCEL = "PENDING_CANCEL"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"  # refused by the venue
    DENIED = "DENIED"  # refused by us, never sent

    is_terminal: bool  # nothing more is expected (venue evidence may still revive an EXPIRED one)

    def __init__(self, name: str) -> None:
        self.is_terminal = name in ("FILLED", "CANCELED", "EXPIRED", "REJECTED", "DENIED")


TERMINAL = frozenset(status for status in Status if status.is_terminal)


@dataclass(frozen=True, slots=True)
class Order:
    """One order as decided: it never changes; how it fares is `WorkingOrder`'s business."""

    id: ClientOrderId
    session_id: SessionId
    account_id: AccountId
    instrument: InstrumentId
    side: Side
    type: OrderType
    tif: TimeInForce
    qty: Quantity  # unsigned, above zero
    purpose: Purpose
    reason: str  # in the decider's words; no reason, no order
    cause_kind: CauseKind
    cause_key: str
    incarnation: int  # of the session that decided it
    price: Price | None = None  # LIMIT and STOP_LIMIT
    stop_price: Price | None = None  # STOP_MARKET and STOP_LIMIT
    protective_stop: Price | None = None  # the stop an entry carries for the position it makes
    replaces: ClientOrderId | None = None
    decided_at: datetime | None = None  # venue time of the cause, for people


@dataclass(frozen=True, slots=True)
class Replace:
    """Ask the venue to change a working order; its successor is `successor`, a new row."""

    target: ClientOrderId
    target_broker_id: BrokerOrderId
    successor: Order  # successor.replaces == target
    reason: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ask the venue to cancel a working order."""

    id: ClientOrderId  # of the request itself: its row's key
    session_id: SessionId
    account_id: AccountId
    instrument: InstrumentId
    target: ClientOrderId
    target_broker_id: BrokerOrderId
    reason: str
    incarnation: int


Change = Replace | Cancel


def request_id(change: Change) -> ClientOrderId:
    """The key of the request: a replace goes by its successor's id."""
    return change.successor.id if isinstance(change, Replace) else change.id


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution, unique by (account, execution_id). Source of truth: the broker."""

    execution_id: str
    account_id: AccountId
    instrument: InstrumentId
    client_order_id: str  # "" when the venue knows none; may be nobody's we know
    broker_order_id: BrokerOrderId
    side: Side
    qty: Quantity  # of this execution
    price: Price
    cum_qty: Quantity  # of its order, after this execution
    happened_at: datetime  # the venue's
    seen_at: datetime
    fee: Price | None = None  # in the account's currency; None: the venue does not say here


@dataclass(frozen=True, slots=True)
class OrderReport:
    """One order as the venue has it now (an answer to a query, or a stream event)."""

    account_id: AccountId
    instrument: InstrumentId
    client_order_id: str
    broker_order_id: BrokerOrderId
    side: Side
    type: OrderType
    tif: TimeInForce
    status: Status  # translated; never PENDING_RECORD, INITIALIZED, DENIED
    qty: Quantity
    cum_qty: Quantity
    avg_px: Price | None
    price: Price | None
    stop_price: Price | None
    happened_at: datetime  # the venue's last update
    replaced_by: BrokerOrderId | None = None
    replaces: BrokerOrderId | None = None
    text: str = ""  # the venue's words, e.g. why it rejected
