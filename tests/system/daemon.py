"""A daemon as its users have it: `trader run` as a process of its own, asked over its doors."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
PATIENCE_S = 40.0
CONFIG = """
[daemon]
data_dir = "{folder}/data"
state_dir = "{folder}/state"
stop_grace_s = 5.0

[admin]
port = {port}

[risk]
orders_per_minute_max = 1000

[sandbox]
speed = {speed}

[accounts.demo]
venue = "sandbox"

[sessions.aapl-sma]
account = "demo"
symbol = "AAPL"
strategy = "sma_cross"

[sessions.ibm-donchian]
account = "demo"
symbol = "IBM"
strategy = "donchian"

[sessions.msft-meanrev]
account = "demo"
symbol = "MSFT"
strategy = "mean_reversion"
"""


def trader(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    command = [sys.executable, "-m", "actors.app.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def wait_for(what: str, look: Callable[[], T | None]) -> T:
    """What it finds, once it finds something."""
    ends_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_at:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {PATIENCE_S} s for {what}")


class Daemon:
    """One folder with its configuration, and the process on it."""

    def __init__(self, folder: Path, *, port: int = 0, speed: float = 600.0) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG.format(folder=folder, port=port, speed=speed), "utf-8")
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *program: str) -> "Daemon":
        """Begin; nothing is up yet when this returns. `program` instead of the command itself."""
        started = program or ("-m", "actors.app.main")
        command = [sys.executable, *started, "run", "--config", str(self.config)]
        with self._log.open("wb") as log, (self.folder / "errors").open("wb") as errors:
            self._process = subprocess.Popen(command, stdout=log, stderr=errors)
        return self

    def until_up(self) -> "Daemon":
        """Wait for its own word."""
        wait_for("the daemon", lambda: self.said("daemon_ready") or self._ended())
        return self

    def _ended(self) -> None:
        assert self._process is not None
        code = self._process.poll()
        assert code is None, f"ended with {code}: {self.errors()}"

    def errors(self) -> str:
        """What it said on stderr."""
        return (self.folder / "errors").read_text("utf-8")

    def said(self, event: str) -> list[dict[str, Any]]:
        """Its log lines of that event."""
        lines = self._log.read_text("utf-8").splitlines()
        return [
            line
            for line in (json.loads(each) for each in lines if each.endswith("}"))
            if line["event"] == event
        ]

    def tell(self, number: signal.Signals) -> None:
        """A signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def end(self) -> int:
        """Wait for its end; the exit code."""
        assert self._process is not None
        return self._process.wait(timeout=PATIENCE_S)

    def kill(self) -> None:
        """At once, if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=PATIENCE_S)

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A client verb against it."""
        return trader(*arguments, "--config", str(self.config))

    def read(self, *arguments: str) -> Any:
        """What a client verb prints as JSON, whatever its exit code."""
        done = self.cli(*arguments, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def http(self, path: str, *, token: bool = True) -> tuple[int, str]:
        """Status and body."""
        request = urllib.request.Request(self.said("daemon_ready")[-1]["url"] + path)
        if token:
            secret = (self.folder / "state" / "token").read_text("ascii").strip()
            request.add_header("Authorization", f"Bearer {secret}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def session(self, session_id: str) -> dict[str, Any]:
        """One session as `trader sessions` shows it."""
        items = self.read("sessions")["items"]
        found: dict[str, Any] = next(each for each in items if each["id"] == session_id)
        return found

    def filled(self) -> list[dict[str, Any]]:
        """Its filled orders."""
        items = self.read("orders", "--limit", "500")["items"]
        return [each for each in items if each["status"] == "FILLED"]

    def entries(self) -> set[str]:
        """The ids of every entry that ever left."""
        items = self.read("orders", "--limit", "500")["items"]
        return {
            each["id"]
            for each in items
            if each["purpose"] == "ENTRY" and each["status"] != "DENIED"
        }


def processes_with(text: str) -> list[str]:
    """Command lines that name it."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = each.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line and int(each.parent.name) != os.getpid():
            found.append(line)
    return found
