"""`trader drill`: proofs that anyone can run. `kill` is kill -9 while orders flow."""

import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from actors.app.drill_judge import Violation
from actors.app.drill_rounds import Report, Round, kill_often
from actors.app.drill_setup import prepare
from adapters.gateway.client import ExitCode
from trader.errors import TraderError

app = typer.Typer(help="Proofs that anyone can run.", no_args_is_help=True)


@app.callback()
def _proofs() -> None:
    """Proofs that anyone can run."""


@app.command()
def kill(
    times: Annotated[int, typer.Option(min=1, help="How many kills.")] = 50,
    seed: Annotated[int, typer.Option(help="Of the kills and of the prices.")] = 1,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Kept afterwards; else a temporary one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """kill -9 the daemon at random moments while orders flow, and compare with the venue's truth.

    After each restart, within one reconcile: no order without a row, none doubled, none lost,
    fills and positions equal at the venue, in the database and in memory.
    """
    with _kept_where_it_fails(folder) as place:
        prepare(place)
        report = asyncio.run(_drilled(place, times, seed, as_json=as_json))
        if as_json:
            found = {"seed": seed, "is_held": report.is_held, **asdict(report)}
            sys.stdout.write(json.dumps(found) + "\n")
        else:
            _print_table(report)
        if not report.is_held:
            again = f"trader drill kill --times {len(report.rounds)} --seed {seed}"
            sys.stderr.write(f"It does not hold. Again: {again}\nEverything is in {place}\n")
            raise typer.Exit(ExitCode.FAILED)


@app.command("crash-points")
def crash_points(
    point: Annotated[str, typer.Option(help="Only this one, as it stands in the table.")] = "",
    day: Annotated[str, typer.Option(help="Only this one: quiet, spool or doubt.")] = "",
    how: Annotated[
        str, typer.Option(help="kill: the daemon; crash: the actor, half-way through its handler.")
    ] = "kill",
    occurrences: Annotated[
        int, typer.Option(min=1, help="At how many of its moments each is struck.")
    ] = 2,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Strike a simulated daemon at every boundary of the order path, and say what became of it.

    Every send, wait, request and commit has a name. At each in turn the daemon is killed and
    started again; in the end its promises are held against the venue's and the rows' true history.
    """
    from actors.app import drill_points

    wishes = drill_points.Wishes(point, day, how, occurrences, jobs)
    raise typer.Exit(drill_points.strike_points(wishes, as_json=as_json))


@contextlib.contextmanager
def _kept_where_it_fails(folder: Path | None) -> Iterator[Path]:
    """A folder of the drill's own. A temporary one goes when all went well."""
    place = folder.absolute() if folder else Path(tempfile.mkdtemp(prefix="trader-drill-"))
    try:
        yield place
    except TraderError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\nEverything is in {place}\n")
        raise typer.Exit(ExitCode.FAILED) from error
    if folder is None:
        shutil.rmtree(place)


async def _drilled(place: Path, times: int, seed: int, *, as_json: bool) -> Report:
    def tell(each: Round) -> None:
        if not as_json:  # JSON is one object, at the end
            sys.stdout.write(_line(each, times) + "\n")
            sys.stdout.flush()

    return await kill_often(place, times, seed, tell)


def _line(each: Round, times: int) -> str:
    verdict = "holds" if not each.violations else "DOES NOT HOLD"
    line = (
        f"{each.n:>3}/{times}  killed {each.killed_after_ms:>5} ms into the flow, {each.aim:<17}  "
        f"in flight {each.in_flight_count:>2}  agreed after {each.agreed_after_ms:>5} ms  {verdict}"
    )
    return "\n".join([line, *map(_words, each.violations)])


def _words(found: Violation) -> str:
    return f"     {found.invariant}: {found.text} {' '.join(found.ids)}".rstrip()


def _print_table(report: Report) -> None:
    table = Table(title="kill -9 while orders flow")
    for head in (
        "round",
        "aim",
        "killed after",
        "in flight",
        "orders",
        "fills",
        "in doubt",
        "agreed after",
    ):
        table.add_column(head, justify="left" if head == "aim" else "right")
    table.add_column("verdict")
    for each in report.rounds:
        table.add_row(
            str(each.n),
            each.aim,
            f"{each.killed_after_ms} ms",
            str(each.in_flight_count),
            str(each.orders_count),
            str(each.fills_count),
            str(each.doubted_count),
            f"{each.agreed_after_ms} ms",
            ", ".join(sorted({v.invariant for v in each.violations})) or "holds",
        )
    Console().print(table)
    in_flight = sum(each.in_flight_count for each in report.rounds)
    lines = [
        f"{len(report.rounds)} kills, {in_flight} orders in flight at them: "
        + ("everything holds." if report.is_held else "IT DOES NOT HOLD."),
        *map(_words, report.at_the_end),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
