"""What the heart wants done. The trader actor does it; the answer comes back as an event."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from trader.ids import ClientOrderId
from trader.market.candle import Candle
from trader.orders.order import Change, Order
from trader.proofs import Cleared, Recorded
from trader.records import Entry
from trader.risk.events import ReserveHeat
from trader.risk.heat import Contribution
from trader.session.strategy import View


@dataclass(slots=True)
class AskStrategy:
    """One decision on one new, final bar. Answer: StrategyDecided or StrategyFailed."""

    candle: Candle
    view: View
    rebuild: int


@dataclass(frozen=True, slots=True)
class OpenStrategy:
    """Warm the strategy up from these candles, without deciding. Answer: StrategyReady."""

    candles: tuple[Candle, ...]
    rebuild: int


@dataclass(frozen=True, slots=True)
class AuditNothing:
    """Keep `state.heard` (bar and decision) as audit. One shared object: most bars end in it."""


@dataclass(frozen=True, slots=True)
class AuditDecision:
    """Keep a decision that wanted something, or why nothing was decided."""

    candle: Candle | None
    bar_opened_at: datetime
    action: str
    reason: str
    reason_code: str
    order_ids: tuple[ClientOrderId, ...]


@dataclass(frozen=True, slots=True)
class Reserve:
    """Ask the portfolio for heat. Answer: HeatGranted or HeatRefused."""

    request: ReserveHeat


@dataclass(frozen=True, slots=True)
class Release:
    """The reservation is not needed any more."""

    order_id: ClientOrderId


@dataclass(frozen=True, slots=True)
class Record:
    """Write the order before it leaves. Answer: OrderRecorded or RecordRefused."""

    order: Cleared[Order]
    is_exit: bool


@dataclass(frozen=True, slots=True)
class RecordChange:
    """Write the request before it leaves. Answer: ChangeRecorded or RecordRefused."""

    change: Cleared[Change]
    is_exit: bool


@dataclass(frozen=True, slots=True)
class Submit:
    """Send it: database before network, said by the type. `attempt` > 1 resends the same row."""

    order: Recorded[Order]
    is_exit: bool
    deadline_s: float  # host seconds; later it does not leave
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class SubmitChange:
    """Send the request to replace or cancel."""

    change: Recorded[Change]
    is_exit: bool
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Keep:
    """Write what the broker can tell again; nothing waits for it."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Find:
    """Ask the venue for one order. Answer: OrderReported, OrderAbsent or QueryFailed."""

    order_id: ClientOrderId


@dataclass(frozen=True, slots=True)
class Forget:
    """Nothing of that order can reach the position any more: the last gate counts it no longer."""

    order_id: ClientOrderId


@dataclass(frozen=True, slots=True)
class AskPosition:
    """Ask the broker for the position. Answer: PositionReported or QueryFailed."""


@dataclass(frozen=True, slots=True)
class AskOrders:
    """Ask the broker for the open orders. Answer: OpenOrdersReported or QueryFailed."""


@dataclass(frozen=True, slots=True)
class AskExecutions:
    """Have the account's executions read from its cursor; they come as OrderFilled."""


@dataclass(frozen=True, slots=True)
class ReportHeat:
    """Tell the portfolio this session's share."""

    contribution: Contribution


@dataclass(frozen=True, slots=True)
class Backfill:
    """Bars are missing after this one. Answer: CandlesBackfilled."""

    after: datetime | None


class Severity(StrEnum):
    """How loudly: `warning` = look today, `critical` = an alarm rings."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know. `code` is a constant, lower snake; `text` has the ids."""

    severity: Severity
    code: str
    text: str


Effect = (
    AskStrategy
    | OpenStrategy
    | AuditNothing
    | AuditDecision
    | Reserve
    | Release
    | Record
    | RecordChange
    | Submit
    | SubmitChange
    | Keep
    | Find
    | Forget
    | AskPosition
    | AskOrders
    | AskExecutions
    | ReportHeat
    | Backfill
    | Notice
)
Effects = tuple[Effect, ...]

NOTHING: Effects = ()
AUDIT_NOTHING: Effects = (AuditNothing(),)
