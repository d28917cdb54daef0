"""A replayed incident in words: for a person at night, for a program, and as a test."""

from collections.abc import Iterator
from typing import Any

from actors.app.incident import Answer, Replayed
from adapters.incidents.effects import QUESTIONS
from adapters.incidents.page import Life, Recording
from trader.accounts.events import StreamLost
from trader.market.events import FeedStale
from trader.money import plain
from trader.orders.events import (
    ChangeAnswered,
    OrderAbsent,
    OrderAccepted,
    OrderDenied,
    OrderFilled,
    OrderRejected,
    OrderUnanswered,
    QueryFailed,
    RecordRefused,
)
from trader.risk.events import HeatRefused
from trader.session.events import (
    ClockSuspected,
    CloseRequested,
    LeaseChanged,
    StoreChanged,
    StrategyFailed,
    TradingStateChanged,
)
from trader.session.step import SessionEvent

ROUTINE = QUESTIONS | {"AskStrategy", "AuditNothing", "Keep", "Forget", "Release"}
"""Effects that nearly every event has: told only with `--all`."""
LOUD = (
    *(OrderAccepted, OrderRejected, OrderUnanswered, OrderDenied, OrderAbsent),
    *(ChangeAnswered, RecordRefused, QueryFailed, HeatRefused, StrategyFailed, FeedStale),
    *(StreamLost, StoreChanged, LeaseChanged, ClockSuspected, TradingStateChanged, CloseRequested),
)
"""Events that are told whatever was done on them."""
SHORT = (
    *("order_id", "outcome", "state", "is_up", "what", "reason_code", "reason"),
    *("code", "text", "cause", "detail"),
)
"""What of an event is told, where it has such a field."""


def story(replayed: Replayed, *, is_whole: bool) -> Iterator[str]:
    """Life by life, decision by decision, and the verdict."""
    recording = replayed.recording
    yield f"{recording.session_id}"
    for number, life in enumerate(recording.lives, 1):
        yield _opening(number, life)
        is_echo = False
        for answer in replayed.of_life(number):
            if is_whole or answer.difference is not None or _is_told(answer):
                yield _line(answer, is_whole=is_whole, is_echo=is_echo)
            is_echo = is_echo or answer.difference is not None
        if life.ended is not None:
            yield clean(f"  {life.ended.at:%H:%M:%S.%f}Z  it ended: {life.ended.reason}")
    if recording.is_torn:
        yield "  the last line of the file is unfinished: the daemon died while it wrote, or writes"
    yield verdict(replayed)


def verdict(replayed: Replayed) -> str:
    """All in one line."""
    lives, events = len(replayed.recording.lives), len(replayed.answers)
    counted = f"{lives} {'life' if lives == 1 else 'lives'}, {events} events: "
    if not replayed.first_differences:
        return f"{counted}decided the same."
    return f"{counted}NOT decided the same. {replayed.first_differences[0]}"


def table(replayed: Replayed) -> dict[str, Any]:
    """For `--json`."""
    recording = replayed.recording
    first = {each.life: each for each in replayed.first_differences}
    return {
        "session_id": recording.session_id,
        "is_same": not first,
        "is_torn": recording.is_torn,
        "events_count": len(replayed.answers),
        "lives": [
            {
                "began_at": life.began.at.isoformat(),
                "is_from_its_load": life.began.state is None,
                "lost_count": life.began.lost_count,
                "events_count": len(life.steps),
                "ended": None if life.ended is None else life.ended.reason,
                "first_difference": _difference(first.get(number)),
            }
            for number, life in enumerate(recording.lives, 1)
        ],
    }


