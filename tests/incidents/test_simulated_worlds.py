"""Whatever befalls a simulated world, what its sessions heard is decided the same once more."""

from pathlib import Path

import pytest

from actors.app.incident import replay
from actors.app.simulation import daemon
from actors.app.simulation.faults import KINDS
from actors.app.simulation.house import SimulatedHouse
from actors.app.simulation.run import Options, run_seed
from actors.app.wiring import tree_of
from actors.runtime import SimulationHost, SupervisorSpec
from adapters.incidents.reading import read
from adapters.incidents.recorder import Recorder

FAST = 1_000_000  # records: virtual time outruns a thread


@pytest.mark.parametrize(
    ("seed", "file_bytes_max"),
    [
        pytest.param(3, 100_000_000, id="each life from its load"),
        pytest.param(2, 20_000, id="files that soon are full, from the middle"),
    ],
)
def test_all_that_was_recorded_in_a_world_of_faults_is_decided_the_same(
    seed: int, file_bytes_max: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorders: list[tuple[SimulationHost, Recorder]] = []

    def recorded(house: SimulatedHouse, *parts: object) -> SupervisorSpec:
        known = [recorder for host, recorder in recorders if host is house.host]
        if not known:  # a machine's folder outlives the processes on it
            folder = tmp_path / str(len(recorders))
            known = [
                Recorder(
                    folder, house.host.now, file_bytes_max=file_bytes_max, queue_records_max=FAST
                )
            ]
            recorders.append((house.host, known[0]))
        return tree_of(house, *parts, heart_of=known[0].heart)  # type: ignore[arg-type]

    monkeypatch.setattr(daemon, "tree_of", recorded)
    run_seed(seed, Options(tuple(KINDS)))
    for _, recorder in recorders:
        recorder.close()

    replays = [replay(read(file), is_whole=True) for file in sorted(tmp_path.rglob("*.jsonl"))]
    assert len(replays) >= 3
    assert sum(len(each.answers) for each in replays) > 100
    assert [str(odd) for each in replays for odd in each.first_differences] == []
