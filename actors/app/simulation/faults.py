"""The faults: each a name, its group of failure points, and how it strikes a world."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.app.simulation import commands
from actors.app.simulation.plan import COMMANDS
from adapters.sandbox.faults import FaultKind

if TYPE_CHECKING:
    from actors.app.simulation.world import World

Hand = Callable[["World"], object]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of misfortune."""

    name: str
    group: str  # A to I: the failure points of the failure model
    hand: Hand
    says: str


def strike(world: "World", what: str) -> None:
    """Let it happen now."""
    world.tell(f"strikes: {what}")
    if what in COMMANDS:
        commands.order(world, what)
    else:
        KINDS[what].hand(world)


def _venue(kind: FaultKind, **how: object) -> Hand:
    def hand(world: "World") -> None:
        world.venue.fault(kind, **how)

    return hand


def _crash(pick: str) -> Hand:
    def hand(world: "World") -> None:
        names = [each for each in world.names() if each.startswith(pick)]
        if names:
            world.daemon.crash(world.chance.choice(names))

    return hand


def _pause(shortest_s: float, longest_s: float) -> Hand:
    def hand(world: "World") -> None:
        daemon = world.daemon
        daemon.pause()
        world.later(world.chance.uniform(shortest_s, longest_s), daemon.resume)

    return hand


_ALL = (
    Kind("kill", "G", lambda world: world.daemon.kill(), "SIGKILL at any await"),
    Kind("pause", "G", _pause(1, 20), "SIGSTOP, and CONT after seconds"),
    Kind("long_pause", "G", _pause(20, 300), "the machine is suspended for minutes"),
    Kind("crash_trader", "G", _crash("trader:"), "a trader dies of a message"),
    Kind("crash_account", "G", _crash("account:"), "the account manager dies"),
    Kind("crash_journal", "G", _crash("journal"), "the journal dies"),
    Kind("crash_portfolio", "F", _crash("portfolio"), "the portfolio server dies"),
    Kind("crash_anybody", "G", _crash(""), "any actor dies"),
    Kind("request_lost", "C", _venue(FaultKind.DROP_BEFORE, method="POST"), "lost on its way"),
    Kind("reply_lost", "C", _venue(FaultKind.ACK_LOST, method="POST"), "taken, and not said"),
    Kind("reply_lost_cancel", "C", _venue(FaultKind.ACK_LOST, method="DELETE"), "a cancel's"),
    Kind("cut", "D", lambda world: world.venue.cut(), "every stream is cut"),
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}
