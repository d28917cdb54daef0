"""The seams: what the house needs of the outside world, one Protocol each.

Each port is held by one contract suite (`tests/contracts/`), which every fulfilment passes, the
sandbox and the simulated ones included. A failed question is never an empty answer: queries return
`... | QueryFailed` and raise nothing for what the network may do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from trader.accounts.account import Balance
from trader.accounts.events import (
    AccountAuthFailed,
    BalanceReported,
    FrameRefused,
    StreamConnected,
    StreamLost,
)
from trader.ids import AccountId, BrokerOrderId, ClientOrderId, InstrumentId, SessionId
from trader.instants import Timeframe
from trader.instrument import Instrument
from trader.market.candle import Candle
from trader.market.tick import Tick
from trader.money import Quantity
from trader.orders.events import OrderAbsent, OrderFilled, OrderReported, QueryFailed
from trader.orders.order import (
    Cancel,
    Change,
    Fill,
    Order,
    OrderReport,
    OrderType,
    Replace,
    Status,
    TimeInForce,
)
from trader.positions.events import PositionsReported
from trader.proofs import Recorded
from trader.records import (
    ChangeEntry,
    Entry,
    Fence,
    HeldByAnother,
    Lease,
    OrderEntry,
    Outcome,
    SessionRows,
)
from trader.session.events import StrategyDecided, StrategyFailed, StrategyReady
from trader.session.strategy import StrategySpec, View

# ---------------------------------------------------------------------------- broker: the account


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


# ------------------------------------------------------------------------------ market data, venue


@dataclass(slots=True)
class TickReceived:
    """A trade from the feed."""

    tick: Tick


@dataclass(slots=True)
class BarReceived:
    """A finished bar from the feed; `candle.revision` > 0 marks the venue's own correction."""

    candle: Candle


@dataclass(slots=True)
class FeedBeat:
    """Any frame or heartbeat that carried no data of ours."""

    seen_at: datetime


@dataclass(frozen=True, slots=True)
class FeedConnected:
    """The subscription stands. Whatever was missed before must be asked of history."""

    source: str


@dataclass(frozen=True, slots=True)
class FeedLost:
    """The feed is down; the adapter reconnects by itself."""

    source: str
    cause: str


FeedEvent = TickReceived | BarReceived | FeedBeat | FeedConnected | FeedLost | FrameRefused


class FeedKind(StrEnum):
    """A feed has one source, never both."""

    TRADES = "TRADES"
    BARS = "BARS"


class MarketFeed(Protocol):
    """Live market data of one venue."""

    async def start(
        self, instruments: Sequence[InstrumentId], kind: FeedKind, sink: Callable[[FeedEvent], None]
    ) -> None:
        """Subscribe and stay subscribed; returns at once. `FeedConnected` follows each time.

        With `FeedKind.BARS` both trades (for prices; `TickReceived`) and bars are delivered, but
        candles must be made from the bars only.
        """
        ...

    async def stop(self) -> None:
        """Unsubscribe and close."""
        ...


@dataclass(frozen=True, slots=True)
class BarsReported:
    """Finished bars of one instrument, oldest first, complete for the range asked."""

    candles: tuple[Candle, ...]


