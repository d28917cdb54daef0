"""SessionState: everything one session knows, changed in place by `step` alone.

Three groups: working copies (the broker is the truth, these are ours), requests under way, flags.
A raise inside `step` means that the trader is rebuilt from truth: half-changed state never lives
on.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from trader.ids import ClientOrderId
from trader.market.candle import Candle
from trader.market.series import SeriesCursor
from trader.money import Price, Quantity
from trader.orders.order import Change, Order, Purpose
from trader.orders.working import WorkingOrder
from trader.positions.position import FLAT, BrokerView, Position
from trader.proofs import Recorded
from trader.records import Fence
from trader.risk.heat import HeatLevel
from trader.session.effects import Record, RecordChange
from trader.session.events import TradingState
from trader.session.rules import SessionRules
from trader.session.strategy import FLAT_VIEW, Decision, Nothing, View

NO_DECISION = Nothing("no bar yet")
NEVER_S = float("inf")
DAY_S = 86_400.0
ENDED_MAX = 5_000  # ended orders remembered; the rows remember all


@dataclass(frozen=True, slots=True)
class Pending:
    """An order or a change that waits for its grant of heat."""

    item: Order | Change
    bar_opened_at: datetime | None
    decided_s: float


@dataclass(frozen=True, slots=True)
class Closing:
    """A position on its way down to `target_qty` (unsigned), driven until the broker says so."""

    target_qty: Quantity
    reason: str
    since_s: float


@dataclass(slots=True)
class SessionState:
    """See the module. Seconds (`_s`) are the host's elapsed seconds."""

    rules: SessionRules
    fence: Fence | None = None  # None: not loaded yet, nothing may be written

    # working copies
    position: Position = FLAT
    broker: BrokerView = field(default_factory=BrokerView)
    orders: dict[ClientOrderId, WorkingOrder] = field(default_factory=dict)
    executions: set[str] = field(default_factory=set)
    newest_execution: tuple[datetime, str] | None = None  # the venue's, whatever came first
    newest_fill_s: float | None = None
    differs_since_s: float | None = None  # broker and memory, without a break
    fresh_fills: list[tuple[float, Decimal]] = field(default_factory=list)  # seen, signed quantity
    newest_entry_fill_s: float | None = None  # the stop that it carried is on its way for a while
    newest_entry_fill_at: datetime | None = None  # venue time: a stop judges no older extremes
    cursor: SeriesCursor | None = None
    mark: Price | None = None
    marked_s: float | None = None
    stop_price: Price | None = None  # the stop that the position's entry carried
    view: View | None = FLAT_VIEW  # of the last bar; None: it has changed since
    entry_times_s: deque[float] = field(
        default_factory=deque
    )  # of entries, last 24 hours, in order

    ended: dict[ClientOrderId, WorkingOrder] = field(default_factory=dict)  # and settled
    now_s: float = 0.0  # of the event being folded

    # requests under way
    pending: dict[ClientOrderId, Pending] = field(default_factory=dict)  # waiting for heat
    recording: dict[ClientOrderId, tuple[Record | RecordChange, float]] = field(
        default_factory=dict
    )
    proofs: dict[ClientOrderId, Recorded[Order]] = field(default_factory=dict)
    request_over_s: dict[ClientOrderId, float] = field(
        default_factory=dict
    )  # by target: a report asked for later that shows it working means: the request did not take
    attempts: dict[ClientOrderId, int] = field(default_factory=dict)
    probe_due_s: dict[ClientOrderId, float] = field(default_factory=dict)
    closing: Closing | None = None
    retry_exit_s: float = 0.0  # no exit or stop is tried again before
    failed_exits: int = 0
    noticed: set[str] = field(default_factory=set)  # findings already told, until they change

    # strategy
    rebuild: int = 0  # of which rebuild answers are awaited; 0: never opened
    is_strategy_ready: bool = False
    rebuilt_to: datetime | None = None  # newest bar of the window that the rebuild was given
    asked_candle: Candle | None = None
    decide_by_s: float | None = None  # host seconds: a later answer is none; None: whenever
    decision: Decision = NO_DECISION  # the newest, with the bar it was made on
    decided_candle: Candle | None = None

    # flags
    trading_state: TradingState = TradingState.ACTIVE
    is_exits_only: bool = False  # this incarnation runs without its strategy
    is_feed_fresh: bool = False
    is_market_open: bool | None = None
    is_store_up: bool = True
    is_clock_trusted: bool = True
    is_lease_held: bool = True
    is_line_up: bool = False  # the account's event stream
    heat_level: HeatLevel = HeatLevel.UNKNOWN
    doubted: set[ClientOrderId] = field(default_factory=set)  # UNKNOWN since before this load

    # duties (level-triggered: `due_s` is when the next one may be)
    positions_ok_s: float | None = None
    orders_ok_s: float | None = None
    position_due_s: float = 0.0
    orders_due_s: float = 0.0
    position_asked_s: float | None = None
    orders_asked_s: float | None = None
    heat_due_s: float = 0.0
    heat_reported_s: float = 0.0
    heat_sequence: int = 0
    differing: str = ""  # the last reconcile's unexplained difference: it must be seen twice
    due_s: float = 0.0

    @property
    def incarnation(self) -> int:
        """Of the session; 0 before it is loaded."""
        return self.fence.incarnation if self.fence else 0

    @property
    def is_counted(self) -> bool:
        """Rows, broker's position and orders are known: heat is complete, doubts at their worst."""
        return (
            self.fence is not None
            and self.positions_ok_s is not None
            and self.orders_ok_s is not None
        )

    @property
    def is_ready(self) -> bool:
        """Recovered: all of that, and no order is doubted from before."""
        return self.is_counted and not self.doubted

    def find(self, client_id: str, broker_id: str) -> WorkingOrder | None:
        """By our id, else by the venue's, among the ended ones too."""
        order_id = ClientOrderId(client_id)
        known = self.orders.get(order_id) or self.ended.get(order_id)
        if known is not None or not broker_id:
            return known
        for each in (*self.orders.values(), *self.ended.values()):
            if each.broker_order_id == broker_id:
                return each
        return None

    def bury(self) -> None:
        """Set aside the orders from which nothing more is expected."""
        for working in [w for w in self.orders.values() if w.is_settled]:
            order_id = working.order.id
            self.ended[order_id] = self.orders.pop(order_id)
            self.proofs.pop(order_id, None)
            self.attempts.pop(order_id, None)
            self.request_over_s.pop(order_id, None)
            self.noticed.discard(f"unfilled:{order_id}")
        while len(self.ended) > ENDED_MAX:
            self.ended.pop(next(iter(self.ended)))

    def revive(self, working: WorkingOrder) -> None:
        """The venue speaks of an ended order: it is looked at again."""
        if self.ended.pop(working.order.id, None) is not None:
            self.orders[working.order.id] = working

    def open_orders(self) -> list[WorkingOrder]:
        """Those from which something may still come."""
        return [w for w in self.orders.values() if w.is_open]

    def protective(self) -> WorkingOrder | None:
        """The resting stop, if one is open."""
        for working in self.orders.values():
            if working.order.purpose is Purpose.PROTECT and working.is_open:
                return working
        return None

    def count_entry(self, at_s: float) -> None:
        """An entry has its row: budgets count it for a day."""
        self.entry_times_s.append(at_s)
        while self.entry_times_s[0] <= at_s - DAY_S:
            self.entry_times_s.popleft()

    def entries_since(self, at_s: float) -> int:
        """How many entries were recorded after that second."""
        count = 0
        for each_s in reversed(self.entry_times_s):
            if each_s <= at_s:
                break
            count += 1
        return count

    def owe(self, due_s: float) -> None:
        """Have the timer fire by then."""
        if due_s < self.due_s:
            self.due_s = due_s

    @property
    def multiplier(self) -> Decimal:
        """Money per point and unit."""
        return self.rules.instrument.multiplier
