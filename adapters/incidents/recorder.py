"""The recorder: keeps what each session's heart is given and answers, a file each, off the loop.

Owns: one thread, one bounded queue, and for each session `<session>.jsonl` and the file before it,
`<session>.1.jsonl`. Each file can be replayed by itself: a new one begins with the session's state.

Edge cases: what the queue has no room for, or the disk refuses, is counted and dropped until the
session's state can be written again; the count stands where they are missing. A record never holds
up a decision.
"""

import contextlib
import dataclasses
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import structlog

from adapters.incidents.heart import RecordedHeart
from adapters.incidents.page import Began, Ended, Record, encode_record, head_line
from trader.ids import SessionId

QUEUE_RECORDS_MAX = 10_000
CLOSE_TIMEOUT_S = 5.0
BREATH_S = 0.00005  # after each record: else this thread keeps the interpreter from the loop for ms
SECRET_LENGTH_MIN = 8  # shorter ones would blot out innocent words
_HIDDEN = b"[hidden]"

log = structlog.get_logger()


class Recorder:
    """See the module."""

    def __init__(
        self,
        folder: Path,
        now: Callable[[], datetime],
        *,
        file_bytes_max: int,
        secrets: Sequence[str] = (),
        queue_records_max: int = QUEUE_RECORDS_MAX,
    ) -> None:
        self._folder = folder
        self._now = now
        self._file_bytes_max = file_bytes_max
        self._secrets = tuple(s.encode() for s in secrets if len(s) >= SECRET_LENGTH_MIN)
        self._queue_records_max = queue_records_max
        self._queue: queue.SimpleQueue[tuple[SessionId, Record] | None] = queue.SimpleQueue()
        self._hearts: dict[SessionId, RecordedHeart] = {}
        self._files: dict[SessionId, _Files] = {}
        self._is_closing = False
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._write_all, name="recorder", daemon=True)
        self._thread.start()

    def heart(self, session_id: SessionId) -> RecordedHeart:
        """The session's heart, recorded; the same one for each of its bodies."""
        if session_id not in self._hearts:
            self._hearts[session_id] = RecordedHeart(
                lambda record: self._put(session_id, record), self._now, self._is_calm
            )
        return self._hearts[session_id]

    def ended(self, session_id: SessionId, reason: str) -> None:
        """A body of that session ended."""
        if session_id in self._hearts:
            self._hearts[session_id].keep(Ended(self._now(), reason))

    def close(self) -> None:
        """Write what waits, and end; a disk that hangs does not hold up the end."""
        self._is_closing = True
        self._queue.put(None)
        self._thread.join(CLOSE_TIMEOUT_S)

    def _put(self, session_id: SessionId, record: Record) -> bool:
        if self._queue.qsize() >= self._queue_records_max:
            return False
        self._queue.put((session_id, record))
        return True

    def _is_calm(self) -> bool:
        return self._queue.qsize() < self._queue_records_max // 2

    # In the thread

    def _write_all(self) -> None:
        while (item := self._queue.get()) is not None:
            session_id, record = item
            files = self._files.get(session_id)
            if files is None:
                files = self._files[session_id] = _Files(
                    self._folder, session_id, self._file_bytes_max, self._secrets
                )
            if files.take(record):
                self._hearts[session_id].wants_state = True
            if not self._is_closing:
                time.sleep(BREATH_S)
        for files in self._files.values():
            files.close()


class _Files:
    """A session's newest file, and the one before it."""

    def __init__(
        self, folder: Path, session_id: SessionId, bytes_max: int, secrets: tuple[bytes, ...]
    ) -> None:
        name = quote(session_id, safe="")
        self._newest, self._older = folder / f"{name}.jsonl", folder / f"{name}.1.jsonl"
        self._session_id = session_id
        self._bytes_max = bytes_max
        self._secrets = secrets
        self._fd: int | None = None
        self._size = 0
        self._is_holed = False  # something is missing: nothing more until the state is written
        self._is_state_wanted = False
        self._lost_count = 0

    def take(self, record: Record) -> bool:
        """Write it; whether the session's state is wanted from now on."""
        if isinstance(record, Began):
            self._is_holed = self._is_state_wanted = False
        if self._is_holed:
            self._lost_count += 1
            return False
        try:
            self._write(record)
        except Exception as error:  # a full disk, a value without words: never the session's loss
            log.error("recording_failed", file=str(self._newest), error=repr(error))
            self._lost_count += 1
            self._is_holed = True
        was_wanted = self._is_state_wanted
        is_full = self._size > self._bytes_max and not isinstance(record, Began)
        self._is_state_wanted = self._is_holed or is_full
        return self._is_state_wanted and not was_wanted

    def close(self) -> None:
        """Close the newest."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _write(self, record: Record) -> None:
        if isinstance(record, Began):
            if self._size > self._bytes_max:
                self.close()
                self._newest.replace(self._older)
            record = dataclasses.replace(record, lost_count=record.lost_count + self._lost_count)
        if self._fd is None:
            self._open()
        self._append(encode_record(record))
        if isinstance(record, Began):
            self._lost_count = 0

    def _open(self) -> None:
        """Go on in the file that is there, after its last whole line."""
        self._fd = os.open(self._newest, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = _end_of_lines(self._fd)
        os.ftruncate(self._fd, self._size)
        os.lseek(self._fd, self._size, os.SEEK_SET)
        if self._size == 0:
            self._append(head_line(self._session_id))

    def _append(self, line: bytes) -> None:
        assert self._fd is not None
        for secret in self._secrets:
            line = line.replace(secret, _HIDDEN)
        try:
            left = memoryview(line)
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError:
            with contextlib.suppress(OSError):  # no half line before the next one
                os.ftruncate(self._fd, self._size)
                os.lseek(self._fd, self._size, os.SEEK_SET)
            raise
        self._size += len(line)


def _end_of_lines(fd: int) -> int:
    """Where the last whole line ends."""
    end = os.fstat(fd).st_size
    while end > 0:
        start = max(0, end - 65_536)
        found = os.pread(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
