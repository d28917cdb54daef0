"""Views: what the outside may see, as plain frozen facts. Every door shows these and nothing else.

A view says how old its knowledge is and never hides a hole: `None` means "not known", never 0.
Ages are seconds by the host's elapsed clock, instants are UTC, money is `Decimal`.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from trader.ids import AccountId, BrokerOrderId, ClientOrderId, InstrumentId, SessionId
from trader.instants import Timeframe
from trader.money import Price, Quantity
from trader.orders.order import OrderType, Purpose, Side, Status, TimeInForce
from trader.session.events import TradingState


@dataclass(frozen=True, slots=True)
class BarView:
    """One bar; `is_final` is False for the forming one."""

    instrument: InstrumentId
    timeframe: Timeframe
    opened_at: datetime
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Quantity
    is_final: bool
    revision: int


@dataclass(frozen=True, slots=True)
class DecisionView:
    """What was decided on one bar, and why."""

    session_id: SessionId
    bar_opened_at: datetime
    action: str  # nothing | submit_order | modify_orders | cancel_orders | refused
    reason: str
    reason_code: str  # of a refusal; "" otherwise
    bar_digest: str
    order_ids: tuple[ClientOrderId, ...]


@dataclass(frozen=True, slots=True)
class SessionView:
    """One session as it stands."""

    id: SessionId
    account_id: AccountId
    instrument: InstrumentId
    timeframe: Timeframe
    strategy: str
    group: str  # of correlated instruments; "" = none
    phase: str  # e.g. RECOVERING, WARMING_UP, TRADING, QUARANTINED
    trading_state: TradingState
    blocked_by: tuple[str, ...]  # reason codes for which an entry would be refused now
    incarnation: int
    restarts_count: int
    position_qty: Quantity  # signed, ours (a working copy)
    avg_px: Price | None
    mark: Price | None
    realized: Decimal
    unrealized: Decimal | None
    heat_high: Decimal | None  # worst-case loss; None: not known
    working_orders_count: int
    unknown_orders_count: int
    reconcile_age_s: float | None  # since the last successful position reconcile; None: never
    reconcile_age_s_max: float
    feed_is_fresh: bool
    feed_detail: str
    last_bar: BarView | None
    last_decision: DecisionView | None


@dataclass(frozen=True, slots=True)
class WhyAnswer:
    """One thing that must hold for an entry, and how it stands."""

    question: str
    answer: str
    is_ok: bool


@dataclass(frozen=True, slots=True)
class WhyView:
    """Why an entry would be refused now: every question, in the order in which the gate asks."""

    session_id: SessionId
    answers: tuple[WhyAnswer, ...]
    decisions: tuple[DecisionView, ...]  # newest first, bounded
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class OrderEventView:
    """One line of an order's life, from its append-only rows."""

    n: int
    event: str
    status: Status
    cum_qty: Quantity
    reason_code: str
    detail: str
    happened_at: datetime | None  # the venue's
    recorded_at: datetime  # the database's


@dataclass(frozen=True, slots=True)
class OrderView:
    """One order. `timeline` is filled only where a single order was asked for."""

    id: ClientOrderId
    session_id: SessionId
    account_id: AccountId
    instrument: InstrumentId
    side: Side
    type: OrderType
    tif: TimeInForce
    purpose: Purpose
    qty: Quantity
    cum_qty: Quantity
    leaves_qty: Quantity
    avg_px: Price | None
    price: Price | None
    stop_price: Price | None
    protective_stop: Price | None
    status: Status
    reason: str
    reason_code: str
    broker_order_id: BrokerOrderId | None
    replaces: ClientOrderId | None
    recorded_at: datetime | None  # None: no row yet
    timeline: tuple[OrderEventView, ...] = ()


@dataclass(frozen=True, slots=True)
class PositionView:
    """One position in three columns; any two that differ are a finding. None: not known."""

    session_id: SessionId | None  # None: an instrument nobody owns
    account_id: AccountId
    instrument: InstrumentId
    broker_qty: Quantity | None
    memory_qty: Quantity | None
    database_qty: Quantity | None
    agrees: bool
    avg_px: Price | None
    mark: Price | None
    checked_age_s: float | None  # since the last successful reconcile


