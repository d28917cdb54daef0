"""What the daemon recorded, at a real venue with a real database, is decided once more."""

import asyncio
from pathlib import Path

from house_stage import HouseStage, house_stage, stage_settings, until

from actors.app.incident import replay
from adapters.incidents.reading import read

RESTLESS = {"symbol": "AAPL", "strategy": "Restless"}


async def test_a_day_with_a_crash_is_recorded_by_the_daemon_and_decided_the_same(
    tmp_path: Path,
) -> None:
    settings = stage_settings(tmp_path, {"aapl": RESTLESS})
    daemon = settings.daemon.model_copy(update={"record": True})
    async with house_stage(settings.model_copy(update={"daemon": daemon})) as stage:
        await traded(stage, 3)
        stage.tell("trader:aapl", "crash")
        await until(lambda: bool(stage.crashes))
        await traded(stage, len((await stage.truth()).orders) + 3)

    recording = read(tmp_path / "data" / "recordings" / "aapl.jsonl")
    replayed = await asyncio.to_thread(replay, recording, is_whole=True)

    ends = [life.ended.reason for life in recording.lives if life.ended is not None]
    assert len(ends) == len(recording.lives) >= 2
    assert ends[0].startswith("crash on str: AssertionError")
    assert ends[-1] == "shutdown"
    assert len(replayed.answers) > 50
    assert [str(each) for each in replayed.first_differences] == []
    assert sum(life.began.lost_count for life in recording.lives) == 0


async def traded(stage: HouseStage, orders_count: int) -> None:
    """So many orders have reached the venue."""

    async def are_there() -> bool:
        return len((await stage.truth()).orders) >= orders_count

    await until(are_there, 20.0)
