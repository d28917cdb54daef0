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


OURS: dict[str, type[Strategy]] = {
    "wanderer": Wanderer,
    "restless": Restless,
    "guarded": Guarded,
    "patient": Patient,
}


def load(name: str) -> type[Strategy]:
    """One of these, or what the user has. Raises ConfigInvalid."""
    find: Callable[[str], type[Strategy]] = load_strategy
    return OURS[name] if name in OURS else find(name)
