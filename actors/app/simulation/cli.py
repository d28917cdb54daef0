"""`trader simulate`: worlds by the thousand, or one of them told in full."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from actors.app.simulation import batch, report
from actors.app.simulation.coverage import never_met
from actors.app.simulation.faults import KINDS
from actors.app.simulation.run import Options, run_seed
from adapters.gateway.client import ExitCode

COVERING_SEEDS_COUNT = 5_000  # from here on an empty cell is a hole in the workload

app = typer.Typer(add_completion=False)


@app.command()
def simulate(
    seeds: Annotated[int, typer.Option(min=1, help="How many worlds.")] = 200,
    first: Annotated[int, typer.Option("--from", min=0, help="The first seed.")] = 1,
    seed: Annotated[int | None, typer.Option(min=0, help="Only this one.")] = None,
    faults: Annotated[str, typer.Option(help="all, none, or names with commas.")] = "all",
    strategy: Annotated[
        str, typer.Option(help="Yours: a name, or path/to/file.py:Class; else ours, drawn.")
    ] = "",
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 2,
    trace: Annotated[bool, typer.Option("--trace", help="The whole story of --seed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The daemon under seeded faults; each seed a world of three sessions and thirty minutes.

    Faults strike and safety is watched at every step; then they end, and all must converge.
    """
    options = Options(_chosen(faults), strategy)
    console = Console(stderr=as_json, soft_wrap=True)
    if seed is not None:
        raise typer.Exit(_one(seed, options, trace=trace, as_json=as_json))
    if trace:
        raise typer.BadParameter("--trace tells one world: give it with --seed N")
    replay = _replay(faults, strategy)
    verdicts = batch.run_batch(range(first, first + seeds), options, jobs)
    summary = report.watch(verdicts, seeds, console, replay)
    empty = _empty(summary, options.faults) if seeds >= COVERING_SEEDS_COUNT else []
    if as_json:
        _say(summary, empty)
    else:
        console.print(report.coverage_table(summary, options.faults))
        for line in empty:
            console.print(line, style="bold red")
        console.print(_in_a_line(summary), highlight=False)
    raise typer.Exit(ExitCode.FAILED if summary.failed or empty else 0)


def _one(seed: int, options: Options, *, trace: bool, as_json: bool) -> int:
    batch.hush()

    def tell(at_s: float, line: str) -> None:
        sys.stdout.write(f"{at_s:12.6f}  {line}\n")

    verdict = run_seed(seed, options, tell if trace else None)
    if as_json:
        sys.stdout.write(
            json.dumps(
                {
                    "seed": seed,
                    "trace_hash": verdict.trace_hash,
                    "broken": [str(each) for each in verdict.broken],
                    **verdict.counts,
                }
            )
            + "\n"
        )
    else:
        for broken in verdict.broken:
            sys.stdout.write(f"BROKEN {broken}\n")
        counts = ", ".join(f"{count} {what}" for what, count in verdict.counts.items())
        sys.stdout.write(
            f"seed {seed}: {'holds' if verdict.holds else 'BROKEN'}; {counts};"
            f" trace {verdict.trace_hash}\n"
        )
    return 0 if verdict.holds else ExitCode.FAILED


def _chosen(faults: str) -> tuple[str, ...]:
    if faults == "all":
        return tuple(KINDS)
    names = () if faults == "none" else tuple(faults.split(","))
    unknown = [name for name in names if name not in KINDS]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: unknown; known are {', '.join(KINDS)}")
    return names


def _replay(faults: str, strategy: str) -> str:
    words = ["trader simulate --seed {seed} --trace"]
    words += [f"--faults {faults}"] if faults != "all" else []
    words += [f"--strategy {strategy}"] if strategy else []
    return " ".join(words)


def _in_a_line(summary: report.Summary) -> str:
    counts = ", ".join(f"{count:,} {what}" for what, count in summary.counts.items())
    return (
        f"{summary.seeds_count} worlds, {len(summary.failed)} broken, {counts};"
        f" {summary.per_minute:.0f} seeds/min"
    )


def _empty(summary: report.Summary, faults: Sequence[str]) -> list[str]:
    """So many worlds must have met everything that can be met."""
    cells = never_met(summary.cells, faults)
    return [f"{fault} never met an order that was {status}" for fault, status in cells]


def _say(summary: report.Summary, empty: list[str]) -> None:
    found = {
        "seeds": summary.seeds_count,
        "per_minute": round(summary.per_minute),
        "failed": {each.seed: [str(b) for b in each.broken] for each in summary.failed},
        "never_met": empty,
        "cells": {f"{fault} x {state}": n for (fault, state), n in summary.cells.items()},
        **summary.counts,
    }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


def main(arguments: Sequence[str]) -> None:
    """The verb."""
    app(args=list(arguments), prog_name="trader simulate")
