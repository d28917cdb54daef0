"""A few hundred worlds: every promise holds, and a seed tells the same story wherever it is run."""

import os
import subprocess
import sys

import pytest

from actors.app.simulation.batch import run_batch
from actors.app.simulation.faults import KINDS
from actors.app.simulation.run import Options

SEEDS_COUNT = 200
REPLAYED = (3, 17, 40)
TELL = f"""
from actors.app.simulation.batch import run_batch
from actors.app.simulation.faults import KINDS
from actors.app.simulation.run import Options
for verdict in run_batch({REPLAYED}, Options(tuple(KINDS)), 1):
    print(verdict.seed, verdict.trace_hash)
"""


@pytest.mark.slow
def test_every_promise_holds_in_a_few_hundred_worlds() -> None:
    verdicts = list(run_batch(range(1, SEEDS_COUNT + 1), Options(tuple(KINDS)), 2))

    assert len(verdicts) == SEEDS_COUNT
    broken = [f"seed {each.seed}: {each.broken[0]}" for each in verdicts if not each.holds]
    assert not broken, "\n".join(sorted(broken))


@pytest.mark.slow
def test_a_seed_tells_the_same_story_in_every_process_whatever_it_hashes_with() -> None:
    told = [
        subprocess.Popen(
            [sys.executable, "-c", TELL],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("1", "2")
    ]
    stories = [each.communicate()[0].splitlines() for each in told]

    assert stories[0] == stories[1]
    assert len(stories[0]) == len(REPLAYED)
    assert all(len(line.split()) == 2 for line in stories[0])
