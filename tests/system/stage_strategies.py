"""Strategies for the stage; copied into a test's folder, as a user's own file lies there."""

from pydantic import Field

from actors.app.drill_strategies import Guarded, Patient, Restless
from trader import Bar, Context, Decision, Strategy

__all__ = ["Guarded", "Held", "Patient", "Restless"]


class Held(Strategy):
    """In at once, behind a stop; never out by itself, in again when somebody else took it out."""

    class Params(Strategy.Params):
        """Units, and where the stop lies."""

        qty: int = Field(10, ge=1)
        stop_fraction: str = "0.5"

    def on_bar(self, ctx: Context, bar: Bar) -> Decision:
        """Buy whenever flat."""
        if ctx.position.is_flat and not ctx.working:
            stop = bar.close * type(bar.close)(self.p.stop_fraction)
            return ctx.buy(self.p.qty, stop=stop, reason="flat, so in")
        return ctx.nothing("in")
