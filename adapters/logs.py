"""Logs: one event a line, with keys; JSON for machines, pretty on a terminal, UTC always.

Every line, a library's too, passes the same way: secrets are taken out, repeats are counted instead
of written, and a thread does the writing, so that a full pipe or a slow disk holds nobody up (then
lines are dropped and counted).
"""

import logging
import queue
import re
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Protocol

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from trader.config import LogFormat, LogsConfig
from trader.money import plain

LINES_MAX = 10_000  # waiting to be written; some 3 MB
_HIDDEN = "***"
_SECRET_KEY = re.compile(
    r"secret|passw(or)?d|token$|authorization|api_?key|key_id|credential|database_url|dsn", re.I
)
_SECRET_TEXT = re.compile(
    r"(?P<head>bearer\s+|://[^/\s:@]*:(?=[^\s'\"]*@)|apca-api-(?:key-id|secret-key)['\"]?\s*[:=,]\s*['\"b]*)"
    r"[^\s'\",@]+",
    re.I,
)


class Redactor:
    """Takes secrets out: those it was told of, keys named like one, and what looks like one."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def conceal(self, secret: str) -> None:
        """Never let this text through again, wherever it stands."""
        if len(secret) >= 8:  # shorter ones would blot out innocent words
            self._known.add(secret)

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        for key, value in event.items():
            event[key] = _HIDDEN if _SECRET_KEY.search(key) else self._clean(value)
        return event

    def _clean(self, value: object) -> object:
        match value:
            case str():
                return self.clean_text(value)
            case Mapping():
                return {
                    key: _HIDDEN if _SECRET_KEY.search(str(key)) else self._clean(inner)
                    for key, inner in value.items()
                }
            case list() | tuple() | set() | frozenset():
                return [self._clean(inner) for inner in value]
            case bool() | int() | float() | None:
                return value
            case _:
                return self.clean_text(_text(value))

    def clean_text(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._known:
            text = text.replace(secret, _HIDDEN)
        return _SECRET_TEXT.sub(lambda found: found["head"] + _HIDDEN, text)


class Repeats:
    """Lets a line through once a window; the others are counted, and the count follows it.

    Floats do not tell lines apart: they are measurements.
    """

    def __init__(
        self,
        window_s: float,
        write_again: Callable[[EventDict], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._window_s = window_s
        self._write_again = write_again
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[tuple[str, str], ...], tuple[float, int, EventDict]] = (
            OrderedDict()
        )

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        if self._window_s <= 0:
            return event
        self.flush()
        key = tuple(
            sorted((name, str(value)) for name, value in event.items() if type(value) is not float)
        )
        with self._lock:
            if key in self._seen:
                since, count, last = self._seen[key]
                self._seen[key] = (since, count + 1, last)
                raise structlog.DropEvent
            self._seen[key] = (self._clock(), 0, dict(event))
        return event

    def flush(self, *, until_s: float | None = None) -> None:
        """Write the counts of windows that have ended."""
        ended = (self._clock() if until_s is None else until_s) - self._window_s
        due: list[EventDict] = []
        with self._lock:
            while self._seen:
                key, (since, count, event) = next(iter(self._seen.items()))
                if since > ended:
                    break
                del self._seen[key]
                if count:
                    due.append({**event, "repeated_count": count})
        for event in due:
            self._write_again(event)


class LineStream(Protocol):
    """Where lines go; a text file is one."""

    def write(self, text: str, /) -> int:
        """Take a line, or a part of one."""
        ...

    def flush(self) -> None:
        """Let it be seen."""
        ...

    def isatty(self) -> bool:
        """Whether a person looks on."""
        ...


class Writer:
    """Writes lines in a thread of its own; never holds the caller up, bounded."""

    def __init__(self, stream: LineStream, on_idle: Callable[[], None]) -> None:
        self._stream = stream
        self._on_idle = on_idle
        self._lines: queue.Queue[str | None] = queue.Queue(LINES_MAX)
        self.dropped_count = 0
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Queue it, or count it as dropped."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.dropped_count += 1

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what waits, as far as the stream lets it."""
        try:
            self._lines.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            try:
                line = self._lines.get(timeout=1.0)
            except queue.Empty:
                self._on_idle()
                continue
            if line is None:
                return
            try:
                self._stream.write(line + "\n")
                if self._lines.empty():
                    self._stream.flush()
            except (OSError, ValueError):
                self.dropped_count += 1  # the reader of the pipe is gone: nobody to tell


class Logs:
    """The house's logging, in force from construction until `close`."""

    def __init__(self, config: LogsConfig, stream: LineStream | None = None) -> None:
        stream = sys.stdout if stream is None else stream
        pretty = config.format is LogFormat.PRETTY or (
            config.format is LogFormat.AUTO and stream.isatty()
        )
        self.redactor = Redactor()
        self._repeats = Repeats(config.repeats_window_s, self._emit)
        self._writer = Writer(stream, self._repeats.flush)
        self._render: Processor = (
            structlog.dev.ConsoleRenderer(colors=stream.isatty())
            if pretty
            else structlog.processors.JSONRenderer(serializer=_json)
        )
        self._finish: tuple[Processor, ...] = (
            structlog.processors.format_exc_info,
            self.redactor,
            self._repeats,
        )
        level = logging.getLevelNamesMapping()[config.level.upper()]
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                *self._finish,
                self._to_writer,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=structlog.ReturnLoggerFactory(),
            cache_logger_on_first_use=False,
        )
        self._handler = _LibraryHandler(self)
        self._root = logging.getLogger()
        self._root.addHandler(self._handler)
        self._root.setLevel(max(level, logging.WARNING))
        # Its lines repeat raw request bytes, which may hold a token.
        logging.getLogger("aiohttp.access").disabled = True

    @property
    def dropped_count(self) -> int:
        """Lines that could not be written in time."""
        return self._writer.dropped_count

    def close(self) -> None:
        """Write what is left and put logging back as it was."""
        self._repeats.flush(until_s=float("inf"))
        self._writer.close()
        self._root.removeHandler(self._handler)
        structlog.reset_defaults()

    def foreign(self, event: EventDict) -> None:
        """A library's line, the same way as ours."""
        try:
            for step in self._finish:
                event = step(None, "", event)  # type: ignore[assignment]
        except structlog.DropEvent:
            return
        self._emit(event)

    def _to_writer(self, _: WrappedLogger, __: str, event: EventDict) -> str:
        self._emit(event)
        raise structlog.DropEvent

    def _emit(self, event: EventDict) -> None:
        stamped = structlog.processors.TimeStamper(fmt="iso", utc=True)(None, "", dict(event))
        self._writer.write(str(self._render(None, "", stamped)))


class _LibraryHandler(logging.Handler):
    """What libraries say through the standard module."""

    def __init__(self, logs: Logs) -> None:
        super().__init__()
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        event: EventDict = {
            "event": "library_said",
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
        }
        if record.exc_info:
            event["exc_info"] = record.exc_info
        self._logs.foreign(event)


def _json(event: EventDict, **_: Any) -> str:
    return orjson.dumps(event, default=_text, option=orjson.OPT_NON_STR_KEYS).decode()


def _text(value: object) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)
