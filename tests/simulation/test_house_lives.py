"""The whole house in virtual time: it warms up, trades, and converges with the venue's truth."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from actors import journal, portfolio_server, realtime_trader, sessions
from actors.account_messages import name_of
from actors.app.tree import INLINE, feed_name, hours_name
from adapters.sandbox.orders import Side
from adapters.simulated.account_faults import AccountFault
from adapters.simulated.account_faults import AccountFaultKind as K
from adapters.simulated.database import Trouble
from adapters.simulated.venue import VENUE
from tests.simulation.simulated_house import (
    ACCOUNT,
    NUMBER,
    SESSIONS,
    House,
    live,
    minutes,
)
from trader.ids import instrument_id
from trader.risk.heat import HeatLevel

SMA, DONCHIAN = SESSIONS
UNOWNED = sessions.guardian_id(ACCOUNT, instrument_id("MSFT", VENUE))
TRADER = realtime_trader.name_of(SMA)
EVERYBODY = (
    TRADER,
    journal.NAME,
    name_of(ACCOUNT),
    portfolio_server.NAME,
    sessions.NAME,
    feed_name(ACCOUNT),
    hours_name(ACCOUNT),
    INLINE,
)


async def is_well(house: House) -> None:
    """Ready, its heat complete, and one with the venue: looked at between two bars."""
    await asyncio.sleep((90 - house.host.elapsed()) % 60)
    assert await house.wrongs() == []
    assert await house.heat_level() is HeatLevel.CALM
    for session_id in SESSIONS:
        assert (await house.session(session_id)).is_ready


def test_a_quiet_day_warms_up_trades_and_agrees_with_the_venue() -> None:
    async def day(house: House) -> None:
        await minutes(1)
        await is_well(house)
        await minutes(60)

        await is_well(house)
        assert {symbol for symbol, _, _, _ in house.executed()} == {"AAPL", "IBM"}
        assert len(house.rows.decisions) == 2 * 61  # one a bar and session
        assert house.exits == []
        assert house.found == []

    live(1, day)


@pytest.mark.parametrize("name", EVERYBODY)
def test_whoever_crashes_in_the_middle_of_the_day_the_house_is_well_again(name: str) -> None:
    async def day(house: House) -> None:
        await minutes(5)
        for _ in range(3):
            house.crash(name)
            await minutes(2)

        assert {name} <= house.crashed()
        await minutes(5)
        before = len(house.executed())
        await minutes(15)
        await is_well(house)
        assert len(house.executed()) > before  # it trades on

    live(2, day)


def test_a_crash_of_one_takes_nobody_else_down() -> None:
    async def day(house: House) -> None:
        await minutes(5)
        house.crash(name_of(ACCOUNT))
        house.crash(portfolio_server.NAME)
        await minutes(5)

        assert house.crashed() == {name_of(ACCOUNT), portfolio_server.NAME}

    live(3, day)


def test_the_same_seed_is_the_same_day_to_the_last_row() -> None:
    def a_day(seed: int) -> tuple[object, ...]:
        async def day(house: House) -> None:
            await minutes(10)
            house.crash(TRADER)
            house.venue.strike(AccountFault(K.REPLY_LOST, method="POST"))
            await minutes(20)

        house = live(seed, day)
        return house.host.loop.trace_hash, house.executed(), repr(house.rows.orders)

    assert a_day(4) == a_day(4)
    assert a_day(4) != a_day(5)


# The broker is the source of truth


def test_a_lost_acknowledgement_doubles_no_order() -> None:
    async def day(house: House) -> None:
        await minutes(2)
        house.venue.strike(AccountFault(K.REPLY_LOST, method="POST", count=3))
        await minutes(40)

        await is_well(house)

    live(6, day)


def test_an_order_lost_on_its_way_leaves_no_doubt_behind() -> None:
    async def day(house: House) -> None:
        await minutes(2)
        house.venue.strike(AccountFault(K.REQUEST_LOST, method="POST", count=3))
        await minutes(40)

        await is_well(house)

    live(7, day)


def test_fills_that_the_stream_lost_or_doubled_are_booked_once() -> None:
    async def day(house: House) -> None:
        await minutes(2)
        house.venue.strike(AccountFault(K.EVENT_LOST, event="fill", count=2))
        house.venue.strike(AccountFault(K.EVENT_TWICE, event="fill", nth=2, count=3))
        await minutes(40)

        await is_well(house)

    live(8, day)


def test_a_cut_of_every_stream_heals_without_a_hole_in_the_bars() -> None:
    async def day(house: House) -> None:
        await minutes(5)
        for _ in range(3):
            house.venue.cut()
            await minutes(3.3)
        await minutes(20)

        await is_well(house)
        assert house.exits == []

    live(9, day)


def test_shares_that_the_margin_desk_took_are_adjusted_loudly() -> None:
    async def day(house: House) -> None:
        await until(lambda: house.truth("AAPL") == 10)
        house.venue.adjust(NUMBER, "AAPL", Decimal(-10))
        await minutes(30)

        await is_well(house)
        assert "position_adjusted" in house.found

    live(10, day)


def test_a_position_that_no_session_owns_is_guarded_and_counted() -> None:
    async def day(house: House) -> None:
        await minutes(2)
        house.venue.operator_trade(NUMBER, "MSFT", Side.BUY, Decimal(7))
        await minutes(5)

        assert (await house.session(UNOWNED, guardian=True)).position.qty == 7
        assert await house.heat_level() is HeatLevel.CALM

    live(11, day)


# The store is away


def test_an_outage_of_the_database_stops_entries_and_the_house_catches_up_after_it() -> None:
    async def day(house: House) -> None:
        await minutes(10)
        house.database.strike(Trouble.REFUSED, 600.0)
        await minutes(10)
        await minutes(30)

        await is_well(house)
        assert house.store.spool.record_count() == 0

    live(12, day)


# One session that cannot live


def test_a_trader_that_keeps_crashing_is_guarded_and_the_others_trade_on() -> None:
    async def day(house: House) -> None:
        await until(lambda: house.truth("AAPL") == 10)
        for _ in range(40):
            house.crash(TRADER)
            await asyncio.sleep(2)
        before = len([each for each in house.executed() if each[0] == "IBM"])
        await minutes(40)

        guardian = await house.session(SMA, guardian=True)
        assert guardian.is_exits_only
        assert guardian.position.qty == house.truth("AAPL")
        assert len([each for each in house.executed() if each[0] == "IBM"]) > before

    live(13, day)


# Any weather


@pytest.mark.parametrize("seed", range(100, 105))
def test_in_any_weather_the_house_comes_to_agree_with_the_venue(seed: int) -> None:
    async def day(house: House) -> None:
        await minutes(2)
        for _ in range(12):
            await asyncio.sleep(120 * house.host.random())
            strike(house)
        house.database.calm()
        house.venue.host.faults.clear()
        await minutes(15)

        await is_well(house)

    live(seed, day)


def strike(house: House) -> None:
    """One misfortune, picked by the seed."""
    kinds: list[Callable[[], object]] = [
        lambda: house.crash(EVERYBODY[int(house.host.random() * len(EVERYBODY))]),
        lambda: house.venue.strike(AccountFault(K.REPLY_LOST, method="POST")),
        lambda: house.venue.strike(AccountFault(K.REQUEST_LOST, method="POST")),
        lambda: house.venue.strike(AccountFault(K.LATE_ARRIVAL, method="POST", delay_s=30.0)),
        lambda: house.venue.strike(AccountFault(K.EVENT_LOST, event="fill")),
        lambda: house.venue.strike(AccountFault(K.EVENT_TWICE, event="fill")),
        lambda: house.venue.strike(AccountFault(K.ERROR_BEFORE, path="/v2/positions", count=3)),
        lambda: house.venue.strike(AccountFault(K.SILENT_REJECT)),
        house.venue.cut,
        lambda: house.database.strike(Trouble.REFUSED, 90.0),
        lambda: house.database.strike(Trouble.REPLY_LOST, 90.0, share=0.5),
    ]
    kinds[int(house.host.random() * len(kinds))]()


async def until(is_so: Callable[[], bool]) -> None:
    """Wait in virtual time, half an hour at most."""
    for _ in range(18_000):
        if is_so():
            return
        await asyncio.sleep(0.1)
    pytest.fail("it never came to be")
