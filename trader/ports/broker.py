"""The seam to a broker: one login, its orders, its events, its three-valued answers."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from trader.accounts.events import (
    AccountAuthFailed,
    BalanceReported,
    FrameRefused,
    StreamConnected,
    StreamLost,
)
from trader.ids import BrokerOrderId, ClientOrderId
from trader.orders.events import OrderAbsent, OrderFilled, OrderReported, QueryFailed
from trader.orders.order import (
    Cancel,
    Fill,
    Order,
    OrderReport,
    OrderType,
    Replace,
    TimeInForce,
)
from trader.positions.events import PositionsReported
from trader.proofs import Recorded


@dataclass(frozen=True, slots=True)
class Accepted:
    """The venue has the order, or did what was asked."""

    broker_order_id: BrokerOrderId


@dataclass(frozen=True, slots=True)
class Rejected:
    """The venue refused, definitively. `code` is ours (lower snake), `text` the venue's."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something was sent and no usable answer came."""

    cause: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Provably nothing was sent: the last gate refused, or there was no connection."""

    reason_code: str
    detail: str = ""


Answer = Accepted | Rejected | Unknown | NotSent
LastGate = Callable[[], NotSent | None]
"""Asked once the connection is open, in the same loop turn as the write. None: go."""


class IdUniqueness(StrEnum):
    """How long a venue refuses a client order id that it has seen."""

    FOREVER = "FOREVER"
    OPEN_ORDERS = "OPEN_ORDERS"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a venue can and promises; recovery is derived from it, never from its name."""

    client_id_unique: IdUniqueness
    query_by_client_id: bool
    resend_safe: bool  # the same id sent twice makes one order
    native_replace: bool
    order_types: frozenset[OrderType]
    tifs: frozenset[TimeInForce]
    reserves_shares: bool  # a working exit holds its shares: cancel it before the next one
    in_flight_bound_s: float = 120.0  # after it a request that never arrived cannot arrive any more
    fees_in_events: bool = False


AccountEvent = (
    OrderReported | OrderFilled | StreamConnected | StreamLost | FrameRefused | AccountAuthFailed
)


@dataclass(frozen=True, slots=True)
class ExecutionsReported:
    """A page of executions, oldest first, and the cursor from which to ask next time."""

    fills: tuple[Fill, ...]
    cursor: str
    has_more: bool


@dataclass(frozen=True, slots=True)
class OrdersReported:
    """Every open order of an account, complete."""

    reports: tuple[OrderReport, ...]
    asked_s: float


class Account(Protocol):
    """One login at one broker: orders, their fate, positions, money.

    Writes never raise for what the network may do; cancelling a write's task is an `Unknown`.
    Events into the sink come at least once and in any order.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What the venue promises."""
        ...

    async def start(self, sink: Callable[[AccountEvent], None]) -> None:
        """Open the event stream and keep it open; returns at once. `StreamConnected` follows.

        Again after a crash of the listener: the new one takes over and hears `StreamConnected` too.
        """
        ...

    async def stop(self) -> None:
        """Close the stream and every connection."""
        ...

    async def submit(self, order: Recorded[Order], gate: LastGate) -> Answer:
        """Send an order, once. Never resends by itself."""
        ...

    async def replace(self, change: Recorded[Replace], gate: LastGate) -> Answer:
        """Ask for a change; `Accepted.broker_order_id` is the successor's."""
        ...

    async def cancel(self, change: Recorded[Cancel], gate: LastGate) -> Answer:
        """Ask for a cancel; `Accepted` means asked, not yet canceled."""
        ...

    async def find(
        self, client_order_id: ClientOrderId
    ) -> OrderReported | OrderAbsent | QueryFailed:
        """One order by our id."""
        ...

    async def open_orders(self) -> OrdersReported | QueryFailed:
        """All open orders, every page; a cut listing is a failure."""
        ...

    async def positions(self) -> PositionsReported | QueryFailed:
        """All positions."""
        ...

    async def executions(self, cursor: str | None) -> ExecutionsReported | QueryFailed:
        """Fills after the cursor, less an overlap; None: only today's."""
        ...

    async def balance(self) -> BalanceReported | QueryFailed:
        """Cash, equity, buying power."""
        ...
