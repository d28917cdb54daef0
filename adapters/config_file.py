"""Reads the configuration: defaults < config.toml < TRADER__A__B < --set a.b=c.

All problems at once, each with its place and, where one can guess, what was meant:
`config.toml:5: risk.qty_mxa unknown key (did you mean qty_max?)`. Texts are never repeated, since
any of them may be a secret in the wrong place; numbers are.
"""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from adapters.config_problems import Key, judged, leaves, lower, secrets_in, shown
from adapters.folders import config_file_candidates
from trader.config import Settings
from trader.errors import ConfigInvalid
from trader.views import ConfigKeyView

PREFIX = "TRADER__"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where each key came from."""

    settings: Settings
    origins: Mapping[str, str]  # dotted key -> "config.toml:5" | "TRADER__A__B" | "--set a.b"
    path: Path | None  # None: no file, defaults only

    def effective(self) -> tuple[ConfigKeyView, ...]:
        """Every effective key with its origin, as `config show` prints them."""
        return tuple(
            ConfigKeyView(".".join(key), shown(value), self.origins.get(".".join(key), "default"))
            for key, value in leaves(self.settings.model_dump(), ())
        )


def find(path: Path | None, *, cwd: Path | None = None) -> Path | None:
    """The file to read: the one named, ./config.toml, the XDG one, or none."""
    if path is not None:
        return path
    candidates = config_file_candidates(cwd or Path.cwd())
    return next((one for one in candidates if one.is_file()), None)


def load(
    path: Path | None = None,
    *,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
) -> Loaded:
    """Settings from all four layers. Raises ConfigInvalid with every problem found."""
    path = find(path, cwd=cwd)
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    if path is not None:
        text = _read(path)
        merged = _parse(text, path.name)
        lines = _line_index(text)
        for key, _ in leaves(merged, (), tables=True):
            line = next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), None)
            origins[".".join(key)] = f"{path.name}:{line}" if line else path.name
    problems: list[str] = []
    for name, text in sorted(environ.items()):
        if name.startswith(PREFIX):
            key = tuple(name[len(PREFIX) :].lower().split("__"))
            problems += _put(merged, origins, key, text, name)
    for override in overrides:
        dotted, equals, text = override.partition("=")
        if not equals:
            problems.append("--set: write it as --set section.key=value")
            continue
        key = tuple(dotted.strip().split("."))
        problems += _put(merged, origins, key, text, f"--set {dotted}")
    problems += secrets_in(merged, origins)
    settings, found = judged(merged, origins)
    problems += found
    if problems or settings is None:
        raise ConfigInvalid(tuple(sorted(dict.fromkeys(problems), key=_by_place)))
    return Loaded(settings, origins, path)


# ------------------------------------------------------------------------------------ the layers


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigInvalid((f"{path.name}: not UTF-8 text",)) from error
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise ConfigInvalid((f"{path}: {reason}",)) from error


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        found = re.match(r"(.*?) \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
        what = found.group(1) if found else str(error)
        line = found.group(2) if found and found.group(2) else str(text.count("\n") + 1)
        raise ConfigInvalid((f"{name}:{line}: not TOML: {lower(what)}",)) from error


_KEY = r"""(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)"""
_HEADER = re.compile(rf"^\s*\[\[?\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]")
_ASSIGNMENT = re.compile(rf"^\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=")


def _line_index(text: str) -> dict[Key, int]:
    """Where each key and table stands, counted from 1; a text of many lines is not looked into."""
    lines: dict[Key, int] = {}
    table: Key = ()
    quote = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not quote:
            if header := _HEADER.match(line):
                table = _split(header.group(1))
                for n in range(1, len(table) + 1):
                    lines.setdefault(table[:n], number)
            elif assignment := _ASSIGNMENT.match(line):
                lines.setdefault(table + _split(assignment.group(1)), number)
        for mark in ('"""', "'''"):
            if (not quote or quote == mark) and line.count(mark) % 2:
                quote = "" if quote else mark
    return lines


def _split(dotted: str) -> Key:
    return tuple(part.strip().strip("\"'") for part in re.findall(_KEY, dotted))


def _put(
    merged: dict[str, Any], origins: dict[str, str], key: Key, text: str, origin: str
) -> list[str]:
    """Lay one value over the merged ones; a text that is a TOML value is read as one."""
    if not all(key):
        return [f"{origin}: no such key"]
    table = merged
    spelled: list[str] = []
    for part in key[:-1]:
        spelled.append(_spelled_as(table, part))
        table = table.setdefault(spelled[-1], {})
        if not isinstance(table, dict):
            return [f"{origin}: {'.'.join(spelled)} is not a table"]
    spelled.append(_spelled_as(table, key[-1]))
    try:
        value = tomllib.loads(f"value = {text}", parse_float=Decimal)["value"]
    except tomllib.TOMLDecodeError:
        value = text
    table[spelled[-1]] = value
    for nested, _ in leaves({spelled[-1]: value}, tuple(spelled[:-1]), tables=True):
        origins[".".join(nested)] = origin
    return []


def _spelled_as(table: Mapping[str, Any], part: str) -> str:
    """The table's own spelling: a variable's name has no room for the dash of `aapl-sma`."""
    return next((name for name in table if name.replace("-", "_") == part), part)


def _by_place(problem: str) -> tuple[str, int, str]:
    found = re.match(r"([^:\s]+):(\d+):", problem)
    return (found.group(1), int(found.group(2)), problem) if found else ("~", 0, problem)
