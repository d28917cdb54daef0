"""The base of every strategy: parameters, one hook to get ready, one for each closed bar.

Nothing of a strategy is stored. It is made anew and shown its history whenever its past changed,
so what it keeps must follow from the bars alone: no clock, no random, no file, no network.
"""

from abc import ABC, abstractmethod
from typing import Any

from pydantic import BaseModel, ConfigDict

from trader.context import Context
from trader.market.candle import Bar
from trader.session.strategy import Decision


class Strategy(ABC):
    """Derive from it, name your parameters in `class Params(Strategy.Params)`, write `on_bar`."""

    class Params(BaseModel):
        """What the configuration may set; an unknown name is refused, a missing one defaulted."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, params: Params) -> None:
        self.p: Any = params  # an instance of the subclass's own Params

    def setup(self, ctx: Context) -> None:
        """Get ready. Indicators made here are fed with each bar before `on_bar` sees it."""
        del ctx

    @abstractmethod
    def on_bar(self, ctx: Context, bar: Bar) -> Decision:
        """Decide on one closed bar; called from when all indicators made in `setup` are ready.

        Also called for the bars of the warm-up, with a flat position; those answers are dropped.
        """
