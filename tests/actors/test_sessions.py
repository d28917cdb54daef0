"""The sessions' actor: who runs, and what nobody owns is guarded."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from actors import sessions
from actors.account_messages import UnownedPosition
from actors.lanes import CONFLATE, LANES
from actors.portfolio_server import TOPIC as HEAT
from actors.portfolio_server import ExpectSessions
from actors.runtime import Actor, Child, Runtime, SimulationHost, SupervisorSpec
from actors.sessions import Desired, Sessions, guardian_id
from tests.actors.market_stage import play
from tests.trader.order_parts import AAPL, ACCOUNT, SESSION, px, qty
from tests.trader.session.session_world import RULES
from trader.ids import AccountId, InstrumentId, SessionId, instrument_id
from trader.instrument import Instrument
from trader.positions.events import BrokerPosition
from trader.session.events import HeatAsked
from trader.session.rules import SessionRules

IBM = replace(AAPL, id=instrument_id("IBM", "ALPACA"))
NOWHERE = instrument_id("APPL", "ALPACA")  # nothing of that name is traded
GHOST = SessionId("ghost")


class Silent(Actor):
    """Takes anything."""

    def on_receive(self, message: Any) -> None:
        pass


class Portfolio(Actor):
    """Knows who is expected to report."""

    def __init__(self) -> None:
        super().__init__()
        self.expected: tuple[SessionId, ...] = ()

    def on_receive(self, message: Any) -> None:
        if isinstance(message, ExpectSessions):
            self.expected = message.session_ids


async def _guarded_after(host: SimulationHost, *held: InstrumentId) -> tuple[SessionId, ...]:
    """The broker holds these while the session on AAPL has not attached yet."""
    return (await _after(host, *held))[0]


async def _after(
    host: SimulationHost, *held: InstrumentId
) -> tuple[tuple[SessionId, ...], tuple[SessionId, ...]]:
    """Likewise; who is guarded, and who is expected to report."""

    async def instruments(_: AccountId, ids: Sequence[InstrumentId]) -> tuple[Instrument, ...]:
        await asyncio.sleep(1.0)
        return tuple(each for each in (AAPL, IBM) if each.id in ids)

    def rules_for(_: AccountId, instrument: Instrument) -> SessionRules:
        session_id = guardian_id(ACCOUNT, instrument.id)
        return replace(RULES, session_id=session_id, instrument=instrument, strategy=None)

    runtime = Runtime(host, lanes=LANES, conflate=CONFLATE)
    desired = (
        Desired(SESSION, ACCOUNT, AAPL.id, lambda _: RULES),
        Desired(GHOST, ACCOUNT, NOWHERE, lambda _: RULES),
    )
    server = Portfolio()
    portfolio = runtime.address("portfolio")
    tree = SupervisorSpec(
        "root",
        (
            Child("portfolio", lambda: server),
            SupervisorSpec(sessions.TRADERS, ()),
            SupervisorSpec(sessions.GUARDIANS, ()),
            Child(
                sessions.NAME,
                lambda: Sessions(
                    desired, instruments, lambda rules, why: Silent(), rules_for, portfolio
                ),
            ),
        ),
    )
    await runtime.start(tree)
    at = runtime.address(sessions.NAME)
    for _ in range(2):  # each sweep tells of them again
        for each in held:
            position = BrokerPosition(each, qty(1), px(100), px(100))
            at.tell(UnownedPosition(ACCOUNT, position))
        await asyncio.sleep(2.5)
    roster: sessions.Roster = await at.ask(sessions.DescribeSessions(), 1.0)
    await runtime.stop(1.0)
    assert roster.running == (SESSION,)
    assert roster.unknown_instruments == (NOWHERE,)
    return roster.guarded, server.expected


def test_a_position_that_nobody_owns_gets_a_guardian() -> None:
    async def scenario(host: SimulationHost) -> None:
        assert await _guarded_after(host, IBM.id) == (guardian_id(ACCOUNT, IBM.id),)

    play(scenario)


def test_a_new_portfolio_server_is_told_whom_to_expect() -> None:
    async def scenario(host: SimulationHost) -> None:
        runtime = Runtime(host, lanes=LANES, conflate=CONFLATE)
        server = Portfolio()
        desired = (Desired(SESSION, ACCOUNT, AAPL.id, lambda _: RULES),)

        async def instruments(*_: object) -> tuple[Instrument, ...]:
            return (AAPL,)

        def actor() -> Sessions:
            at = runtime.address("portfolio")
            return Sessions(desired, instruments, lambda *_: Silent(), lambda *_: RULES, at)

        children = (Child("portfolio", lambda: server), Child(sessions.NAME, actor))
        await runtime.start(SupervisorSpec("root", children))
        await asyncio.sleep(0.5)
        server.expected = ()  # a new one, that knows nobody
        runtime.publish(HEAT, HeatAsked())
        await asyncio.sleep(0.5)
        await runtime.stop(1.0)

        assert server.expected == (SESSION,)

    play(scenario)


def test_a_position_whose_session_is_only_starting_gets_no_second_owner() -> None:
    async def scenario(host: SimulationHost) -> None:
        assert await _guarded_after(host, AAPL.id) == ()

    play(scenario)


def test_a_session_on_a_symbol_that_nobody_trades_is_not_waited_for() -> None:
    async def scenario(host: SimulationHost) -> None:
        assert await _after(host) == ((), (SESSION,))

    play(scenario)


def test_a_position_that_cannot_be_guarded_leaves_the_sum_incomplete() -> None:
    async def scenario(host: SimulationHost) -> None:
        assert await _after(host, NOWHERE) == ((), (SESSION, guardian_id(ACCOUNT, NOWHERE)))

    play(scenario)
