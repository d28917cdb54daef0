"""Finding strategies: by entry point name, or by path `dir/file.py:Class`.

A file is read only if nobody else could have written it, and it is compiled from the very bytes
that were checked: never from a cache beside it. What cannot be loaded says what, where, what now.
"""

import hashlib
import os
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from trader.errors import ConfigInvalid
from trader.session.seat import explain
from trader.strategy import Strategy

GROUP = "trader.strategies"


@dataclass(frozen=True, slots=True)
class Listed:
    """One strategy as `strategy list` shows it; `error` says why it cannot be used."""

    name: str
    origin: str  # the distribution, or the file
    version: str
    error: str = ""


@lru_cache(maxsize=256)
def load_strategy(name: str) -> type[Strategy]:
    """The class of that name or path. Raises ConfigInvalid. Loaded once in a process."""
    path, _, class_name = name.partition(":")
    if path.endswith(".py"):
        return _from_file(Path(path), class_name)
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        known = ", ".join(sorted({point.name for point in entry_points(group=GROUP)}))
        raise _unusable(f"strategy {name!r}: unknown; known are {known}, or give file.py:Class")
    if len({point.value for point in found}) > 1:
        origins = " and ".join(_origin(point) for point in found)
        raise _unusable(f"strategy {name!r}: offered by {origins}; uninstall one of them")
    return _from_entry_point(found[0])


def list_strategies(files: Iterable[Path] = ()) -> tuple[Listed, ...]:
    """All installed ones, then these files; those that do not load too, with the reason."""
    listed = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        version = point.dist.version if point.dist else ""
        listed.append(Listed(point.name, _origin(point), version, _error_of(point.name)))
    for file in sorted(files):
        version = _digest(file.read_bytes())[:12] if os.access(file, os.R_OK) else ""
        listed.append(Listed(str(file), str(file), version, _error_of(str(file))))
    return tuple(listed)


def _error_of(name: str) -> str:
    try:
        load_strategy(name)
    except ConfigInvalid as error:
        return str(error)
    return ""


def _from_entry_point(point: EntryPoint) -> type[Strategy]:
    where = f"strategy {point.name!r} of {_origin(point)}"
    try:
        found = point.load()
    except BaseException as error:  # foreign code: also a SystemExit of it
        raise _unusable(f"{where}: {explain(error)}; mend or uninstall it") from None
    return _usable(found, where)


def _from_file(path: Path, class_name: str) -> type[Strategy]:
    source = _read_own(path)
    module = ModuleType(f"trader_strategy_{_digest(source)[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # annotations are looked up there
    try:
        exec(compile(source, path, "exec"), module.__dict__)
    except BaseException as error:  # foreign code: also a SystemExit of it
        raise _unusable(f"{path}: {explain(error)}; mend the file") from None
    own = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Strategy)
        and value.__module__ == module.__name__
    }
    if class_name:
        if class_name not in vars(module):
            raise _unusable(f"{path}: has no {class_name}; it has {', '.join(own) or 'none'}")
        return _usable(vars(module)[class_name], f"{path}:{class_name}")
    if len(own) != 1:
        has = ", ".join(own) or "none"
        raise _unusable(f"{path}: one Strategy expected, it has {has}; say which: {path}:Class")
    return _usable(next(iter(own.values())), str(path))


def _read_own(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            _require_own(os.fstat(file.fileno()), str(path))
            _require_own(path.parent.stat(), f"{path.parent}, the folder of {path.name}")
            return file.read()
    except OSError as error:
        raise _unusable(f"{path}: {error.strerror}") from None


def _require_own(found: os.stat_result, what: str) -> None:
    if found.st_uid != os.geteuid():
        raise _unusable(f"{what}: belongs to another user; run: chown {os.geteuid()} {what}")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _unusable(f"{what}: others may write it; run: chmod go-w {what}")


def _usable(found: object, where: str) -> type[Strategy]:
    if not isinstance(found, type) or not issubclass(found, Strategy):
        raise _unusable(f"{where}: is no Strategy; derive it from trader.Strategy")
    missing = ", ".join(sorted(found.__abstractmethods__))
    if missing:
        raise _unusable(f"{where}: lacks {missing}")
    return found


def _origin(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value


def _digest(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()


def _unusable(problem: str) -> ConfigInvalid:
    return ConfigInvalid((problem,))
