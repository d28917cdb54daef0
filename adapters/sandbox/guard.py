"""The door of the REST wire: keys, rate limit, the log of what was asked, and the faults.

Every handler stands behind it. What a handler returns or refuses becomes a response here, with the
headers that every response of this wire carries.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import Any
from uuid import uuid4

import orjson
from aiohttp import web

from adapters.sandbox.accounts import Account
from adapters.sandbox.entry import Refused, malformed
from adapters.sandbox.faults import Fault, FaultKind, Occasion, Place
from adapters.sandbox.host import Host
from adapters.sandbox.limits import TokenBucket

REQUESTS_KEPT = 100_000
UNAUTHORIZED = 40110000
TOO_MANY = 42910000
KEY_HEADER = "APCA-API-KEY-ID"
SECRET_HEADER = "APCA-API-SECRET-KEY"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an account's owner shows at the door."""

    number: str
    key: str
    secret: str


class Keyring:
    """Which keys open which account."""

    def __init__(self, credentials: tuple[Credentials, ...]) -> None:
        self._by_key = {item.key: item for item in credentials}

    def account_of(self, key: object, secret: object) -> str | None:
        """The number of the account that these keys open; None if they open none."""
        found = self._by_key.get(key) if isinstance(key, str) else None
        if found is None or not compare_digest(found.secret.encode(), str(secret).encode()):
            return None
        return found.number


@dataclass(slots=True)
class RequestSeen:
    """One request as it arrived, whatever became of it."""

    at: datetime  # venue time
    method: str
    path: str
    account: str
    client_order_id: str | None
    status: int | None = None  # None while it is being answered, or when the connection was cut
    fault: FaultKind | None = None


class RequestLog:
    """What was asked: the newest in full, order POSTs counted by client order id for good."""

    def __init__(self) -> None:
        self.newest: deque[RequestSeen] = deque(maxlen=REQUESTS_KEPT)
        self.posts_by_client_id: Counter[str] = Counter()
        self.count = 0

    def add(self, seen: RequestSeen) -> None:
        """Write one down."""
        self.newest.append(seen)
        self.count += 1
        if seen.client_order_id is not None and seen.method == "POST":
            self.posts_by_client_id[seen.client_order_id] += 1

    def report(self, limit: int) -> Json:
        """The counts, and the newest requests, oldest first."""
        newest = list(self.newest)
        return {
            "count": self.count,
            "posts_by_client_order_id": self.posts_by_client_id,
            "newest": newest[max(0, len(newest) - limit) :],
        }


