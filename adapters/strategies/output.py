"""What strategies print, as lines of the daemon's log: bounded, so that none floods it."""

import asyncio

import structlog

_log = structlog.get_logger()

_CHUNK_BYTES = 65_536
_LINE_LENGTH_MAX = 2_000
_LINES_MAX = 50  # of one chunk; the rest is counted
_PAUSE_S = 0.1  # between chunks: who prints more than that is held back by its own pipe


async def forward_output(stream: asyncio.StreamReader, pid: int, name: str) -> None:
    """Log what comes until the stream ends."""
    rest = b""
    while chunk := await stream.read(_CHUNK_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[:_LINE_LENGTH_MAX]
        _log_lines(lines, pid, name)
        await asyncio.sleep(_PAUSE_S)
    if rest:
        _log_lines([rest], pid, name)


def _log_lines(lines: list[bytes], pid: int, name: str) -> None:
    for line in lines[:_LINES_MAX]:
        text = line[:_LINE_LENGTH_MAX].decode(errors="replace")
        _log.info("strategy_output", host_pid=pid, stream=name, text=text)
    if len(lines) > _LINES_MAX:
        dropped = len(lines) - _LINES_MAX
        _log.warning("strategy_output_dropped", host_pid=pid, stream=name, line_count=dropped)
