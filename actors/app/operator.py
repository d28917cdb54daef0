"""The operator's word, latched: a row in the database, a HALT file, and what the gates look at.

Owns: the trading state of this house. Halting needs neither database nor actors: the file counts
as the row until the database is back. While the file exists no entry leaves, whoever made it.
"""

import os
from datetime import datetime
from pathlib import Path
from typing import Protocol

from trader.session.events import TradingState, TradingStateChanged


class HaltFile(Protocol):
    """While it exists no entry leaves."""

    def exists(self) -> bool:
        """Asked at the socket: it only looks."""
        ...

    def write(self, text: str) -> None:
        """Durable when it returns. Raises OSError."""
        ...

    def remove(self) -> None:
        """Gone, durably, when it returns. Raises OSError."""
        ...


class Latch:
    """See the module. `halted` is asked at the socket, so it only looks."""

    def __init__(self, halt_file: HaltFile) -> None:
        self._file = halt_file
        self.state = TradingStateChanged(TradingState.ACTIVE, "")
        self.is_resuming = False
        self.resumed_at: datetime | None = None

    def halted(self) -> str:
        """Why no entry may leave now; "" if one may."""
        if self.state.state is not TradingState.ACTIVE:
            return self.state.reason or "halted"
        if self._file.exists():
            return f"the file {self._file} exists"
        return ""

    def has_file(self) -> bool:
        """Whoever made it."""
        return self._file.exists()

    def current(self) -> TradingStateChanged:
        """The state a starting session begins with; the file counts as HALTED."""
        why = self.halted()
        if why and self.state.state is TradingState.ACTIVE:
            return TradingStateChanged(TradingState.HALTED, why)
        return self.state

    def write_file(self, reason: str) -> None:
        """Durable before anybody is told. Raises OSError."""
        self._file.write(reason)

    def remove_file(self) -> None:
        """Only `resume` does this. Raises OSError."""
        self._file.remove()


class HaltFileOnDisk:
    """Fulfils `HaltFile`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def exists(self) -> bool:
        """Whoever made it."""
        return os.path.exists(self._path)

    def write(self, text: str) -> None:
        """Make it."""
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(file, text.encode())
            os.fsync(file)
        finally:
            os.close(file)
        self._sync_folder()

    def remove(self) -> None:
        """Where there is one."""
        self._path.unlink(missing_ok=True)
        self._sync_folder()

    def _sync_folder(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
