"""A house with a fake desk behind real sockets."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from gateway_fakes import CONFIG, FakeDesk

from adapters.gateway.auth import BearerAuthority, ensure_token
from adapters.gateway.http import serve_http
from adapters.gateway.metrics import Metrics
from adapters.gateway.socket import serve_socket


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def token(tmp_path: Path) -> str:
    return ensure_token(tmp_path / "token")


@pytest.fixture
async def url(desk: FakeDesk, metrics: Metrics, token: str) -> AsyncIterator[str]:
    async with serve_http(desk, BearerAuthority(token), metrics, CONFIG) as address:
        yield address


@pytest.fixture
async def client(url: str, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody with the token."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(url, headers=headers) as session:
        yield session


@pytest.fixture
async def stranger(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody without."""
    async with aiohttp.ClientSession(url) as session:
        yield session


@pytest.fixture
async def socket_path(desk: FakeDesk, metrics: Metrics, tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "trader.sock"
    async with serve_socket(desk, metrics, CONFIG, path):
        yield path


@pytest.fixture
async def owner(socket_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """The daemon's owner, at the socket."""
    connector = aiohttp.UnixConnector(str(socket_path))
    async with aiohttp.ClientSession("http://trader", connector=connector) as session:
        yield session
