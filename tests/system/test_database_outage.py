"""The database goes away while orders flow: entries stop, exits do not, nothing is forgotten."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from house_stage import HouseStage, house_stage, owned_by, stage_settings, until

from trader.errors import StoreUnsafe
from trader.ids import SessionId

SESSIONS = {
    "aapl": {"symbol": "AAPL", "strategy": "Held"},
    "ibm": {"symbol": "IBM", "strategy": "Restless"},
    "msft": {"symbol": "MSFT", "strategy": "Guarded"},
}
EXIT_S = 3.0
BACK_S = 15.0


async def _is_in(stage: HouseStage) -> bool:
    """Whether AAPL is held and its stop rests at the venue."""
    state = await stage.state("aapl")
    stop = state.protective()
    return state.position.qty == 10 and stop is not None and stop.broker_order_id is not None


async def _close(stage: HouseStage) -> float:
    """Close AAPL; the seconds until the venue holds none of it."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await stage.desk.close(SessionId("aapl"), "drill")

    async def is_flat() -> bool:
        return await stage.venue_qty("AAPL") == 0

    await until(is_flat)
    return loop.time() - began_s


@contextlib.contextmanager
def _frozen(folder: Path) -> Iterator[None]:
    """Every process of the server stands still."""
    pids = owned_by(folder)
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def _recovered(stage: HouseStage) -> None:
    """Up, in agreement, nobody the worse for it, and trading again."""

    async def is_up() -> bool:
        state = await stage.state("aapl")
        return (
            state.is_store_up and state.is_lease_held and not stage.house.store.spool.record_count()
        )

    await until(is_up, BACK_S)

    async def is_in() -> bool:
        return await _is_in(stage)

    await until(is_in, BACK_S)
    await stage.control.ask("POST", "/pause")
    await stage.agreed(BACK_S)
    assert stage.crashes == []
    assert not stage.said("lease_changed", is_held=False)


async def test_with_a_frozen_database_an_exit_leaves_and_no_entry_does(tmp_path: Path) -> None:
    async with house_stage(stage_settings(tmp_path, SESSIONS)) as stage:

        async def is_in() -> bool:
            return await _is_in(stage)

        await until(is_in)
        with _frozen(tmp_path / "data" / "postgres"):
            await until(lambda: bool(stage.said("store_down")))
            took_s = await _close(stage)

            async def is_refused() -> bool:
                return (await stage.refusals("aapl"))[:1] == ["store_down"]

            await until(is_refused)
            spooled_count = stage.house.store.spool.record_count()
            qty = await stage.venue_qty("AAPL")
        await _recovered(stage)

    assert took_s < EXIT_S
    assert spooled_count > 0
    assert qty == 0


async def test_a_killed_database_delays_no_exit_and_comes_back_complete(tmp_path: Path) -> None:
    async with house_stage(stage_settings(tmp_path, SESSIONS)) as stage:

        async def is_in() -> bool:
            return await _is_in(stage)

        await until(is_in)
        for pid in owned_by(tmp_path / "data" / "postgres"):
            os.kill(pid, signal.SIGKILL)
        took_s = await _close(stage)
        await _recovered(stage)

    assert took_s < EXIT_S


async def test_no_house_is_built_on_a_database_that_forgets(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await asyncpg.connect(database_url)
    name = await connection.fetchval("select current_database()")
    await connection.execute(f"alter database {name} set synchronous_commit = off")
    await connection.close()
    monkeypatch.setenv("TRADER_TEST_DATABASE_URL", database_url)

    with pytest.raises(StoreUnsafe, match="synchronous_commit"):
        async with house_stage(stage_settings(tmp_path, SESSIONS)):
            pass
