"""`trader doctor` and `trader db` where a broker and a database answer, or do not."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from system.daemon import Daemon

from actors.app.checkup import examine_house
from actors.app.venues import SandboxProcess, sandbox_process
from adapters.doctor import Finding
from adapters.folders import Folders
from trader.config import SandboxConfig, Settings


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[SandboxProcess]:
    """A broker that speaks Alpaca's wire."""
    async with sandbox_process(SandboxConfig(symbols=("AAPL",)), tmp_path, ("DOC-1",)) as process:
        yield process


def settings(
    venue: SandboxProcess, folder: Path, *, symbol: str = "AAPL", key: str = ""
) -> Settings:
    """An account there, and one session."""
    known, secret_file = venue.keys["DOC-1"]
    key_file = folder / "key"
    key_file.write_text(key or known, "ascii")
    key_file.chmod(0o600)
    account = {
        "venue": "alpaca",
        "url": venue.url,
        "stream_url": venue.stream_url,
        "data_url": venue.url,
        "data_stream_url": venue.data_stream_url,
        "key_file": str(key_file),
        "secret_file": str(secret_file),
    }
    session = {"account": "paper", "symbol": symbol, "strategy": "sma_cross"}
    return Settings.model_validate({"accounts": {"paper": account}, "sessions": {"one": session}})


async def found(settings: Settings, folder: Path) -> dict[str, Finding]:
    """The round's findings by name."""
    places = Folders(folder / "data", folder / "state")
    return {each.name: each async for each in examine_house(settings, places)}


async def test_a_broker_that_is_in_order_is_so_in_every_line(
    venue: SandboxProcess, tmp_path: Path
) -> None:
    lines = await found(settings(venue, tmp_path), tmp_path)

    assert [name for name, each in lines.items() if not each.is_ok] == []
    assert lines["paper login"].detail == "account DOC-1, it may trade"
    assert {"paper symbols", "paper clock", "database"} <= lines.keys()


async def test_a_symbol_that_the_broker_does_not_trade_is_named(
    venue: SandboxProcess, tmp_path: Path
) -> None:
    lines = await found(settings(venue, tmp_path, symbol="NOPE"), tmp_path)

    assert not lines["paper symbols"].is_ok
    assert "NOPE.ALPACA" in lines["paper symbols"].detail
    assert lines["paper login"].is_ok


async def test_keys_that_open_nothing_are_told_with_what_to_do(
    venue: SandboxProcess, tmp_path: Path
) -> None:
    lines = await found(settings(venue, tmp_path, key="PKWRONG"), tmp_path)

    assert not lines["paper login"].is_ok
    assert lines["paper login"].fix


async def test_a_database_that_does_not_answer_is_a_finding(tmp_path: Path) -> None:
    url_file = tmp_path / "url"
    url_file.write_text("postgresql://nobody@127.0.0.1:1/none", "ascii")
    url_file.chmod(0o600)
    there = Settings.model_validate({"store": {"database_url_file": str(url_file)}})
    lines = await found(there, tmp_path)

    assert not lines["database"].is_ok
    assert lines["database"].fix


def test_the_embedded_database_is_made_and_looked_at_without_a_daemon(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)  # never started
    before = daemon.cli("db", "status")
    made = daemon.read("db", "upgrade")
    status = daemon.read("db", "status")
    doctor = json.loads(daemon.cli("doctor", "--json").stdout)

    assert (before.returncode, "none yet" in before.stdout) == (5, True)
    assert made["version"] == made["newest"] == status["schema"]["version"]
    assert status["server"] == "embedded, started to look"
    lines = {each["name"]: each for each in doctor["items"]}
    assert lines["schema"]["is_ok"]
    assert lines["database clock"]["is_ok"]
