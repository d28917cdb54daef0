"""The strategies of simulated worlds: those of the drills, and one that does anything at all."""

from collections.abc import Callable
from hashlib import blake2b

from pydantic import Field

from actors.app.drill_strategies import Guarded, Patient, Restless
from adapters.strategies.load import load_strategy
from trader import Bar, Context, Decision, Strategy


class Wanderer(Strategy):
    """Draws what it does from the bar's minute and its own seed: never the same day twice."""

    class Params(Strategy.Params):
        """Units in one order, and its chance."""

        qty: int = Field(10, ge=1)
        seed: int = 0

    def on_bar(self, ctx: Context, bar: Bar) -> Decision:
        """One of a dozen moods."""
        mood = self._draw(bar, b"mood", 16)
        qty, position = self.p.qty, ctx.position
        if mood < 4:
            return ctx.nothing("not in the mood")
        if ctx.working and mood < 7:
            order = ctx.working[self._draw(bar, b"which", len(ctx.working))]
            if mood == 4:
                return ctx.cancel(order, reason="no more")
            if mood == 5 and order.price is not None:
                return ctx.modify(order, limit=bar.close, reason="nearer")
            return ctx.cancel_all("none of them")
        if not position.is_flat and mood < 11:
            if mood == 7:
                half = max(1, int(abs(position.qty)) // 2)
                sell = position.is_long
                part = ctx.sell if sell else ctx.buy
                return part(half, reason="half of it")
            return ctx.exit("enough")
        side = ctx.buy if mood % 2 else ctx.sell
        sign = -1 if mood % 2 else 1
        away = (2 + self._draw(bar, b"away", 60)) * ctx.tick
        if mood < 13:
            return side(qty, stop=bar.close + sign * 3 * away, reason="behind a stop")
        if mood == 13:
            limit = bar.close + sign * away
            return side(qty, limit=limit, stop=limit + sign * 4 * away, reason="at a limit")
        return side(qty, reason="at the market")

    def _draw(self, bar: Bar, what: bytes, below: int) -> int:
        key = f"{self.p.seed} {bar.opened_at.isoformat()} ".encode() + what
        return int.from_bytes(blake2b(key, digest_size=4).digest(), "big") % below


class Scripted(Strategy):
    """One whole day by the clock: a bid moved and given up, in behind a stop, out in two parts,
    in once more and stopped out. What it does follows from the minute and from what is held.
    """

    class Params(Strategy.Params):
        """Units in one order, and the minute of the hour in which the day begins."""

        qty: int = Field(10, ge=2)
        minute: int = 30

    def on_bar(self, ctx: Context, bar: Bar) -> Decision:
        """What stands in the script, if it can still be done."""
        scene = bar.opened_at.minute - self.p.minute
        qty, is_flat, bids = self.p.qty, ctx.position.is_flat, ctx.working
        if scene == 1 and is_flat:
            return ctx.buy(qty, limit=bar.close - 300 * ctx.tick, reason="a bid far below")
        if scene == 2 and bids:
            return ctx.modify(bids[0], limit=bar.close - 200 * ctx.tick, reason="a little nearer")
        if scene == 3 and bids:
            return ctx.cancel_all("given up")
        if scene == 4 and is_flat:
            return ctx.buy(qty, stop_ticks=200, reason="in, behind a stop far below")
        if scene == 5 and ctx.position.is_long:
            return ctx.sell(qty // 2, reason="half of it out")
        if scene == 6 and ctx.position.is_long:
            return ctx.exit("the rest of it")
        if scene == 7 and is_flat:
            return ctx.buy(qty, stop_ticks=3, reason="in, behind a stop so near that it fires")
        return ctx.nothing("nothing in the script")


OURS: dict[str, type[Strategy]] = {
    "wanderer": Wanderer,
    "restless": Restless,
    "guarded": Guarded,
    "patient": Patient,
    "scripted": Scripted,
}


def load(name: str) -> type[Strategy]:
    """One of these, or what the user has. Raises ConfigInvalid."""
    find: Callable[[str], type[Strategy]] = load_strategy
    return OURS[name] if name in OURS else find(name)
