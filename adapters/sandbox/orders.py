"""What the venue keeps about an order and about each execution of it.

The enums carry the wire's own lower-case words, so that nothing is translated twice.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

ZERO = Decimal(0)
NO_CEILING = Decimal("Infinity")


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """What decides the price of an order."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"


class TimeInForce(StrEnum):
    """How long an order may wait."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class Status(StrEnum):
    """Where an order stands. Every status but the five terminal ones counts as open."""

    ACCEPTED = "accepted"
    PENDING_NEW = "pending_new"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"


TERMINAL = frozenset(
    {Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REJECTED, Status.REPLACED}
)


class PositionEffect(StrEnum):
    """What an order does to the position: never both, for no order turns a position round."""

    OPEN = "open"  # holds buying power
    CLOSE = "close"  # holds shares


class Fate(StrEnum):
    """What a fault has in store for an order that was accepted like any other."""

    NORMAL = "normal"
    SILENT_REJECT = "silent_reject"
    NEVER_FIRE = "never_fire"


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What a client asked for, already well formed: whole shares, prices on the tick."""

    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    qty: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    extended_hours: bool = False


@dataclass(slots=True)
class Order:
    """One order at the venue, changed in place by the venue alone.

    `qty` is what this very order may trade: a replacement's is what its predecessor left over.
    """

    id: str
    account: str
    request: OrderRequest
    qty: Decimal
    status: Status
    created_at: datetime
    updated_at: datetime
    arrival: int  # position in the venue's order of arrival, from 1
    effect: PositionEffect
    fate: Fate = Fate.NORMAL
    filled_qty: Decimal = ZERO
    filled_notional: Decimal = ZERO
    reserve_price: Decimal = ZERO
    reserved: Decimal = ZERO  # buying power held, in dollars
    held: Decimal = ZERO  # shares held
    triggered: bool = False
    replaces: str | None = None
    replaced_by: str | None = None
    filled_at: datetime | None = None
    expired_at: datetime | None = None
    canceled_at: datetime | None = None
    failed_at: datetime | None = None
    replaced_at: datetime | None = None

    @property
    def leaves(self) -> Decimal:
        """Shares still to trade."""
        return self.qty - self.filled_qty

    @property
    def is_open(self) -> bool:
        """Whether anything can still happen to it."""
        return self.status not in TERMINAL

    @property
    def bound(self) -> Decimal:
        """The worst price it accepts: a market order accepts any."""
        if self.request.limit_price is not None:
            return self.request.limit_price
        return NO_CEILING if self.request.side is Side.BUY else ZERO

    @property
    def waits_for_stop(self) -> bool:
        """A stop order whose price has not been reached."""
        return self.request.stop_price is not None and not self.triggered

    @property
    def average_price(self) -> Decimal | None:
        """Mean price of its executions; None before the first."""
        return self.filled_notional / self.filled_qty if self.filled_qty else None


@dataclass(frozen=True, slots=True)
class Execution:
    """One trade of one order. `id` is the same on the stream and in the FILL activities."""

    id: str
    order_id: str
    client_order_id: str
    account: str
    symbol: str
    side: Side
    price: Decimal
    qty: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal
    order_status: Status
    position_qty: Decimal
    fee: Decimal
    at: datetime
