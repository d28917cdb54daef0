"""What a reply means: for a write one of three (or provably nothing), for a question data or error.

The contract is status and code, never the venue's prose. Only a refusal in the venue's own words
is definitive: a gateway's page, a reply cut short, a 5xx leave a write unknown.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from adapters.brokers import alpaca_json as read
from adapters.brokers.alpaca_json import Json
from trader.errors import (
    BrokerAuthFailed,
    BrokerError,
    BrokerProtocolError,
    BrokerRefused,
    BrokerTimeout,
    RateLimited,
)
from trader.ids import BrokerOrderId, ClientOrderId
from trader.ports import Accepted, Answer, Rejected, Unknown

AUTH_FAILED = "auth_failed"
DUPLICATE_OR_MALFORMED = 40010001
TEXT_LENGTH_MAX = 300


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply: its status and body."""

    status: int
    body: bytes


class Write(StrEnum):
    """What was asked for."""

    SUBMIT = "SUBMIT"
    REPLACE = "REPLACE"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The venue's own no. `code` is 0 where it gave none."""

    code: int
    message: str
    body: Json


def refusal_in(reply: Reply) -> Refusal | None:
    """The venue's refusal; None where the body is not the venue's."""
    try:
        body = read.an_object(read.exact_json(reply.body))
        message = read.text(body, "message")
    except BrokerProtocolError:
        return None
    code = body.get("code")
    return Refusal(code if isinstance(code, int) else 0, message[:TEXT_LENGTH_MAX], body)


def order_answer(reply: Reply, write: Write, client_order_id: ClientOrderId) -> Answer:
    """What became of a submit, or of a replace (then the id is the successor's)."""
    if not 200 <= reply.status < 300:
        return _refused(reply, write)
    try:
        order = read.an_object(read.exact_json(reply.body))
        broker_order_id = BrokerOrderId(read.text(order, "id"))
    except BrokerProtocolError as error:
        return Unknown(f"unreadable_reply: {error}")
    if order.get("client_order_id") != client_order_id:
        return Unknown("unreadable_reply: it speaks of another order")
    if order.get("status") == "rejected":
        return Rejected("rejected", "rejected on arrival")
    return Accepted(broker_order_id)


def cancel_answer(reply: Reply, target: BrokerOrderId) -> Answer:
    """What became of a cancel: asked for, which is not yet done."""
    if reply.status == 204:
        return Accepted(target)
    if reply.status < 300:
        return Unknown(f"unreadable_reply: status {reply.status}")
    return _refused(reply, Write.CANCEL)


def data_in(reply: Reply) -> Any:
    """The data of an answered question. Raises BrokerError for everything but data."""
    if reply.status == 200:
        return read.exact_json(reply.body)
    if reply.status == 429:
        raise RateLimited("too many requests", retry_after_s=0.0)  # the queue knows how long
    if reply.status >= 500:
        raise BrokerTimeout(f"the venue failed (http {reply.status})")
    refusal = refusal_in(reply)
    if refusal is None:
        raise BrokerProtocolError(f"not the venue's words (http {reply.status})")
    if reply.status == 401 or (reply.status == 403 and _forbidden_code(refusal) == AUTH_FAILED):
        raise BrokerAuthFailed(f"the keys are not accepted (http {reply.status})")
    raise BrokerRefused(refusal.message, code=str(refusal.code), http_status=reply.status)


def reason_of(error: BrokerError) -> str:
    """A failed question's reason: our code, then the words."""
    match error:
        case BrokerAuthFailed():
            code = AUTH_FAILED
        case RateLimited():
            code = "rate_limited"
        case BrokerRefused():
            code = f"refused_{error.http_status}"
        case BrokerProtocolError():
            code = "unreadable_reply"
        case BrokerTimeout():
            code = "timeout"
        case _:
            code = "unreachable"
    return f"{code}: {error}"


def _refused(reply: Reply, write: Write) -> Answer:
    refusal = refusal_in(reply)
    if refusal is None:
        return Unknown(f"http_{reply.status}")
    match reply.status:
        case 401:
            return Rejected(AUTH_FAILED, refusal.message)
        case 403:
            return Rejected(_forbidden_code(refusal), refusal.message)
        case 404:
            return Rejected("not_found", refusal.message)
        case 400 | 422:
            if refusal.code == DUPLICATE_OR_MALFORMED and write is not Write.CANCEL:
                # Duplicate means that it exists: only a query by client id tells.
                return Unknown("duplicate_or_malformed")
            return Rejected(_invalid_code(write), refusal.message)
        case 429:
            return Rejected("rate_limited", refusal.message)  # it was sent, and the venue says no
        case _:
            return Unknown(f"http_{reply.status}")


def _forbidden_code(refusal: Refusal) -> str:
    body = refusal.body
    if refusal.code // 10_000 == 4011 or refusal.message.startswith("forbidden"):
        return AUTH_FAILED
    if "existing_order_id" in body:
        return "wash_trade" if "reject_reason" in body else "opposite_order"
    if "buying_power" in body:
        return "insufficient_funds"
    if "existing_qty" in body or "available" in body:
        return "insufficient_shares"
    return "forbidden"


def _invalid_code(write: Write) -> str:
    match write:
        case Write.SUBMIT:
            return "invalid"
        case Write.REPLACE:
            return "not_replaceable"
        case Write.CANCEL:
            return "not_cancelable"
