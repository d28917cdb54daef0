"""What happened to orders: answers of journal and broker, and the venue's own events."""

from collections.abc import Mapping
from dataclasses import dataclass

from trader.ids import BrokerOrderId, ClientOrderId
from trader.orders.order import Change, Fill, Order, OrderReport, Status
from trader.proofs import Recorded


@dataclass(frozen=True, slots=True)
class OrderRecorded:
    """The journal has the order: now it may leave. `was_stored`: the row stood there already."""

    order: Recorded[Order]
    was_stored: bool = False


@dataclass(frozen=True, slots=True)
class ChangeRecorded:
    """The journal has the request to replace or cancel."""

    change: Recorded[Change]


@dataclass(frozen=True, slots=True)
class RecordRefused:
    """The journal did not take it, so it never leaves: fenced, deadline passed, store down."""

    order_id: ClientOrderId  # the order's, or for a change the request's
    reason_code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class OrderSubmitted:
    """Past the last gate and written to the socket."""

    order_id: ClientOrderId


@dataclass(frozen=True, slots=True)
class OrderAccepted:
    """The venue has it."""

    order_id: ClientOrderId
    broker_order_id: BrokerOrderId


@dataclass(frozen=True, slots=True)
class OrderRejected:
    """The venue refused it, definitively."""

    order_id: ClientOrderId
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class OrderUnanswered:
    """Something was sent and no usable answer came: UNKNOWN, never a guess."""

    order_id: ClientOrderId
    cause: str


@dataclass(frozen=True, slots=True)
class OrderDenied:
    """Refused by us at the last gate, or provably not sent."""

    order_id: ClientOrderId
    reason_code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ChangeAnswered:
    """How a request to replace or cancel fared. The order itself moves by the venue's reports."""

    request_id: ClientOrderId  # successor's id for a replace, the request's for a cancel
    target: ClientOrderId
    outcome: str  # "accepted" | "rejected" | "unknown" | "not_sent"
    broker_order_id: BrokerOrderId | None  # of the successor, when a replace was accepted
    code: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class OrderFilled:
    """One execution, by stream or by poll: at least once, in any order."""

    fill: Fill


@dataclass(frozen=True, slots=True)
class OrderReported:
    """The venue's own word on one order."""

    report: OrderReport
    asked_s: float | None = None  # host seconds when it was asked for; None: a stream event


@dataclass(frozen=True, slots=True)
class OrderAbsent:
    """The venue was asked for the order and does not know it (yet)."""

    order_id: ClientOrderId
    asked_s: float


@dataclass(frozen=True, slots=True)
class OpenOrdersReported:
    """All open orders of the session's instrument at the venue; complete, else it is a failure."""

    reports: tuple[OrderReport, ...]
    asked_s: float
    database: Mapping[ClientOrderId, Status] | None = None  # its open rows; None: not read


@dataclass(frozen=True, slots=True)
class QueryFailed:
    """A question to the broker that got no usable answer. Never an empty answer."""

    what: str  # "positions" | "orders" | "order <id>" | "account" | "executions" | ...
    reason: str
    asked_s: float
