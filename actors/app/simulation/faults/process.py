"""What goes wrong with the daemon itself, its actors and its machine."""

from typing import TYPE_CHECKING

from actors.app.simulation.faults.kind import Hand, Kind

if TYPE_CHECKING:
    from actors.app.simulation.world import World


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


KINDS = (
    Kind("kill", "G", "SIGKILL at any await", lambda world: world.daemon.kill()),
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