class History(Protocol):
    """Finished bars of the past."""

    async def bars(
        self,
        instrument: InstrumentId,
        timeframe: Timeframe,
        *,
        after: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> BarsReported | QueryFailed:
        """Bars with after < opened_at <= until; with `limit` the newest that many."""
        ...


@dataclass(frozen=True, slots=True)
class VenueClock:
    """The venue's word on its own time."""

    now: datetime
    is_open: bool
    opens_at: datetime | None
    closes_at: datetime | None
    speed: float  # venue seconds per real second; 1.0 at every real venue


class Venue(Protocol):
    """What the venue trades, and when."""

    async def clock(self) -> VenueClock | QueryFailed:
        """Is the market open?"""
        ...

    async def instruments(
        self, ids: Sequence[InstrumentId]
    ) -> tuple[Instrument, ...] | QueryFailed:
        """The venue's rules for these; an unknown or untradable one is left out."""
        ...


class CalendarJobs(Protocol):
    """Wakes somebody at an instant of the wall clock; it never does work itself."""

    def at(self, name: str, instant: datetime, callback: Callable[[], None]) -> None:
        """Call back then, or at once where it has passed; replaces the job of that name."""
        ...


# ------------------------------------------------------------------------------------------ store


class Journal(Protocol):
    """The write side of the store. One caller at a time (the journal actor)."""

    async def write(self, entries: Sequence[Entry]) -> tuple[Outcome, ...]:
        """Keep the entries in order, in as few commits as possible; one outcome each.

        If any entry is a decision, the commit is durable (flushed) before this returns. A bad entry
        fails alone. Writing the same entries again changes nothing. Raises StoreUnavailable when
        the outcome is unknown: write the very same entries again.
        """
        ...

    async def adopt(self, records: Sequence[tuple[Order | Change, Fence]]) -> tuple[Outcome, ...]:
        """Insert what was recorded while the store was down: insert-only, whatever the fence says.

        One outcome each; a bad record fails alone. Raises StoreUnavailable: adopt them again.
        """
        ...


class Spool(Protocol):
    """The local fallback for exits and cancels while the database is down."""

    def record_count(self) -> int:
        """Records not yet replayed."""
        ...

    async def append(self, entry: OrderEntry | ChangeEntry) -> Recorded[Order] | Recorded[Change]:
        """Fsynced when it returns. A full or failing spool gives `Durability.MEMORY`."""
        ...

    async def replay(self, journal: Journal) -> int:
        """Write what is spooled into the journal, insert-only, and empty the spool."""
        ...


class Ledger(Protocol):
    """The read and ownership side of the store. Raises StoreUnavailable when it does not answer."""

    async def claim(
        self, account_id: AccountId, holder: str, ttl_s: float
    ) -> Lease | HeldByAnother:
        """Take or retake the account's lease; a takeover raises the epoch."""
        ...

    async def renew(self, lease: Lease, ttl_s: float) -> Lease | HeldByAnother:
        """Prolong it."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give it back at once."""
        ...

    async def begin_session(
        self, session_id: SessionId, account_id: AccountId, instrument: InstrumentId, epoch: int
    ) -> SessionRows:
        """Ensure the session's row, bump its incarnation, load its rows."""
        ...

    async def position_qtys(self, account_id: AccountId) -> Mapping[SessionId, Quantity]:
        """The position rows of the account's sessions: the third column of a reconcile."""
        ...

    async def open_orders(self, account_id: AccountId) -> Mapping[ClientOrderId, Status]:
        """The rows of the account's orders that have not ended: the third column again."""
        ...

    async def executions_cursor(self, account_id: AccountId) -> str | None:
        """How far the account's executions were read."""
        ...

    async def last_balance(self, account_id: AccountId) -> Balance | None:
        """The newest row, to compare with."""
        ...


# ------------------------------------------------------------------------------------- strategies


class StrategyRunner(Protocol):
    """Where strategies live: inline, or in host processes. Never raises for what user code does."""

    async def start(self, lost: Callable[[StrategyFailed], None] | None = None) -> None:
        """Make ready (spawn hosts). `lost` hears of each strategy that died without being asked.

        Started again, it only changes who hears.
        """
        ...

    async def stop(self) -> None:
        """End every host."""
        ...

    async def open(
        self, session_id: SessionId, spec: StrategySpec, candles: Sequence[Candle], rebuild: int
    ) -> StrategyReady | StrategyFailed:
        """Make the strategy anew and warm it up on the candles, oldest first, without deciding."""
        ...

    async def decide(
        self, session_id: SessionId, candle: Candle, view: View, rebuild: int
    ) -> StrategyDecided | StrategyFailed:
        """Its decision on a new, final bar, within the runner's deadline."""
        ...

    async def close(self, session_id: SessionId) -> None:
        """Forget it."""
        ...
