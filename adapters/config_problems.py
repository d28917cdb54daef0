"""What is wrong with a configuration: every problem at once, each with its place and a guess.

Texts are never repeated, since any of them may be a secret in the wrong place; numbers are.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from decimal import Decimal
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from trader.config import Settings, contradictions
from trader.money import plain

Key = tuple[str, ...]
_SECRET_NAME = re.compile(
    r"(secret|passw(or)?d|passphrase|token|credential|api_?key|private_?key|database_url|dsn)$|^key$"
)
_URL_PASSWORD = re.compile(r"://[^/\s:@]*:[^/@\s]+@")
_WHAT_NOW = "a secret never stands in the configuration: name its file (…_file) or variable (…_env)"


def judged(merged: dict[str, Any], origins: Mapping[str, str]) -> tuple[Settings | None, list[str]]:
    """The settings, or every problem: of single keys and, in what remains without them, of pairs.

    What is wrong is taken out and the rest judged again, so that one mistake hides no other.
    """
    problems: list[str] = []
    rest = deepcopy(merged)
    settings: Settings | None = None
    while settings is None:
        try:
            settings = Settings.model_validate(rest)
        except ValidationError as error:
            wrong: set[Key] = set()
            for detail in error.errors(include_url=False):
                key = tuple(str(part) for part in detail["loc"] if part != "[key]")
                if not (detail["type"] == "missing" and _nearest(merged, key) == key):  # taken out
                    problems += _problem(detail, key, origins)
                wrong.add(_nearest(rest, key))
            for key in sorted(wrong, key=len, reverse=True):
                _take_out(rest, key)
    for key, what in contradictions(settings):
        named = merged.get("accounts")
        account = settings.sessions[key[1]].account if key[::2] == ("sessions", "account") else ""
        if isinstance(named, dict) and account in named:
            continue  # it was taken out for a mistake of its own: not missing besides
        problems.append(f"{origin_of(origins, key) or '.'.join(key)}: {'.'.join(key)} {what}")
    return (None if problems else settings), problems


def _nearest(tables: Mapping[str, Any], key: Key) -> Key:
    """The key, or the nearest table above it that exists."""
    table: Any = tables
    for depth, part in enumerate(key):
        if not isinstance(table, dict) or part not in table:
            return key[:depth]
        table = table[part]
    return key


def _take_out(tables: dict[str, Any], key: Key) -> None:
    *above, last = key
    for part in above:
        tables = tables[part]
    del tables[last]


def _problem(detail: ErrorDetails, key: Key, origins: Mapping[str, str]) -> Iterator[str]:
    given = detail["input"]
    if _is_secret(key, given):
        return  # said by `secrets_in` already, in better words
    what = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    match detail["type"]:
        case "extra_forbidden":
            what = "unknown key" + _did_you_mean(key[-1], _known_keys(Settings, key[:-1]))
        case "missing":
            what = "is missing"
        case "model_type" | "mapping_type" | "dict_type":
            what = "must be a table"
        case "enum":
            choices = re.findall(r"'([^']+)'", str(detail["ctx"]["expected"]))
            what = f"must be {' or '.join(choices)}" + _did_you_mean(str(given).lower(), choices)
        case _ if isinstance(given, int | Decimal):
            what = f"{what}, not {shown(given)}"  # a number, so no secret
        case _:
            pass
    dotted = ".".join(key)
    yield f"{origin_of(origins, key) or dotted}: {dotted} {lower(what)}"


def _did_you_mean(given: str, known: Sequence[str]) -> str:
    guess = difflib.get_close_matches(given, known, n=1, cutoff=0.6)
    return f" (did you mean {guess[0]}?)" if guess else ""


def secrets_in(merged: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[str]:
    """One line for each value that looks like a secret; the value itself is not in it."""
    for key, value in leaves(merged, ()):
        if _is_secret(key, value):
            yield f"{origin_of(origins, key)}: {'.'.join(key)} {_WHAT_NOW}"


def _is_secret(key: Key, value: object) -> bool:
    """An unknown key with a secret's name, or a URL with a password anywhere."""
    if not isinstance(value, str) or not value:
        return False
    named_so = bool(_SECRET_NAME.search(key[-1])) and key[-1] not in _known_keys(Settings, key[:-1])
    return named_so or bool(_URL_PASSWORD.search(value))


def _known_keys(model: type[BaseModel], above: Key) -> list[str]:
    """The keys that a table of the model has; none for a free one, such as params."""
    kind: Any = model
    for part in above:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(part)
            kind = field.annotation if field else None
        elif get_origin(kind) is not None and len(get_args(kind)) == 2:  # Mapping[name, table]
            kind = get_args(kind)[1]
        else:
            return []
        if get_origin(kind) is None and not isinstance(kind, type):
            return []
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return list(kind.model_fields)
    return []


def leaves(
    table: Mapping[str, Any], above: Key, *, tables: bool = False
) -> Iterator[tuple[Key, Any]]:
    """Every (key, value), depth first; with `tables` the tables themselves too."""
    for name, value in table.items():
        key = (*above, name)
        if isinstance(value, Mapping):
            if tables:
                yield key, value
            yield from leaves(value, key, tables=tables)
        else:
            yield key, value


def origin_of(origins: Mapping[str, str], key: Key) -> str | None:
    """Where the key, or else the nearest table above it, was written; None: nowhere."""
    ends = range(len(key), 0, -1)
    above = next((origins[dotted] for n in ends if (dotted := ".".join(key[:n])) in origins), None)
    if above is not None:
        return above
    inside = ".".join(key) + "."  # a whole table that one of its keys brought in
    return next((origin for dotted, origin in origins.items() if dotted.startswith(inside)), None)


def shown(value: object) -> str:
    """A value as the file would spell it, without quotes."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case Decimal():
            return plain(value)
        case tuple() | list():
            return ", ".join(shown(one) for one in value)
        case _:
            return str(value)


def lower(message: str) -> str:
    """With a small first letter: a problem reads on after its place."""
    return message[:1].lower() + message[1:]
