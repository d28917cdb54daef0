"""The page of a recording: one JSON line a record, written once and read strictly.

    {"recording": 1, "session_id": ...}           the first line of every file
    {"began": {...}}                              a life: its rules, its state where it is not new
    {"at_s": ..., "heard": {...}, "did": [...]}   an event that the heart was given, its effects
    {"at_s": ..., "heard": {...}, "raised": ...}  the event that ended the life
    {"ended": {...}}                              how the body ended

Instants `at_s` are the host's elapsed seconds. What is heard is read again, so it stands in the
words of `trader/vocabulary.py`; effects are only compared, so they stand as a reader likes them.
Proofs that come out of a page prove what they proved then: nothing of it reaches a broker.
"""

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, assert_never

import orjson
from pydantic import TypeAdapter

from adapters.incidents.effects import Did, did_of
from adapters.incidents.frozen import Frozen, freeze
from trader.ids import SessionId
from trader.session.effects import Effects
from trader.session.events import SessionLoaded
from trader.session.rules import SessionRules
from trader.session.state import SessionState
from trader.session.step import SessionEvent
from trader.vocabulary import encode, spelled

VERSION = 1

_RULES = TypeAdapter(SessionRules)


@dataclass(frozen=True, slots=True)
class Began:
    """A life: from its load, or, where the file is newer than the life, from a state within it."""

    at: datetime
    at_s: float
    rules: SessionRules
    is_exits_only: bool
    state: Frozen | None = None  # None: it starts with the event that it was loaded
    lost_count: int = 0  # records missing before this one: nothing can be said of that time


@dataclass(frozen=True, slots=True)
class Stepped:
    """One event and what the heart answered; `effects` is None where it raised instead."""

    at_s: float
    event: SessionEvent
    effects: Effects | None
    raised: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """The body ended."""

    at: datetime
    reason: str


Record = Began | Stepped | Ended


@dataclass(frozen=True, slots=True)
class Step:
    """One event as it was heard, and what was then done: the effects in a reader's words."""

    at_s: float
    event: SessionEvent
    did: Did
    raised: str


@dataclass(slots=True)
class Life:
    """What one body heard, in order."""

    began: Began
    steps: list[Step] = field(default_factory=list)
    ended: Ended | None = None  # None: the file does not say


@dataclass(frozen=True, slots=True)
class Recording:
    """A file, read."""

    session_id: SessionId
    lives: tuple[Life, ...]
    is_torn: bool  # its last line was not finished: the daemon died, or writes on


def head_line(session_id: SessionId) -> bytes:
    """The first line of a file."""
    return _line({"recording": VERSION, "session_id": session_id})


def encode_record(record: Record) -> bytes:
    """Its line."""
    match record:
        case Stepped():
            said = {"at_s": record.at_s, "heard": encode(record.event)}
            if record.effects is None:
                return _line(said | {"raised": record.raised})
            return _line(said | {"did": did_of(record.effects)})
        case Began():
            began = {
                "at": record.at.isoformat(),
                "at_s": record.at_s,
                "rules": spelled(_RULES.dump_python(without_params(record.rules))),
                "is_exits_only": record.is_exits_only,
                "lost_count": record.lost_count,
                "state": record.state,
            }
            return _line({"began": began})
        case Ended():
            return _line({"ended": {"at": record.at.isoformat(), "reason": record.reason}})
        case _:
            assert_never(record)


def without_params(rules: SessionRules) -> SessionRules:
    """What a strategy is told is its user's own; the heart does not read it."""
    if rules.strategy is None:
        return rules
    return dataclasses.replace(rules, strategy=dataclasses.replace(rules.strategy, params=()))


def encode_recording(recording: Recording) -> bytes:
    """The whole file again."""
    lines = [head_line(recording.session_id)]
    for life in recording.lives:
        lines.append(encode_record(life.began))
        for step in life.steps:
            answer = {"raised": step.raised} if step.raised else {"did": step.did}
            lines.append(_line({"at_s": step.at_s, "heard": encode(step.event), **answer}))
        if life.ended is not None:
            lines.append(encode_record(life.ended))
    return b"".join(lines)


def began_of(
    state: SessionState, event: SessionEvent, at: datetime, at_s: float, lost_count: int
) -> Began:
    """The life whose state is now about to be given that event."""
    frozen = None if isinstance(event, SessionLoaded) else freeze(state)
    return Began(at, at_s, state.rules, state.is_exits_only, frozen, lost_count)


def _line(said: dict[str, Any]) -> bytes:
    return orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE)
