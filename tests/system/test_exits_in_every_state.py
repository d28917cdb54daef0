"""`close` and the stop that came with the entry work whatever else does not."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from house_stage import HouseStage, house_stage, stage_settings, until

from actors.realtime_trader import name_of
from actors.runtime import State, StopChild
from actors.sessions import TRADERS, guardian_name
from trader.ids import SessionId
from trader.risk.heat import HeatLevel
from trader.session.events import TradingState

AAPL = SessionId("aapl")
TRADER = name_of(AAPL)
SESSIONS = {
    AAPL: {"symbol": "AAPL", "strategy": "Held"},
    "ibm": {"symbol": "IBM", "strategy": "Held", "params": {"qty": 1}},
}
EXIT_S = 5.0


async def _is_in(stage: HouseStage) -> bool:
    """Whether the position is there and its stop rests at the venue."""
    state = await stage.state(AAPL)
    stop = state.protective()
    return state.position.qty > 0 and stop is not None and stop.broker_order_id is not None


async def _is_flat(stage: HouseStage) -> bool:
    return await stage.venue_qty("AAPL") == 0


async def _blocked(stage: HouseStage) -> None:
    """Somebody buys far too much of something else."""
    position = {"symbol": "IBM", "qty": 900}
    await stage.control.ask("POST", "/operator/position", position)
    await stage.desk.reconcile()

    async def is_blocked() -> bool:
        return (await stage.state(AAPL)).heat_level is HeatLevel.BLOCK

    await until(is_blocked, within_s=30)  # it waits while IBM's own last fill is fresh


async def _incomplete(stage: HouseStage) -> None:
    """Another session never reports again."""
    stage.tell(TRADERS, StopChild(name_of(SessionId("ibm"))))

    async def is_unknown() -> bool:
        return (await stage.state(AAPL)).heat_level is HeatLevel.UNKNOWN

    await until(is_unknown)


async def _halted(stage: HouseStage) -> None:
    await stage.desk.halt("drill")
    assert (await stage.state(AAPL)).trading_state is TradingState.HALTED


async def _crash_until(stage: HouseStage, event: str) -> None:
    """Its trader crashes, again and again, each time of something else."""
    while not stage.said(event, name=TRADER):
        count = len(stage.crashes)
        stage.tell(TRADER, object())
        await until(lambda: len(stage.crashes) > count)  # noqa: B023 - awaited at once
        await until(lambda: stage.standing(TRADER) in (State.RUNNING, State.QUARANTINED))


async def _exits_only(stage: HouseStage) -> None:
    await _crash_until(stage, "fell_back")
    assert (await stage.state(AAPL)).is_exits_only


async def _quarantined(stage: HouseStage) -> None:
    await _crash_until(stage, "quarantined")
    await until(lambda: stage.standing(guardian_name(AAPL)) is State.RUNNING)


async def _feed_dead(stage: HouseStage) -> None:
    """Not a word about prices any more."""
    for event in ("b", "t"):
        await stage.fault("mute", event=event)
    await until(lambda: bool(stage.said("feed_stale", session=AAPL)), 20.0)


async def _order_stream_dead(stage: HouseStage) -> None:
    """The stream stands and says nothing: what becomes of orders must be asked for."""
    for event in ("new", "fill", "partial_fill", "canceled", "replaced"):
        await stage.fault("mute", event=event)


STATES = [
    pytest.param(_blocked, id="heat block"),
    pytest.param(_incomplete, id="heat incomplete"),
    pytest.param(_halted, id="halted"),
    pytest.param(_exits_only, id="exits only"),
    pytest.param(_quarantined, id="trader quarantined"),
    pytest.param(_feed_dead, id="feed dead"),
    pytest.param(_order_stream_dead, id="order stream dead"),
]


@pytest.mark.parametrize("arrange", STATES)
async def test_close_closes(
    tmp_path: Path, arrange: Callable[[HouseStage], Awaitable[None]]
) -> None:
    settings = stage_settings(
        tmp_path,
        SESSIONS,
        portfolio={"warn_ratio": "0.04", "block_ratio": "0.06", "report_age_s_max": 2.0},
        runtime={"restarts_count_max": 1},
    )
    async with house_stage(settings) as stage:
        await until(lambda: _is_in(stage))
        await arrange(stage)

        answer = await stage.desk.close(AAPL, "drill")

        await until(lambda: _is_flat(stage), EXIT_S)
        assert answer is not None
        assert answer.result == "ACCEPTED"


async def test_a_stop_given_with_the_entry_fires_in_exits_only_mode(tmp_path: Path) -> None:
    settings = stage_settings(tmp_path, SESSIONS, runtime={"restarts_count_max": 1})
    async with house_stage(settings) as stage:
        await until(lambda: _is_in(stage))
        await _exits_only(stage)
        await stage.control.ask("POST", "/operator/cancel", {})  # behind our back, the stop too

        async def is_covered_again() -> bool:
            return len(stage.said("order_recorded", session=AAPL, purpose="PROTECT")) > 1

        await until(is_covered_again)
        await until(lambda: _is_in(stage))
        await stage.price("AAPL", 1)

        await until(lambda: _is_flat(stage), EXIT_S)
        assert (await stage.state(AAPL)).is_exits_only