@dataclass(frozen=True, slots=True)
class FillView:
    """One execution. Source of truth: the broker."""

    execution_id: str
    order_id: ClientOrderId | None  # None: an order nobody of us knows
    session_id: SessionId | None
    account_id: AccountId
    instrument: InstrumentId
    side: Side
    qty: Quantity
    price: Price
    fee: Decimal | None
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class TradeView:
    """One round trip, computed from fills by a background job."""

    session_id: SessionId
    instrument: InstrumentId
    side: Side  # of its entry
    qty: Quantity
    entry_px: Price
    exit_px: Price
    fees: Decimal
    profit: Decimal  # after fees
    opened_at: datetime
    closed_at: datetime
    closing_execution_id: str


@dataclass(frozen=True, slots=True)
class HeatContributionView:
    """What one session could lose."""

    session_id: SessionId
    instrument: InstrumentId
    group: str
    low: Decimal
    high: Decimal
    age_s: float | None  # None: it never reported
    is_complete: bool


@dataclass(frozen=True, slots=True)
class HeatGroupView:
    """A group of correlated instruments against its cap."""

    group: str
    high: Decimal
    ratio: Decimal | None
    cap_ratio: Decimal | None  # None: no cap


@dataclass(frozen=True, slots=True)
class HeatView:
    """Total risk now, as an interval, and who is missing from the sum."""

    low: Decimal
    high: Decimal
    equity: Decimal | None
    currency: str
    ratio: Decimal | None  # high / equity; None: equity unknown
    level: str  # CALM | WARN | BLOCK | UNKNOWN
    warn_ratio: Decimal
    block_ratio: Decimal
    missing: tuple[SessionId, ...]
    contributions: tuple[HeatContributionView, ...]
    groups: tuple[HeatGroupView, ...]


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account: the broker's word, and how old it is."""

    id: AccountId
    venue: str
    is_live: bool  # from the broker's handshake, not from the configuration
    broker_account: str
    currency: str
    cash: Decimal | None
    equity: Decimal | None
    buying_power: Decimal | None
    is_blocked: bool
    stream_is_connected: bool
    reported_at: datetime | None
    lease_epoch: int | None  # None: we do not hold it
    lease_left_s: float | None


@dataclass(frozen=True, slots=True)
class FeedView:
    """One feed of market data."""

    name: str
    is_connected: bool
    is_market_open: bool | None  # by the venue's clock; None: not known
    last_frame_age_s: float | None
    lag_s: float | None  # our clock less the newest frame's venue stamp
    stale: tuple[InstrumentId, ...]
    series: tuple[str, ...]  # "AAPL.ALPACA 1m"
    refused_count: int  # malformed frames, impossible prices
    late_count: int
    held_count: int  # ticks from the future, waiting for a third witness


@dataclass(frozen=True, slots=True)
class ActorView:
    """One actor and those below it."""

    name: str
    kind: str  # its class
    state: str
    incarnation: int
    mailbox_depth: int
    restarts_count: int
    last_exit: str  # why it died last; "" = never
    children: tuple["ActorView", ...] = ()


@dataclass(frozen=True, slots=True)
class DeadLetterView:
    """A message that reached nobody, or crashed its reader too often."""

    to: str
    message: str  # its type
    reason: str
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class CheckView:
    """One thing that was looked at."""

    name: str
    is_ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class ReadyView:
    """Whether the house may be relied on; never OK about what is unknown."""

    is_ready: bool
    checks: tuple[CheckView, ...]


@dataclass(frozen=True, slots=True)
class StatusView:
    """The whole house on one page."""

    version: str
    boot_id: str
    mode: str  # paper | live
    started_at: datetime
    now: datetime
    trading_state: TradingState
    trading_state_reason: str
    ready: ReadyView
    heat: HeatView
    accounts: tuple[AccountView, ...]
    sessions: tuple[SessionView, ...]
    actors_count: int
    actor_restarts_count: int
    dead_letters_count: int
    spooled_count: int  # exits recorded locally, not yet in the database


@dataclass(frozen=True, slots=True)
class ConfigKeyView:
    """One effective setting and where it came from; secrets are never values here."""

    key: str
    value: str
    origin: str  # "default" | "config.toml:5" | "TRADER__A__B" | "--set"


class CommandResult(StrEnum):
    """How a command fared."""

    DONE = "DONE"
    ACCEPTED = "ACCEPTED"  # recorded and on its way
    REFUSED = "REFUSED"  # by safety: the detail says which rule
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class CommandView:
    """The answer to halt, resume, close or reconcile."""

    id: str
    verb: str
    target: str  # session, or "" for the whole house
    result: CommandResult
    detail: str
    orders: tuple[OrderView, ...] = ()  # still working, or not confirmed, when it answered
