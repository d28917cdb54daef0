"""`trader replay-incident`: what the person at three in the morning types, and what it says."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from actors.app.main import app
from tests.incidents.incident_parts import (
    RecordedWorld,
    a_day,
    forge_a_quantity,
    rewrite,
    trade,
    write,
)
from trader.ids import SessionId
from trader.session.state import SessionState

SAME, DIFFERENT, BAD_USAGE = 0, 1, 2


def typed(*words: object) -> Result:
    return CliRunner().invoke(app, ["replay-incident", *map(str, words)])


def two_lives(folder: Path) -> Path:
    world = RecordedWorld()
    world.start()
    trade(world)
    world.state = SessionState(world.rules)
    world.start()
    return write(folder, world.records, SessionId("two"))


def test_the_story_has_each_decision_with_its_reason_and_ends_with_the_verdict(
    tmp_path: Path,
) -> None:
    said = typed(a_day(tmp_path))

    assert said.exit_code == SAME
    lines = said.output.splitlines()
    assert lines[0] == "aapl"
    assert "life 1, loaded 2026-01-05" in lines[1]
    (decided,) = (line for line in lines if "submit_order (up)" in line)
    assert decided.endswith("[same]")
    assert any("OrderFilled BUY 10 at 100" in line for line in lines)
    assert lines[-1].endswith("decided the same.")


def test_with_all_every_event_and_effect_is_told(tmp_path: Path) -> None:
    file = a_day(tmp_path)

    short, whole = typed(file).output, typed(file, "--all").output

    assert "AuditNothing" not in short
    assert "AuditNothing" in whole
    assert len(whole.splitlines()) > 2 * len(short.splitlines())


def test_a_difference_is_told_in_its_line_and_in_the_last_one(tmp_path: Path) -> None:
    file = a_day(tmp_path)
    rewrite(file, forge_a_quantity)

    said = typed(file)

    assert said.exit_code == DIFFERENT
    words = "effect 1 Record.order.qty: then 11, now 10"
    assert sum(words in line for line in said.output.splitlines()) == 2
    assert "NOT decided the same" in said.output.splitlines()[-1]


def test_json_names_the_first_difference_of_each_life(tmp_path: Path) -> None:
    file = two_lives(tmp_path)
    rewrite(file, forge_a_quantity)

    said = typed(file, "--json")

    assert said.exit_code == DIFFERENT
    (item,) = json.loads(said.output)["items"]
    assert item["is_same"] is False
    first, second = item["lives"]
    assert first["first_difference"]["place"] == "effect 1 Record.order.qty"
    assert (first["first_difference"]["then"], first["first_difference"]["now"]) == ("11", "10")
    assert second["first_difference"] is None


def test_a_folder_is_every_session_in_it_or_the_one_that_is_named(tmp_path: Path) -> None:
    a_day(tmp_path)
    two_lives(tmp_path)

    everyone = json.loads(typed(tmp_path, "--json").output)["items"]
    named = json.loads(typed(tmp_path, "--json", "--session", "two").output)["items"]

    assert [Path(each["file"]).name for each in everyone] == ["aapl.jsonl", "two.jsonl"]
    assert [Path(each["file"]).name for each in named] == ["two.jsonl"]


def test_one_life_can_be_picked(tmp_path: Path) -> None:
    file = two_lives(tmp_path)

    (item,) = json.loads(typed(file, "--life", 2, "--json").output)["items"]

    assert len(item["lives"]) == 1
    assert typed(file, "--life", 3).exit_code == BAD_USAGE


def test_an_accepted_difference_is_one_no_more(tmp_path: Path) -> None:
    file = a_day(tmp_path)
    before = file.read_bytes()
    rewrite(file, forge_a_quantity)

    assert typed(file, "--accept").exit_code == SAME

    assert file.read_bytes() == before
    assert typed(file, "--accept", "--life", 1).exit_code == BAD_USAGE


@pytest.mark.parametrize("is_forged", [False, True])
def test_the_test_it_writes_passes_or_fails_with_the_difference(
    tmp_path: Path, is_forged: bool
) -> None:
    file = a_day(tmp_path)
    if is_forged:
        rewrite(file, forge_a_quantity)
    folder = tmp_path / "tests"
    folder.mkdir()

    typed(file, "--pytest", folder / "test_bought_twice.py")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )

    assert (folder / "bought_twice.jsonl").read_bytes() == file.read_bytes()
    assert ran.returncode == int(is_forged), ran.stdout
    assert ("then 11, now 10" in ran.stdout) is is_forged


@pytest.mark.parametrize("content", [b'{"recording":2,"session_id":"x"}\n', b"\x00\n", b""])
def test_a_file_that_is_none_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(content)

    said = typed(file)

    assert said.exit_code == BAD_USAGE
    assert len(said.stderr.splitlines()) == 1
    assert str(file) in said.stderr


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    assert typed(tmp_path / "gone.jsonl").exit_code == BAD_USAGE
    assert "no recording" in typed(tmp_path).stderr


def test_a_test_of_several_recordings_is_refused(tmp_path: Path) -> None:
    a_day(tmp_path)
    two_lives(tmp_path)

    said = typed(tmp_path, "--pytest", tmp_path / "test_x.py")

    assert said.exit_code == BAD_USAGE
    assert "name the file" in said.stderr
    assert not (tmp_path / "test_x.py").exists()


def test_what_a_file_says_is_never_obeyed_by_the_terminal(tmp_path: Path) -> None:
    file = a_day(tmp_path)

    def forge(lines: list[dict[str, Any]]) -> None:
        at = "2026-01-05T12:00:00+00:00"
        lines.append({"ended": {"at": at, "reason": "\x1b[2Jgone"}})

    rewrite(file, forge)

    assert "\x1b" not in typed(file).output
