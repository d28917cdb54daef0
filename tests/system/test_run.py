"""`trader run` from its first line to its exit code, as its users have it."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from system.daemon import Daemon, processes_with, trader, wait_for


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One that trades already."""
    daemon = Daemon(tmp_path_factory.mktemp("run")).start()
    try:
        daemon.until_up()
        wait_for("a fill", daemon.filled)
        yield daemon
    finally:
        daemon.kill()


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Daemon]:
    """One of the test's own, not started."""
    daemon = Daemon(tmp_path)
    yield daemon
    daemon.kill()


def bars_later(daemon: Daemon, count: int) -> None:
    """The market goes on for so many bars of a minute."""

    def newest() -> datetime:
        (bar,) = daemon.read("bars", "aapl-sma", "--limit", "1")["items"]
        return datetime.fromisoformat(bar["opened_at"])

    end = newest() + timedelta(minutes=count)
    wait_for(f"{count} bars", lambda: newest() >= end)


def test_a_filled_order_has_its_whole_life_in_rows(daemon: Daemon) -> None:
    order = daemon.read("orders", daemon.filled()[-1]["id"])

    events = [each["event"] for each in order["timeline"]]
    assert "order_accepted" in events
    assert events[-1] == "order_filled"
    assert order["broker_order_id"]
    assert order["reason"]


def test_the_house_answers_every_question_that_the_command_line_has(daemon: Daemon) -> None:
    status = daemon.read("status")
    why = daemon.read("why", "aapl-sma")
    heat = daemon.read("heat")
    bars = daemon.read("bars", "aapl-sma", "--limit", "5")["items"]

    assert [each["id"] for each in status["sessions"]] == [
        "aapl-sma",
        "ibm-donchian",
        "msft-meanrev",
    ]
    assert status["accounts"][0]["is_live"] is False
    assert len(why["answers"]) > 15
    assert why["decisions"][0]["reason"]
    assert {each["session_id"] for each in heat["contributions"]} == {
        each["id"] for each in status["sessions"]
    }
    assert [each["is_final"] for each in bars[:4]] == [True] * 4  # the last may be forming


def test_broker_memory_and_database_come_to_agree(daemon: Daemon) -> None:
    def agreeing() -> Any:
        items = daemon.read("positions")["items"]
        return items if all(each["agrees"] for each in items) else None

    assert len(wait_for("three equal columns", agreeing)) == 3


def test_bars_can_be_followed_while_they_form(daemon: Daemon) -> None:
    verb = ["bars", "aapl-sma", "--follow", "--json", "--config", str(daemon.config)]
    following = subprocess.Popen(
        [sys.executable, "-m", "actors.app.main", *verb],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert following.stdout is not None
    try:
        lines = [following.stdout.readline() for _ in range(60)]
    finally:
        following.terminate()
        following.wait()
        following.stdout.close()

    assert any(b'"is_final": true' in line for line in lines)
    assert any(b'"is_final": false' in line for line in lines)


def test_strangers_learn_only_that_it_lives(daemon: Daemon) -> None:
    assert daemon.http("/healthz", token=False) == (200, "")
    assert daemon.http("/readyz", token=False)[1] == ""
    assert daemon.http("/metrics", token=False)[0] == 401
    assert daemon.http("/api/v1/orders", token=False)[0] == 401


def test_the_metrics_count_orders_commits_decisions_and_answers(daemon: Daemon) -> None:
    wait_for("readiness", lambda: daemon.http("/readyz")[0] == 200)
    _, page = daemon.http("/metrics")
    values = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))

    assert float(values['trader_orders_total{status="FILLED"}']) >= 1
    for name in ("order_ack", "bar_to_decision", "db_write"):
        assert float(values[f"trader_{name}_seconds_count"]) >= 1
    assert float(values["trader_ready"]) == 1.0


def test_after_a_halt_no_entry_leaves_until_it_is_resumed(daemon: Daemon) -> None:
    halted = daemon.read("halt", "--reason", "lunch")
    before = daemon.entries()
    bars_later(daemon, 40)
    assert halted["result"] == "DONE"
    assert daemon.entries() == before
    assert daemon.session("aapl-sma")["blocked_by"] == ["halted"]

    refused = daemon.cli("resume", "--reason", "back", "--confirm", "yes")
    resumed = daemon.cli("resume", "--reason", "back", "--confirm", "RESUME")
    assert (refused.returncode, resumed.returncode) == (4, 0)
    wait_for("an entry", lambda: daemon.entries() - before)


def test_a_close_ends_the_position_and_its_command(daemon: Daemon) -> None:
    held = wait_for(
        "a position",
        lambda: [
            each["id"]
            for each in daemon.read("sessions")["items"]
            if each["position_qty"] not in ("0", None)
        ],
    )[0]
    daemon.cli("halt", "--reason", "so that nothing comes back")
    assert daemon.cli("close", held).returncode == 0
    wait_for("flat", lambda: daemon.session(held)["position_qty"] == "0")
    assert daemon.cli("close", "nobody").returncode == 2
    assert daemon.cli("resume", "--reason", "on", "--confirm", "RESUME").returncode == 0


