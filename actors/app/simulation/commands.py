"""The operator of a simulated world: what is ordered at the real desk, and what was answered."""

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from actors.desk import HouseDesk
from actors.desk_commands import RESUME_WORD
from adapters.simulated.history import CommandAnswered, CommandAsked
from trader.ids import SessionId

if TYPE_CHECKING:
    from actors.app.simulation.world import World


def order(world: "World", what: str) -> None:
    """Order it of whoever answers; nobody answers for a daemon that is down."""
    desk = world.daemon.desk
    if desk is None:
        return
    session = world.chance.choice(world.plan.sessions).name
    world.daemon.inside(_ordered(world, desk, what, SessionId(session)))


async def _ordered(world: "World", desk: HouseDesk, what: str, session_id: SessionId) -> None:
    now_s = world.loop.time
    world.history.note(CommandAsked(now_s(), what, session_id))
    answer = await _asked(desk, what, session_id)
    world.history.note(CommandAnswered(now_s(), what, session_id, answer))


def _asked(desk: HouseDesk, what: str, session_id: SessionId) -> Coroutine[Any, Any, Any]:
    match what:
        case "halt":
            return desk.halt("a drill")
        case "resume":
            return desk.resume("a drill", RESUME_WORD)
        case "close":
            return desk.close(session_id, "a drill")
        case "reconcile":
            return desk.reconcile()
        case _:
            raise ValueError(f"no command {what!r}")