def pytest_of(file_name: str, recording: Recording) -> str:
    """A pytest that holds the decisions of that file, which lies beside it."""
    days = [f"{life.began.at:%Y_%m_%d}" for life in recording.lives[:1]]
    name = "_".join([recording.session_id, *days])
    name = "".join(char if char.isalnum() else "_" for char in name)
    return f'''"""An incident, decided once more. A difference that is meant is taken over by
`trader replay-incident {file_name} --accept`.
"""

from pathlib import Path

from actors.app.incident import replay
from adapters.incidents.reading import read


def test_the_incident_of_{name}_is_decided_as_it_was() -> None:
    replayed = replay(read(Path(__file__).with_name("{file_name}")))

    assert replayed.answers
    differences = [str(each) for each in replayed.first_differences]
    assert differences == [], "if they are meant: trader replay-incident FILE --accept"
'''


# Lines


def _opening(number: int, life: Life) -> str:
    began = life.began
    place = "loaded" if began.state is None else "met in the middle"
    who = "exits only" if began.is_exits_only or not began.rules.strategy else ""
    what = who or (began.rules.strategy.name if began.rules.strategy else "")
    lost = f", {began.lost_count} records before it are missing" if began.lost_count else ""
    at = f"{began.at:%Y-%m-%d %H:%M:%S.%f}Z"
    return f" life {number}, {place} {at}: {what} on {began.rules.instrument.id}{lost}"


def _line(answer: Answer, *, is_whole: bool, is_echo: bool) -> str:
    if answer.difference is None:
        verdict = "same"
    elif is_echo:
        verdict = "different, as what it answers"
    else:
        verdict = f"DIFFERENT  {answer.difference}"
    done = "; ".join(_done(answer, is_whole=is_whole))
    said = f"{_heard(answer.step.event)}{f' -> {done}' if done else ''}"
    return clean(f"  {answer.at:%H:%M:%S.%f}Z  {said}  [{verdict}]")


def _heard(event: SessionEvent) -> str:
    """Its name, and what is short enough to be told of it."""
    words = [type(event).__name__]
    if isinstance(event, OrderFilled):
        fill = event.fill
        words += [fill.side, plain(fill.qty), "at", plain(fill.price), fill.client_order_id]
    else:
        words += [str(value) for name in SHORT if (value := getattr(event, name, None))]
    return " ".join(words)


def _is_told(answer: Answer) -> bool:
    if isinstance(answer.step.event, OrderFilled):
        return bool(answer.step.did)  # else it was known: each is told more than once
    return isinstance(answer.step.event, LOUD) or bool(_done(answer, is_whole=False))


def _done(answer: Answer, *, is_whole: bool) -> list[str]:
    if answer.step.raised:
        return [f"raised {answer.step.raised}"]
    return [_words(each) for each in answer.step.did if is_whole or each["is"] not in ROUTINE]


def _words(effect: dict[str, Any]) -> str:
    match effect:
        case {"is": "Notice", "severity": severity, "code": code, "text": text}:
            return f"{severity} {code}: {text}"
        case {"is": "AuditDecision", "action": action, "reason": reason, "reason_code": code}:
            return f"{action} ({reason}{f', {code}' if code else ''})"
        case {"is": kind, "order": dict(order)}:
            return f"{kind} {_order(order.get('item', order))}"
        case {"is": kind, "request": {"order_id": order_id, "amount": amount}}:
            return f"{kind} {amount} for {order_id}"
        case {"is": kind, "order_id": order_id}:
            return f"{kind} {order_id}"
        case _:
            return str(effect["is"])


def _order(order: dict[str, Any]) -> str:
    at = "".join(f" {key} {order[key]}" for key in ("price", "stop_price") if key in order)
    return f"{order.get('side')} {order.get('qty')} {order.get('type')}{at} {order.get('id')}"


def _difference(answer: Answer | None) -> dict[str, Any] | None:
    if answer is None or answer.difference is None:
        return None
    return {
        "at": answer.at.isoformat(),
        "event": answer.name,
        "place": answer.difference.place,
        "then": str(answer.difference.then),
        "now": str(answer.difference.now),
    }


def clean(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(char if char.isprintable() else "�" for char in text)
