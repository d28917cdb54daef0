"""Reading a recording, strictly: what this program does not know is refused, with its line."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from adapters.incidents.frozen import thaw
from adapters.incidents.page import VERSION, Began, Ended, Life, Recording, Step
from trader.ids import SessionId
from trader.session.events import SessionLoaded
from trader.session.rules import SessionRules
from trader.session.state import SessionState
from trader.session.step import SessionEvent
from trader.vocabulary import NotAWord, decode

FILE_BYTES_MAX = 1_100_000_000  # a little more than the largest that the configuration allows
LINE_BYTES_MAX = 16_000_000
SECONDS_MAX = 10**10

_RULES = TypeAdapter(SessionRules)


class NotARecording(ValueError):
    """A file that this program does not read, and where it stops to understand it."""


def read(path: Path) -> Recording:
    """The whole file. Raises NotARecording, which names the line, and OSError."""
    if path.stat().st_size > FILE_BYTES_MAX:
        raise NotARecording(f"{path}: more than {FILE_BYTES_MAX} bytes")
    session_id: SessionId | None = None
    lives: list[Life] = []
    is_torn = False
    for number, line in _lines(path):
        if not line.endswith(b"\n"):
            is_torn = True
            break
        try:
            said = orjson.loads(line)
            if session_id is None:
                session_id = _head_of(said)
            else:
                _take(said, lives)
        except (ValueError, ValidationError, KeyError, TypeError) as error:
            raise NotARecording(f"{path}:{number}: {_first_words(error)}") from error
    if session_id is None:
        raise NotARecording(f"{path}: it is empty")
    return Recording(session_id, tuple(lives), is_torn)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LINE_BYTES_MAX + 1):
            number += 1
            if len(line) > LINE_BYTES_MAX:
                raise NotARecording(f"{path}:{number}: longer than {LINE_BYTES_MAX} bytes")
            yield number, line


def _head_of(said: Any) -> SessionId:
    match said:
        case {"recording": int(version), "session_id": str(session_id)}:
            if version != VERSION:
                raise ValueError(f"recording of version {version}; this program reads {VERSION}")
            return SessionId(session_id)
        case _:
            raise ValueError("not a recording of a session")


def _take(said: Any, lives: list[Life]) -> None:
    match said:
        case {"at_s": float(at_s) | int(at_s), "heard": dict(heard), **rest} if lives:
            step, life = _step(_second(at_s), heard, rest), lives[-1]
            needs_load = not life.steps and life.began.state is None
            if needs_load != isinstance(step.event, SessionLoaded):
                raise ValueError("a life begins with a state or with a load, and has no other one")
            life.steps.append(step)
        case {"began": dict(began)}:
            lives.append(Life(_began(began)))
        case {"ended": {"at": str(at), "reason": str(reason)}}:
            if lives:  # else its beginning lies in an older file
                lives[-1].ended = Ended(datetime.fromisoformat(at), reason)
        case _:
            raise ValueError(f"not a record: {sorted(said) if isinstance(said, dict) else said!r}")


def _step(at_s: float, heard: dict[Any, Any], rest: dict[Any, Any]) -> Step:
    event = decode(heard)
    if not isinstance(event, SessionEvent):
        raise NotAWord(f"{type(event).__name__} is nothing that a session hears")
    match rest:
        case {"did": list(did)}:
            return Step(at_s, event, did, "")
        case {"raised": str(raised)}:
            return Step(at_s, event, [], raised)
        case _:
            raise ValueError("neither what was done nor what was raised")


def _began(said: dict[str, Any]) -> Began:
    state = said["state"]
    if state is not None and not isinstance(state, dict):
        raise ValueError("the state is not a table")
    at = datetime.fromisoformat(said["at"])
    if at.tzinfo is None or not 2000 <= at.year < 3000:
        raise ValueError(f"{at} is no instant of ours")
    return Began(
        at=at,
        at_s=_second(said["at_s"]),
        rules=_RULES.validate_python(said["rules"]),
        is_exits_only=bool(said["is_exits_only"]),
        state=state,
        lost_count=int(said["lost_count"]),
    )


def _second(at_s: float) -> float:
    if not 0 <= at_s < SECONDS_MAX:
        raise ValueError(f"{at_s} is no second of a host")
    return float(at_s)


def state_of(began: Began) -> SessionState | None:
    """The state from which the life is told, made anew; None where it is told from its load.

    Raises NotARecording for a state of another program's form.
    """
    try:
        return None if began.state is None else thaw(began.state, began.rules)
    except (ValueError, TypeError) as error:
        raise NotARecording(f"the state at {began.at}: {_first_words(error)}") from error


def _first_words(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
