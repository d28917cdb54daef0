"""The desk of a running house, and the doors that lead to it: HTTP on loopback, the unix socket."""

import asyncio
import contextlib
import importlib.metadata
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from actors.app.house import House
from actors.app.tree import feed_name
from actors.desk import HouseDesk
from actors.desk_needs import Boot, Needs
from adapters.doctor import DISTRIBUTION
from adapters.gateway.auth import BearerAuthority, ensure_token
from adapters.gateway.http import serve_http
from adapters.gateway.socket import serve_socket
from trader.config import AdminConfig
from trader.errors import ConfigInvalid, StoreUnavailable, StoreUnsafe
from trader.ids import AccountId, SessionId
from trader.money import Quantity
from trader.views import CheckView, ConfigKeyView

ROWS_DEADLINE_S = 2.0  # as long as an actor may take to answer the desk
PORTS_TRIED = 20  # after the configured one; then any free one

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Doors:
    """Where the house can be asked."""

    url: str
    socket: Path
    token_file: Path


def desk_of(house: House, config: tuple[ConfigKeyView, ...]) -> HouseDesk:
    """The desk over the house's actors, rows and latch."""
    store = house.store

    async def schema() -> CheckView:
        try:
            async with asyncio.timeout(ROWS_DEADLINE_S):
                probe = await store.probe()
        except (StoreUnavailable, TimeoutError):
            return CheckView("database", False, "it does not answer")
        except StoreUnsafe as error:
            return CheckView("database", False, str(error))
        pending = ", ".join(probe.schema.pending)
        detail = f"PostgreSQL {probe.server_version}, schema {probe.schema.version:04}"
        if pending:
            return CheckView("database", False, f"{detail}, missing {pending}")
        return CheckView("database", True, detail)

    async def position_qtys(account_id: AccountId) -> Mapping[SessionId, Quantity]:
        async with asyncio.timeout(ROWS_DEADLINE_S):
            return await store.ledger.position_qtys(account_id)

    boot = Boot(
        version=importlib.metadata.version(DISTRIBUTION),
        boot_id=house.boot_id,
        started_at=house.started_at,
        settings=house.settings,
        config=config,
        feeds={each: house.runtime.address(feed_name(each)) for each in house.venues},
    )
    needs = Needs(store.reads, store.operator, house.latch, position_qtys, schema)
    return HouseDesk(house.runtime, boot, needs)


@contextlib.asynccontextmanager
async def open_doors(house: House, desk: HouseDesk) -> AsyncIterator[Doors]:
    """Serve both while the context lasts. Raises ConfigInvalid where an address cannot be had."""
    config = house.settings.admin
    token_file = _place(config.token_file, house.folders.token_file)
    socket = _place(config.socket, house.folders.socket)
    authority = BearerAuthority(ensure_token(token_file))
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(serve_socket(desk, house.metrics, config, socket))
        for attempt in _ports(config):
            try:
                url = await stack.enter_async_context(
                    serve_http(desk, authority, house.metrics, attempt)
                )
                break
            except ConfigInvalid as error:
                if attempt.port == 0:
                    raise
                log.warning("port_taken", detail=str(error), trying="the next one")
        yield Doors(url, socket, token_file)


def _place(configured: str, default: Path) -> Path:
    return Path(configured).expanduser() if configured else default


def _ports(config: AdminConfig) -> list[AdminConfig]:
    """The configured port, those after it, and at last any free one."""
    first = config.port
    ports = [0] if first == 0 else [*range(first, min(first + PORTS_TRIED, 65_535) + 1), 0]
    return [config.model_copy(update={"port": port}) for port in ports]
