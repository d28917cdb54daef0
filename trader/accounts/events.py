"""What happened to accounts and to the line to their broker."""

from dataclasses import dataclass

from trader.accounts.account import Balance
from trader.ids import AccountId


@dataclass(frozen=True, slots=True)
class BalanceReported:
    """The broker's word on the account."""

    balance: Balance
    asked_s: float


@dataclass(frozen=True, slots=True)
class StreamConnected:
    """The account's event stream is up. Whatever happened before must be asked for."""

    account_id: AccountId


@dataclass(frozen=True, slots=True)
class StreamLost:
    """The account's event stream is down; the adapter reconnects by itself."""

    account_id: AccountId
    cause: str


@dataclass(frozen=True, slots=True)
class AccountAuthFailed:
    """The broker does not accept our keys: nothing works until a human acts."""

    account_id: AccountId
    detail: str


@dataclass(frozen=True, slots=True)
class FrameRefused:
    """A frame that is not of the protocol: counted, shown, dropped."""

    source: str
    reason: str
    sample: str  # at most 200 characters, no secrets
