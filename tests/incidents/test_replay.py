"""What was recorded is decided once more: the same, or the first place where it differs."""

from pathlib import Path
from typing import Any

import pytest

from actors.app.incident import replay
from adapters.incidents.reading import read
from tests.incidents.incident_parts import (
    RecordedWorld,
    a_day,
    forge_a_quantity,
    rewrite,
    trade,
    write,
)
from tests.trader.session.session_world import buy
from trader.session import bars
from trader.session.events import SessionLoaded
from trader.session.state import SessionState


def test_a_day_is_decided_the_same(tmp_path: Path) -> None:
    replayed = replay(read(a_day(tmp_path)), is_whole=True)

    assert len(replayed.answers) > 50
    assert replayed.first_differences == ()


def test_a_question_at_another_moment_is_no_other_decision(tmp_path: Path) -> None:
    file = a_day(tmp_path)

    def forge(lines: list[dict[str, Any]]) -> None:
        asked = next(x for x in lines if {"is": "AskPosition"} in x.get("did", ()))
        asked["did"].remove({"is": "AskPosition"})

    rewrite(file, forge)

    assert replay(read(file)).first_differences == ()
    assert len(replay(read(file), is_whole=True).first_differences) == 1


def test_every_life_is_told_from_its_own_load(tmp_path: Path) -> None:
    world = RecordedWorld()
    world.start()
    trade(world)
    world.now_s += 5
    world.state = SessionState(world.rules)  # the body crashed; its successor is loaded
    world.start()
    trade(world)

    replayed = replay(read(write(tmp_path, world.records)), is_whole=True)

    assert len(replayed.recording.lives) == 2
    assert {each.life for each in replayed.answers} == {1, 2}
    assert replayed.first_differences == ()


@pytest.mark.parametrize("every", [1, 7])
def test_a_life_can_be_told_from_the_middle_wherever_that_is(tmp_path: Path, every: int) -> None:
    world = RecordedWorld()
    heart = world.heart
    assert heart is not None

    def ask_for_the_state() -> bool:
        heart.wants_state = heart.wants_state or len(world.records) % every == 0
        return True

    world.start()
    world.has_room = ask_for_the_state
    trade(world)
    first = next(n for n, each in enumerate(world.records) if getattr(each, "state", None))

    replayed = replay(read(write(tmp_path, world.records[first:])), is_whole=True)

    assert len(replayed.recording.lives) > 5
    assert replayed.first_differences == ()


def test_another_decision_is_told_with_both_sides(tmp_path: Path) -> None:
    file = a_day(tmp_path)
    rewrite(file, forge_a_quantity)
    (found,) = replay(read(file)).first_differences

    assert found.name == "HeatGranted"
    assert str(found).endswith("different: effect 1 Record.order.qty: then 11, now 10")


def test_other_rules_show_where_they_would_have_mattered(tmp_path: Path) -> None:
    file = a_day(tmp_path)

    def forge(lines: list[dict[str, Any]]) -> None:
        lines[1]["began"]["rules"]["limits"]["qty_max"] = "5"

    rewrite(file, forge)
    (found,) = replay(read(file)).first_differences

    assert found.name == "StrategyDecided"
    assert "AuditDecision.action: then submit_order, now refused" in str(found)


def test_a_crash_of_the_heart_is_seen_again_and_seen_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = RecordedWorld()
    world.start()

    def broken(*_: object) -> None:
        raise ZeroDivisionError("by the bar")

    with monkeypatch.context() as patch:
        patch.setattr(bars, "closed", broken)
        with pytest.raises(ZeroDivisionError):
            world.bar(buy())
        recording = read(write(tmp_path, world.records))
        assert replay(recording).first_differences == ()

    (mended,) = replay(recording).first_differences
    assert "raised: then ZeroDivisionError: by the bar, now nothing" in str(mended)


def test_one_that_dies_now_where_it_lived_then_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = read(a_day(tmp_path))

    def broken(*_: object) -> None:
        raise ZeroDivisionError("by the bar")

    monkeypatch.setattr(bars, "closed", broken)
    (found,) = replay(recording).first_differences

    assert found.name == "CandleClosed"
    assert "then nothing, now ZeroDivisionError" in str(found)


def test_what_was_accepted_is_what_is_decided_now(tmp_path: Path) -> None:
    file = a_day(tmp_path)
    rewrite(file, forge_a_quantity)
    assert replay(read(file)).first_differences

    accepted = replay(read(file)).accepted

    assert replay(accepted).first_differences == ()
    assert isinstance(accepted.lives[0].steps[0].event, SessionLoaded)
