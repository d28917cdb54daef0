"""What an account manager understands, and what it tells of itself."""

from dataclasses import dataclass

from actors.runtime import Address
from trader.accounts.account import Balance
from trader.ids import AccountId, ClientOrderId, InstrumentId, SessionId
from trader.money import Quantity
from trader.orders.order import Change, Order
from trader.positions.events import BrokerPosition
from trader.proofs import Recorded


def name_of(account_id: AccountId) -> str:
    """The account manager's name."""
    return f"account:{account_id}"


@dataclass(frozen=True, slots=True)
class AttachSession:
    """This incarnation of this session owns the instrument from now on."""

    session_id: SessionId
    instrument: InstrumentId
    incarnation: int
    reply_to: Address


@dataclass(frozen=True, slots=True)
class SubmitOrder:
    """Send it, unless the last gate says no. OrderSubmitted, then the answer."""

    order: Recorded[Order]
    is_exit: bool
    deadline_s: float
    attempt: int
    reply_to: Address


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """Send a replace or a cancel. ChangeAnswered."""

    change: Recorded[Change]
    is_exit: bool
    deadline_s: float
    reply_to: Address


@dataclass(frozen=True, slots=True)
class FindOrder:
    """Ask the venue for one order. OrderReported, OrderAbsent or QueryFailed."""

    order_id: ClientOrderId
    reply_to: Address


@dataclass(frozen=True, slots=True)
class ForgetOrder:
    """Nothing of it can reach the position any more: the last gate counts it no longer."""

    instrument: InstrumentId
    order_id: ClientOrderId


@dataclass(frozen=True, slots=True)
class QueryPosition:
    """PositionReported or QueryFailed."""

    instrument: InstrumentId
    reply_to: Address


@dataclass(frozen=True, slots=True)
class QueryOrders:
    """OpenOrdersReported or QueryFailed."""

    instrument: InstrumentId
    reply_to: Address


@dataclass(frozen=True, slots=True)
class ReadExecutions:
    """Read the executions from the cursor on; each goes to its instrument's owner."""


@dataclass(frozen=True, slots=True)
class EquityAsked:
    """The portfolio was restarted and needs the account's equity."""


@dataclass(frozen=True, slots=True)
class EquityReported:
    """The account's equity, for the portfolio."""

    balance: Balance


@dataclass(frozen=True, slots=True)
class UnownedPosition:
    """The broker holds something that no session owns: somebody must count and guard it."""

    account_id: AccountId
    position: BrokerPosition


@dataclass(frozen=True, slots=True)
class DescribeAccount:
    """Ask: an AccountState."""


@dataclass(frozen=True, slots=True)
class AccountState:
    """How the account stands, for the desk."""

    account_id: AccountId
    balance: Balance | None
    is_line_up: bool
    line_cause: str
    epoch: int | None
    lease_left_s: float | None
    positions: dict[InstrumentId, Quantity] | None
    positions_age_s: float | None
    refused_frames_count: int
