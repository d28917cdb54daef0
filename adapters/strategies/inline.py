"""Strategies in this very process: the bundled ones, replay and benches.

No isolation: a strategy that loops for ever holds its caller. User code in the daemon lives in
`process.py`.
"""

from collections.abc import Callable, Sequence

import structlog

from adapters.strategies.load import load_strategy
from trader.errors import ConfigInvalid
from trader.ids import SessionId
from trader.market.candle import Candle
from trader.session.events import StrategyDecided, StrategyFailed, StrategyReady
from trader.session.seat import Seat, explain, not_open, take_seat
from trader.session.strategy import StrategySpec, View
from trader.strategy import Strategy

_log = structlog.get_logger()


class InlineRunner:
    """Fulfils `StrategyRunner`; `open_now` and `decide_now` are the same without a wait."""

    def __init__(self, load: Callable[[str], type[Strategy]] = load_strategy) -> None:
        """`load`: the class of a name; raises ConfigInvalid."""
        self._load = load
        self._seats: dict[SessionId, Seat] = {}

    async def start(self, lost: Callable[[StrategyFailed], None] | None = None) -> None:
        """Nothing to make ready, and nothing here is lost unasked."""

    async def stop(self) -> None:
        """Forget all."""
        self._seats.clear()

    async def open(
        self, session_id: SessionId, spec: StrategySpec, candles: Sequence[Candle], rebuild: int
    ) -> StrategyReady | StrategyFailed:
        """Make the strategy anew and warm it up."""
        return self.open_now(session_id, spec, candles, rebuild)

    async def decide(
        self, session_id: SessionId, candle: Candle, view: View, rebuild: int
    ) -> StrategyDecided | StrategyFailed:
        """Its decision on a new, final bar."""
        return self.decide_now(session_id, candle, view, rebuild)

    async def close(self, session_id: SessionId) -> None:
        """Forget it."""
        self.close_now(session_id)

    def open_now(
        self, session_id: SessionId, spec: StrategySpec, candles: Sequence[Candle], rebuild: int
    ) -> StrategyReady | StrategyFailed:
        """`open`, at once."""
        self._seats.pop(session_id, None)
        try:
            kind = self._load(spec.name)
        except ConfigInvalid as problem:
            return not_open(session_id, "strategy_not_loaded", str(problem), rebuild)
        seat, answer, error = take_seat(kind, session_id, spec, candles, rebuild)
        if seat is not None:
            self._seats[session_id] = seat
        if error is not None:
            _log.warning("strategy_warm_up_raised", session=session_id, error=explain(error))
        return answer

    def close_now(self, session_id: SessionId) -> None:
        """`close`, at once."""
        self._seats.pop(session_id, None)

    def decide_now(
        self, session_id: SessionId, candle: Candle, view: View, rebuild: int
    ) -> StrategyDecided | StrategyFailed:
        """`decide`, at once: the hot path of replay and bench."""
        seat = self._seats.get(session_id)
        if seat is None or seat.rebuild != rebuild:
            return StrategyFailed(
                session_id, candle.opened_at, "strategy_not_open", "", rebuild, must_rebuild=True
            )
        return seat.decide(candle, view)
