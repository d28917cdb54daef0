"""What goes wrong with the daemon itself, its actors and its machine."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from actors.app.simulation.boundaries import Boundary, How
from actors.app.simulation.crash_table import POINTS
from actors.app.simulation.fates import order_in
from actors.app.simulation.faults.kind import Hand, Kind
from adapters.simulated.history import FaultStruck

if TYPE_CHECKING:
    from actors.app.simulation.world import World

ROLES = ("trader", "trader", "trader", "account", "account", "journal", "portfolio", "feed")


def _crash(prefix: str) -> Hand:
    def hand(world: "World") -> None:
        names = [each for each in world.names() if each.startswith(prefix)]
        if names:
            world.daemon.crash(world.chance.choice(names))

    return hand


def _crash_loop(world: "World") -> None:
    """One trader dies again and again, until it is let die."""
    names = [each for each in world.names() if each.startswith("trader:")]
    if names:
        name = world.chance.choice(names)
        for each in range(world.chance.choice((4, 8, 14))):
            world.later(1.5 * each, lambda: world.daemon.crash(name))


def _pause(*lasting_s: float) -> Hand:
    def hand(world: "World") -> None:
        daemon = world.daemon
        daemon.pause()
        world.later(world.chance.choice(lasting_s), daemon.resume)

    return hand


def _power(world: "World") -> None:
    daemon = world.daemon
    daemon.kill()
    daemon.disk.lose_power()


def _other(world: "World") -> None:
    """A second daemon wants the same accounts; often while the first one is stopped."""
    world.second_daemon()
    if world.chance.random() < 0.6:
        _pause(7.0, 30.0)(world)


def _jump(world: "World") -> None:
    world.daemon.host.move_wall_clock(world.chance.choice((-3600.0, -3.0, 3.0, 3600.0)))


def _crash_mid_handler(world: "World") -> None:
    """At one of an actor's next sends: what it told before is told, the rest is not."""
    chance = world.chance
    role, left = chance.choice(ROLES), chance.randint(1, 20)
    how = chance.choice((How.CRASH_BEFORE, How.CRASH_AFTER))
    _at_boundary(world, "crash_mid_handler", how, left, lambda each: each.handler == role)


def _kill_at_await(world: "World") -> None:
    left = world.chance.randint(1, 40)
    _at_boundary(world, "kill_at_await", How.KILL, left, lambda each: each.name in POINTS)


def _at_boundary(
    world: "World", kind: str, how: How, nth: int, fits: Callable[[Boundary], bool]
) -> None:
    """Strike at the nth that fits."""
    left = nth

    def hear(boundary: Boundary) -> How | None:
        nonlocal left
        left -= fits(boundary)
        if left:
            return None
        world.boundaries.forget(hear)
        world.tell(f"{how} at {boundary.name}")
        order_id = order_in(boundary.subject)
        world.history.note(
            FaultStruck(world.loop.time(), kind, "us", "", "", "", order_id, boundary.name)
        )
        return how

    world.boundaries.listen(hear)


KINDS = (
    Kind("kill", "G", "SIGKILL at any await", lambda world: world.daemon.kill()),
    Kind(
        "kill_at_await",
        "G",
        "SIGKILL at a drawn boundary of the order path",
        _kill_at_await,
        is_awaited=True,
    ),
    Kind(
        "crash_mid_handler",
        "B",
        "an actor dies half-way through a handler",
        _crash_mid_handler,
        is_awaited=True,
    ),
    Kind("power_lost", "G", "killed, and what was not flushed is lost", _power),
    Kind("pause", "G", "SIGSTOP, and CONT after seconds", _pause(1, 6, 15)),
    Kind("suspend", "G", "the machine sleeps for minutes", _pause(60, 300)),
    Kind("wall_clock_jumps", "G", "by seconds or an hour", _jump),
    Kind("second_daemon", "I", "another one wants the accounts", _other),
    Kind("crash_trader", "B", "a trader dies of a message", _crash("trader:")),
    Kind("crash_loop", "G", "a trader dies of every message for a while", _crash_loop),
    Kind("crash_account", "G", "the account manager dies", _crash("account:")),
    Kind("crash_journal", "G", "the journal dies", _crash("journal")),
    Kind("crash_feed", "G", "the market data actor dies", _crash("feed:")),
    Kind("crash_portfolio", "F", "the portfolio server dies", _crash("portfolio")),
    Kind("crash_anybody", "G", "any actor dies", _crash("")),
)
