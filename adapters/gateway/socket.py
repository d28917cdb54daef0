"""The unix socket: the command line's door, for the daemon's owner alone (mode 0600).

It shows what HTTP shows and is the only one that commands: halt, resume, close, reconcile.
"""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import structlog
from aiohttp import web

from adapters.gateway.auth import OwnerAuthority, Scope
from adapters.gateway.connections import listening
from adapters.gateway.doorway import Doorway
from adapters.gateway.http import add_probes
from adapters.gateway.metrics import Metrics
from adapters.gateway.resources import add_resources, session_in
from adapters.gateway.wire import (
    AskedHalt,
    AskedReconcile,
    AskedResume,
    Refusal,
    answer,
    asked_in_body,
)
from trader.config import AdminConfig
from trader.desk import Desk
from trader.ids import SessionId
from trader.views import CommandResult, CommandView

log = structlog.get_logger()


def add_commands(doorway: Doorway, desk: Desk) -> None:
    """What one may order."""

    async def halt(request: web.Request) -> web.Response:
        asked = await asked_in_body(AskedHalt, request)
        return _said(await desk.halt(asked.reason), asked.reason)

    async def resume(request: web.Request) -> web.Response:
        asked = await asked_in_body(AskedResume, request)
        return _said(await desk.resume(asked.reason, asked.confirmation), asked.reason)

    async def close(request: web.Request) -> web.Response:
        asked = await asked_in_body(AskedHalt, request)
        done = await desk.close(session_in(request), asked.reason)
        if done is None:
            raise Refusal(404, "no such session")
        return _said(done, asked.reason)

    async def reconcile(request: web.Request) -> web.Response:
        asked = await asked_in_body(AskedReconcile, request)
        session_id = SessionId(asked.session) if asked.session else None
        return _said(await desk.reconcile(session_id), "")

    doorway.route("POST", "/api/v1/halt", Scope.TRADE, halt)
    doorway.route("POST", "/api/v1/resume", Scope.ADMIN, resume)
    doorway.route("POST", "/api/v1/sessions/{id}/close", Scope.TRADE, close)
    doorway.route("POST", "/api/v1/reconcile", Scope.TRADE, reconcile)


def _said(done: CommandView, reason: str) -> web.Response:
    log.warning(
        "operator_command",
        command_id=done.id,
        verb=done.verb,
        target=done.target,
        result=done.result,
        reason=reason,
    )
    return answer(done, 409 if done.result is CommandResult.REFUSED else 200)


def socket_doorway(desk: Desk, metrics: Metrics, config: AdminConfig) -> Doorway:
    """Everything; whoever reached the socket owns the house."""
    doorway = Doorway(OwnerAuthority(), config, frozenset())
    add_probes(doorway, desk, metrics)
    add_resources(doorway, desk)
    add_commands(doorway, desk)
    return doorway


def serve_socket(
    desk: Desk, metrics: Metrics, config: AdminConfig, path: Path
) -> AbstractAsyncContextManager[str]:
    """Serve it while the context lasts. The folder should be its owner's alone as well."""
    return listening(socket_doorway(desk, metrics, config).app, config, path=path)
