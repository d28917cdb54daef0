"""Troubles of one part of the house that the others must not feel."""

import asyncio
from collections import Counter
from pathlib import Path

import asyncpg
from house_stage import HouseStage, house_stage, stage_settings, until

from actors import portfolio_server
from actors.desk_snapshot import everybody
from actors.portfolio_server import DescribeHeat
from trader.risk.heat import HeatLevel

AAPL = {"symbol": "AAPL", "strategy": "Held"}
IBM = {"symbol": "IBM", "strategy": "Restless"}
COMPLETE_S = 2.0


async def _holds(stage: HouseStage, symbol: str) -> bool:
    return await stage.venue_qty(symbol) != 0


async def _decisions(stage: HouseStage) -> Counter[object]:
    """How many decisions each bar of AAPL has in the audit."""
    connection = await asyncpg.connect(stage.house.store.url)
    rows = await connection.fetch("select bar_opened_at from decisions where session_id = 'aapl'")
    await connection.close()
    return Counter(row["bar_opened_at"] for row in rows)


async def test_a_replaced_bar_rebuilds_the_strategy_and_is_never_decided_on_again(
    tmp_path: Path,
) -> None:
    async with house_stage(stage_settings(tmp_path, {"aapl": AAPL})) as stage:
        await until(lambda: _holds(stage, "AAPL"))
        before = (await stage.state("aapl")).rebuild
        decided_count = len(await _decisions(stage))
        for _ in range(5):  # before one bar has closed and after another one has
            await stage.control.ask("POST", "/bar/update", {"symbol": "AAPL", "volume": 4242})
            await asyncio.sleep(0.05)

        async def is_rebuilt() -> bool:
            state = await stage.state("aapl")
            return state.rebuild > before and state.is_strategy_ready

        async def goes_on() -> bool:
            return len(await _decisions(stage)) >= decided_count + 5

        await until(is_rebuilt)
        await until(goes_on)
        decisions = await _decisions(stage)

    assert set(decisions.values()) == {1}


async def test_a_session_on_a_symbol_that_nobody_trades_stays_out_and_disturbs_nobody(
    tmp_path: Path,
) -> None:
    ghost = {"symbol": "APPL", "strategy": "Held"}
    settings = stage_settings(tmp_path, {"aapl": AAPL, "ghost": ghost})
    async with house_stage(settings) as stage:
        await until(lambda: _holds(stage, "AAPL"))

        assert stage.said("unknown_symbol", session="ghost")
        assert stage.crashes == []


async def test_without_its_portfolio_server_the_heat_is_whole_again_within_two_seconds(
    tmp_path: Path,
) -> None:
    async with house_stage(stage_settings(tmp_path, {"aapl": AAPL, "ibm": IBM})) as stage:
        await until(lambda: _holds(stage, "AAPL"))
        traders = {
            each.name: each.incarnation
            for each in everybody(stage.house.runtime.tree())
            if each.name.startswith("trader:")
        }
        loop = asyncio.get_running_loop()
        stage.tell(portfolio_server.NAME, object())
        await until(lambda: len(stage.said("exit", name=portfolio_server.NAME)) == 3)
        began_s = loop.time()

        async def is_whole() -> bool:
            asked = stage.house.runtime.address(portfolio_server.NAME).ask(DescribeHeat(), 2.0)
            heat = (await asked).heat
            return heat.level is not HeatLevel.UNKNOWN and not heat.missing

        await until(is_whole)
        took_s = loop.time() - began_s
        after = {each.name: each.incarnation for each in everybody(stage.house.runtime.tree())}

    assert took_s < COMPLETE_S
    assert traders == {name: after[name] for name in traders}
