"""Connections that cannot be held open for nothing, and answers to what is not HTTP.

A client has `request_timeout_s` to send its headers (and the same for a body: `http.py`), and there
are at most `connections_max` of them. What is not HTTP gets an answer that repeats none of it.
"""

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from adapters.gateway.wire import Refusal, problem
from trader.config import AdminConfig
from trader.errors import ConfigInvalid

log = structlog.get_logger()

_UNIX_PATH_BYTES_MAX = 103  # of the strictest system; Linux takes 107


class Connection(RequestHandler):
    """One client."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what could not even be read. aiohttp's own would repeat it."""
        log.warning("request_unreadable", status=status, kind=type(exc).__name__)
        response = problem(Refusal(status, "not a request"), request_id=uuid.uuid4().hex)
        response.headers["Server"] = "trader"
        response.force_close()
        return response


class _TurnedAway(asyncio.Protocol):
    """The house is full."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


@asynccontextmanager
async def listening(
    app: web.Application, config: AdminConfig, *, path: Path | None = None
) -> AsyncIterator[str]:
    """Serve the app on loopback, or on a unix socket; gives the address. Closes on the way out.

    Raises ConfigInvalid where the address cannot be had.
    """
    door = _tcp_door(config) if path is None else _unix_door(path)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    house = runner.server
    assert house is not None
    loop = asyncio.get_running_loop()

    def admit() -> asyncio.Protocol:
        if len(house.connections) >= config.connections_max:
            log.warning("connection_refused", connections_count=len(house.connections))
            return _TurnedAway()
        return Connection(
            house,
            loop=loop,
            # aiohttp closes by it whoever has not finished sending headers, or is idle.
            keepalive_timeout=config.request_timeout_s,
            lingering_time=0,
            auto_decompress=False,
        )

    try:
        server = await loop.create_server(admit, sock=door)
        if path is None:
            host, port = door.getsockname()[:2]
            yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
        else:
            yield str(path)
        server.close()
    finally:
        await runner.cleanup()
        door.close()
        if path is not None:
            os.unlink(path)


def _tcp_door(config: AdminConfig) -> socket.socket:
    try:
        return socket.create_server(
            (config.host, config.port), family=_family(config.host), backlog=128
        )
    except OSError as error:
        reason = (error.strerror or "cannot be had").lower()
        raise ConfigInvalid((f"admin.port {config.port}: {reason}",)) from error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _unix_door(path: Path) -> socket.socket:
    """A socket with mode 0600 from its first moment; what a killed daemon left is removed."""
    if len(os.fsencode(path)) > _UNIX_PATH_BYTES_MAX:
        raise ConfigInvalid((f"{path}: too long for a socket, set admin.socket to a shorter one",))
    door = socket.socket(socket.AF_UNIX)
    try:
        if path.is_socket():
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(path)) == 0:
                    raise ConfigInvalid((f"{path}: another daemon answers there",))
            path.unlink()
        before = os.umask(0o177)
        try:
            door.bind(str(path))
        finally:
            os.umask(before)
        door.listen(128)
    except OSError as error:
        door.close()
        raise ConfigInvalid((f"{path}: {(error.strerror or 'no socket').lower()}",)) from error
    except ConfigInvalid:
        door.close()
        raise
    return door
