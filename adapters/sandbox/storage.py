"""The venue's memory: an append-only file of commands, one JSON line each, replayed at start.

A line is handed to the operating system before anybody hears of what it did, so that it outlives
a `kill -9` of the venue; `Durability.FSYNC` makes it outlive the machine's fall, too.
"""

import fcntl
import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from adapters.sandbox.commands import Command

HEADER = b'{"sandbox_journal":1}\n'
_COMMAND: TypeAdapter[Any] = TypeAdapter(Command)


class Durability(StrEnum):
    """What a written command survives."""

    PROCESS = "process"
    FSYNC = "fsync"


class JournalUnreadable(Exception):
    """The data directory cannot be used as it is; the message says what to do."""


class CommandJournal:
    """One file, held by one process at a time."""

    def __init__(self, path: Path, durability: Durability) -> None:
        self._path = path
        self._durability = durability
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise JournalUnreadable(f"{path.parent} belongs to another sandbox venue") from error

    def replay(self) -> Iterator[Command]:
        """Every command written so far, oldest first. A last line without its end never counted."""
        whole = 0
        with self._path.open("rb") as lines:
            header = lines.readline()
            if header not in (b"", HEADER):
                raise JournalUnreadable(
                    f"{self._path} was written by another version: choose another data directory"
                )
            whole += len(header)
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                yield _COMMAND.validate_json(line)
                whole += len(line)
        os.ftruncate(self._file, whole)
        if not whole:
            self._write(HEADER)

    def append(self, command: Command) -> None:
        """Write one command."""
        self._write(_COMMAND.dump_json(command) + b"\n")

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _write(self, line: bytes) -> None:
        written = os.write(self._file, line)
        if written != len(line):
            # A torn line would spoil the next one: better to stop than to keep a wrong book.
            raise JournalUnreadable(f"{self._path}: the disk took {written} of {len(line)} bytes")
        if self._durability is Durability.FSYNC:
            os.fdatasync(self._file)
