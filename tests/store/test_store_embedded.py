"""The embedded server: owned by a lock, ended with its owner, started clean after anything."""

import asyncio
import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from adapters.store import embedded
from adapters.store.embedded import embedded_postgres
from trader.errors import StoreUnavailable

HOLDER = """
import asyncio, pathlib, sys
from adapters.store.embedded import embedded_postgres

async def hold() -> None:
    async with embedded_postgres(pathlib.Path(sys.argv[1])) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(hold())
"""
ROOT = Path(__file__).parents[2]


@contextlib.asynccontextmanager
async def a_holder(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Another process with the server of the folder; its end is the caller's business."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, str(folder)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        async with asyncio.timeout(30):
            yield process, (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


async def count(url: str) -> int:
    """How often this was asked of the database."""
    connection = await asyncpg.connect(url)
    await connection.execute("create table if not exists asked (n integer)")
    await connection.execute("insert into asked values (1)")
    asked: int = await connection.fetchval("select count(*) from asked")
    await connection.close()
    return asked


def servers_in(folder: Path) -> set[int]:
    """Living processes at work in the folder's cluster."""
    return embedded._living_in(folder / "cluster")


def an_orphan(folder: Path) -> "subprocess.Popen[bytes]":
    """A server of the folder whose owner is gone, and with it the lock."""
    program = [*embedded._account_to_run_as().prefix, embedded._binaries() / "postgres"]
    return subprocess.Popen(
        [*program, "-D", folder / "cluster", "-k", folder, "-c", "listen_addresses="],
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a cluster in it, at rest."""
    folder: Path = tmp_path_factory.mktemp("made") / "postgres"

    async def make() -> None:
        async with embedded_postgres(folder) as url:
            assert await count(url) == 1

    asyncio.run(make())
    return folder


@pytest.fixture
def folder(cluster: Path, tmp_path: Path) -> Path:
    """A copy of it: the first count there is 2."""
    shutil.copytree(cluster, tmp_path / "pg", symlinks=True)
    return tmp_path / "pg"


async def test_it_stops_with_its_owner_and_keeps_the_rows(folder: Path):
    async with embedded_postgres(folder) as url:
        assert await count(url) == 2
        assert servers_in(folder)

    assert not servers_in(folder)
    async with embedded_postgres(folder) as url:
        assert await count(url) == 3


async def test_it_is_what_it_must_be(folder: Path):
    async with embedded_postgres(folder) as url:
        connection = await asyncpg.connect(url)
        settings = {
            name: await connection.fetchval("select current_setting($1)", name)
            for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")
        }
        addresses = await connection.fetchval("show listen_addresses")
        is_sorted_alike = await connection.fetchval("select 'a' > 'B'")
        version = await connection.fetchval("show server_version_num")
        await connection.close()

    assert set(settings.values()) == {"on"}
    assert addresses == ""
    assert is_sorted_alike
    assert int(version) >= 180_000


async def test_after_a_kill_of_its_owner_it_ends_and_starts_clean(folder: Path):
    async with a_holder(folder) as (owner, url):
        assert await count(url) == 2
        os.kill(owner.pid, signal.SIGKILL)
        await owner.wait()

    # whatever the dead owner's server is doing by now
    async with embedded_postgres(folder) as url:
        assert await count(url) == 3
    assert not servers_in(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends it")
async def test_a_server_does_not_outlive_its_owner(folder: Path):
    async with a_holder(folder) as (owner, _):
        assert servers_in(folder)
        os.kill(owner.pid, signal.SIGKILL)
        await owner.wait()

    async with asyncio.timeout(10):
        while servers_in(folder):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_an_orphaned_server_is_not_taken_for_ours(folder: Path):
    async with embedded_postgres(folder) as url:
        await count(url)
    orphan = an_orphan(folder)
    while not servers_in(folder):  # noqa: ASYNC110
        await asyncio.sleep(0.01)

    async with embedded_postgres(folder) as url:
        assert await count(url) == 3
        assert orphan.wait(10) == 0  # it was asked to end, and did


async def test_a_killed_server_is_started_again(folder: Path):
    async with embedded_postgres(folder) as url:
        first = embedded._postmaster_of(folder / "cluster")
        os.kill(first, signal.SIGKILL)

        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(OSError, asyncpg.PostgresError):
                    asked = await count(url)
                    break
                await asyncio.sleep(0.02)

        assert asked == 2
        assert embedded._postmaster_of(folder / "cluster") != first


async def test_a_second_process_shares_the_server(folder: Path):
    async with embedded_postgres(folder) as url:
        async with a_holder(folder) as (_, other_url):
            assert other_url == url
        # and its end is not the server's
        assert await count(url) == 2


async def test_starters_at_once_share_one_server(folder: Path):
    async with contextlib.AsyncExitStack() as stack:
        holders = await asyncio.gather(
            *(stack.enter_async_context(a_holder(folder)) for _ in range(3))
        )
        urls = {url for _, url in holders}
        assert len(urls) == 1
        assert await count(urls.pop()) == 2


async def test_when_the_owner_ends_the_next_one_takes_over(folder: Path):
    async with a_holder(folder) as (_, url):
        assert await count(url) == 2

    async with embedded_postgres(folder) as url:
        assert await count(url) == 3


async def test_a_half_made_cluster_is_not_taken_for_one(tmp_path: Path):
    (tmp_path / "cluster.new").mkdir()
    (tmp_path / "cluster.new" / "PG_VERSION").write_text("18\n")

    async with embedded_postgres(tmp_path) as url:
        assert await count(url) == 1


async def test_a_path_too_long_for_a_socket_works_too(folder: Path, tmp_path: Path):
    long = tmp_path / ("a" * 60) / ("b" * 60) / "postgres"
    shutil.copytree(folder, long)
    assert len(os.fsencode(long)) > 107

    async with embedded_postgres(long) as url:
        assert await count(url) == 2
        short = embedded._socket_folder(long)
        assert stat.S_IMODE(short.stat().st_mode) == 0o700
        async with a_holder(long) as (_, other_url):
            assert other_url == url
    short.rmdir()  # it is empty


async def test_no_modes_are_touched_but_its_own(tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    before = [(home.stat().st_mode, home.stat().st_uid) for home in (home, tmp_path)]

    async with embedded_postgres(home / "data" / "postgres") as url:
        await count(url)

    assert [(home.stat().st_mode, home.stat().st_uid) for home in (home, tmp_path)] == before
    made = home / "data" / "postgres"
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert stat.S_IMODE((made / "cluster").stat().st_mode) == 0o700
    assert (made / "cluster").stat().st_uid == os.geteuid()


async def test_a_server_that_cannot_start_says_why(folder: Path):
    (folder / "cluster" / "PG_VERSION").write_text("12\n")

    with pytest.raises(StoreUnavailable, match="incompatible"):
        async with embedded_postgres(folder):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
@pytest.mark.skipif(sys.platform != "linux", reason="user namespaces are of Linux")
async def test_where_namespaces_are_refused_root_runs_it_as_nobody(
    monkeypatch: pytest.MonkeyPatch,
):
    import pwd
    import tempfile

    nobody = pwd.getpwnam("nobody").pw_uid
    monkeypatch.setattr(embedded, "_can_unshare", lambda: False)
    if not _may_execute(nobody, embedded._binaries() / "postgres"):
        pytest.skip("the environment lies where nobody cannot read it")
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        async with embedded_postgres(Path(name) / "postgres") as url:
            assert await count(url) == 1
            cluster = Path(name) / "postgres" / "cluster"
            assert cluster.stat().st_uid == nobody


def _may_execute(user_id: int, program: Path) -> bool:
    try:
        done = subprocess.run([program, "--version"], user=user_id, capture_output=True)
    except PermissionError:
        return False
    return done.returncode == 0
