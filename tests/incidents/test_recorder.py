"""The recorder: files that can each be replayed, bounded, and honest about what is missing."""

import stat
import time
from pathlib import Path

import pytest
import structlog.testing

from actors.app.incident import replay
from actors.app.recording import hearts
from actors.runtime import Runtime, SimulationHost
from adapters.folders import Folders
from adapters.incidents.page import Recording
from adapters.incidents.reading import read
from adapters.incidents.recorder import Recorder
from tests.incidents.incident_parts import RecordedWorld, trade
from tests.trader.order_parts import SESSION
from tests.trader.session.session_world import START
from trader.config import DaemonConfig, Settings
from trader.session.state import SessionState
from trader.session.step import step

FILE, OLDER = f"{SESSION}.jsonl", f"{SESSION}.1.jsonl"


def recorder(folder: Path, file_bytes_max: int = 10_000_000, **more: object) -> Recorder:
    return Recorder(folder, lambda: START, file_bytes_max=file_bytes_max, **more)  # type: ignore[arg-type]


def lived(recording: Recorder) -> RecordedWorld:
    """A world whose heart that recorder records, after a day of trading."""
    world = RecordedWorld(heart=recording.heart(SESSION))
    world.start()
    trade(world)
    return world


def until_the_state_is_wanted(recording: Recorder) -> None:
    """The thread has met what makes it ask."""
    for _ in range(5_000):
        if recording.heart(SESSION).wants_state:
            return
        time.sleep(0.001)
    pytest.fail("it never asked for the state")


def is_same(recording: Recording) -> bool:
    replayed = replay(recording, is_whole=True)
    return bool(replayed.answers) and replayed.first_differences == ()


def test_a_day_is_written_for_its_owner_only(tmp_path: Path) -> None:
    recording = recorder(tmp_path / "recordings")
    lived(recording)
    recording.ended(SESSION, "crash on str: KeyError: 'x'")
    recording.close()

    file = tmp_path / "recordings" / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (life,) = read(file).lives
    assert life.ended is not None
    assert life.ended.reason == "crash on str: KeyError: 'x'"
    assert is_same(read(file))


def test_a_full_file_is_put_aside_and_the_next_one_can_be_replayed_without_it(
    tmp_path: Path,
) -> None:
    recording = recorder(tmp_path, file_bytes_max=10_000)
    world = lived(recording)
    until_the_state_is_wanted(recording)
    trade(world)
    recording.close()

    newest = read(tmp_path / FILE)
    assert newest.lives[0].began.state is not None
    assert newest.lives[0].began.lost_count == 0
    assert is_same(newest)
    assert is_same(read(tmp_path / OLDER))


def test_the_next_daemon_writes_on_after_the_last_whole_line(tmp_path: Path) -> None:
    first = recorder(tmp_path)
    lived(first)
    first.close()
    file = tmp_path / FILE
    file.write_bytes(file.read_bytes()[:-10])  # killed while it wrote

    second = recorder(tmp_path)
    lived(second)
    second.close()

    recording = read(file)
    assert len(recording.lives) == 2
    assert is_same(recording)


def test_what_there_was_no_room_for_is_counted_and_told_on_from_the_state(tmp_path: Path) -> None:
    recording = recorder(tmp_path, queue_records_max=0)  # no room at all
    world = lived(recording)
    recording._queue_records_max = 1_000_000
    trade(world)
    recording.close()

    (life,) = read(tmp_path / FILE).lives
    assert life.began.lost_count > 50
    assert life.began.state is not None
    assert is_same(read(tmp_path / FILE))


def test_a_disk_that_refuses_costs_the_recording_and_nothing_else(tmp_path: Path) -> None:
    in_the_way = tmp_path / FILE
    in_the_way.mkdir()
    recording = recorder(tmp_path)
    with structlog.testing.capture_logs() as log:
        world = lived(recording)
        assert world.position == 0
        assert world.fills
        until_the_state_is_wanted(recording)
        in_the_way.rmdir()
        trade(world)
        recording.close()

    assert [line["event"] for line in log] == ["recording_failed"]
    (life,) = read(tmp_path / FILE).lives
    assert life.began.lost_count > 50
    assert is_same(read(tmp_path / FILE))


def test_a_state_that_cannot_be_written_costs_the_recording_and_not_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = recorder(tmp_path)
    world = lived(recording)
    recording.heart(SESSION).wants_state = True
    with structlog.testing.capture_logs() as log:
        world.state.noticed.add(object())  # type: ignore[arg-type]
        fills_count = len(world.fills)
        trade(world)
    assert [line["event"] for line in log] == ["recording_failed"]
    assert len(world.fills) > fills_count

    world.state = SessionState(world.rules)
    world.start()
    recording.close()
    first, second = read(tmp_path / FILE).lives
    assert first.began.lost_count == 0
    assert second.began.lost_count > 50
    assert is_same(read(tmp_path / FILE))


def test_a_load_in_a_full_house_is_no_load_in_the_middle_of_a_life(tmp_path: Path) -> None:
    recording = recorder(tmp_path)
    world = lived(recording)
    recording._queue_records_max = 0
    world.state = SessionState(world.rules)
    world.start()
    recording._queue_records_max = 1_000_000
    trade(world)
    recording.close()

    _, second = read(tmp_path / FILE).lives
    assert second.began.state is not None
    assert second.began.lost_count > 0
    assert is_same(read(tmp_path / FILE))


def test_a_successor_begins_a_life_of_its_own(tmp_path: Path) -> None:
    recording = recorder(tmp_path)
    world = lived(recording)
    world.state = SessionState(world.rules)
    world.start()
    recording.close()

    first, second = read(tmp_path / FILE).lives
    assert first.began.state is None
    assert second.began.state is None


def test_a_known_secret_is_not_written(tmp_path: Path) -> None:
    recording = recorder(tmp_path, secrets=("fast mean",))
    world = RecordedWorld(heart=recording.heart(SESSION))
    world.start()
    recording.ended(SESSION, "the fast mean was told")
    recording.close()

    assert b"fast mean" not in (tmp_path / FILE).read_bytes()
    assert b"the [hidden] was told" in (tmp_path / FILE).read_bytes()


def test_a_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    recording = recorder(tmp_path / "recordings")
    world = RecordedWorld(heart=recording.heart("../../s1"))  # type: ignore[arg-type]
    world.start()
    recording.close()

    assert [each.name for each in (tmp_path / "recordings").iterdir()] == ["..%2F..%2Fs1.jsonl"]


def test_what_nobody_understands_has_no_word_and_the_crash_is_told_by_the_end(
    tmp_path: Path,
) -> None:
    recording = recorder(tmp_path)
    world = lived(recording)
    with pytest.raises(AssertionError):
        recording.heart(SESSION)(world.state, "crash", world.now_s)  # type: ignore[arg-type]
    recording.ended(SESSION, "crash on str")
    recording.close()

    assert is_same(read(tmp_path / FILE))


def test_without_the_key_the_heart_is_as_it_is_and_nothing_is_written(tmp_path: Path) -> None:
    host = SimulationHost(1)
    runtime, places = Runtime(host), Folders(tmp_path, tmp_path)

    with hearts(Settings(), places, runtime) as heart_of:
        assert heart_of(SESSION) is step
    assert list(tmp_path.iterdir()) == []

    recorded = Settings(daemon=DaemonConfig(record=True))
    with hearts(recorded, places, runtime) as heart_of:
        assert heart_of(SESSION) is not step
        assert heart_of(SESSION) is heart_of(SESSION)  # of all bodies: one after the other
    host.loop.close()
