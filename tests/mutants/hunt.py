"""The hunt: worlds are lived through with a bug planted, until a checker speaks of it."""

from dataclasses import dataclass

from actors.app.simulation import batch
from actors.app.simulation.faults import KINDS
from actors.app.simulation.plan import Plan, draw
from actors.app.simulation.run import run_plan
from tests.mutants.planting import Bug

SEEDS_MAX = 300  # a bug not caught within so many is not caught


@dataclass(frozen=True, slots=True)
class Catch:
    """How a hunt ended. No invariants: it was not caught in so many seeds."""

    bug: str
    seeds_count: int
    seed: int
    invariants: tuple[str, ...]
    what: str = ""  # in a checker's words


def hunt(bug: Bug, first: int, seeds_max: int = SEEDS_MAX) -> Catch:
    """Seed after seed. A checker that speaks of the sound daemon too has caught nothing."""
    for seed in range(first, first + seeds_max):
        plan = plan_of(bug, seed)
        with bug.planted():
            verdict = run_plan(plan)
        told = {each.invariant: each.what for each in reversed(verdict.broken)}
        told.pop("run", None)  # the simulation itself failed: no checker has spoken
        if not told:
            continue
        sound = {each.invariant for each in run_plan(plan).broken}
        caught = [name for name in told if name not in sound]
        if caught:
            caught.reverse()
            return Catch(bug.name, seed - first + 1, seed, tuple(caught), told[caught[0]])
    return Catch(bug.name, seeds_max, -1, ())


def plan_of(bug: Bug, seed: int) -> Plan:
    """The world of that seed in which the bug is looked for."""
    return bug.bend(draw(seed, bug.faults or tuple(KINDS)))


def in_a_process(bug_name: str, first: int, seeds_max: int) -> Catch:
    """The same for a process of its own."""
    from tests.mutants.bugs import BUGS

    batch.hush()
    return hunt(BUGS[bug_name], first, seeds_max)
