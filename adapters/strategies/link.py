"""The daemon's end of one strategy host: what it was asked, in order, and for how long it thinks.

A host serves one request after another, so whoever waits at the head of the line is the one being
served: its deadline runs from when it came to the head, and it is the culprit if the host dies.
"""

import asyncio
import os
import socket
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from adapters.strategies.host import HELLO
from adapters.strategies.output import forward_output
from adapters.strategies.wire import (
    Answer,
    Decide,
    OutOfStep,
    Request,
    decode_answer,
    encode_requests,
)
from trader.session.events import StrategyFailed

_LINE_LENGTH_MAX = 1_000_000  # of an answer; longer is no answer
_GRACE_S = 0.005  # an answer may lie unread when the daemon itself was held up
_END_S = 2.0  # a host that is asked to end has so long
# A host gets no secret of the daemon's environment.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")


@dataclass(slots=True)
class Waiting:
    """One request under way."""

    number: int
    request: Request
    deadline_s: float
    answer: asyncio.Future[Answer]


class HostLink(asyncio.Protocol):
    """See the module. `ended` is called once, when the host is gone."""

    def __init__(self, ended: Callable[["HostLink"], None]) -> None:
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._output: asyncio.Future[tuple[None, None]] | None = None
        self._greeted = asyncio.Event()  # or gone before it could
        self._buffer = b""
        self._number = 0
        self._waiting: deque[Waiting] = deque()
        self._outbox: list[tuple[int, Request]] = []
        self._head_since_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._suspected = 0  # number of the request that was found late once
        self.end_code = "strategy_host_died"
        self.end_detail = "its host process ended"
        self.is_up = False

    @property
    def pid(self) -> int:
        """The host's process id."""
        assert self._process is not None
        return self._process.pid

    async def spawn(self) -> "HostLink":
        """Start the process, never a fork of this one, and wait until it is ready."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "adapters.strategies.host",
                    str(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    pass_fds=[theirs.fileno()],
                    env=_environment(),
                    start_new_session=True,  # Ctrl-C is the daemon's to answer
                )
            self._forward_output(self._process)
            await self._loop.create_unix_connection(lambda: self, sock=ours)
            await self._greeted.wait()
            if not self.is_up:
                raise ConnectionError("a strategy host ended while it started")
        except BaseException:
            await self.stop()
            ours.close()
            raise
        return self

    def ask(self, request: Request, deadline_s: float) -> asyncio.Future[Answer]:
        """Put it at the end of the line; all that is asked in one turn leaves in one message."""
        self._number += 1
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._waiting.append(Waiting(self._number, request, deadline_s, answer))
        if len(self._waiting) == 1:
            self._head_changed()
        if not self._outbox:
            self._loop.call_soon(self._flush)
        self._outbox.append((self._number, request))
        return answer

    def kill(self, code: str, detail: str) -> None:
        """End the host now; whoever waits at the head of the line pays."""
        self.is_up = False
        self.end_code, self.end_detail = code, detail
        assert self._transport is not None
        self._kill_process()
        self._transport.abort()

    async def stop(self) -> None:
        """Hang up, and see that the process is gone."""
        self._ended = lambda link: None
        if self._transport is not None:
            self._transport.abort()
        if self._process is not None:
            try:
                async with asyncio.timeout(_END_S):
                    await self._process.wait()
            except TimeoutError:
                self._kill_process()
                await self._process.wait()
        if self._output is not None:
            with suppress(TimeoutError):  # whom a strategy started may hold the pipe
                async with asyncio.timeout(_END_S):
                    await self._output

    def take_waiting(self) -> list[Waiting]:
        """What was under way, the head first; it is not waited for any more."""
        waiting = [each for each in self._waiting if not each.answer.done()]
        self._waiting.clear()
        return waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there (the process may not be yet)."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers, each to the head of the line."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        try:
            for line in lines:
                self._answered(line)
            if len(self._buffer) > _LINE_LENGTH_MAX:
                raise OutOfStep("an answer without end")
        except OutOfStep as error:
            self.kill("strategy_host_died", f"its host broke the protocol: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """The host is gone, or as good as."""
        self.is_up = False
        if self._timer is not None:
            self._timer.cancel()
        self._kill_process()
        self._greeted.set()
        self._ended(self)

    def _answered(self, line: bytes) -> None:
        if not self._greeted.is_set():
            if line + b"\n" != HELLO:
                raise OutOfStep("no hello")
            self.is_up = True
            self._greeted.set()
            return
        if not self._waiting:
            raise OutOfStep("an answer to nothing")
        head = self._waiting[0]
        answer = decode_answer(line, head.number, head.request)
        self._waiting.popleft()
        if self._waiting:
            self._head_changed()
        if not head.answer.done():
            head.answer.set_result(answer)

    def _flush(self) -> None:
        outbox, self._outbox = self._outbox, []
        if self.is_up and self._transport is not None:
            self._transport.write(encode_requests(outbox))

    def _head_changed(self) -> None:
        self._head_since_s = self._loop.time()
        self._watch(self._head_since_s + self._waiting[0].deadline_s)

    def _watch(self, due_s: float) -> None:
        if self._timer is not None:
            if self._timer.when() <= due_s:
                return  # it will look again then
            self._timer.cancel()
        self._timer = self._loop.call_at(due_s, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        head = self._waiting[0]
        now_s = self._loop.time()
        due_s = self._head_since_s + head.deadline_s
        if due_s > now_s:
            self._watch(due_s)
        elif self._suspected != head.number:
            self._suspected = head.number
            self._watch(now_s + _GRACE_S)
        else:
            what = "decision" if isinstance(head.request, Decide) else "warm-up"
            detail = f"no {what} within {head.deadline_s} s; its host was ended"
            self.kill("strategy_late", detail)

    def _forward_output(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._output = asyncio.gather(
            forward_output(process.stdout, process.pid, "stdout"),
            forward_output(process.stderr, process.pid, "stderr"),
        )

    def _kill_process(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


def failed(waiting: Waiting, code: str, detail: str) -> StrategyFailed:
    """The answer to a request that its host did not live to give; the strategy is gone with it."""
    request = waiting.request
    bar_opened_at = request.candle.opened_at if isinstance(request, Decide) else None
    return StrategyFailed(request.session_id, bar_opened_at, code, detail, request.rebuild, True)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    path = os.pathsep.join(filter(None, sys.path))
    # Sets iterate in the same order in every host: a strategy decides the same in each.
    return kept | {"PYTHONPATH": path, "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"}
