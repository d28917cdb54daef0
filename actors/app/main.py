"""The command `trader`: every verb, loaded only when it is used (a client verb takes no daemon)."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters import config_verbs
from adapters.gateway import cli
from adapters.gateway.client import ExitCode

if TYPE_CHECKING:
    from adapters.config_file import Loaded

PASSED_ON: dict[str, Any] = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The file; else ./config.toml, else the XDG one.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="section.key=value, as often as needed.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(
    help="A supervised trader: one daemon, many sessions, honest when something breaks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def run(
    config: ConfigOption = None,
    overrides: Overrides = None,
    json_logs: Annotated[bool, typer.Option("--json-logs", help="JSON on a terminal too.")] = False,
) -> None:
    """The daemon, until SIGTERM or Ctrl-C; a second one hurries it."""
    from actors.app.run import run as run_daemon

    extra = ["logs.format=json"] if json_logs else []
    raise typer.Exit(run_daemon(_loaded(config, [*(overrides or ()), *extra])))


@app.command(context_settings=PASSED_ON, add_help_option=False)
def sandbox(context: typer.Context) -> None:
    """The sandbox venue alone; its own options, see `trader sandbox --help`."""
    from adapters.sandbox.server import main as run_sandbox

    raise typer.Exit(run_sandbox(context.args))


@app.command()
def demo(
    chaos: Annotated[bool, typer.Option("--chaos", help="Break things, and watch.")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Start over: forget its data.")] = False,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Its data; else the user's data folder (XDG).")
    ] = None,
    for_s: Annotated[
        float | None, typer.Option("--for", min=1, help="Seconds; else until Ctrl-C.")
    ] = None,
    fill_within_s: Annotated[
        float, typer.Option("--fill-within", min=1, help="Seconds; without a fill it fails.")
    ] = 35.0,
) -> None:
    """A house that trades at once: sandbox venue, real recorded bars, three sessions."""
    began_s = perf_counter()
    from actors.app.demo import run_demo
    from actors.app.demo_tour import Wishes

    wishes = Wishes(for_s, fill_within_s, with_chaos=chaos)
    took_s = perf_counter() - began_s
    raise typer.Exit(run_demo(folder, wishes, is_reset=reset, took_s=took_s))


@app.command(context_settings=PASSED_ON, add_help_option=False)
def drill(context: typer.Context) -> None:
    """Proofs that anyone can run; see `trader drill --help`."""
    from actors.app.drill import app as drills

    drills(context.args, prog_name="trader drill")


@app.command(context_settings=PASSED_ON, add_help_option=False)
def simulate(context: typer.Context) -> None:
    """The daemon in thousands of seeded worlds; see `trader simulate --help`."""
    from actors.app.simulation.cli import main as run_simulation

    run_simulation(context.args)


cli.register(app)
config_verbs.register(app)

db = typer.Typer(help="The database.", no_args_is_help=True)
app.add_typer(db, name="db")


@db.command("status")
def db_status(
    config: ConfigOption = None, overrides: Overrides = None, as_json: AsJson = False
) -> None:
    """Which server answers, and its schema. Exit code 5 where something is to be upgraded."""
    from dataclasses import asdict

    from actors.app import database
    from adapters.folders import folders

    settings = _loaded(config, overrides or ()).settings
    places = folders(settings.daemon.data_dir, settings.daemon.state_dir)
    found = _answered(database.status(settings, places))
    if found is None:
        _say({"server": "none yet: it is made at the first start"}, as_json)
        raise typer.Exit(ExitCode.DEGRADED)
    _say(asdict(found), as_json)
    if not found.schema.is_current:
        raise typer.Exit(ExitCode.DEGRADED)


@db.command("upgrade")
def db_upgrade(
    config: ConfigOption = None, overrides: Overrides = None, as_json: AsJson = False
) -> None:
    """Bring the schema up to date; the daemon does the same at its start."""
    from dataclasses import asdict

    from actors.app import database
    from adapters.folders import folders

    settings = _loaded(config, overrides or ()).settings
    places = folders(settings.daemon.data_dir, settings.daemon.state_dir)
    _say(asdict(_answered(database.upgrade(settings, places))), as_json)


@app.command("replay-incident")
def replay_incident(
    file: Annotated[Path, typer.Argument(help="A recording, or the folder of them.")],
    session: Annotated[str, typer.Option(help="Only this session's.")] = "",
    life: Annotated[int | None, typer.Option(min=1, help="Only this life of it.")] = None,
    as_json: AsJson = False,
    is_whole: Annotated[
        bool, typer.Option("--all", help="Every event and effect, told and compared.")
    ] = False,
    pytest_file: Annotated[
        Path | None, typer.Option("--pytest", help="Write a test of it, its data beside it.")
    ] = None,
    is_accepted: Annotated[
        bool, typer.Option("--accept", help="What is decided now is right: write it into FILE.")
    ] = False,
) -> None:
    """What was recorded (`daemon.record`) is decided once more. Exit code 1 where it differs."""
    from actors.app import incident_verb

    wishes = incident_verb.Wishes(session, life, as_json, is_whole, pytest_file, is_accepted)
    raise typer.Exit(incident_verb.replay_incident(file, wishes))


@app.command()
def doctor(config: ConfigOption = None, as_json: AsJson = False) -> None:
    """Everything that can be wrong, looked at; each finding with what to do about it."""
    from dataclasses import asdict

    from adapters.config_file import load
    from adapters.doctor import Finding, examine
    from adapters.folders import folders
    from adapters.gateway import tables
    from trader.errors import ConfigInvalid

    findings = list(examine(config))
    try:
        settings = load(config).settings
    except ConfigInvalid:
        pass  # found above
    else:
        from actors.app.checkup import examine_house

        async def rest() -> list[Finding]:
            places = folders(settings.daemon.data_dir, settings.daemon.state_dir)
            return [finding async for finding in examine_house(settings, places)]

        findings += _answered(rest())
    items = [asdict(finding) for finding in findings]
    if as_json:
        sys.stdout.write(json.dumps({"items": items}, indent=2) + "\n")
    else:
        tables.show(tables.tabled(items, tables.FINDINGS, empty="nothing was looked at"))
    if not all(finding.is_ok for finding in findings):
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def version(as_json: AsJson = False) -> None:
    """Which program this is."""
    import importlib.metadata
    import platform

    program = importlib.metadata.version("trader-runtime")
    found = {"version": program, "python": platform.python_version()}
    sys.stdout.write(
        json.dumps(found) + "\n" if as_json else f"trader {program}, Python {found['python']}\n"
    )


def main() -> None:
    """The entry point."""
    app()


# ----------------------------------------------------------------------------------------- plumbing


def _loaded(config: Path | None, overrides: Sequence[str]) -> "Loaded":
    from adapters.config_file import load
    from trader.errors import ConfigInvalid

    try:
        return load(config, overrides=overrides)
    except ConfigInvalid as error:
        sys.stderr.write("\n".join(error.problems) + "\n")
        raise typer.Exit(ExitCode.USAGE) from None


def _answered(question: Any) -> Any:
    """Its answer; what the world refuses is said in a line."""
    import asyncio

    from trader.errors import ConfigInvalid, TraderError

    try:
        return asyncio.run(question)
    except ConfigInvalid as error:
        sys.stderr.write("\n".join(error.problems) + "\n")
        raise typer.Exit(ExitCode.USAGE) from None
    except TraderError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        raise typer.Exit(ExitCode.FAILED) from None


def _say(body: dict[str, Any], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(body, indent=2, default=str) + "\n")
        return
    for key, value in body.items():
        for name, one in value.items() if isinstance(value, dict) else ((key, value),):
            sys.stdout.write(f"{name.replace('_', ' '):<16} {one}\n")


if __name__ == "__main__":
    main()
