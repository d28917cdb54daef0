"""The sessions' actor: who runs, and what nobody owns is guarded."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from actors import sessions
from actors.account_messages import UnownedPosition
from actors.lanes import CONFLATE, LANES
from actors.runtime import Actor, Child, Runtime, SimulationHost, SupervisorSpec
from actors.sessions import Desired, Sessions, guardian_id
from tests.actors.market_stage import play
from tests.trader.order_parts import AAPL, ACCOUNT, SESSION, px, qty
from tests.trader.session.session_world import RULES
from trader.ids import AccountId, InstrumentId, SessionId, instrument_id
from trader.instrument import Instrument
from trader.positions.events import BrokerPosition
from trader.session.rules import SessionRules

IBM = replace(AAPL, id=instrument_id("IBM", "ALPACA"))


class Silent(Actor):
    """Takes anything."""

    def on_receive(self, message: Any) -> None:
        pass


async def _guarded_after(host: SimulationHost, *held: InstrumentId) -> tuple[SessionId, ...]:
    """The broker holds these while the session on AAPL has not attached yet."""

    async def instruments(_: AccountId, ids: Sequence[InstrumentId]) -> tuple[Instrument, ...]:
        await asyncio.sleep(1.0)
        return tuple(each for each in (AAPL, IBM) if each.id in ids)

    def rules_for(_: AccountId, instrument: Instrument) -> SessionRules:
        session_id = guardian_id(ACCOUNT, instrument.id)
        return replace(RULES, session_id=session_id, instrument=instrument, strategy=None)

    runtime = Runtime(host, lanes=LANES, conflate=CONFLATE)
    desired = Desired(SESSION, ACCOUNT, AAPL.id, lambda _: RULES)
    portfolio = runtime.address("portfolio")
    tree = SupervisorSpec(
        "root",
        (
            Child("portfolio", Silent),
            SupervisorSpec(sessions.TRADERS, ()),
            SupervisorSpec(sessions.GUARDIANS, ()),
            Child(
                sessions.NAME,
                lambda: Sessions(
                    [desired], instruments, lambda rules, why: Silent(), rules_for, portfolio
                ),
            ),
        ),
    )
    await runtime.start(tree)
    at = runtime.address(sessions.NAME)
    for each in held:
        position = BrokerPosition(each, qty(1), px(100), px(100))
        at.tell(UnownedPosition(ACCOUNT, position))
    await asyncio.sleep(5.0)
    roster: sessions.Roster = await at.ask(sessions.DescribeSessions(), 1.0)
    await runtime.stop(1.0)
    assert roster.running == (SESSION,)
    return roster.guarded


def test_a_position_that_nobody_owns_gets_a_guardian() -> None:
    async def scenario(host: SimulationHost) -> None:
        assert await _guarded_after(host, IBM.id) == (guardian_id(ACCOUNT, IBM.id),)

    play(scenario)


def test_a_position_whose_session_is_only_starting_gets_no_second_owner() -> None:
    async def scenario(host: SimulationHost) -> None:
        assert await _guarded_after(host, AAPL.id) == ()

    play(scenario)
