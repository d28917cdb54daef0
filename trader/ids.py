"""Names of things: opaque strings with a type each, and the client order id, which is a hash.

The same decision gives the same client order id, so a restart that decides the same thing again
meets its own row and the broker's duplicate check instead of ordering twice.
"""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import NewType

SessionId = NewType("SessionId", str)
AccountId = NewType("AccountId", str)  # our alias from the configuration, not the broker's number
InstrumentId = NewType("InstrumentId", str)  # SYMBOL.VENUE, e.g. AAPL.ALPACA
ClientOrderId = NewType("ClientOrderId", str)  # ours, 22 characters, made before the first write
BrokerOrderId = NewType("BrokerOrderId", str)  # the venue's
ExecutionId = NewType("ExecutionId", str)  # the venue's id of one fill

CLIENT_ORDER_ID_LENGTH = 22  # the smallest limit among the brokers we know (TradeStation)


class CauseKind(StrEnum):
    """What made us want an order; with its key it is the identity of the decision."""

    CANDLE = "CANDLE"  # key: the candle's opened_at
    PRICE = "PRICE"  # key: the price event's happened_at
    COMMAND = "COMMAND"  # key: the operator's command id
    POSITION = "POSITION"  # key: `position_key`


# Base32 two letters at a time: the standard library's encoder costs ten times the hash.
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _LETTERS for second in _LETTERS)


def client_order_id(
    session_id: SessionId, kind: CauseKind, key: str, leg: str, ordinal: int
) -> ClientOrderId:
    """`t1` and 20 lowercase base32 characters of a SHA-256.

    `leg` names the order's part in its decision (`entry`, `exit`, `stop`, `replace`), `ordinal` its
    place inside that decision, which is never recounted.
    """
    text = "\x1f".join((session_id, kind, key, leg, str(ordinal)))
    bits = int.from_bytes(hashlib.sha256(text.encode()).digest()[:13], "big") >> 4
    pairs = [_PAIRS[bits >> shift & 1023] for shift in range(90, -1, -10)]
    return ClientOrderId("t1" + "".join(pairs))


def is_ours(client_id: str) -> bool:
    """Whether a client order id has the form that this program makes."""
    return len(client_id) == CLIENT_ORDER_ID_LENGTH and client_id.startswith("t1")


def instant_key(at: datetime) -> str:
    """A cause key for an instant: ISO-8601, UTC."""
    return at.isoformat()


def position_key(
    account_id: AccountId,
    instrument: InstrumentId,
    broker_qty: str,
    newest_execution_id: str,
    attempt: int,
) -> str:
    """The cause key of a position-derived order: two owners who see the same make the same."""
    return "|".join((account_id, instrument, broker_qty, newest_execution_id, str(attempt)))


def instrument_id(symbol: str, venue: str) -> InstrumentId:
    """`AAPL` at `alpaca` is `AAPL.ALPACA`."""
    return InstrumentId(f"{symbol}.{venue.upper()}")


def symbol_of(instrument: InstrumentId) -> str:
    """The venue's own symbol: what stands before the last dot."""
    return instrument.rpartition(".")[0]
