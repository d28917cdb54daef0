"""`make mutants`: every planted bug must be caught. For each the median count of seeds it took.

A try begins at a seed of its own and ends when a checker speaks. A bug that no try has caught is a
hole in the workload or in the checkers, and the table fails.
"""

import argparse
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from statistics import median

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from tests.mutants.bugs import BUGS
from tests.mutants.hunt import SEEDS_MAX, Catch, in_a_process

TRY_STEP = 1_000  # seeds between the starts of two tries


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these bugs")
    parser.add_argument("--tries", type=int, default=10)
    parser.add_argument("--seeds-max", type=int, default=SEEDS_MAX, help="of one try")
    parser.add_argument("--from", type=int, default=1, dest="first", help="the first seed")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in BUGS]
    if unknown:
        parser.error(f"no bug named {', '.join(unknown)}; there are {', '.join(BUGS)}")
    names = tuple(chosen.names or BUGS)
    hunts = [
        (name, chosen.first + number * TRY_STEP, chosen.seeds_max)
        for number in range(chosen.tries)
        for name in names
    ]
    catches = tuple(_watched(_hunted(hunts, chosen.jobs), len(hunts)))
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 160)
    console.print(table(names, catches))
    missed = [name for name in names if not any(_is_caught(c) for c in catches if c.bug == name)]
    if missed:
        console.print(f"[bold red]never caught[/]: {', '.join(missed)}")
    console.print(f"{len(names) - len(missed)} of {len(names)} bugs caught")
    raise SystemExit(1 if missed else 0)


def table(names: Sequence[str], catches: Sequence[Catch]) -> Table:
    """A line for each bug."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("planted bug")
    shown.add_column("caught", justify="right")
    shown.add_column("median seeds", justify="right")
    shown.add_column("first by")
    shown.add_column("what it does")
    for name in names:
        ours = [each for each in catches if each.bug == name]
        caught = [each for each in ours if _is_caught(each)]
        shown.add_row(
            name if caught else f"[red]{name}[/]",
            f"{len(caught)}/{len(ours)}",
            f"{median(each.seeds_count for each in caught):g}" if caught else "-",
            ", ".join(sorted({each.invariants[0] for each in caught})),
            BUGS[name].says,
        )
    return shown


def _hunted(hunts: Sequence[tuple[str, int, int]], jobs: int) -> Iterator[Catch]:
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawning) as pool:
        waiting: list[Future[Catch]] = [pool.submit(in_a_process, *each) for each in hunts]
        for done in as_completed(waiting):
            yield done.result()


def _watched(catches: Iterator[Catch], total: int) -> Iterator[Catch]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True, soft_wrap=True)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("hunts", total=total)
        for catch in catches:
            yield catch
            progress.update(task, advance=1, description=catch.bug)
            if not console.is_terminal:
                console.print(_in_a_line(catch), highlight=False, markup=False)


def _in_a_line(catch: Catch) -> str:
    if not _is_caught(catch):
        return f"{catch.bug}: not caught in {catch.seeds_count} seeds"
    first, *_ = catch.invariants
    return f"{catch.bug}: {first} at seed {catch.seed}, the {catch.seeds_count}.: {catch.what}"


def _is_caught(catch: Catch) -> bool:
    return bool(catch.invariants)


if __name__ == "__main__":
    main()
