"""The venue's door in the simulated world: the sandbox's own wire, without a socket.

Runs in the venue's time. Notes every write that arrives with what truly became of it, then lets a
fault decide what the daemon is told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from adapters.brokers.alpaca_answers import Reply
from adapters.clock import Clock
from adapters.sandbox.accounts import Account, Position
from adapters.sandbox.alpaca_http import AlpacaTrading
from adapters.sandbox.entry import Refused, malformed, not_found
from adapters.sandbox.faults import Fault, FaultKind
from adapters.sandbox.guard import TOO_MANY, UNAUTHORIZED, Call, Handler
from adapters.sandbox.guard import Answer as Given
from adapters.sandbox.host import Host
from adapters.sandbox.orders import Order
from adapters.simulated.account_faults import (
    BY_CLIENT_ID,
    ORDERS,
    AccountFault,
    AccountFaultKind,
    AccountFaults,
    Occasion,
)
from adapters.simulated.history import History, WriteArrived

MINUTE = timedelta(minutes=1)
PAGE = b"<html><body><h1>%d</h1></body></html>"
_ONE_ORDER = "/v2/orders/"
NO_BODY: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Request:
    """What a daemon sends."""

    who: str
    number: str
    method: str
    path: str
    query: Mapping[str, str]
    body: bytes | None
    client_order_id: str  # whom it is about, as far as the request says

    @property
    def what(self) -> str:
        """Its kind, whichever order it is about."""
        is_one = self.method in ("PATCH", "DELETE") or self.path.startswith(_ONE_ORDER)
        return f"{self.method} {_ONE_ORDER}{{id}}" if is_one else f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back: data, or bytes that are none."""

    status: int
    payload: object  # what JSON would carry; None: no body
    garbage: bytes | None = None  # instead of it
    retry_after_s: int | None = None

    def reply(self) -> Reply:
        """As the real adapter reads it."""
        if self.garbage is not None:
            return Reply(self.status, self.garbage)
        return Reply(self.status, b"" if self.payload is None else orjson.dumps(self.payload))


