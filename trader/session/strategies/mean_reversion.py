"""Long from far below the mean, until back at it, with a stop below the entry."""

from decimal import Decimal

from pydantic import Field

from trader.context import Context
from trader.indicators import BBANDS
from trader.market.candle import Bar
from trader.session.strategy import Decision
from trader.strategy import Strategy


class MeanReversion(Strategy):
    """Buys a close under the lower Bollinger band, exits when it is back at the mean."""

    class Params(Strategy.Params):
        """Period in bars, width in standard deviations, stop as a fraction of the close."""

        period: int = Field(20, ge=2)
        width: float = Field(2.0, gt=0)
        stop_fraction: Decimal = Field(Decimal("0.05"), gt=0, lt=1)
        qty: Decimal = Field(Decimal(1), gt=0)

    def setup(self, ctx: Context) -> None:
        """One pair of bands."""
        self.bands = BBANDS(self.p.period, self.p.width)

    def on_bar(self, ctx: Context, bar: Bar) -> Decision:
        """Compare the close with the bands."""
        close = float(bar.close)
        below = self.bands.middle - close
        is_far = close < self.bands.lower and below >= ctx.tick  # less than a tick is rounding
        if ctx.position.is_flat and is_far:
            stop = bar.close * (1 - self.p.stop_fraction)
            return ctx.buy(
                self.p.qty, stop=stop, reason=f"close {bar.close} under {self.bands.lower:.4f}"
            )
        if ctx.position.is_long and close >= self.bands.middle:
            return ctx.exit(f"close {bar.close} back at {self.bands.middle:.4f}")
        return ctx.nothing("above the lower band" if ctx.position.is_flat else "below the mean")
