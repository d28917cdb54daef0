"""One real PostgreSQL for a test run; a fresh, migrated database for each test that asks.

Import the fixtures into a conftest: `from postgres import database_url, postgres_server`.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from adapters.store import migrate
from adapters.store.connect import connect
from adapters.store.embedded import embedded_postgres

_TEMPLATE = "migrated"
_numbers = itertools.count(1)


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the run's own server, which ends with it."""
    folder: Path = tmp_path_factory.mktemp("postgres")
    loop = asyncio.new_event_loop()
    server = embedded_postgres(folder)
    url = loop.run_until_complete(server.__aenter__())
    loop.run_until_complete(_make_template(url))
    yield url
    loop.run_until_complete(server.__aexit__(None, None, None))
    loop.close()


@pytest.fixture
async def database_url(postgres_server: str) -> AsyncIterator[str]:
    """A database of the test's own, with the schema in it."""
    async with _fresh_database(postgres_server, f"template {_TEMPLATE}") as url:
        yield url


@pytest.fixture
async def empty_database_url(postgres_server: str) -> AsyncIterator[str]:
    """A database of the test's own, with nothing in it."""
    async with _fresh_database(postgres_server, "") as url:
        yield url


class _fresh_database:
    def __init__(self, server_url: str, template: str) -> None:
        self._server_url = server_url
        self._name = f"test_{next(_numbers)}"
        self._template = template

    async def __aenter__(self) -> str:
        connection = await asyncpg.connect(self._server_url)
        await connection.execute(f"create database {self._name} {self._template}")
        await connection.close()
        return with_database(self._server_url, self._name)

    async def __aexit__(self, *_: object) -> None:
        connection = await asyncpg.connect(self._server_url)
        await connection.execute(f"drop database {self._name} with (force)")
        await connection.close()


async def _make_template(server_url: str) -> None:
    connection = await asyncpg.connect(server_url)
    await connection.execute(f"create database {_TEMPLATE}")
    await connection.close()
    migrator = await connect(with_database(server_url, _TEMPLATE))
    await migrate.upgrade(migrator)
    await migrator.close()
