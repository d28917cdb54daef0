"""The strategies' home in a simulated daemon: who was asked what stands in the history, and each
strategy can be made to do what no strategy should.

It answers as the host processes do: after a moment, never raising. One that is late or ends its
host takes every other strategy of that host with it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from random import Random

from adapters.clock import Clock
from adapters.simulated.history import History, StrategyAsked, StrategyMisbehaved, StrategyOpened
from trader.ids import SessionId
from trader.market.candle import Candle
from trader.orders.order import Side
from trader.ports import StrategyRunner
from trader.session.events import StrategyDecided, StrategyFailed, StrategyReady
from trader.session.seat import not_open
from trader.session.strategy import StrategySpec, SubmitOrder, View
from trader.session.valid import BadDecision, valid_decision

ANSWER_S_MAX = 0.02
OPEN_S_MAX = 0.05
DECIDE_DEADLINE_S = 0.25
_NEIGHBOUR = "another strategy ended the host process it lived in"


class StrategyFaultKind(StrEnum):
    """What a strategy does on its next bar, instead of deciding."""

    RAISES = "strategy_raises"
    LATE = "strategy_late"  # past the deadline: its host is ended
    HOST_DIES = "strategy_host_dies"
    HUGE = "strategy_huge"  # an order for 10^9
    NAN = "strategy_nan"  # for not a number
    ZERO = "strategy_zero"  # for nothing
    NEGATIVE = "strategy_negative"
    DUST = "strategy_dust"  # for less than a lot
    SIDEWAYS = "strategy_sideways"  # neither buy nor sell
    NO_VERB = "strategy_no_verb"  # no decision at all
    NO_REASON = "strategy_no_reason"
    OTHER_SYMBOL = "strategy_other_symbol"
    STOP_BEYOND = "strategy_stop_beyond"  # its protective stop lies where the profit is
    FLIPS = "strategy_flips"  # sells far more than it holds, or buys far more than it is short


CODES = {
    StrategyFaultKind.LATE: "strategy_late",
    StrategyFaultKind.HOST_DIES: "strategy_host_died",
}


@dataclass(frozen=True, slots=True)
class StrategyFault:
    """One fault: whose (None: whoever is asked next), and how many times."""

    kind: StrategyFaultKind
    session_id: SessionId | None = None
    count: int = 1


class StrategyFaults:
    """What the strategies of a world are about to do."""

    def __init__(self) -> None:
        self._waiting: list[StrategyFault] = []

    def install(self, fault: StrategyFault) -> None:
        """Let it happen on the next bars."""
        self._waiting.append(fault)

    def clear_all(self) -> None:
        """They behave."""
        self._waiting.clear()

    def take(self, session_id: SessionId) -> StrategyFaultKind | None:
        """What that one does now; None: what it should."""
        for place, fault in enumerate(self._waiting):
            if fault.session_id in (None, session_id):
                if fault.count > 1:
                    left = StrategyFault(fault.kind, fault.session_id, fault.count - 1)
                    self._waiting[place] = left
                else:
                    del self._waiting[place]
                return fault.kind
        return None


class RecordedRunner:
    """Fulfils `StrategyRunner` around another. Lives and dies with its daemon's process."""

    def __init__(
        self,
        inner: StrategyRunner,
        clock: Clock,
        history: History,
        faults: StrategyFaults,
        daemon: str,
        chance: Random,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._history = history
        self._faults = faults
        self._daemon = daemon
        self._chance = chance
        self._lost: Callable[[StrategyFailed], None] | None = None
        self._open: dict[SessionId, int] = {}  # of which rebuild
        self._turn = asyncio.Lock()  # a host serves one after the other

    async def start(self, lost: Callable[[StrategyFailed], None] | None = None) -> None:
        """Tell that one what is lost unasked."""
        self._lost = lost
        await self._inner.start(lost)

    async def stop(self) -> None:
        """Forget all."""
        self._open.clear()
        await self._inner.stop()

    async def open(
        self, session_id: SessionId, spec: StrategySpec, candles: Sequence[Candle], rebuild: int
    ) -> StrategyReady | StrategyFailed:
        """Make the strategy anew and warm it up."""
        async with self._turn:
            await asyncio.sleep(self._chance.random() * OPEN_S_MAX)
            answer = await self._inner.open(session_id, spec, candles, rebuild)
            if isinstance(answer, StrategyReady):
                self._open[session_id] = rebuild
                at_s, daemon = self._clock.elapsed(), self._daemon
                opened = StrategyOpened(at_s, daemon, session_id, rebuild, tuple(candles))
                self._history.note(opened)
            return answer

    async def decide(
        self, session_id: SessionId, candle: Candle, view: View, rebuild: int
    ) -> StrategyDecided | StrategyFailed:
        """Its decision on a new, final bar; or what it was made to do."""
        async with self._turn:
            if self._open.get(session_id) != rebuild:
                return await self._inner.decide(session_id, candle, view, rebuild)
            at_s = self._clock.elapsed()
            self._history.note(StrategyAsked(at_s, self._daemon, session_id, rebuild, candle))
            kind = self._faults.take(session_id)
            if kind is None:
                answer = await self._inner.decide(session_id, candle, view, rebuild)
                await asyncio.sleep(self._chance.random() * ANSWER_S_MAX)
                return answer
            self._history.note(StrategyMisbehaved(at_s, self._daemon, session_id, kind))
            return await self._misbehave(kind, session_id, candle, view, rebuild)

    async def close(self, session_id: SessionId) -> None:
        """Forget it."""
        self._open.pop(session_id, None)
        await self._inner.close(session_id)

    async def _misbehave(
        self,
        kind: StrategyFaultKind,
        session_id: SessionId,
        candle: Candle,
        view: View,
        rebuild: int,
    ) -> StrategyDecided | StrategyFailed:
        def failed(code: str, detail: str, *, must_rebuild: bool) -> StrategyFailed:
            return StrategyFailed(session_id, candle.opened_at, code, detail, rebuild, must_rebuild)

        if kind in CODES:
            if kind is StrategyFaultKind.LATE:
                await asyncio.sleep(DECIDE_DEADLINE_S)
            await self._end_host(session_id)
            return failed(CODES[kind], "its host was ended", must_rebuild=True)
        await asyncio.sleep(self._chance.random() * ANSWER_S_MAX)
        if kind is StrategyFaultKind.RAISES:
            return failed("strategy_raised", "RuntimeError: made to raise", must_rebuild=True)
        try:
            decision = valid_decision(_absurdity(kind, candle, view))
        except BadDecision as error:
            return failed("bad_decision", str(error), must_rebuild=False)
        return StrategyDecided(session_id, candle.opened_at, decision, rebuild)

    async def _end_host(self, culprit: SessionId) -> None:
        lost, self._open = self._open, {}
        for session_id, rebuild in lost.items():
            await self._inner.close(session_id)
            if session_id != culprit and self._lost is not None:
                self._lost(
                    not_open(
                        session_id, "strategy_host_died", _NEIGHBOUR, rebuild, must_rebuild=True
                    )
                )


def _absurdity(kind: StrategyFaultKind, candle: Candle, view: View) -> object:
    """What it answers. Typed as user code is: not at all."""
    qty: dict[StrategyFaultKind, object] = {
        StrategyFaultKind.HUGE: 10**9,
        StrategyFaultKind.NAN: float("nan"),
        StrategyFaultKind.ZERO: 0,
        StrategyFaultKind.NEGATIVE: -5,
        StrategyFaultKind.DUST: Decimal("0.0001"),
    }
    if kind in qty:
        return SubmitOrder(Side.BUY, qty[kind], "absurd")  # type: ignore[arg-type]
    match kind:
        case StrategyFaultKind.NO_VERB:
            return "buy, buy, buy"
        case StrategyFaultKind.SIDEWAYS:
            return SubmitOrder("SIDEWAYS", Decimal(1), "absurd")  # type: ignore[arg-type]
        case StrategyFaultKind.NO_REASON:
            return SubmitOrder(Side.BUY, Decimal(1), " ")
        case StrategyFaultKind.OTHER_SYMBOL:
            return SubmitOrder(Side.BUY, Decimal(1), "absurd", symbol="ELSEWHERE")
        case StrategyFaultKind.STOP_BEYOND:
            stop = candle.close * 2
            return SubmitOrder(Side.BUY, Decimal(1), "absurd", protective_stop=stop)
        case _:
            side = Side.SELL if view.position_qty >= 0 else Side.BUY
            return SubmitOrder(side, abs(view.position_qty) * 7 + 100, "absurd")
