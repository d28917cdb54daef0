"""The seam to strategies: where user code runs, behind a deadline."""

from collections.abc import Callable, Sequence
from typing import Protocol

from trader.ids import SessionId
from trader.market.candle import Candle
from trader.session.events import StrategyDecided, StrategyFailed, StrategyReady
from trader.session.strategy import StrategySpec, View


class StrategyRunner(Protocol):
    """Where strategies live: inline, or in host processes. Never raises for what user code does."""

    async def start(self, lost: Callable[[StrategyFailed], None] | None = None) -> None:
        """Make ready (spawn hosts). `lost` hears of each strategy that died without being asked.

        Started again, it only changes who hears.
        """
        ...

    async def stop(self) -> None:
        """End every host."""
        ...

    async def open(
        self, session_id: SessionId, spec: StrategySpec, candles: Sequence[Candle], rebuild: int
    ) -> StrategyReady | StrategyFailed:
        """Make the strategy anew and warm it up on the candles, oldest first, without deciding."""
        ...

    async def decide(
        self, session_id: SessionId, candle: Candle, view: View, rebuild: int
    ) -> StrategyDecided | StrategyFailed:
        """Its decision on a new, final bar, within the runner's deadline."""
        ...

    async def close(self, session_id: SessionId) -> None:
        """Forget it."""
        ...
