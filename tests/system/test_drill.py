"""The kill drill, small: the same command as the big one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_no_order_is_lost_doubled_or_forgotten_over_kill_9(tmp_path: Path) -> None:
    words = ["drill", "kill", "--times", "3", "--seed", "7", "--dir", str(tmp_path), "--json"]

    done = subprocess.run(
        [sys.executable, "-m", "actors.app.main", *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["is_held"]
    assert len(report["rounds"]) == 3
    assert sum(each["in_flight_count"] for each in report["rounds"]) > 0
    assert report["rounds"][-1]["fills_count"] > 0
