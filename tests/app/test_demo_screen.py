"""The demo's screen: what the daemon logs, in a viewer's words, and nothing that it did not log."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from actors.app.demo_screen import Screen

BEGAN_AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
RECORDED = {
    "event": "order_recorded",
    "order_id": "t1a",
    "session": "aapl-sma",
    "purpose": "ENTRY",
    "side": "BUY",
    "qty": "1",
    "type": "MARKET",
    "reason": "fast above slow",
}
FILL = {
    "event": "fill",
    "order_id": "t1a",
    "session": "aapl-sma",
    "side": "BUY",
    "qty": "1",
    "price": "24.21",
    "position": "1",
}


class Viewer:
    """A screen and what is read on it."""

    def __init__(self, folder: Path) -> None:
        self._seen = io.StringIO()
        console = Console(file=self._seen, highlight=False, soft_wrap=True)
        self.screen = Screen(console, folder / "log", BEGAN_AT)

    def reads(self, event: dict[str, Any], at: str = "2026-01-05T12:00:01Z") -> str:
        """The lines that one event brings."""
        line = {"level": "info", "timestamp": at, **event}
        before = self._seen.tell()
        self.screen.write(json.dumps(line) + "\n")
        return self._seen.getvalue()[before:]


@pytest.fixture
def viewer(tmp_path: Path) -> Iterator[Viewer]:
    made = Viewer(tmp_path)
    with made.screen:
        yield made


def test_an_order_is_told_with_its_reason(viewer: Viewer) -> None:
    assert "BUY 1 @ MARKET, fast above slow" in viewer.reads(RECORDED)


def test_a_fill_is_told_with_the_time_since_its_row(viewer: Viewer) -> None:
    viewer.reads(RECORDED)
    told = viewer.reads(FILL, "2026-01-05T12:00:01.025Z")

    assert "FILLED" in told
    assert "position 1  (25 ms after its row)" in told
    assert viewer.screen.fills_count == 1


def test_a_step_says_how_long_it_took(viewer: Viewer) -> None:
    told = viewer.reads({"event": "store_ready", "database": "embedded"})

    assert "✔ database" in told
    assert "1.0s" in told


def test_heat_is_told_when_its_level_changes_and_not_before_all_stands(viewer: Viewer) -> None:
    def heat(level: str) -> str:
        return viewer.reads(
            {"event": "heat_changed", "heat_level": level, "high": "5", "missing": ""}
        )

    assert heat("UNKNOWN") == ""
    viewer.reads({"event": "demo_said", "text": "PAPER", "is_loud": True})
    assert [bool(heat(level)) for level in ("CALM", "CALM", "WARN", "WARN", "CALM")] == [
        *(False, False, True, False, True)
    ]


def test_what_has_no_words_is_shown_only_if_somebody_should_look(viewer: Viewer) -> None:
    assert viewer.reads({"event": "spool_replayed", "records_count": 3}) == ""
    warned = viewer.reads({"event": "spool_replayed", "records_count": 3, "level": "warning"})
    assert "spool replayed: records_count 3" in warned


def test_every_line_goes_to_the_file_as_it_was_logged(viewer: Viewer, tmp_path: Path) -> None:
    viewer.reads(FILL)
    viewer.reads({"event": "stopped"})

    kept = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert kept == ["fill", "stopped"]
