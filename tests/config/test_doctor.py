"""The doctor: every line says what was found and, where something is wrong, what to do."""

import json
import socket
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from adapters import doctor
from adapters.config_verbs import register
from adapters.doctor import Finding, examine

HOUSE = """\
[daemon]
data_dir = "{0}/data"
state_dir = "{0}/state"
[admin]
port = 0
[accounts.demo]
venue = "sandbox"
[sessions.one]
account = "demo"
symbol = "AAPL"
strategy = "sma_cross"
"""


def found(folder: Path, text: str = HOUSE, **environ: str) -> dict[str, Finding]:
    (folder / "config.toml").write_text(text.replace("{0}", str(folder)))
    findings = list(examine(environ=environ, cwd=folder))
    assert all(one.is_ok or one.fix for one in findings), "a wrong thing without a remedy"
    return {one.name: one for one in findings}


def test_a_sound_installation_has_nothing_to_fix(tmp_path: Path) -> None:
    findings = found(tmp_path)

    assert [one for one in findings.values() if not one.is_ok] == []
    assert {"python", "packages", "configuration", "disk", "port", "http token"} <= set(findings)
    assert not (tmp_path / "data").exists(), "looking makes nothing"


def test_a_broken_configuration_is_said_line_by_line(tmp_path: Path) -> None:
    finding = found(tmp_path, "[risk]\nqty_mxa = 1\n")["configuration"]

    assert "config.toml:2: risk.qty_mxa unknown key" in finding.detail


def test_a_house_without_sessions_is_no_house(tmp_path: Path) -> None:
    assert not found(tmp_path, HOUSE.partition("[sessions")[0])["configuration"].is_ok


def test_a_token_that_others_may_read_comes_with_the_command_that_mends_it(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    token = tmp_path / "state" / "token"
    token.write_text("x")
    token.chmod(0o644)

    assert found(tmp_path)["http token"].fix == f"chmod 600 {token}"


def test_a_state_folder_that_others_may_write_is_found(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)

    assert found(tmp_path)["state folder"].fix == f"chmod go-w {tmp_path / 'state'}"


def test_a_port_that_somebody_else_has_is_found(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        finding = found(tmp_path, HOUSE.replace("port = 0", f"port = {port}"))["port"]

    assert finding.detail == f"127.0.0.1:{port} is taken"


def test_a_port_that_our_own_daemon_has_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        socket.socket(socket.AF_UNIX) as daemon,
    ):
        daemon.bind(str(tmp_path / "state" / "trader.sock"))
        daemon.listen()
        text = HOUSE.replace("port = 0", f"port = {taken.getsockname()[1]}")

        assert found(tmp_path, text)["port"].is_ok


def test_keys_of_a_broker_are_looked_for_where_the_configuration_says(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o640)
    text = HOUSE.replace('"sandbox"', '"alpaca"\nsecret_file = "{0}/secret"')

    findings = found(tmp_path, text)
    assert findings["demo key"].detail == "APCA_API_KEY_ID is not set"
    assert findings["demo secret"].fix == f"chmod 600 {tmp_path / 'secret'}"

    (tmp_path / "secret").chmod(0o600)
    findings = found(tmp_path, text, APCA_API_KEY_ID="k")
    assert "demo key" not in findings
    assert findings["demo secret"].is_ok


def test_a_halt_file_is_not_forgotten(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "HALT").touch()

    assert not found(tmp_path)["halt file"].is_ok


def test_a_full_disk_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DISK_FREE_BYTES_MIN", 10**18)

    assert not found(tmp_path)["disk"].is_ok


def run(*words: str) -> tuple[int, str]:
    app = typer.Typer()
    register(app)
    result = CliRunner().invoke(app, ["config", *words])
    return result.exit_code, result.output


def test_config_check_finds_nothing_in_the_shipped_house() -> None:
    shipped = Path(__file__).parents[2] / "config.toml"

    code, output = run("check", "--config", str(shipped))

    assert (code, output[:1]) == (0, "✔")


def test_config_check_prints_every_problem_and_exits_2(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[risk]\nqty_mxa = 1\nqty_max = -1\n")

    assert run("check", "--config", str(file)) == (
        2,
        "config.toml:2: risk.qty_mxa unknown key (did you mean qty_max?)\n"
        "config.toml:3: risk.qty_max should be greater than 0, not -1\n",
    )
    code, output = run("check", "--config", str(file), "--json")
    assert (code, len(json.loads(output)["problems"])) == (2, 2)


def test_config_show_tells_each_value_and_its_origin(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[admin]\nport = 1\n")

    code, output = run("show", "--config", str(file), "--set", "risk.qty_max=5", "--json")

    shown = {one["key"]: (one["value"], one["origin"]) for one in json.loads(output)["items"]}
    assert code == 0
    assert shown["admin.port"] == ("1", "config.toml:2")
    assert shown["risk.qty_max"] == ("5", "--set risk.qty_max")
    assert shown["admin.host"] == ("127.0.0.1", "default")
    assert "admin.port" in run("show", "--config", str(file))[1]
