"""What goes wrong with the database and with the machine's disk."""

from typing import TYPE_CHECKING

from actors.app.simulation.faults.kind import Hand, Kind
from adapters.simulated.database import Trouble
from adapters.simulated.disk import DiskTrouble

if TYPE_CHECKING:
    from actors.app.simulation.world import World


T = Trouble


def _trouble(trouble: Trouble, *lasting_s: float, shares: tuple[float, ...] = (1.0,)) -> Hand:
    def hand(world: "World") -> None:
        chance = world.chance
        world.database.strike(trouble, chance.choice(lasting_s), chance.choice(shares))

    return hand


def _partly(trouble: Trouble) -> Hand:
    return _trouble(trouble, 2, 20, shares=(0.3, 1.0))


def _disk(trouble: DiskTrouble) -> Hand:
    def hand(world: "World") -> None:
        world.daemon.disk.strike(trouble, world.chance.choice((2.0, 30.0)))

    return hand


def _disk_and_database(world: "World") -> None:
    """The worst: nowhere to write at all."""
    lasting_s = world.chance.choice((5.0, 40.0))
    world.daemon.disk.strike(DiskTrouble.FAILING, lasting_s)
    world.database.strike(T.REFUSED, lasting_s)


def _fail_over(world: "World") -> None:
    world.database.fail_over(world.chance.choice((0.05, 1.0, 20.0)))


KINDS = (
    Kind("db_down", "H", "connections are refused", _trouble(T.REFUSED, 1, 20, 120)),
    Kind("db_silent", "H", "what is sent vanishes", _trouble(T.SILENT, 3, 20)),
    Kind("db_stalled", "H", "it stands still, then performs all", _trouble(T.STALLED, 3, 20)),
    Kind("db_slow", "H", "a busy disk", _trouble(T.SLOW, 20, 90)),
    Kind(
        "db_request_lost",
        "H",
        "lost before it arrives",
        _partly(T.REQUEST_LOST),
    ),
    Kind(
        "db_commit_unknown",
        "H",
        "committed, and nobody is told",
        _partly(T.REPLY_LOST),
    ),
    Kind(
        "db_late",
        "H",
        "a statement that takes effect when given up",
        _partly(T.LATE),
    ),
    Kind(
        "db_aborted",
        "H",
        "deadlocks, serialization failures",
        _partly(T.ABORTED),
    ),
    Kind("db_read_only", "H", "a standby, or a full volume", _trouble(T.READ_ONLY, 5, 60)),
    Kind("db_crowded", "H", "no connection left", _trouble(T.CROWDED, 5, 60)),
    Kind("db_restart", "H", "every connection is lost", lambda world: world.database.restart()),
    Kind("db_restored_older", "H", "a replica that lagged: rows are gone", _fail_over),
    Kind("disk_failing", "G", "no write succeeds", _disk(DiskTrouble.FAILING)),
    Kind("disk_full", "G", "no new file", _disk(DiskTrouble.FULL)),
    Kind("disk_hanging", "G", "no flush returns", _disk(DiskTrouble.HANGING)),
    Kind("disk_and_db", "G", "nowhere to write at all", _disk_and_database),
)
