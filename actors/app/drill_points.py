"""`trader drill crash-points`: each boundary of the order path, what struck it, what came of it."""

import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from actors.app.simulation.batch import hush
from actors.app.simulation.boundaries import How
from actors.app.simulation.crash_days import DAYS
from actors.app.simulation.crash_points import Struck, cases, discover, strike_all
from actors.app.simulation.crash_table import POINTS
from adapters.gateway.client import ExitCode

HOWS = {"kill": (How.KILL,), "crash": (How.CRASH_BEFORE, How.CRASH_AFTER)}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be struck; "" is all."""

    point: str
    day: str
    how: str
    occurrences_max: int
    jobs: int


def strike_points(wishes: Wishes, *, as_json: bool) -> int:
    """Strike them, show what came of it; the exit code."""
    points = (_known("point", wishes.point, POINTS),) if wishes.point else tuple(POINTS)
    days = (_known("day", wishes.day, DAYS),) if wishes.day else tuple(DAYS)
    hows = HOWS[_known("how", wishes.how, HOWS)]
    hush()
    struck_at = list(cases(discover(days), points, hows, wishes.occurrences_max))
    console = Console(stderr=as_json, soft_wrap=True)
    each = track(
        strike_all(struck_at, wishes.jobs),
        description="crash points",
        total=len(struck_at),
        console=console,
        transient=True,
    )
    found = list(each)
    is_held = not any(struck.broken for struck in found)
    if as_json:
        whole = {"is_held": is_held, "points": [_item(struck) for struck in found]}
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
    else:
        _show(found, console)
        console.print(_in_a_line(found), highlight=False)
    return 0 if is_held else ExitCode.FAILED


def _known(what: str, name: str, names: Collection[str]) -> str:
    if name not in names:
        raise typer.BadParameter(f"no {what} {name!r}; known are {', '.join(names)}")
    return name


def _show(found: Sequence[Struck], console: Console) -> None:
    """Point by point, each with what came of it."""
    for point, says in POINTS.items():
        here = [struck for struck in found if struck.case.point == point]
        if not here:
            continue
        console.print(f"[bold]{point}[/]  [dim]{says}[/]", highlight=False)
        table = Table.grid(padding=(0, 2))
        for width in (4, 5, 3, 12, 22, 60):
            table.add_column(min_width=width)
        table.add_column()
        for struck in here:
            case = struck.case
            promises = f"[bold red]{struck.broken[0]}[/]" if struck.broken else "[green]hold[/]"
            moment = (case.day, f"{case.nth}.", case.how)
            table.add_row("", *moment, struck.order, struck.fate, promises)
        console.print(table)


def _in_a_line(found: Sequence[Struck]) -> str:
    points_count = len({struck.case.point for struck in found})
    broken_count = sum(bool(struck.broken) for struck in found)
    verdict = "every promise holds." if not broken_count else f"{broken_count} DO NOT HOLD."
    return f"{points_count} points struck {len(found)} times: {verdict}"


def _item(struck: Struck) -> dict[str, object]:
    case = struck.case
    return {
        "point": case.point,
        "says": POINTS[case.point],
        "day": case.day,
        "occurrence": case.nth,
        "how": case.how,
        "at_s": struck.at_s,
        "order": struck.order,
        "fate": struck.fate,
        "broken": list(struck.broken),
    }
