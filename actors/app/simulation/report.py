"""What a batch says: progress, each violation with the command that replays it, the tables."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from actors.app.simulation.coverage import Cell
from actors.app.simulation.faults import KINDS
from actors.app.simulation.run import Verdict
from trader.orders.order import Status


@dataclass(slots=True)
class Summary:
    """All verdicts of a batch, added up."""

    seeds_count: int = 0
    took_s: float = 0.0
    failed: list[Verdict] = field(default_factory=list)
    cells: Counter[Cell] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def per_minute(self) -> float:
        """Seeds a minute."""
        return 60 * self.seeds_count / self.took_s if self.took_s else 0.0

    def add(self, verdict: Verdict) -> None:
        """One more."""
        self.seeds_count += 1
        self.cells += verdict.cells
        self.counts += verdict.counts
        if not verdict.holds:
            self.failed.append(verdict)


def watch(verdicts: Iterable[Verdict], total: int, console: Console, how_to_replay: str) -> Summary:
    """Show them as they come; answers with their sum."""
    summary, began_s = Summary(), perf_counter()
    columns = (
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]:.0f} seeds/min"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("worlds", total=total, speed=0.0)
        for verdict in verdicts:
            summary.add(verdict)
            summary.took_s = perf_counter() - began_s
            progress.update(task, advance=1, speed=summary.per_minute)
            if not verdict.holds:
                progress.console.print(violation(verdict, how_to_replay), highlight=False)
    return summary


def violation(verdict: Verdict, how_to_replay: str) -> str:
    """What broke in a seed, and how to see it again."""
    first, *rest = verdict.broken
    more = f"  (and {len(rest)} more)\n" if rest else ""
    return (
        f"[bold red]seed {verdict.seed}[/]: {first}\n{more}"
        f"  replay: {how_to_replay.format(seed=verdict.seed)}"
    )


def coverage_table(summary: Summary, faults: Iterable[str]) -> Table:
    """Faults by order states: how often each was met."""
    states = [status for status in Status if any(state == status for _, state in summary.cells)]
    table = Table(title="faults x order states", title_justify="left", box=None, pad_edge=False)
    table.add_column("fault")
    for state in states:
        table.add_column(_short(state), justify="right")
    for name in faults:
        cells = (summary.cells[name, state] for state in states)
        table.add_row(f"{KINDS[name].group} {name}", *(str(each or "-") for each in cells))
    return table


def _short(status: Status) -> str:
    return status.lower().replace("_", "\n")
