"""`trader config check` and `trader config show`: the configuration, without a daemon."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from adapters.gateway.client import ExitCode

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The file; else ./config.toml, else the XDG one.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="section.key=value, as often as needed.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Mount `config check` and `config show`."""
    config = typer.Typer(help="The effective configuration.", no_args_is_help=True)
    config.command()(check)
    config.command()(show)
    app.add_typer(config, name="config")


def check(
    config: ConfigOption = None, overrides: Overrides = None, as_json: AsJson = False
) -> None:
    """Read the configuration as the daemon would; every problem at once, exit code 2."""
    from adapters.config_file import load  # the models: not for every `trader status`
    from trader.errors import ConfigInvalid

    try:
        loaded = load(config, overrides=overrides or ())
        problems: tuple[str, ...] = ()
    except ConfigInvalid as error:
        problems = error.problems
    if as_json:
        sys.stdout.write(json.dumps({"problems": problems}, indent=2) + "\n")
    for problem in () if as_json else problems:
        sys.stderr.write(problem + "\n")
    if problems:
        raise typer.Exit(ExitCode.USAGE)
    if not as_json:
        where = loaded.path or "no file, defaults only"
        sys.stdout.write(f"✔ {where}: {len(loaded.effective())} keys, no problem\n")


def show(config: ConfigOption = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Every effective value and where it came from."""
    from adapters.config_file import load
    from adapters.gateway import tables
    from trader.errors import ConfigInvalid

    try:
        effective = [asdict(one) for one in load(config, overrides=overrides or ()).effective()]
    except ConfigInvalid as error:
        sys.stderr.write("\n".join(error.problems) + "\n")
        raise typer.Exit(ExitCode.USAGE) from None
    if as_json:
        sys.stdout.write(json.dumps({"items": effective}, indent=2) + "\n")
    else:
        tables.show(tables.tabled(effective, tables.CONFIG, empty="no keys"))
