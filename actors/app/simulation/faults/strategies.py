"""What a strategy does that no strategy should."""

from typing import TYPE_CHECKING

from actors.app.simulation.faults.kind import Hand, Kind
from adapters.simulated.runner import StrategyFault, StrategyFaultKind
from trader.ids import SessionId

if TYPE_CHECKING:
    from actors.app.simulation.world import World

K = StrategyFaultKind


def _next_bars(kind: StrategyFaultKind) -> Hand:
    """One session's next decisions, a few of them."""

    def hand(world: "World") -> None:
        chance = world.chance
        session = SessionId(chance.choice(world.plan.sessions).name)
        world.strategy_faults.install(StrategyFault(kind, session, chance.choice((1, 1, 3))))

    return hand


def _kind(kind: StrategyFaultKind, says: str) -> Kind:
    return Kind(kind.value, "B", says, _next_bars(kind), is_awaited=True)


KINDS: tuple[Kind, ...] = (
    _kind(K.RAISES, "a strategy raises"),
    _kind(K.LATE, "a strategy is late, and its host is ended with all that live there"),
    _kind(K.HOST_DIES, "a strategy ends its host process"),
    _kind(K.HUGE, "a strategy orders 10^9"),
    _kind(K.NAN, "a strategy orders not a number"),
    _kind(K.ZERO, "a strategy orders nothing"),
    _kind(K.NEGATIVE, "a strategy orders less than nothing"),
    _kind(K.DUST, "a strategy orders less than a lot"),
    _kind(K.SIDEWAYS, "a strategy neither buys nor sells"),
    _kind(K.NO_VERB, "a strategy answers what is no decision"),
    _kind(K.NO_REASON, "a strategy has no reason"),
    _kind(K.OTHER_SYMBOL, "a strategy wants another symbol"),
    _kind(K.STOP_BEYOND, "a strategy puts its stop where the profit is"),
    _kind(K.FLIPS, "a strategy sells far more than it holds"),
)
