"""One seed, one verdict: faults while safety is watched, then calm, in which all must converge."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from actors.app.simulation.commands import order
from actors.app.simulation.coverage import Cell, Coverage
from actors.app.simulation.faults import strike
from actors.app.simulation.invariants import CHECKERS, Broken, Checker
from actors.app.simulation.plan import COMMANDS, Plan, Strike, draw
from actors.app.simulation.world import World
from actors.runtime import SimulatedLoop

POSITIONS_CONVERGE_S = 75.0  # a period with its jitter, its deadline, and a query that just failed
HEARD_S = 5.0
MID_BAR_S = 45.0  # between two bars nobody decides
BROKEN_MAX = 20  # one cause breaks many promises; the first ones tell


@dataclass(frozen=True, slots=True)
class Options:
    """What is run, besides the seed."""

    faults: tuple[str, ...]
    strategy: str = ""
    commands: bool = True
    checkers: tuple[type[Checker], ...] = CHECKERS


@dataclass(slots=True)
class Verdict:
    """What one seed showed."""

    seed: int
    trace_hash: str = ""
    broken: list[Broken] = field(default_factory=list)
    cells: Counter[Cell] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)  # orders, fills, bars, boots, strikes

    @property
    def holds(self) -> bool:
        """Whether every promise held."""
        return not self.broken


def run_seed(
    seed: int, options: Options, on_line: Callable[[float, str], None] | None = None
) -> Verdict:
    """Live through the world of a seed. `on_line` hears the story, an event at a time."""
    plan = draw(seed, options.faults, strategy=options.strategy, commands=options.commands)
    return run_plan(plan, options.checkers, on_line)


def run_plan(
    plan: Plan,
    kinds: Sequence[type[Checker]] = CHECKERS,
    on_line: Callable[[float, str], None] | None = None,
    watch: Callable[[World], None] | None = None,
) -> Verdict:
    """Live through one world. `watch` may look at it before it begins."""
    loop = SimulatedLoop(plan.seed)  # type: ignore[abstract]
    verdict = Verdict(plan.seed)

    def tell(broken: Broken) -> None:
        if len(verdict.broken) < BROKEN_MAX:
            verdict.broken.append(broken)

    async def whole() -> None:
        world = World(plan, loop, on_line)
        checkers = [kind(world, tell) for kind in kinds]
        coverage = Coverage(world)
        for checker in checkers:
            checker.watch()
        if watch is not None:
            watch(world)
        try:
            await _trouble(world, coverage)
            await _calm(world, checkers)
            verdict.trace_hash = loop.trace_hash
        finally:
            world.end()
        verdict.cells = coverage.cells
        verdict.counts = world.counts()

    try:
        loop.run_until_complete(whole())
    except Exception as error:  # the simulated daemon or the simulation itself: never hidden
        tell(Broken("run", loop.time(), f"{type(error).__name__}: {error}"))
        if on_line is not None:
            raise
    finally:
        loop.close()
    return verdict


async def _trouble(world: World, coverage: Coverage) -> None:
    world.begin()
    strikes = [
        asyncio.get_running_loop().create_task(_strike(world, coverage, each))
        for each in world.plan.strikes
    ]
    await _until(world, world.plan.trouble_s)
    for each in strikes:
        each.cancel()


async def _strike(world: World, coverage: Coverage, planned: Strike) -> None:
    await _until(world, planned.at_s)
    if planned.what in COMMANDS:
        world.tell(f"the operator: {planned.what}")
        order(world, planned.what)
        return
    await coverage.moment()
    world.tell(f"strikes: {planned.what}")
    coverage.struck(planned.what)
    strike(world, planned.what)


async def _calm(world: World, checkers: Sequence[Checker]) -> None:
    world.lift()
    began_s = world.loop.time()
    await _until(world, _mid_bar(began_s + POSITIONS_CONVERGE_S))
    for checker in checkers:
        for what in checker.after_position_period():
            checker.broken(what)
    await _until(world, _mid_bar(began_s + world.plan.calm_s - 60))
    world.venue.pause()  # nothing fills any more, and what has filled is heard of
    await asyncio.sleep(HEARD_S)
    for checker in checkers:
        for what in await checker.after_order_period():
            checker.broken(what)


def _mid_bar(at_s: float) -> float:
    """The next instant from there that lies in the middle of a minute."""
    return at_s + (MID_BAR_S - at_s) % 60


async def _until(world: World, at_s: float) -> None:
    left_s = at_s - world.loop.time()
    if left_s > 0:
        await asyncio.sleep(left_s)
