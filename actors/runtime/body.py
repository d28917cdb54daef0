"""An actor put into its name and taken out of it again, as pykka wants it done."""

from collections.abc import Callable

import pykka

from actors.runtime.actor import Actor
from actors.runtime.engine import Engine


def embody(factory: Callable[[], Actor], engine: Engine, name: str, incarnation: int) -> Actor:
    """Make the actor, give it its name and enter it into pykka's registry."""
    actor = factory()
    actor.runtime = engine
    actor.name = name
    actor.incarnation = incarnation
    actor.address = engine.address(name)
    if not actor.actor_inbox.is_bound:  # else it was started the stock way, and is registered
        pykka.ActorRegistry.register(actor.actor_ref)
        actor.actor_inbox.bind(engine, name, incarnation)
    return actor


def disembody(actor: Actor) -> None:
    """This incarnation has ended: its timers are cancelled, its ref says that it is dead."""
    actor.forget_reminders()
    actor.actor_stopped.set()
    pykka.ActorRegistry.unregister(actor.actor_ref)


def tell_of_failure(actor: Actor, error: BaseException | None, engine: Engine) -> None:
    """Call pykka's hook for an end that was not in order; its own failure harms nobody."""
    kind, trace = (None, None) if error is None else (type(error), error.__traceback__)
    try:
        engine.queue.guarded(actor, actor.on_failure, kind, error, trace)
    except BaseException as failure:
        engine.queue.leave()
        engine.complain(f"on_failure of {actor.name} failed", failure)