@dataclass(frozen=True, slots=True)
class Call:
    """A request that got through the door."""

    account: Account
    body: Json  # of POST and PATCH, else empty
    query: Mapping[str, str]  # of a repeated parameter the last counts
    path_parts: Mapping[str, str]  # the variable parts of the path, by name


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler has to say. A payload of None is an empty body."""

    payload: object
    status: int = 200


Handler = Callable[[Call], Awaitable[Answer]]


class Guard:
    """Stands before every handler of the REST wire."""

    def __init__(self, host: Host, keyring: Keyring, requests_per_minute: int) -> None:
        self.log = RequestLog()
        self._host = host
        self._keyring = keyring
        self._per_minute = requests_per_minute
        self._buckets: dict[str, TokenBucket] = {}

    def wrap(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The handler as aiohttp wants it."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            number = self._keyring.account_of(
                request.headers.get(KEY_HEADER), request.headers.get(SECRET_HEADER)
            )
            if number is None:
                refusal = {"code": UNAUTHORIZED, "message": "request is not authorized"}
                return self._response(Answer(refusal, 401), None)
            return await self._serve(request, number, handler)

        return guarded

    async def _serve(
        self, request: web.Request, number: str, handler: Handler
    ) -> web.StreamResponse:
        raw = await request.read() if request.method in ("POST", "PATCH") else b""
        body = _object(raw)
        seen = self._see(request, number, body)
        bucket = self._buckets.setdefault(number, TokenBucket(self._per_minute))
        fault = self._strike(seen, body)
        if not bucket.take() or (fault is not None and fault.kind is FaultKind.RATE_LIMIT):
            seen.status = 429
            refusal = {"code": TOO_MANY, "message": "too many requests."}
            return self._response(Answer(refusal, 429), bucket)
        if fault is not None and fault.kind in (FaultKind.DROP_BEFORE, FaultKind.HTTP_BEFORE):
            return self._break(request, fault, seen)
        if fault is not None and fault.kind is FaultKind.SLOW:
            await asyncio.sleep(fault.delay_ms / 1000)
        answer = await self._ask(request, number, raw, body, handler)
        if fault is not None and fault.kind in (FaultKind.ACK_LOST, FaultKind.HTTP_AFTER):
            return self._break(request, fault, seen)
        if fault is not None and fault.kind is FaultKind.SLOW_REPLY:
            await asyncio.sleep(fault.delay_ms / 1000)
        seen.status = answer.status
        return self._response(answer, bucket)

    async def _ask(
        self, request: web.Request, number: str, raw: bytes, body: Json | None, handler: Handler
    ) -> Answer:
        try:
            if raw and body is None:
                raise malformed("request body format is invalid")
            account = self._host.venue.ledger.account(number)
            call = Call(account, body or {}, dict(request.query), request.match_info)
            return await handler(call)
        except Refused as refusal:
            return Answer(refusal.body(), refusal.http_status)

    def _see(self, request: web.Request, number: str, body: Json | None) -> RequestSeen:
        client_id = (body or {}).get("client_order_id") or request.query.get("client_order_id")
        order = self._host.venue.ledger.orders.get(request.match_info.get("id", ""))
        if client_id is None and order is not None:
            client_id = order.request.client_order_id
        seen = RequestSeen(
            self._host.now(),
            request.method,
            request.path,
            number,
            client_id if isinstance(client_id, str) else None,
        )
        self.log.add(seen)
        return seen

    def _strike(self, seen: RequestSeen, body: Json | None) -> Fault | None:
        faults = self._host.faults
        if faults.quiet:
            return None
        symbol = (body or {}).get("symbol")
        fault = faults.strike(
            Occasion(
                Place.REQUEST,
                account=seen.account,
                method=seen.method,
                path=seen.path,
                client_order_id=seen.client_order_id,
                symbol=symbol if isinstance(symbol, str) else None,
            ),
            seen.at,
        )
        seen.fault = fault.kind if fault is not None else None
        return fault

    def _break(self, request: web.Request, fault: Fault, seen: RequestSeen) -> web.StreamResponse:
        if fault.kind in (FaultKind.HTTP_BEFORE, FaultKind.HTTP_AFTER):
            # A gateway's error page, not the venue's JSON: clients must cope with it.
            seen.status = fault.status
            page = f"<html><body><h1>{fault.status}</h1></body></html>"
            return web.Response(text=page, status=fault.status, content_type="text/html")
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)  # nobody is there any more to read it

    def _response(self, answer: Answer, bucket: TokenBucket | None) -> web.Response:
        headers = {"X-Request-ID": uuid4().hex}
        if bucket is not None:
            headers["X-RateLimit-Limit"] = str(bucket.per_minute)
            headers["X-RateLimit-Remaining"] = str(bucket.remaining)
            headers["X-RateLimit-Reset"] = str(int(time.time()) + bucket.full_in_s)
        if answer.payload is None:
            return web.Response(status=answer.status, headers=headers)
        return web.Response(
            body=orjson.dumps(answer.payload),
            status=answer.status,
            headers=headers,
            content_type="application/json",
        )


def _object(raw: bytes) -> Json | None:
    """The body as a JSON object; None where it is none."""
    try:
        value = orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
