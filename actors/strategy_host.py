"""The strategy host: asks the runner on behalf of the sessions.

Owns: who hears of a strategy that died unasked. Every answer is an event, told to who asked. The
deadlines of user code are the runner's; here is only the outermost one, should the runner itself
hang. A runner that needs no wait is asked in the handler itself, where the watchdog sees it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, assert_never, runtime_checkable

from actors.runtime import Actor, Address
from trader.ids import SessionId
from trader.market.candle import Candle
from trader.ports import StrategyRunner
from trader.session.events import StrategyDecided, StrategyFailed, StrategyReady
from trader.session.strategy import StrategySpec, View

RUNNER_DEADLINE_S = 60.0  # well past the runner's own: spawning, warm-up, and one turn


@dataclass(frozen=True, slots=True)
class OpenStrategy:
    """Make it anew and warm it up; StrategyReady or StrategyFailed."""

    session_id: SessionId
    spec: StrategySpec
    candles: Sequence[Candle]
    rebuild: int
    reply_to: Address


@dataclass(slots=True)
class DecideOnBar:
    """Ask it about a new, final bar; StrategyDecided or StrategyFailed."""

    session_id: SessionId
    candle: Candle
    view: View
    rebuild: int
    reply_to: Address


@dataclass(frozen=True, slots=True)
class CloseStrategy:
    """The session has ended: forget its strategy."""

    session_id: SessionId


StrategyHostMessage = OpenStrategy | DecideOnBar | CloseStrategy


@runtime_checkable
class AtOnce(Protocol):
    """A runner that needs no wait."""

    def open_now(
        self, session_id: SessionId, spec: StrategySpec, candles: Sequence[Candle], rebuild: int
    ) -> StrategyReady | StrategyFailed:
        """Make it anew and warm it up, at once."""

    def decide_now(
        self, session_id: SessionId, candle: Candle, view: View, rebuild: int
    ) -> StrategyDecided | StrategyFailed:
        """Its decision, at once."""


class StrategyHost(Actor):
    """See the module. `decided` is told how long each decision took, in seconds."""

    def __init__(
        self, runner: StrategyRunner, decided: Callable[[float], None] = lambda _: None
    ) -> None:
        super().__init__()
        self._decided = decided
        self._runner = runner
        self._at_once = runner if isinstance(runner, AtOnce) else None
        self._sessions: dict[SessionId, Address] = {}

    async def on_start(self) -> None:
        """Spawn the hosts; in a restart they are there."""
        await self._runner.start(self._tell_lost)

    async def on_stop(self) -> None:
        """End them."""
        await self._runner.stop()

    def on_receive(self, message: StrategyHostMessage) -> None:
        """One line a message."""
        match message:
            case DecideOnBar():
                self._decide(message)
            case OpenStrategy():
                self._open(message)
            case CloseStrategy():
                self._close(message)
            case _:
                assert_never(message)

    def _decide(self, asked: DecideOnBar) -> None:
        session_id, reply_to = asked.session_id, asked.reply_to
        self._sessions[session_id] = reply_to
        elapsed, decided = self.runtime.host.elapsed, self._decided
        began_s = elapsed()
        if self._at_once is not None:
            reply_to.tell(
                self._at_once.decide_now(session_id, asked.candle, asked.view, asked.rebuild)
            )
            decided(elapsed() - began_s)
            return

        def done(event: StrategyDecided | StrategyFailed) -> StrategyDecided | StrategyFailed:
            decided(elapsed() - began_s)
            return event

        opened_at, rebuild = asked.candle.opened_at, asked.rebuild
        self.pipe(
            self._runner.decide(session_id, asked.candle, asked.view, rebuild),
            done=done,
            failed=lambda error: _runner_failed(session_id, opened_at, rebuild, error),
            to=reply_to,
            deadline_s=RUNNER_DEADLINE_S,
        )

    def _open(self, asked: OpenStrategy) -> None:
        session_id, rebuild, reply_to = asked.session_id, asked.rebuild, asked.reply_to
        self._sessions[session_id] = reply_to
        if self._at_once is not None:
            reply_to.tell(self._at_once.open_now(session_id, asked.spec, asked.candles, rebuild))
            return
        self.pipe(
            self._runner.open(session_id, asked.spec, asked.candles, rebuild),
            done=_as_it_is,
            failed=lambda error: _runner_failed(session_id, None, rebuild, error),
            to=reply_to,
            deadline_s=RUNNER_DEADLINE_S,
        )

    def _close(self, asked: CloseStrategy) -> None:
        self._sessions.pop(asked.session_id, None)
        closing = self._runner.close(asked.session_id)
        self.pipe(closing, done=_nobody, failed=_nobody, deadline_s=RUNNER_DEADLINE_S)

    def _tell_lost(self, event: StrategyFailed) -> None:
        session = self._sessions.get(event.session_id)
        if session is not None:
            session.tell(event)


def _as_it_is(event: Any) -> Any:
    return event


def _nobody(_: object) -> None:
    return None


def _runner_failed(
    session_id: SessionId, opened_at: datetime | None, rebuild: int, error: BaseException
) -> StrategyFailed:
    # A runner that cannot open is not asked again at once; but its deadline also passes while the
    # machine is suspended, and then nothing else would ever open that strategy again.
    must_rebuild = opened_at is not None or isinstance(error, TimeoutError)
    return StrategyFailed(
        session_id, opened_at, "strategy_runner_failed", repr(error), rebuild, must_rebuild
    )
