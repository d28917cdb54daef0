"""`trader replay-incident`: a recording, or a folder of them, decided once more."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from actors.app import incident_words
from actors.app.incident import Replayed, replay
from adapters.gateway.client import ExitCode
from adapters.incidents.page import Recording, encode_recording
from adapters.incidents.reading import NotARecording, read


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to do with it, and how to say it."""

    session: str = ""  # only this one's
    life: int | None = None  # only this one, from 1
    as_json: bool = False
    is_whole: bool = False  # every event and effect, also the moments of questions
    pytest_file: Path | None = None
    is_accepted: bool = False


def replay_incident(place: Path, wishes: Wishes) -> ExitCode:
    """Replay, say it, write what is wished. FAILED where something is decided otherwise."""
    if wishes.is_accepted and wishes.life is not None:
        sys.stderr.write("--accept writes the whole file: not together with --life\n")
        return ExitCode.USAGE
    try:
        found = [
            (file, replay(recording, is_whole=wishes.is_whole))
            for file, recording in _recordings(place, wishes)
        ]
        if not found:
            raise NotARecording(f"{place}: no recording{' of that session' * bool(wishes.session)}")
        if wishes.pytest_file is not None:
            _write_pytest(wishes.pytest_file, found)
    except (NotARecording, OSError) as error:
        sys.stderr.write(incident_words.clean(str(error)) + "\n")
        return ExitCode.USAGE
    if wishes.as_json:
        items = [{"file": str(file)} | incident_words.table(each) for file, each in found]
        sys.stdout.write(json.dumps({"items": items}, indent=2) + "\n")
    else:
        for _, each in found:
            for line in incident_words.story(each, is_whole=wishes.is_whole):
                sys.stdout.write(line + "\n")
    if wishes.is_accepted:
        for file, each in found:
            _write(file, encode_recording(each.accepted))
        return ExitCode.OK
    is_same = all(not each.first_differences for _, each in found)
    return ExitCode.OK if is_same else ExitCode.FAILED


def _recordings(place: Path, wishes: Wishes) -> Iterator[tuple[Path, Recording]]:
    if place.is_dir():
        name = quote(wishes.session, safe="") if wishes.session else "*"
        files = sorted({*place.glob(f"{name}.jsonl"), *place.glob(f"{name}.1.jsonl")})
    else:
        files = [place]
    for file in files:
        recording = read(file)
        if wishes.session in ("", recording.session_id):
            yield file, recording if wishes.life is None else _only(recording, wishes.life, file)


def _only(recording: Recording, number: int, file: Path) -> Recording:
    if not 1 <= number <= len(recording.lives):
        raise NotARecording(f"{file}: it has {len(recording.lives)} lives, not a life {number}")
    return Recording(recording.session_id, (recording.lives[number - 1],), False)


def _write_pytest(pytest_file: Path, found: list[tuple[Path, Replayed]]) -> None:
    """The test, and what it replays beside it."""
    if len(found) != 1:
        names = ", ".join(file.name for file, _ in found)
        raise NotARecording(f"a test holds one recording: name the file ({names})")
    ((_, replayed),) = found
    recording_file = pytest_file.with_name(pytest_file.stem.removeprefix("test_") + ".jsonl")
    _write(recording_file, encode_recording(replayed.recording))
    test = incident_words.pytest_of(recording_file.name, replayed.recording)
    _write(pytest_file, test.encode())


def _write(file: Path, content: bytes) -> None:
    """All of it or nothing."""
    part = file.with_name(file.name + ".part")
    part.write_bytes(content)
    part.replace(file)
