"""`trader demo`: the daemon, its own sandbox venue, real recorded bars, and words for a viewer."""

import importlib.metadata
import platform
import shutil
import sys
from pathlib import Path

import platformdirs
from rich.console import Console

from actors.app.demo_screen import Screen
from actors.app.demo_tour import Tour, Wishes
from actors.app.lock import is_held
from actors.app.run import run
from adapters.clock import SystemClock
from adapters.config_file import Loaded
from adapters.gateway.client import ExitCode
from trader.config import LogFormat, Settings

APP = "trader-demo"
PARTS = ("data", "state")  # of the demo's folder; only these are removed


def run_demo(folder: Path | None, wishes: Wishes, *, is_reset: bool, took_s: float) -> int:
    """Run it; answers the exit code. `took_s`: how long the program took to load."""
    place = folder.absolute() if folder is not None else platformdirs.user_data_path(APP)
    if is_held(place / "state"):
        sys.stderr.write(f"a demo runs already in {place}: stop it first, or use --dir\n")
        return ExitCode.REFUSED
    if is_reset:
        for part in PARTS:
            shutil.rmtree(place / part, ignore_errors=True)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    log_file = place / "demo.log"
    console = Console(highlight=False, soft_wrap=True)
    screen = Screen(console, log_file, SystemClock().now())
    packages = len(list(importlib.metadata.distributions()))
    screen.step("environment", f"{packages} packages, Python {platform.python_version()}", took_s)
    loaded = Loaded(_settings(place), {}, None)
    with screen:
        return run(loaded, Tour(screen, wishes, log_file).beside, screen)


def _settings(place: Path) -> Settings:
    """The shipped house, with a data folder of its own and never another's database."""
    account = "demo"
    return Settings.model_validate(
        {
            "daemon": {
                "data_dir": str(place / "data"),
                "state_dir": str(place / "state"),
                "stop_grace_s": 2.0,
                "record": True,
            },
            "store": {"database_url_env": ""},
            "reconcile": {"position_period_s": 10.0},
            "logs": {"format": LogFormat.JSON, "repeats_window_s": 0.0},
            "accounts": {account: {"venue": "sandbox"}},
            "sessions": {
                "aapl-sma": {"account": account, "symbol": "AAPL", "strategy": "sma_cross"},
                "ibm-donchian": {"account": account, "symbol": "IBM", "strategy": "donchian"},
                "msft-meanrev": {
                    "account": account,
                    "symbol": "MSFT",
                    "strategy": "mean_reversion",
                },
            },
        }
    )