class Door:
    """Serves what arrives."""

    def __init__(self, host: Host, clock: Clock, faults: AccountFaults, history: History) -> None:
        self._host = host
        self._clock = clock
        self._faults = faults
        self._history = history
        self._handlers = AlpacaTrading(host, MINUTE, _nothing_to_flush).handlers()

    def serve(self, request: Request, fault: AccountFault | None) -> Answer:
        """Perform it, unless the fault comes first; answer, unless the fault knows better."""
        match None if fault is None else fault.kind:
            case AccountFaultKind.ERROR_BEFORE:
                assert fault is not None
                answer = Answer(fault.status, None, PAGE % fault.status)
            case AccountFaultKind.KEYS_REFUSED:
                answer = _refusal(401, UNAUTHORIZED, "request is not authorized")
            case AccountFaultKind.RATE_LIMITED:
                assert fault is not None
                answer = replace(
                    _refusal(429, TOO_MANY, "too many requests."),
                    retry_after_s=fault.retry_after_s,
                )
            case _:
                return self._served(request, fault)
        if request.method != "GET":
            self._note(request, answer)
        return answer

    def _served(self, request: Request, fault: AccountFault | None) -> Answer:
        if fault is not None and fault.kind is AccountFaultKind.SENT_TWICE:
            self._perform(request, None)
        answer = self._perform(request, fault)
        if fault is None:
            return answer
        match fault.kind:
            case AccountFaultKind.ERROR_AFTER:
                return Answer(fault.status, None, PAGE % fault.status)
            case AccountFaultKind.GARBAGE_REPLY:
                whole = answer.reply().body
                # What there is of a reply is cut short; where there is none, a gateway's page.
                return Answer(200, None, whole[: len(whole) // 2] or PAGE % 200)
            case AccountFaultKind.EMPTY_LIST:
                return Answer(200, [])
            case AccountFaultKind.CUT_LISTING if isinstance(answer.payload, list):
                return Answer(200, answer.payload[:-1])
            case _:
                return answer

    def _perform(self, request: Request, fault: AccountFault | None) -> Answer:
        try:
            handler, parts = self._route(request)
            account = self._host.venue.ledger.account(request.number)
            if fault is not None:
                account = self._as_seen(account, request, fault)
            if request.method == "POST" and not self._faults.is_quiet:
                self._doom(request)
            body = NO_BODY if request.body is None else orjson.loads(request.body)
            given = _at_once(handler, Call(account, dict(body), request.query, parts))
            answer = Answer(given.status, given.payload)
        except Refused as refused:
            answer = Answer(refused.http_status, refused.body())
        if request.method != "GET":
            self._note(request, answer)
        return answer

    def _route(self, request: Request) -> tuple[Handler, Mapping[str, str]]:
        handler = self._handlers.get((request.method, request.path))
        if handler is not None:
            return handler, {}
        parent, _, last = request.path.rpartition("/")
        for name in ("id", "kind"):
            handler = self._handlers.get((request.method, f"{parent}/{{{name}}}"))
            if handler is not None:
                return handler, {name: last}
        raise malformed(f"no such path: {request.path}")

    def _doom(self, request: Request) -> None:
        """What a fault has in store for an order, in the venue's own words."""
        occasion = Occasion(
            request.number, request.who, "POST", request.path, request.client_order_id
        )
        fault = self._faults.strike(ORDERS, occasion)
        if fault is not None:
            fate = Fault(kind=FaultKind(fault.kind.value), client_order_id=request.client_order_id)
            self._host.faults.install(fate)

    def _as_seen(self, account: Account, request: Request, fault: AccountFault) -> Account:
        """The account as a server sees it that lags behind."""
        lag = timedelta(seconds=fault.delay_s * self._host.clock.speed)
        seen_at = self._host.now() - lag
        match fault.kind:
            case AccountFaultKind.STALE_SNAPSHOT | AccountFaultKind.TORN_SNAPSHOT:
                return as_of(account, seen_at)
            case AccountFaultKind.NOT_YET_VISIBLE if request.path == BY_CLIENT_ID:
                order = account.orders_by_client_id.get(request.client_order_id)
                if order is not None and order.created_at > seen_at:
                    raise not_found(f"order {request.client_order_id}")
        return account

    def _note(self, request: Request, answer: Answer) -> None:
        ledger = self._host.venue.ledger
        body = NO_BODY if request.body is None else orjson.loads(request.body)
        order: Order | None = None
        if request.method == "DELETE" or answer.status >= 300:
            order = ledger.orders.get(request.path.rpartition("/")[2])
        elif isinstance(answer.payload, dict):
            order = ledger.orders[answer.payload["id"]]
        symbol = order.request.symbol if order is not None else body.get("symbol", "")
        account = ledger.accounts[request.number]
        code = answer.payload.get("code") if isinstance(answer.payload, dict) else None
        self._history.note(
            WriteArrived(
                at_s=self._clock.elapsed(),
                who=request.who,
                number=request.number,
                method=request.method,
                client_order_id=request.client_order_id,
                body=body,
                position_qty=account.position_qty(symbol),
                status=answer.status,
                code=code,
                order=order,
            )
        )


def as_of(account: Account, at: datetime) -> Account:
    """The account's positions, cash and executions as they were then; the rest as it is."""
    later = [(e.symbol, e.side.sign * e.qty, e.price, e.fee) for e in account.executions
             if e.at > at]  # fmt: skip
    later += [(a.symbol, a.signed_qty, a.price, Decimal(0)) for a in account.adjustments
              if a.at > at]  # fmt: skip
    moves = [(e.at, e.symbol, e.side.sign * e.qty, e.price) for e in account.executions]
    moves += [(a.at, a.symbol, a.signed_qty, a.price) for a in account.adjustments]
    positions: dict[str, Position] = {}
    for moved_at, symbol, signed_qty, price in sorted(moves, key=lambda move: move[0]):
        if moved_at <= at:
            positions.setdefault(symbol, Position()).take(signed_qty, price)
    executions = [each for each in account.executions if each.at <= at]
    return replace(
        account,
        cash=account.cash + sum((qty * price + fee for _, qty, price, fee in later), Decimal(0)),
        positions={symbol: each for symbol, each in positions.items() if each.qty},
        executions=executions,
    )


async def _nothing_to_flush() -> None:
    """What a stream has is out as soon as it happened."""


def _refusal(status: int, code: int, message: str) -> Answer:
    return Answer(status, {"code": code, "message": message})


def _at_once(handler: Handler, call: Call) -> Given:
    """A handler's answer: without a socket it waits for nothing."""
    step = handler(call).__await__()
    try:
        next(step)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("a handler of the venue waits for something")
