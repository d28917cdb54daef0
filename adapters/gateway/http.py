"""HTTP on loopback: probes, metrics and the desk's read-only resources, for who has the token."""

from contextlib import AbstractAsyncContextManager

from aiohttp import web

from adapters.gateway.auth import Authority, Scope
from adapters.gateway.connections import listening
from adapters.gateway.doorway import Doorway
from adapters.gateway.metrics import CONTENT_TYPE, Metrics
from adapters.gateway.resources import add_resources
from adapters.gateway.wire import answer
from trader.config import AdminConfig
from trader.desk import Desk

_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})


def add_probes(doorway: Doorway, desk: Desk, metrics: Metrics) -> None:
    """What a service manager and Prometheus ask."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response()  # the loop turns; never what the broker or the database do

    async def readyz(request: web.Request) -> web.Response:
        try:
            ready = await desk.ready()
        except TimeoutError:
            return web.Response(status=503)
        status = 200 if ready.is_ready else 503
        if Scope.READ in doorway.authority.scopes_of(request):
            return answer(ready, status)
        return web.Response(status=status)

    async def page(_: web.Request) -> web.Response:
        try:
            body = metrics.page(await desk.status(), await desk.feeds(), await desk.actors())
        except TimeoutError:
            body = metrics.page_without_desk()
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    doorway.route("GET", "/healthz", Scope.OPEN, healthz)
    doorway.route("GET", "/readyz", Scope.OPEN, readyz)
    doorway.route("GET", "/metrics", Scope.READ, page)


def http_doorway(
    desk: Desk, authority: Authority, metrics: Metrics, config: AdminConfig
) -> Doorway:
    """The loopback door: nothing here changes anything."""
    doorway = Doorway(authority, config, _HOSTS)
    add_probes(doorway, desk, metrics)
    add_resources(doorway, desk)
    return doorway


def serve_http(
    desk: Desk, authority: Authority, metrics: Metrics, config: AdminConfig
) -> AbstractAsyncContextManager[str]:
    """Serve it while the context lasts; gives the URL with the port that was taken."""
    return listening(http_doorway(desk, authority, metrics, config).app, config)
