"""What a drill runs on: its folder, its sessions, the daemon's configuration."""

import os
from collections.abc import Mapping
from pathlib import Path

from actors.app import drill_strategies
from actors.app.venues import SandboxProcess
from trader.config import SandboxConfig

ACCOUNT = "DRILL-1"
STRATEGIES = ("Restless", "Guarded", "Patient")  # by turns: every kind of order, all the time
SYMBOLS = (
    *("AAPL", "AMD", "AMZN", "BAC", "CSCO", "DIS", "F", "GE", "GOOG", "IBM", "INTC", "JPM"),
    *("KO", "META", "MSFT", "NFLX", "NKE", "NVDA", "ORCL", "PFE", "T", "TSLA", "WMT", "XOM"),
)
SPEED = 120.0  # a minute's bar each half second
POSITION_PERIOD_S = 2.0
IN_FLIGHT_BOUND_S = 3.0  # longer than a drill's faults hold a request back


def market(seed: int) -> SandboxConfig:
    """Invented prices for as many instruments as there are sessions."""
    return SandboxConfig(symbols=SYMBOLS, speed=SPEED, seed=seed, prefill_bars_count=50)


def prepare(folder: Path) -> None:
    """The folder, and the strategies as a user's own file in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    strategies = folder / "strategies.py"
    strategies.write_bytes(Path(drill_strategies.__file__).read_bytes())
    strategies.chmod(0o600)


def environ_for(venue: SandboxProcess) -> Mapping[str, str]:
    """Ours without what would configure a daemon, and with the keys of the venue's account."""
    ours = {name: text for name, text in os.environ.items() if not name.startswith("TRADER__")}
    ours.pop("DATABASE_URL", None)
    key, secret_file = venue.keys[ACCOUNT]
    return {**ours, "APCA_API_KEY_ID": key, "APCA_API_SECRET_KEY": secret_file.read_text("ascii")}


def write_config(folder: Path, venue: SandboxProcess) -> Path:
    """An Alpaca account that happens to be on loopback; short periods, wide limits."""
    sessions = "".join(
        f"""
[sessions.{symbol.lower()}]
account = "drill"
symbol = "{symbol}"
strategy = '{folder / "strategies.py"}:{STRATEGIES[n % len(STRATEGIES)]}'
isolation = "inline"
warmup_bars_count = 20
"""
        for n, symbol in enumerate(SYMBOLS)
    )
    file = folder / "config.toml"
    file.write_text(
        f"""
[daemon]
data_dir = '{folder / "data"}'
state_dir = '{folder / "state"}'

[reconcile]
position_period_s = {POSITION_PERIOD_S}
order_period_s = 5.0
unknown_probe_s = 0.5

[risk]
orders_per_minute_max = 1000000
orders_per_day_max = 1000000

[admin]
port = 0

[accounts.drill]
venue = "alpaca"
url = "{venue.url}"
stream_url = "{venue.stream_url}"
data_url = "{venue.url}"
data_stream_url = "{venue.data_stream_url}"
in_flight_bound_s = {IN_FLIGHT_BOUND_S}
{sessions}""",
        "utf-8",
    )
    return file
