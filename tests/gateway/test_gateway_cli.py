"""The client verbs, over a real unix socket: what they print, and what they say to the shell."""

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from gateway_fakes import BAR, ORDER, ORDER_VIEW, FakeDesk
from typer.testing import CliRunner

from adapters.gateway.cli import register
from adapters.gateway.client import ExitCode
from trader.views import CommandResult

APP = typer.Typer()
register(APP)


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("TRADER__DAEMON__STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


async def typed(*words: object, at: Path) -> Any:
    """A verb as typed, while the daemon's loop goes on."""
    arguments = [*map(str, words), "--socket", str(at)]
    return await asyncio.to_thread(CliRunner().invoke, APP, arguments)


READ = [
    ("status",),
    ("sessions",),
    ("bars", "aapl-sma"),
    ("orders",),
    ("orders", ORDER),
    ("positions",),
    ("heat",),
    ("why", "aapl-sma"),
]


@pytest.mark.parametrize("verb", READ, ids=" ".join)
async def test_every_verb_that_shows_prints_a_page_or_json(
    socket_path: Path, verb: tuple[str, ...]
) -> None:
    page = await typed(*verb, at=socket_path)
    raw = await typed(*verb, "--json", at=socket_path)

    assert isinstance(json.loads(raw.output), dict)
    assert any(word in page.output for word in ("aapl-sma", "130.31", "fast above slow"))
    # Positions differ and heat is unknown in this house: said to the shell too.
    expected = ExitCode.DEGRADED if verb[0] in ("positions", "heat") else ExitCode.OK
    assert (page.exit_code, raw.exit_code) == (expected, expected)


async def test_status_says_paper_the_operators_state_and_the_heat(socket_path: Path) -> None:
    page = (await typed("status", at=socket_path)).output

    assert "PAPER" in page
    assert "HALTED lunch" in page
    assert "heat UNKNOWN" in page
    assert "✔ ready" in page


async def test_a_house_that_is_not_ready_says_why_and_exits_5(
    socket_path: Path, desk: FakeDesk
) -> None:
    desk.is_ready = False

    result = await typed("status", at=socket_path)

    assert "✖ reconcile: 12 s since the last" in result.output
    assert result.exit_code == ExitCode.DEGRADED


async def test_why_lists_every_question_and_counts_those_that_refuse(socket_path: Path) -> None:
    page = (await typed("why", "aapl-sma", at=socket_path)).output

    assert "HALTED: lunch" in page
    assert "refused now: 1 of the above" in page
    assert "fast above slow" in page


async def test_an_order_is_shown_with_its_whole_life(socket_path: Path) -> None:
    page = (await typed("orders", ORDER, at=socket_path)).output

    assert "order_recorded" in page
    assert "INITIALIZED" in page


async def test_orders_can_be_narrowed(socket_path: Path, desk: FakeDesk) -> None:
    await typed("orders", "--session", "aapl-sma", "--open", "--limit", "3", at=socket_path)

    assert desk.asked == [("aapl-sma", True, 3, None)]


async def test_bars_can_be_followed(socket_path: Path, desk: FakeDesk) -> None:
    desk.bars_to_follow = [BAR]

    result = await typed("bars", "aapl-sma", "--follow", "--json", at=socket_path)

    assert [json.loads(line)["close"] for line in result.output.splitlines()] == ["130.31"] * 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("halt", "--reason", "lunch"), ("halt", "", "lunch")),
        (
            ("resume", "--reason", "back", "--confirm", "RESUME"),
            ("resume", "", "back", "RESUME"),
        ),
        (("close", "aapl-sma"), ("close", "aapl-sma", "closed by the operator")),
        (("reconcile",), ("reconcile", "")),
        (("reconcile", "aapl-sma"), ("reconcile", "aapl-sma")),
    ],
)
async def test_a_command_reaches_the_desk_and_shows_what_is_still_working(
    socket_path: Path, desk: FakeDesk, words: tuple[str, ...], told: tuple[str, ...]
) -> None:
    result = await typed(*words, at=socket_path)

    assert desk.told == [told]
    assert result.exit_code == ExitCode.OK
    assert "DONE" in result.output
    assert ORDER in result.output


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (CommandResult.ACCEPTED, ExitCode.OK),
        (CommandResult.REFUSED, ExitCode.REFUSED),
        (CommandResult.FAILED, ExitCode.FAILED),
    ],
)
async def test_the_shell_is_told_how_a_command_fared(
    socket_path: Path, desk: FakeDesk, result: CommandResult, code: ExitCode
) -> None:
    desk.result = result

    assert (await typed("reconcile", at=socket_path)).exit_code == code


async def test_a_session_that_does_not_exist_is_bad_usage(socket_path: Path) -> None:
    result = await typed("why", "nobody", at=socket_path)

    assert result.exit_code == ExitCode.USAGE
    assert "no such name" in result.output


async def test_a_name_cannot_climb_out_of_its_path(socket_path: Path, desk: FakeDesk) -> None:
    result = await typed("close", "../halt?x=", at=socket_path)

    assert result.exit_code == ExitCode.USAGE
    assert desk.told == []


async def test_a_daemon_that_does_not_answer_in_time_is_a_failure(
    socket_path: Path, desk: FakeDesk
) -> None:
    desk.failure = TimeoutError()

    result = await typed("status", at=socket_path)

    assert result.exit_code == ExitCode.FAILED
    assert "no answer in time" in result.output


@pytest.mark.parametrize("verb", [("status",), ("close", "aapl-sma"), ("bars", "x", "-f")])
async def test_without_a_daemon_a_verb_says_so_and_exits_3(
    tmp_path: Path, verb: tuple[str, ...]
) -> None:
    result = await typed(*verb, at=tmp_path / "nobody.sock")

    assert result.exit_code == ExitCode.UNREACHABLE
    assert "no daemon answers at" in result.output


async def test_halt_without_a_daemon_makes_the_halt_file(tmp_path: Path) -> None:
    result = await typed("halt", "--reason", "smoke", at=tmp_path / "nobody.sock")

    assert (tmp_path / "state" / "HALT").read_text() == "smoke\n"
    assert result.exit_code == ExitCode.DEGRADED


async def test_halt_at_a_daemon_that_is_stuck_makes_the_halt_file_too(
    socket_path: Path, desk: FakeDesk, tmp_path: Path
) -> None:
    desk.failure = TimeoutError()

    result = await typed("halt", at=socket_path)

    assert (tmp_path / "state" / "HALT").exists()
    assert result.exit_code == ExitCode.DEGRADED


async def test_words_from_outside_cannot_drive_the_terminal(
    socket_path: Path, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def red(*_: object) -> object:
        return replace(ORDER_VIEW, reason="\x1b[31m[bold]red\x07")

    monkeypatch.setattr(desk, "order", red)

    page = (await typed("orders", ORDER, at=socket_path)).output

    assert "�[31m[bold]red�" in page


def test_a_client_verb_loads_nothing_of_the_daemon() -> None:
    """What keeps `trader status` quick; how quick it is a bench may say, never a test."""
    script = (
        "import sys; from actors.app import main; from adapters.gateway import cli; "
        "print(*(m for m in sys.argv[1:] if m in sys.modules))"
    )
    heavy = ("aiohttp", "asyncpg", "pydantic", "pykka", "apscheduler", "talib", "structlog")

    done = subprocess.run(
        [sys.executable, "-c", script, *heavy], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == ""
