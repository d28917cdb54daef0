"""Never half-dead: everything is bounded, and whoever crashed is back."""

from actors.app.simulation.invariants.checker import Checker
from actors.desk_snapshot import everybody
from actors.runtime import State

MAIL_MAX = 500  # of three sessions, in calm


class Bounded(Checker):
    """I16, as far as one process shows it."""

    invariant = "I16"
    promise = "everything is bounded: mailboxes, dead letters, what waits for the database"

    async def after_order_period(self) -> list[str]:
        """Nothing has piled up."""
        house = self.world.daemon.house
        if house is None:
            return []
        found = [
            f"{each.mailbox_depth_count} messages wait for {each.name}"
            for each in everybody(house.runtime.tree())
            if each.mailbox_depth_count > MAIL_MAX
        ]
        count = house.store.spool.record_count()
        return [*found, f"{count} spooled records"] if count else found


class NeverHalfDead(Checker):
    """I17."""

    invariant = "I17"
    promise = "a crashed actor is back, or the process ends: never half-dead"

    async def after_order_period(self) -> list[str]:
        """Everybody runs, and each session is ready, or guarded."""
        house = self.world.daemon.house
        if house is None:
            return ["no daemon runs"]
        found = [
            f"{each.name} is {each.state}"
            for each in everybody(house.runtime.tree())
            if each.state not in (State.RUNNING, State.QUARANTINED)
        ]
        for plan in self.world.plan.sessions:
            picture = await self.world.picture(plan.name)
            if picture is None:
                found.append(f"{plan.name}: neither its trader nor a guardian answers")
            elif not picture.state.is_ready and not picture.state.is_exits_only:
                found.append(f"{plan.name} is not ready")
        return found