def test_a_second_daemon_on_the_same_folder_is_refused(daemon: Daemon) -> None:
    second = trader("run", "--config", str(daemon.config))

    assert second.returncode == 4
    assert "a daemon runs already" in second.stderr


def test_no_secret_stands_in_the_log(daemon: Daemon) -> None:
    token = (daemon.folder / "state" / "token").read_text("ascii").strip()
    secrets = [file.read_text("ascii").strip() for file in daemon.folder.rglob("*.secret")]
    log = (daemon.folder / "log").read_text("utf-8")

    assert not any(each in log for each in (token, *secrets))


def test_the_database_is_the_running_daemons_own(daemon: Daemon) -> None:
    status = daemon.read("db", "status")

    assert status["server"] == "embedded, run by the daemon"
    assert status["schema"]["pending"] == []


# ------------------------------------------------------------------------------ the end, the start


def test_a_stop_says_what_stays_open_and_a_halt_outlives_it(another: Daemon) -> None:
    another.start().until_up()
    held = wait_for(
        "a position",
        lambda: [
            p for p in another.read("positions")["items"] if p["broker_qty"] not in ("0", None)
        ],
    )
    another.cli("halt", "--reason", "overnight")
    another.tell(signal.SIGTERM)
    assert another.end() == 0, another.errors()

    (counted,) = another.said("open_at_the_broker")
    open_lines = another.said("position_stays_open")
    assert counted["positions_count"] == len(open_lines)
    assert {each["instrument"] for each in open_lines} <= {
        "AAPL.ALPACA",
        "IBM.ALPACA",
        "MSFT.ALPACA",
    }
    assert held
    assert wait_for("nothing left", lambda: not processes_with(str(another.folder / "data")))

    another.start().until_up()
    assert another.said("daemon_ready")[0]["trading_state"] == "HALTED"
    assert another.read("status")["trading_state_reason"] == "overnight"


def test_a_stop_during_the_start_leaves_nothing_behind(another: Daemon) -> None:
    another.start()
    wait_for("the lock", (another.folder / "state" / "daemon.lock").exists)
    another.tell(signal.SIGTERM)

    assert another.end() == 0, another.errors()
    assert another.said("daemon_ready") == []
    assert wait_for("nothing left", lambda: not processes_with(str(another.folder)))


def test_a_second_signal_hurries(another: Daemon) -> None:
    another.start().until_up()
    another.tell(signal.SIGINT)
    wait_for("its word", lambda: another.said("stopping"))
    another.tell(signal.SIGINT)

    assert another.end() == 0, another.errors()
    assert wait_for("nothing left", lambda: not processes_with(str(another.folder)))


DYING = """
import actors.app.wiring
from actors.app.main import main
from actors.runtime import Actor

class Dying(Actor):
    def __init__(self, found):
        super().__init__()
    def on_start(self):
        self.remind(0.05, "die")
    def on_receive(self, message):
        raise RuntimeError("again and again")

actors.app.wiring.Watcher = Dying
main()
"""


def test_a_house_that_cannot_hold_itself_up_ends_so_that_it_is_started_anew(
    another: Daemon,
) -> None:
    text = another.config.read_text("utf-8")
    another.config.write_text(f"{text}\n[runtime]\nrestarts_count_max = 1\n", "utf-8")
    another.start("-c", DYING)

    assert another.end() == 1
    (last_word,) = another.said("house_gave_up")
    assert last_word["level"] == "critical"
    assert wait_for("nothing left", lambda: not processes_with(str(another.folder)))


def test_a_taken_port_costs_only_the_number(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        daemon = Daemon(tmp_path, port=port)
        try:
            daemon.start().until_up()
            assert daemon.said("port_taken")
            assert not daemon.said("daemon_ready")[0]["url"].endswith(f":{port}")
            assert daemon.http("/healthz", token=False)[0] == 200
        finally:
            daemon.kill()


def test_a_broken_configuration_is_told_whole_and_never_started(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[daemon]\nmod = "paper"\n\n[risk]\nqty_max = "many"\n', "utf-8")
    done = trader("run", "--config", str(config))

    assert done.returncode == 2
    assert "config.toml:2: daemon.mod unknown key (did you mean mode?)" in done.stderr
    assert "config.toml:5: risk.qty_max" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_client_verb_is_quick_and_says_when_nobody_answers(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[daemon]\nstate_dir = "{tmp_path}/nowhere"\n', "utf-8")
    took_s = []
    for _ in range(3):
        began_s = time.monotonic()
        done = trader("status", "--config", str(config))
        took_s.append(time.monotonic() - began_s)

    assert done.returncode == 3
    assert "no daemon answers" in done.stderr
    assert min(took_s) < 0.5


def test_the_doctor_looks_at_the_database_too(another: Daemon) -> None:
    done = another.cli("doctor")

    assert done.returncode == 0, done.stdout
    assert "made at the first start" in done.stdout
