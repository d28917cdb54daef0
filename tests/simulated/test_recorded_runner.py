"""Strategies of a simulated daemon: it is written down who was asked, and some run mad."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from random import Random

import pytest
from strategies.strategy_parts import a_bar, a_spec, bars

from adapters.simulated.history import History, StrategyAsked, StrategyMisbehaved, StrategyOpened
from adapters.simulated.runner import (
    RecordedRunner,
    StrategyFault,
    StrategyFaultKind,
    StrategyFaults,
)
from adapters.strategies.inline import InlineRunner
from tests.trader.order_parts import NOON
from trader.ids import SessionId
from trader.session.events import StrategyDecided, StrategyFailed, StrategyReady
from trader.session.strategy import FLAT_VIEW, SubmitOrder

ONE, TWO = SessionId("one"), SessionId("two")
K = StrategyFaultKind


class LoopClock:
    def elapsed(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return NOON


class Stage:
    def __init__(self) -> None:
        self.history, self.faults = History(), StrategyFaults()
        self.lost: list[StrategyFailed] = []
        self.runner = RecordedRunner(
            InlineRunner(), LoopClock(), self.history, self.faults, "us", Random(1)
        )

    async def open(self, *sessions: SessionId) -> None:
        await self.runner.start(self.lost.append)
        for each in sessions:
            spec = a_spec("sma_cross", fast=1, slow=2, qty=1)
            opened = await self.runner.open(each, spec, bars([1, 2, 3]), 1)
            assert isinstance(opened, StrategyReady)

    async def decide(self, session: SessionId = ONE) -> StrategyDecided | StrategyFailed:
        return await self.runner.decide(session, a_bar(4, 3), FLAT_VIEW, 1)


async def test_who_was_opened_and_asked_is_written_down() -> None:
    stage = Stage()
    await stage.open(ONE)
    answer = await stage.decide()

    assert isinstance(answer, StrategyDecided)
    opened = stage.history.of(StrategyOpened)
    assert [(each.daemon, each.session_id, each.rebuild) for each in opened] == [("us", ONE, 1)]
    assert opened[0].candles == bars([1, 2, 3])
    asked = stage.history.of(StrategyAsked)
    assert [(each.session_id, each.candle) for each in asked] == [(ONE, a_bar(4, 3))]


async def test_a_strategy_that_is_not_open_was_never_asked() -> None:
    stage = Stage()
    answer = await stage.decide()

    assert isinstance(answer, StrategyFailed)
    assert answer.reason_code == "strategy_not_open"
    assert stage.history.of(StrategyAsked) == []


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (K.RAISES, "strategy_raised"),
        (K.NAN, "bad_decision"),
        (K.ZERO, "bad_decision"),
        (K.NEGATIVE, "bad_decision"),
        (K.SIDEWAYS, "bad_decision"),
        (K.NO_VERB, "bad_decision"),
        (K.NO_REASON, "bad_decision"),
    ],
)
async def test_what_is_no_decision_is_a_failure_as_from_any_runner(kind: K, code: str) -> None:
    stage = Stage()
    await stage.open(ONE)
    stage.faults.install(StrategyFault(kind, ONE))

    failed = await stage.decide()

    assert isinstance(failed, StrategyFailed)
    assert failed.reason_code == code
    assert [each.kind for each in stage.history.of(StrategyMisbehaved)] == [kind]
    assert isinstance(await stage.decide(), StrategyDecided)


@pytest.mark.parametrize("kind", [K.HUGE, K.DUST, K.OTHER_SYMBOL, K.STOP_BEYOND, K.FLIPS])
async def test_what_is_well_formed_and_absurd_reaches_the_gate(kind: K) -> None:
    stage = Stage()
    await stage.open(ONE)
    stage.faults.install(StrategyFault(kind))

    answer = await stage.decide()

    assert isinstance(answer, StrategyDecided)
    assert isinstance(answer.decision, SubmitOrder)


@pytest.mark.parametrize(
    ("kind", "code", "took_s"),
    [(K.LATE, "strategy_late", 0.25), (K.HOST_DIES, "strategy_host_died", 0.0)],
)
async def test_who_ends_the_host_takes_the_others_with_it(
    kind: K, code: str, took_s: float
) -> None:
    stage = Stage()
    await stage.open(ONE, TWO)
    began_s = asyncio.get_running_loop().time()
    stage.faults.install(StrategyFault(kind, ONE))

    answers: Sequence[object] = await asyncio.gather(stage.decide(ONE), stage.decide(TWO))

    codes = {each.reason_code for each in answers if isinstance(each, StrategyFailed)}
    assert code in codes
    assert asyncio.get_running_loop().time() - began_s >= took_s
    assert [(each.session_id, each.must_rebuild) for each in stage.lost] == [(TWO, True)]
