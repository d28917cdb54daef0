"""Every boundary of the order path struck in turn: what became of the order, and what held.

A day is lived through once to find the boundaries. Then once more for each of them, the same up to
that moment, at which the daemon is killed or the actor in whose handler it lies dies half-way; the
service manager or the supervisor starts it again, and in the end the promises are looked at.
"""

import multiprocessing
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from actors.app.simulation.batch import hush
from actors.app.simulation.boundaries import Boundary, How
from actors.app.simulation.crash_days import DAY_S, DAYS, Day
from actors.app.simulation.fates import fate_of, order_in, title_of
from actors.app.simulation.run import run_plan
from actors.app.simulation.world import World
from trader.ids import ClientOrderId


@dataclass(frozen=True, slots=True)
class Case:
    """Where a day is struck: at the `nth` time that a boundary of this name is met."""

    day: str
    point: str
    nth: int
    how: How


@dataclass(frozen=True, slots=True)
class Struck:
    """What came of it. `order`: the one that was on the path; `broken`: the promises, none if all
    held.
    """

    case: Case
    at_s: float
    order: str
    fate: str
    broken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Met:
    """How often a boundary is met in a day, and at which of these times inside a handler."""

    count: int
    in_handler: tuple[int, ...]


Found = Mapping[str, Mapping[str, Met]]  # by day, then by boundary


def discover(days: Iterable[str] = DAYS) -> Found:
    """Every boundary of these days, in the order in which they are first met."""
    return {day: _discovered(DAYS[day]) for day in days}


def _discovered(day: Day) -> dict[str, Met]:
    counts: dict[str, int] = {}
    inside: dict[str, list[int]] = defaultdict(list)

    def watch(world: World) -> None:
        def hear(boundary: Boundary) -> None:
            if world.loop.time() >= DAY_S:
                return
            nth = counts[boundary.name] = counts.get(boundary.name, 0) + 1
            if boundary.handler:
                inside[boundary.name].append(nth)

        day.arrange(world)
        world.boundaries.listen(hear)

    run_plan(day.plan(), watch=watch)
    return {name: Met(count, tuple(inside[name])) for name, count in counts.items()}


def cases(
    found: Found, points: Collection[str], hows: Sequence[How], occurrences_max: int
) -> Iterator[Case]:
    """All there is to strike at these points: a few times a day each, spread over it."""
    for point in points:
        for day, met in found.items():
            for how in hows if point in met else ():
                times = range(1, met[point].count + 1) if how is How.KILL else met[point].in_handler
                for nth in _spread(times, occurrences_max):
                    yield Case(day, point, nth, how)


def strike(case: Case) -> Struck:
    """Live through the day, struck there."""
    day = DAYS[case.day]
    met, about, at_s = 0, ClientOrderId(""), -1.0
    worlds: list[World] = []

    def watch(world: World) -> None:
        def hear(boundary: Boundary) -> How | None:
            nonlocal met, about, at_s
            if at_s >= 0:
                return None
            about = order_in(boundary.subject) or about
            met += boundary.name == case.point
            if boundary.name != case.point or met != case.nth:
                return None
            at_s = world.loop.time()
            return case.how

        worlds.append(world)
        day.arrange(world)
        world.boundaries.listen(hear)

    verdict = run_plan(day.plan(), watch=watch)
    assert at_s >= 0, f"{case} was not met"
    (world,) = worlds
    return Struck(
        case, at_s, title_of(world, about), fate_of(world, about, at_s),
        tuple(map(str, verdict.broken)),
    )  # fmt: skip


def strike_all(struck_at: Sequence[Case], jobs: int) -> Iterator[Struck]:
    """All of them, in that order, over so many processes."""
    if jobs == 1:
        yield from map(strike, struck_at)
        return
    spawning = multiprocessing.get_context("spawn")  # a fork would inherit whatever runs here
    with ProcessPoolExecutor(jobs, mp_context=spawning, initializer=hush) as pool:
        try:
            yield from pool.map(strike, struck_at, chunksize=8)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _spread(times: Sequence[int], count_max: int) -> list[int]:
    """So many of them, the first and the last among them."""
    if len(times) <= count_max:
        return list(times)
    if count_max == 1:
        return [times[0]]
    step = (len(times) - 1) / (count_max - 1)
    return [times[round(place * step)] for place in range(count_max)]
