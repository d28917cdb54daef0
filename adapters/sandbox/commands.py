"""Everything that can happen to the venue, as data.

The venue is a deterministic fold of these: the journal is the list of them, a restart replays it.
Each carries its own instant `at` on the venue's clock; the venue never asks for another.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from adapters.sandbox.orders import Fate, OrderRequest, Side
from adapters.sandbox.tape import Bar, Path


@dataclass(frozen=True, slots=True)
class Rules:
    """What the venue charges and allows."""

    multiplier: Decimal = Decimal(2)  # 1 = a cash account
    shorting_enabled: bool = True
    fee_per_share: Decimal = Decimal(0)
    fee_fraction: Decimal = Decimal(0)  # of the trade's notional
    liquidity_fraction: Decimal = Decimal("0.1")  # of the volume printed, what accounts may take
    seed: int = 7  # of the ids it gives


@dataclass(frozen=True, slots=True)
class SetRules:
    """The rules from now on."""

    at: datetime
    rules: Rules
    kind: Literal["set_rules"] = "set_rules"


@dataclass(frozen=True, slots=True)
class ListSymbol:
    """A symbol becomes tradable."""

    at: datetime
    symbol: str
    kind: Literal["list_symbol"] = "list_symbol"


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """An account starts with its cash."""

    at: datetime
    number: str
    cash: Decimal
    kind: Literal["open_account"] = "open_account"


@dataclass(frozen=True, slots=True)
class TellTime:
    """Somebody was told what time it is here: kept, so that the clock never shows less again."""

    at: datetime
    kind: Literal["tell_time"] = "tell_time"


@dataclass(frozen=True, slots=True)
class Submit:
    """A client's new order. It trades only once it is settled."""

    at: datetime
    account: str
    request: OrderRequest
    fate: Fate = Fate.NORMAL
    kind: Literal["submit"] = "submit"


@dataclass(frozen=True, slots=True)
class Settle:
    """The venue gets round to what is pending on an order: a submit, a cancel or a replace."""

    at: datetime
    order_id: str
    kind: Literal["settle"] = "settle"


@dataclass(frozen=True, slots=True)
class RequestCancel:
    """A client wants an order gone."""

    at: datetime
    account: str
    order_id: str
    kind: Literal["request_cancel"] = "request_cancel"


@dataclass(frozen=True, slots=True)
class RequestReplace:
    """A client wants an order changed. None leaves a field as it is.

    `qty` is the whole quantity, what is already filled included.
    """

    at: datetime
    account: str
    order_id: str
    client_order_id: str
    qty: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    kind: Literal["request_replace"] = "request_replace"


@dataclass(frozen=True, slots=True)
class Move:
    """One print of the price path."""

    symbol: str
    price: Decimal
    volume: Decimal
    path: Path


@dataclass(frozen=True, slots=True)
class Step:
    """The next piece of the price path: several symbols' prints at one instant."""

    at: datetime
    moves: tuple[Move, ...]
    opened_at: datetime  # of the bar under way
    slot: int  # which bar of the source, laps counted on
    step: int  # which piece of it, from 0
    stamped_at: datetime  # the instant the tape shows
    kind: Literal["step"] = "step"


@dataclass(frozen=True, slots=True)
class CloseBars:
    """The bars under way end; the next slot starts."""

    at: datetime
    opened_at: datetime
    next_slot: int
    next_opened_at: datetime
    kind: Literal["close_bars"] = "close_bars"


@dataclass(frozen=True, slots=True)
class Prefill:
    """History from before the live start."""

    at: datetime
    symbol: str
    bars: tuple[Bar, ...]
    kind: Literal["prefill"] = "prefill"


@dataclass(frozen=True, slots=True)
class StartAt:
    """Where the live price path begins."""

    at: datetime
    slot: int
    opened_at: datetime
    kind: Literal["start_at"] = "start_at"


@dataclass(frozen=True, slots=True)
class ReviseBar:
    """A bar already published was wrong; this one replaces it."""

    at: datetime
    symbol: str
    bar: Bar
    kind: Literal["revise_bar"] = "revise_bar"


@dataclass(frozen=True, slots=True)
class SetPrice:
    """Somebody sets the price by hand."""

    at: datetime
    symbol: str
    price: Decimal
    volume: Decimal
    kind: Literal["set_price"] = "set_price"


@dataclass(frozen=True, slots=True)
class SetMarket:
    """The market opens or closes."""

    at: datetime
    is_open: bool
    kind: Literal["set_market"] = "set_market"


@dataclass(frozen=True, slots=True)
class OperatorTrade:
    """Someone trades in the account behind the daemon's back: filled by the house, unchecked."""

    at: datetime
    account: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal | None = None
    kind: Literal["operator_trade"] = "operator_trade"


@dataclass(frozen=True, slots=True)
class OperatorAdjust:
    """The margin desk moves shares and their worth without any order."""

    at: datetime
    account: str
    symbol: str
    signed_qty: Decimal
    price: Decimal | None = None
    kind: Literal["operator_adjust"] = "operator_adjust"


@dataclass(frozen=True, slots=True)
class BustTrade:
    """The exchange undoes a trade of an account."""

    at: datetime
    account: str
    execution_id: str
    kind: Literal["bust_trade"] = "bust_trade"


Command = Annotated[
    SetRules
    | ListSymbol
    | OpenAccount
    | TellTime
    | Submit
    | Settle
    | RequestCancel
    | RequestReplace
    | Step
    | CloseBars
    | Prefill
    | StartAt
    | ReviseBar
    | SetPrice
    | SetMarket
    | OperatorTrade
    | OperatorAdjust
    | BustTrade,
    Field(discriminator="kind"),
]
