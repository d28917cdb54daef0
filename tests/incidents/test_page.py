"""A recording is read strictly: what this program does not know is refused, with its line."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.incidents import reading
from adapters.incidents.page import Began, encode_recording
from adapters.incidents.reading import NotARecording, read, state_of
from tests.incidents.incident_parts import RecordedWorld, a_day, rewrite, write
from tests.trader.session.session_world import RULES
from trader.session.strategy import StrategySpec

Lines = list[dict[str, Any]]


def _other_version(lines: Lines) -> None:
    lines[0]["recording"] = 2


def _no_head(lines: Lines) -> None:
    del lines[0]


def _another_load(lines: Lines) -> None:
    lines.insert(4, lines[2])


def _no_second(lines: Lines) -> None:
    lines[5]["at_s"] = 1e300


def _no_instant(lines: Lines) -> None:
    lines[1]["began"]["at"] = "2026-01-05T12:00:00"


def _no_load(lines: Lines) -> None:
    del lines[2]


def _invented_event(lines: Lines) -> None:
    lines[5]["heard"]["event"] = "order_invented"


def _later_event(lines: Lines) -> None:
    lines[5]["heard"]["version"] = 9


def _event_of_somebody_else(lines: Lines) -> None:
    data = {"account_id": "paper", "detail": "no"}
    lines[5]["heard"] = {"event": "account_auth_failed", "version": 1, "data": data}


def _invented_record(lines: Lines) -> None:
    lines[5] = {"run": "rm"}


def _neither_done_nor_raised(lines: Lines) -> None:
    del lines[5]["did"]


def _no_number(lines: Lines) -> None:
    prices = next(x for x in lines if x.get("heard", {}).get("event") == "price_moved")
    prices["heard"]["data"]["last"] = "NaN"


def _state_of_another_form(lines: Lines) -> None:
    lines[1]["began"]["state"] = [1]


@pytest.mark.parametrize(
    ("forge", "line", "words"),
    [
        (_other_version, 1, "version 2; this program reads 1"),
        (_no_head, 1, "not a recording of a session"),
        (_no_load, 3, "begins with a state or with a load"),
        (_another_load, 5, "and has no other one"),
        (_no_second, 6, "no second of a host"),
        (_no_instant, 2, "no instant of ours"),
        (_invented_event, 6, "order_invented"),
        (_later_event, 6, "version 9"),
        (_event_of_somebody_else, 6, "nothing that a session hears"),
        (_invented_record, 6, "not a record"),
        (_neither_done_nor_raised, 6, "neither what was done nor what was raised"),
        (_no_number, None, "finite number"),
        (_state_of_another_form, 2, "the state is not a table"),
    ],
)
def test_what_is_not_known_is_refused_with_its_line(
    tmp_path: Path, forge: Callable[[Lines], None], line: int | None, words: str
) -> None:
    file = a_day(tmp_path)
    rewrite(file, forge)

    with pytest.raises(NotARecording, match=words) as refused:
        read(file)

    assert str(refused.value).startswith(f"{file}:{line or ''}")


@pytest.mark.parametrize("content", [b"", b"no json\n", b"[" * 5000 + b"\n", b"7\n"])
def test_what_is_no_recording_at_all_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(content)

    with pytest.raises(NotARecording):
        read(file)


def test_a_line_or_a_file_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = a_day(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(reading, "LINE_BYTES_MAX", 200)
        with pytest.raises(NotARecording, match="longer than 200 bytes"):
            read(file)
    monkeypatch.setattr(reading, "FILE_BYTES_MAX", 1000)
    with pytest.raises(NotARecording, match="more than 1000 bytes"):
        read(file)


def test_a_state_of_another_program_is_refused_by_the_names_that_differ(tmp_path: Path) -> None:
    world = RecordedWorld()
    assert world.heart is not None
    world.start()
    world.heart.wants_state = True
    world.bar()
    file = write(tmp_path, world.records)

    def forge(lines: Lines) -> None:
        began = next(line["began"] for line in lines[2:] if "began" in line)
        began["state"]["mood"] = began["state"].pop("due_s")

    rewrite(file, forge)

    with pytest.raises(NotARecording, match="due_s, mood"):
        state_of(read(file).lives[1].began)


def test_an_unfinished_last_line_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    file = a_day(tmp_path)
    whole = read(file)
    file.write_bytes(file.read_bytes()[:-10])

    torn = read(file)

    assert torn.is_torn
    assert not whole.is_torn
    assert torn.lives[0].steps == whole.lives[0].steps[:-1]


def test_a_recording_written_again_is_the_same_to_the_byte(tmp_path: Path) -> None:
    file = a_day(tmp_path)

    assert encode_recording(read(file)) == file.read_bytes()


def test_what_a_strategy_is_told_by_its_user_stays_out(tmp_path: Path) -> None:
    spec = StrategySpec("mine", (("api_key", "hunter2hunter2"),), "AAPL", RULES.tick, RULES.tick)
    world = RecordedWorld(replace(RULES, strategy=spec))
    world.start()

    file = write(tmp_path, world.records)

    assert isinstance(world.records[0], Began)
    assert b"hunter2" not in file.read_bytes()
    strategy = read(file).lives[0].began.rules.strategy
    assert strategy is not None
    assert strategy.name == "mine"
