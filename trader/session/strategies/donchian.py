"""Long from a breakout above the channel of the bars before, with a stop at its lower edge."""

from decimal import Decimal

from pydantic import Field

from trader.context import Context
from trader.indicators import Highest, Lowest
from trader.market.candle import Bar
from trader.session.strategy import Decision
from trader.strategy import Strategy


class Donchian(Strategy):
    """Buys a close above the highest high of the bars before, exits below their lowest low."""

    class Params(Strategy.Params):
        """Channels in bars, quantity in units of the instrument."""

        entry: int = Field(20, ge=1)
        exit: int = Field(10, ge=1)
        qty: Decimal = Field(Decimal(1), gt=0)

    def setup(self, ctx: Context) -> None:
        """Both edges; `on_bar` compares with where they stood before its bar."""
        self.highest, self.lowest = Highest(self.p.entry), Lowest(self.p.exit)
        self.top: Decimal | None = None
        self.bottom: Decimal | None = None

    def on_bar(self, ctx: Context, bar: Bar) -> Decision:
        """Compare the close with the channel of the bars before."""
        top, bottom = self.top, self.bottom
        self.top, self.bottom = self.highest.value, self.lowest.value
        if top is None or bottom is None:
            return ctx.nothing("no channel yet")
        if ctx.position.is_flat and bar.close > top:
            return ctx.buy(self.p.qty, stop=bottom, reason=f"close {bar.close} above {top}")
        if ctx.position.is_long and bar.close < bottom:
            return ctx.exit(f"close {bar.close} below {bottom}")
        return ctx.nothing("close inside the channel" if ctx.position.is_flat else "trend stands")
