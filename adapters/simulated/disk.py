"""The disk of a simulated machine: what outlives its daemon's processes, the spool and HALT file.

A process that is killed leaves what it wrote; a machine that loses its power loses, wholly or in
part, what was not flushed yet.
"""

import errno
import math
import os
import random
from collections.abc import Callable
from enum import StrEnum

from adapters.simulated.line import Line, Way

FLUSH_S = (0.0005, 0.02)
SECTOR_BYTES = 512  # is written wholly or not at all


class DiskTrouble(StrEnum):
    """What may be wrong with a disk for a while."""

    FAILING = "FAILING"  # no write succeeds
    FULL = "FULL"  # no new file; whatever was preallocated can still be written
    HANGING = "HANGING"  # no flush returns before it is over


class Disk:
    """Made outside of every process that uses it."""

    def __init__(self, elapsed: Callable[[], float], seed: int | str) -> None:
        self.chance = random.Random(f"disk {seed}")
        self.spool = MemoryFile(self)
        self.halt_file = MemoryHaltFile(self)
        self.refused_s = -math.inf  # when it last refused a write, or let one hang
        self._elapsed = elapsed
        self._until_s: dict[DiskTrouble, float] = {}

    def strike(self, trouble: DiskTrouble, for_s: float) -> None:
        """From now on, for so long."""
        self._until_s[trouble] = self._elapsed() + for_s

    def calm(self) -> None:
        """All trouble is over."""
        self._until_s.clear()

    def lose_power(self) -> None:
        """Whoever ran there has been killed already."""
        self.spool.lose_power()

    def left_s(self, trouble: DiskTrouble) -> float:
        """How much longer it lasts; 0: there is none."""
        return max(0.0, self._until_s.get(trouble, 0.0) - self._elapsed())

    def now_s(self) -> float:
        """Seconds of the world."""
        return self._elapsed()

    def refuse(self, *troubles: DiskTrouble) -> None:
        """Raises OSError while one of them lasts."""
        for trouble in troubles:
            if self.left_s(trouble):
                self.refused_s = self._elapsed()
                code = errno.ENOSPC if trouble is DiskTrouble.FULL else errno.EIO
                raise OSError(code, os.strerror(code))


class MemoryFile:
    """Fulfils `adapters.store.spool.WrittenThrough`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.line = Line()
        self._bytes = bytearray()
        self._unflushed: list[tuple[int, bytes]] = []  # where, and what stood there before

    def open(self, bytes_count: int) -> bytes:
        """Its content, at least that long."""
        if len(self._bytes) < bytes_count:
            self._disk.refuse(DiskTrouble.FAILING, DiskTrouble.FULL)
            self._bytes.extend(bytes(bytes_count - len(self._bytes)))
        return bytes(self._bytes)

    async def write(self, offset: int, data: bytes) -> None:
        """On the disk when it returns."""
        self._disk.refuse(DiskTrouble.FAILING)
        before = offset, bytes(self._bytes[offset : offset + len(data)])
        self._bytes[offset : offset + len(data)] = data
        self._unflushed.append(before)
        if self._disk.left_s(DiskTrouble.HANGING):
            self._disk.refused_s = self._disk.now_s()
        flush_s = self._disk.chance.uniform(*FLUSH_S) + self._disk.left_s(DiskTrouble.HANGING)
        await self.line.ask(Way(flush_s, 0.0), lambda: self._flush(before), "flush")

    def holds(self, text: bytes) -> bool:
        """Whether that stands in it, for checkers."""
        return text in self._bytes

    def close(self) -> None:
        """What was written stays."""

    def lose_power(self) -> None:
        """What was not flushed is there, is not there, or in part."""
        for offset, before in reversed(self._unflushed):
            lost_from = self._disk.chance.randrange(0, len(before) + SECTOR_BYTES, SECTOR_BYTES)
            self._bytes[offset + lost_from : offset + len(before)] = before[lost_from:]
        self._unflushed.clear()

    def _flush(self, before: tuple[int, bytes]) -> None:
        if before in self._unflushed:
            self._unflushed.remove(before)


class MemoryHaltFile:
    """Fulfils `actors.app.operator.HaltFile`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._text: str | None = None

    def __str__(self) -> str:
        return "HALT"

    def exists(self) -> bool:
        """Whether somebody wrote it."""
        return self._text is not None

    def write(self, text: str) -> None:
        """Durable when it returns."""
        self._disk.refuse(DiskTrouble.FAILING, DiskTrouble.FULL)
        self._text = text

    def remove(self) -> None:
        """Gone when it returns."""
        self._disk.refuse(DiskTrouble.FAILING)
        self._text = None
