"""Long while the fast simple mean is above the slow one."""

from decimal import Decimal

from pydantic import Field, model_validator

from trader.context import Context
from trader.indicators import Sum
from trader.market.candle import Bar
from trader.session.strategy import Decision
from trader.strategy import Strategy


class SmaCross(Strategy):
    """Buys when the fast mean of closes is above the slow one, exits when it is below.

    Sums are compared crosswise and exactly: means that are equal are equal, and do nothing.
    """

    class Params(Strategy.Params):
        """Periods in bars, quantity in units of the instrument."""

        fast: int = Field(10, ge=1)
        slow: int = Field(20, ge=2)
        qty: Decimal = Field(Decimal(1), gt=0)

        @model_validator(mode="after")
        def _fast_is_faster(self) -> "SmaCross.Params":
            if self.fast >= self.slow:
                raise ValueError(f"fast ({self.fast}) must be below slow ({self.slow})")
            return self

    def setup(self, ctx: Context) -> None:
        """Two exact sums."""
        self.fast, self.slow = Sum(self.p.fast), Sum(self.p.slow)
        self.fast_n, self.slow_n = Decimal(self.p.fast), Decimal(self.p.slow)

    def on_bar(self, ctx: Context, bar: Bar) -> Decision:
        """Compare the means."""
        fast = self.fast.value * self.slow_n
        slow = self.slow.value * self.fast_n
        if fast > slow:
            if ctx.position.is_flat:
                return ctx.buy(self.p.qty, reason="fast mean above slow mean")
            return ctx.nothing("fast mean above slow mean, position stands")
        if fast < slow:
            if ctx.position.is_long:
                return ctx.exit("fast mean below slow mean")
            return ctx.nothing("fast mean below slow mean, no position")
        return ctx.nothing("means are equal")
