"""Strategies that hardly ever rest, for drills: every kind of order, most bars. Not for trading.

The drill copies this file into its own folder and names it there, as a user's own file is named.
What they do follows from the bar's own minute and from what the broker has, never from memory, so
that a restarted one goes on like one that never died.
"""

from pydantic import Field

from trader import Bar, Context, Decision, Strategy


class Drill(Strategy):
    """What the three share."""

    class Params(Strategy.Params):
        """Units in one order."""

        qty: int = Field(1, ge=1)

    def turn(self, ctx: Context, bar: Bar) -> int:
        """The number of the bar's minute, shifted so that not all act on the same bar."""
        return int(bar.opened_at.timestamp()) // 60 + sum(map(ord, ctx.symbol))


class Restless(Drill):
    """In and out at the market, long and short by turns: an order on every second bar."""

    def on_bar(self, ctx: Context, bar: Bar) -> Decision:
        """Out if in, else in."""
        turn = self.turn(ctx, bar)
        if turn % 2 or ctx.working:
            return ctx.nothing("not its turn")
        if not ctx.position.is_flat:
            return ctx.exit("in, so out")
        if turn % 8 < 4:
            return ctx.buy(self.p.qty, reason="flat, so long")
        return ctx.sell(self.p.qty, reason="flat, so short")


class Guarded(Drill):
    """Long with a stop so near that it often fires; out after some bars where it did not."""

    def on_bar(self, ctx: Context, bar: Bar) -> Decision:
        """In behind a stop every third bar, out again every fifth."""
        turn = self.turn(ctx, bar)
        if ctx.position.is_flat and not ctx.working and turn % 3 == 0:
            return ctx.buy(self.p.qty, stop_ticks=15, reason="flat, so long behind a stop")
        if ctx.position.is_long and turn % 5 == 0:
            return ctx.exit("the fifth bar")
        return ctx.nothing("the stop stands" if ctx.position.is_long else "not its turn")


class Patient(Drill):
    """A limit below the market, moved up once, then given up; what it caught is sold."""

    def on_bar(self, ctx: Context, bar: Bar) -> Decision:
        """Bid, raise, give up, by the bar's minute."""
        if ctx.position.is_long:
            return ctx.exit("caught, so out")
        turn = self.turn(ctx, bar) % 3
        if turn == 0 and not ctx.working:
            return ctx.buy(self.p.qty, limit=bar.close - 3 * ctx.tick, reason="a bid below")
        if turn == 1 and ctx.working:
            return ctx.modify(ctx.working[0], limit=bar.close, reason="the bid, raised")
        if turn == 2 and ctx.working:
            return ctx.cancel_all("nobody sold")
        return ctx.nothing("not its turn")
