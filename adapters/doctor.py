"""The doctor's round where no daemon is needed: each finding with what to do about it."""

import importlib
import importlib.metadata
import os
import re
import shutil
import socket
import sys
import tempfile
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from adapters.config_file import Loaded, load
from adapters.folders import Folders, folders
from trader.config import Settings
from trader.errors import ConfigInvalid

DISTRIBUTION = "trader-runtime"
PYTHON_MIN = (3, 11)
DISK_FREE_BYTES_MIN = 1_000_000_000  # a database that cannot write trades nothing


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `fix` is what to do, "" where nothing is wrong."""

    name: str
    is_ok: bool
    detail: str
    fix: str = ""


def examine(
    config: Path | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
) -> Iterator[Finding]:
    """Everything that can be seen without a daemon, cheapest first."""
    yield _python()
    yield from _packages()
    yield _time_zones()
    try:
        loaded = load(config, environ=environ, cwd=cwd)
    except ConfigInvalid as error:
        for problem in error.problems:
            yield Finding("configuration", False, problem, "see `trader config check`")
        return
    places = folders(loaded.settings.daemon.data_dir, loaded.settings.daemon.state_dir)
    yield _configuration(loaded)
    for name, folder in (("data folder", places.data), ("state folder", places.state)):
        yield _folder(name, folder)
    yield _disk(places.data)
    yield from _secret_files(loaded.settings, places, environ)
    yield _port(loaded.settings, places)
    yield _halt(places)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, PYTHON_MIN))
    is_ok = sys.version_info >= PYTHON_MIN
    return Finding("python", is_ok, version, "" if is_ok else f"install Python {wanted} or newer")


def _packages() -> Iterator[Finding]:
    """Every package we need is there, and nobody took our import names."""
    needs = [
        re.split(r"[^A-Za-z0-9_.-]", text)[0]
        for text in importlib.metadata.requires(DISTRIBUTION) or ()
        if ";" not in text  # those of some platforms and extras only
    ]
    missing = [name for name in needs if not _is_installed(name)]
    fix = "run `uv sync --frozen`" if missing else ""
    detail = f"missing: {', '.join(missing)}" if missing else f"{len(needs)} found"
    yield Finding("packages", not missing, detail, fix)
    home = Path(__file__).resolve().parents[1]
    for name in ("trader", "actors", "adapters"):
        found = importlib.import_module(name).__file__ or ""
        if Path(found).resolve().parents[1] != home:
            detail = f"`{name}` is imported from {found}"
            yield Finding("import names", False, detail, f"uninstall the package that took {name}")


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _time_zones() -> Finding:
    try:
        zoneinfo.ZoneInfo("America/New_York")
    except zoneinfo.ZoneInfoNotFoundError:
        return Finding("time zones", False, "no zone data", "install the package tzdata")
    return Finding("time zones", True, "zone data found")


def _configuration(loaded: Loaded) -> Finding:
    where = str(loaded.path) if loaded.path else "no file, defaults only"
    sessions = loaded.settings.sessions
    if not sessions:
        fix = "name a file with --config, or add a [sessions.<id>] table"
        return Finding("configuration", False, f"{where}: no sessions", fix)
    return Finding("configuration", True, f"{where}: {len(sessions)} sessions")


def _folder(name: str, folder: Path) -> Finding:
    """Writable where it is, or can be made; ours alone once it is there."""
    nearest = next(one for one in (folder, *folder.parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        detail = f"{nearest}: {(error.strerror or 'not writable').lower()}"
        return Finding(name, False, detail, f"make {nearest} writable for you")
    if folder.exists() and folder.stat().st_mode & 0o022:
        return Finding(name, False, f"{folder}: others may write", f"chmod go-w {folder}")
    return Finding(name, True, str(folder))


def _disk(folder: Path) -> Finding:
    nearest = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(nearest).free
    is_ok = free >= DISK_FREE_BYTES_MIN
    fix = "" if is_ok else f"free some space: {DISK_FREE_BYTES_MIN / 1e9:.0f} GB at least"
    return Finding("disk", is_ok, f"{free / 1e9:.1f} GB free at {nearest}", fix)


def _secret_files(
    settings: Settings, places: Folders, environ: Mapping[str, str]
) -> Iterator[Finding]:
    """What holds a secret exists and is its owner's alone."""
    named = {"http token": settings.admin.token_file or str(places.token_file)}
    if settings.store.database_url_file:
        named["database url"] = settings.store.database_url_file
    for alias, account in settings.accounts.items():
        if account.venue == "sandbox":
            continue
        for what, holder, variable in (
            ("key", account.key_file, account.key_env),
            ("secret", account.secret_file, account.secret_env),
        ):
            if holder:
                named[f"{alias} {what}"] = holder
            elif not environ.get(variable):
                fix = f"set {variable}, or accounts.{alias}.{what}_file"
                yield Finding(f"{alias} {what}", False, f"{variable} is not set", fix)
    for name, place in named.items():
        file = Path(place).expanduser()
        if not file.exists():
            is_made = name == "http token"
            detail = "made at the first start" if is_made else f"{file}: no such file"
            yield Finding(name, is_made, detail, "" if is_made else f"create {file}, mode 0600")
        elif file.stat().st_mode & 0o077:
            yield Finding(name, False, f"{file}: others may read it", f"chmod 600 {file}")
        else:
            yield Finding(name, True, str(file))


def _port(settings: Settings, places: Folders) -> Finding:
    """Free, or taken by our own daemon."""
    admin = settings.admin
    family = socket.AF_INET6 if ":" in admin.host else socket.AF_INET
    try:
        with socket.create_server((admin.host, admin.port), family=family):
            return Finding("port", True, f"{admin.host}:{admin.port} is free")
    except OSError:
        path = Path(admin.socket).expanduser() if admin.socket else places.socket
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                return Finding("port", True, "a daemon of yours is running")
        detail = f"{admin.host}:{admin.port} is taken"
        return Finding("port", False, detail, "set admin.port to another one, or to 0")


def _halt(places: Folders) -> Finding:
    if places.halt_file.exists():
        fix = "`trader resume --reason …`, when it is safe"
        return Finding("halt file", False, f"{places.halt_file}: no entry leaves", fix)
    return Finding("halt file", True, "none")
