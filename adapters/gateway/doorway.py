"""The doorway: an app whose every route names its scope, and whose every failure is a problem.

Nothing is read from the disk, no browser's origin gets in, no answer repeats what was sent.
"""

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from adapters.gateway.auth import Authority, Scope
from adapters.gateway.wire import Refusal, problem
from trader.config import AdminConfig
from trader.errors import StoreUnavailable

log = structlog.get_logger()

_PORT = re.compile(r":\d+$")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HEADERS = {
    "Server": "trader",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_BUSY = Refusal(504, "no answer in time", "the daemon is busy, or an actor is stuck")
_NO_ROWS = Refusal(503, "database away", "rows cannot be read now; status and heat can")


class Doorway:
    """An app whose every route has a scope, and whose every failure is a problem."""

    def __init__(self, authority: Authority, config: AdminConfig, hosts: frozenset[str]) -> None:
        self.scopes: dict[Handler, Scope] = {}
        self.authority = authority
        self._hosts = hosts
        self._timeout_s = config.request_timeout_s
        self.app = web.Application(
            middlewares=[self._answer_for_all, self._admit],
            client_max_size=config.body_bytes_max,
        )

    def route(self, method: str, path: str, scope: Scope, handler: Handler) -> None:
        """Serve it to callers with the scope."""
        self.scopes[handler] = scope
        self.app.router.add_route(method, path, handler)

    @web.middleware
    async def _answer_for_all(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = uuid.uuid4().hex
        try:
            response = await handler(request)
        except Refusal as refusal:
            response = problem(refusal, request_id=request_id)
        except web.HTTPException as error:
            response = problem(Refusal(error.status, error.reason), request_id=request_id)
        except TimeoutError:
            response = problem(_BUSY, request_id=request_id)
        except StoreUnavailable:
            response = problem(_NO_ROWS, request_id=request_id)
        except Exception:
            log.exception("request_failed", request_id=request_id)
            response = problem(Refusal(500, "failed"), request_id=request_id)
        if not response.prepared:
            response.headers.update(HEADERS)
            response.headers["X-Request-ID"] = request_id
        return response

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._hosts and _PORT.sub("", request.host) not in self._hosts:
            raise Refusal(421, "not this host")  # a page elsewhere that resolves its name to us
        if "Origin" in request.headers:
            raise Refusal(403, "no browser's business")
        scope = self.scopes.get(request.match_info.handler)
        if request.match_info.http_exception is None:
            if scope is None:
                raise Refusal(403, "no scope")
            if scope not in self.authority.scopes_of(request):
                raise Refusal(401, "who are you", "send Authorization: Bearer <token>")
        try:
            async with asyncio.timeout(self._timeout_s):
                await request.read()  # its own deadline; a handler finds it read
        except TimeoutError:
            raise Refusal(408, "body too slow") from None
        return await handler(request)
