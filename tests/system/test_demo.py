"""The demo as a stranger has it: a command, a terminal, Ctrl-C."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
STOP_S = 3.0
STEPS = ["environment", "database", "sandbox venue", "market data", "sessions"]


class Show:
    """A demo under way, read line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []

    def until(self, words: str) -> str:
        """Read on to the line with these words."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if words in line:
                return line
        raise AssertionError(f"no {words!r} in:\n{''.join(self.lines)}")

    def interrupt(self) -> float:
        """Ctrl-C; how long it took to end, and it must have ended well."""
        began_s = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        assert self.process.stdout is not None
        self.lines += self.process.stdout.readlines()
        assert self.process.wait(timeout=20) == 0, "".join(self.lines)
        return time.monotonic() - began_s


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[Show]:
    """`trader demo` on a folder of its own."""
    words = ["-m", "actors.app.main", "demo", "--dir", str(folder), *arguments]
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True)
    try:
        yield Show(process)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_it_trades_ends_at_ctrl_c_and_trades_again_until_it_starts_over(tmp_path: Path) -> None:
    with demo(tmp_path, "--for", "60") as first:
        first.until("FILLED")
        steps = [
            match[1].strip() for line in first.lines if (match := re.match(" ✔ (.{15})", line))
        ]
        assert steps == STEPS
        assert first.interrupt() <= STOP_S

    with demo(tmp_path, "--for", "60") as second:
        assert "lease 1" in second.until("sandbox venue")  # the same folder: its own lease again
        second.until("FILLED")
        assert second.interrupt() <= STOP_S

    with demo(tmp_path, "--reset", "--for", "1") as third:
        third.until("stopping")
        assert third.process.wait(timeout=20) == 1  # its second was over before the first fill
    assert "order_recorded" in (tmp_path / "demo.log").read_text("utf-8")


def test_chaos_breaks_three_things_and_each_is_mended_before_the_next(tmp_path: Path) -> None:
    with demo(tmp_path, "--chaos", "--for", "75") as show:
        show.until("1 of 3")
        show.until("CRASH")
        show.until("It trades again")
        show.until("2 of 3")
        show.until("order stream lost")
        show.until("both lines are up again")
        show.until("3 of 3")
        show.until("UNKNOWN")
        counted = re.search(r"(\d+) orders of (\d+) ids", show.until("neither called lost"))
        assert counted is not None
        assert counted[1] == counted[2]
        show.interrupt()


def test_a_second_demo_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with demo(tmp_path, "--for", "60") as first:
        first.until("PAPER")
        with demo(tmp_path) as second:
            assert second.process.wait(timeout=20) == 4
