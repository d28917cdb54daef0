"""Folders: where the daemon keeps things, and where its clients find them (XDG by default).

Data is the embedded database and the spool; state is what lies beside (token, socket, HALT).
Reads no settings model, so that `trader halt` finds the socket even past a broken configuration.
"""

import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

APP = "trader"


def config_file_candidates(cwd: Path) -> tuple[Path, ...]:
    """Where a configuration is looked for when none is named, first match wins."""
    return (cwd / "config.toml", platformdirs.user_config_path(APP) / "config.toml")


@dataclass(frozen=True, slots=True)
class Folders:
    """The daemon's places. Nothing is created by asking; `make` does."""

    data: Path
    state: Path

    @property
    def token_file(self) -> Path:
        """The HTTP token, mode 0600."""
        return self.state / "token"

    @property
    def socket(self) -> Path:
        """The command line's door, mode 0600."""
        return self.state / "trader.sock"

    @property
    def recordings(self) -> Path:
        """What sessions heard and decided, a file each, where `daemon.record` is true."""
        return self.data / "recordings"

    @property
    def halt_file(self) -> Path:
        """While it exists no entry leaves, whatever else is broken."""
        return self.state / "HALT"

    def make(self) -> None:
        """Create both, for the owner only. Modes of folders that exist are left alone."""
        for folder in (self.data, self.state):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def folders(data_dir: str = "", state_dir: str = "") -> Folders:
    """From the two keys of [daemon]; an empty one means XDG."""
    return Folders(
        data=Path(data_dir).expanduser() if data_dir else platformdirs.user_data_path(APP),
        state=Path(state_dir).expanduser() if state_dir else platformdirs.user_state_path(APP),
    )


@dataclass(frozen=True, slots=True)
class ClientPlaces:
    """What a client verb needs to know."""

    socket: Path
    halt_file: Path


def client_places(
    config: Path | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
) -> ClientPlaces:
    """Read leniently: what cannot be read counts as not set."""
    candidates = (config,) if config else config_file_candidates(cwd or Path.cwd())
    found = next((path for path in candidates if path.is_file()), None)
    tables: dict[str, object] = {}
    if found is not None:
        with suppress(OSError, ValueError):
            tables = tomllib.loads(found.read_text("utf-8"))

    def key(table: str, name: str) -> str:
        section = tables.get(table)
        value = section.get(name, "") if isinstance(section, dict) else ""
        return environ.get(f"TRADER__{table}__{name}".upper(), value if type(value) is str else "")

    places = folders(state_dir=key("daemon", "state_dir"))
    socket = key("admin", "socket")
    return ClientPlaces(Path(socket).expanduser() if socket else places.socket, places.halt_file)
