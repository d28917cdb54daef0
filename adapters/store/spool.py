"""The spool: where exits and cancels are durable while the database is down.

One file of slots of equal size, written through at its making, so that a full disk cannot stop an
exit. A slot is a header and a JSON text; the checksum tells a torn one, which was never
acknowledged. What was replayed is given up by one write: the file's first slot says from which
generation on records count.
"""

import asyncio
import os
import struct
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter

from trader.errors import StoreUnavailable, StoreUnsafe
from trader.orders.order import Change, Order
from trader.ports import Journal
from trader.proofs import Durability, Recorded
from trader.records import ChangeEntry, Fence, Kept, OrderEntry

RECORDS_COUNT_MAX = 1_000
SLOT_BYTES = 4_096
FLUSH_TIMEOUT_S = 2.0  # a disk that hangs must not hold back an exit
_HEADER = struct.Struct("<QQII")  # generation, number, length and checksum of the text
_RECORD = TypeAdapter[tuple[Order | Change, Fence]](tuple[Order | Change, Fence])


@dataclass(frozen=True, slots=True)
class _Record:
    """One spooled item. `number` is its place in the order of all; `generation` starts at 1."""

    generation: int
    number: int
    item: Order | Change
    fence: Fence


class WrittenThrough(Protocol):
    """A file whose every write is on the disk when it returns. Raises OSError."""

    def open(self, bytes_count: int) -> bytes:
        """Its content; every block of that many bytes has its room from now on."""
        ...

    async def write(self, offset: int, data: bytes) -> None:
        """Within what was made room for."""
        ...

    def close(self) -> None:
        """What was written stays."""
        ...


class DiskFile:
    """Fulfils `WrittenThrough`. Flushes in a thread, never on the loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def open(self, bytes_count: int) -> bytes:
        """Open it, made and preallocated where there is none."""
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = os.fstat(self._fd).st_size
        if size < bytes_count:
            # Every block is written once, so that later writes need no space and no new metadata.
            os.pwrite(self._fd, bytes(bytes_count - size), size)
            os.fsync(self._fd)
            folder = os.open(self._path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        return os.pread(self._fd, max(size, bytes_count), 0)

    async def write(self, offset: int, data: bytes) -> None:
        """Raises OSError."""
        await asyncio.to_thread(self._write, offset, data)

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)

    def _write(self, offset: int, data: bytes) -> None:
        os.pwrite(self._fd, data, offset)
        os.fsync(self._fd)


class FileSpool:
    """Fulfils `trader.ports.Spool`."""

    def __init__(
        self,
        file: WrittenThrough,
        now: Callable[[], datetime],
        *,
        records_count_max: int = RECORDS_COUNT_MAX,
    ) -> None:
        """Open the file. Raises StoreUnsafe."""
        self._file = file
        self._now = now
        self._records_count_max = records_count_max
        try:
            content = file.open(SLOT_BYTES * (records_count_max + 1))
        except OSError as error:
            raise StoreUnsafe(f"no room to record exits while the database is down: {error}") from (
                error
            )
        self._oldest = max(1, _HEADER.unpack_from(content)[0])
        self._by_slot = _read(content, self._oldest)
        self._generation = max((r.generation for r in self._by_slot.values()), default=self._oldest)
        self._next_number = 1 + max((r.number for r in self._by_slot.values()), default=0)
        self._free = deque(n for n in range(1, records_count_max + 1) if n not in self._by_slot)
        self._in_memory: list[_Record] = []
        self._under_way: list[_Record] = []  # not on the disk yet

    def record_count(self) -> int:
        """Records not yet replayed, and those that are being written."""
        return len(self._by_slot) + len(self._in_memory) + len(self._under_way)

    async def append(self, entry: OrderEntry | ChangeEntry) -> Recorded[Order] | Recorded[Change]:
        """Durable in the file; with the file full or failing, in memory only, and said so."""
        item = entry.order.item if isinstance(entry, OrderEntry) else entry.change.item
        record = _Record(self._generation, self._next_number, item, entry.fence)
        self._next_number += 1
        recorded_at = self._now()
        self._under_way.append(record)
        try:
            slot = self._free.popleft()
            async with asyncio.timeout(FLUSH_TIMEOUT_S):
                await self._file.write(slot * SLOT_BYTES, _text_of(record))
            self._by_slot[slot] = record
            durability = Durability.SPOOL
        except (IndexError, OSError, TimeoutError, _TooLong):
            if len(self._in_memory) < self._records_count_max:
                self._in_memory.append(record)
            durability = Durability.MEMORY
        finally:
            self._under_way.remove(record)
        if isinstance(item, Order):
            return Recorded(item, recorded_at, durability)
        return Recorded(item, recorded_at, durability)

    async def replay(self, journal: Journal) -> int:
        """Have the journal adopt every record, then give their slots up. Returns how many it kept.

        Raises StoreUnavailable; twice is as good as once, also at the same time. What is appended
        meanwhile stays, and what was being written when it began.
        """
        slots, memories = dict(self._by_slot), tuple(self._in_memory)
        if not slots and not memories:
            return 0
        self._generation += 1  # of whatever is appended from now on
        records = sorted((*slots.values(), *memories), key=lambda record: record.number)
        outcomes = await journal.adopt([(record.item, record.fence) for record in records])
        stay = [*self._under_way, *(r for n, r in self._by_slot.items() if slots.get(n) is not r)]
        oldest = min((record.generation for record in stay), default=self._generation)
        try:
            await self._file.write(0, _HEADER.pack(oldest, 0, 0, 0))
        except OSError as error:
            raise StoreUnavailable(f"spool: {error}") from error
        for slot, record in slots.items():
            if self._by_slot.get(slot) is record:
                del self._by_slot[slot]
                self._free.append(slot)
        self._in_memory = [record for record in self._in_memory if record not in memories]
        return sum(isinstance(outcome, Kept) for outcome in outcomes)

    def close(self) -> None:
        """Close the file; its records stay."""
        self._file.close()


class _TooLong(Exception):
    """The text does not fit its slot."""


def _text_of(record: _Record) -> bytes:
    """As it stands in its slot. Raises _TooLong."""
    text = _RECORD.dump_json((record.item, record.fence))
    if len(text) > SLOT_BYTES - _HEADER.size:
        raise _TooLong
    checksum = zlib.crc32(text, _salt(record.generation, record.number))
    return _HEADER.pack(record.generation, record.number, len(text), checksum) + text


def _read(content: bytes, oldest: int) -> dict[int, _Record]:
    by_slot = {}
    for slot in range(1, len(content) // SLOT_BYTES):
        start = slot * SLOT_BYTES
        generation, number, length, checksum = _HEADER.unpack_from(content, start)
        text = content[start + _HEADER.size : start + _HEADER.size + length]
        if generation >= oldest and zlib.crc32(text, _salt(generation, number)) == checksum:
            item, fence = _RECORD.validate_json(text)
            by_slot[slot] = _Record(generation, number, item, fence)
    return by_slot


def _salt(generation: int, number: int) -> int:
    return (generation * 1_000_003 + number) & 0xFFFFFFFF
