"""A TCP proxy on loopback that fails as networks do: it cuts, hangs up, stalls, swallows, dawdles.

Each connection through it is a `Link`, which can be told at any moment to fail, or to fail at a
byte or at certain words. Whatever connects is counted; so is every byte.
"""

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PIECE_BYTES_MAX = 65_536
PATIENCE_S = 10.0  # how long a test waits for what must come
RESET = struct.pack("ii", 1, 0)  # closed with a linger of nothing: the peer hears RST

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Way(StrEnum):
    """A direction through the proxy."""

    UP = "UP"  # to the server
    DOWN = "DOWN"  # to the client


class _Lane:
    """One direction of a link."""

    def __init__(self) -> None:
        self.passed_count = 0  # bytes
        self.flows = asyncio.Event()
        self.flows.set()
        self.is_swallowed = False
        self.pause_s = 0.0
        self.piece_bytes_max = PIECE_BYTES_MAX
        self.mark: int | None = None
        self.words: bytes | None = None
        self.act: Callable[[], None] | None = None

    def before_mark(self, piece: bytes) -> int | None:
        """How many bytes of the piece come before the mark; None: all of them."""
        if self.act is None:
            return None
        if self.mark is not None and self.passed_count + len(piece) > self.mark:
            return self.mark - self.passed_count
        if self.words is not None and (place := piece.find(self.words)) >= 0:
            return place
        return None

    def reach_mark(self) -> None:
        """Do what was to be done there, once."""
        act, self.act, self.mark, self.words = self.act, None, None, None
        assert act is not None
        act()


class Link:
    """One connection, from the client's accepted socket to the server's."""

    def __init__(self) -> None:
        self.lanes = {way: _Lane() for way in Way}
        self.has_ended = asyncio.Event()  # the client's side is closed, by whomever
        self._ends: dict[Way, asyncio.StreamWriter] = {}  # whither that way leads

    # What it can be told

    def reset(self) -> None:
        """RST to both sides, at once."""
        for end in self._ends.values():
            with contextlib.suppress(OSError):  # closed already, which is as good; a Unix socket
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.transport.abort()
        self.has_ended.set()

    def hang_up(self) -> None:
        """FIN to both sides, after what is already under way."""
        for end in self._ends.values():
            end.close()
        self.has_ended.set()

    def stall(self, *ways: Way) -> None:
        """Read no further; what comes waits, the end of the connection too."""
        for way in ways or Way:
            self.lanes[way].flows.clear()

    def swallow(self, *ways: Way) -> None:
        """Half-open: what comes is lost, and neither side learns that the other one has gone."""
        for way in ways or Way:
            self.lanes[way].is_swallowed = True

    def slow(self, every_s: float, bytes_count: int = PIECE_BYTES_MAX, *ways: Way) -> None:
        """So many bytes, each time after a pause."""
        for way in ways or Way:
            self.lanes[way].pause_s, self.lanes[way].piece_bytes_max = every_s, bytes_count

    def resume(self) -> None:
        """No longer stalled, nor swallowing."""
        for lane in self.lanes.values():
            lane.is_swallowed = False
            lane.flows.set()

    def after(self, way: Way, bytes_count: int, act: Callable[[], None]) -> None:
        """Let so many more bytes pass; before the next one, act."""
        lane = self.lanes[way]
        lane.mark, lane.words, lane.act = lane.passed_count + bytes_count, None, act

    def before(self, way: Way, words: bytes, act: Callable[[], None]) -> None:
        """Act before these words pass."""
        lane = self.lanes[way]
        lane.mark, lane.words, lane.act = None, words, act

    def passed(self, way: Way) -> int:
        """How many bytes went through."""
        return self.lanes[way].passed_count

    async def ended(self) -> None:
        """Until the client's side is closed."""
        async with asyncio.timeout(PATIENCE_S):
            await self.has_ended.wait()

    # How it works

    async def serve(self, client: Streams, dial: Callable[[], Awaitable[Streams]]) -> None:
        """Relay until both sides are done."""
        self._ends[Way.DOWN] = client[1]
        try:
            server = await dial()
        except OSError:
            self.reset()
            return
        self._ends[Way.UP] = server[1]
        if self.has_ended.is_set():  # while we dialed
            self.reset()
            return
        await asyncio.gather(self._relay(Way.UP, client[0]), self._relay(Way.DOWN, server[0]))
        self.hang_up()

    async def _relay(self, way: Way, source: asyncio.StreamReader) -> None:
        lane = self.lanes[way]
        try:
            while piece := await source.read(PIECE_BYTES_MAX):
                while piece:
                    if lane.pause_s:
                        await asyncio.sleep(lane.pause_s)
                    part = piece[: lane.piece_bytes_max]
                    piece = piece[len(part) :]
                    while (count := lane.before_mark(part)) is not None:
                        await self._pass(way, part[:count])
                        part = part[count:]
                        lane.reach_mark()
                    await self._pass(way, part)
        except ConnectionError:
            if way is Way.UP:
                self.has_ended.set()
            if not lane.is_swallowed:
                await lane.flows.wait()
                self.reset()
            return
        if way is Way.UP:
            self.has_ended.set()
        await lane.flows.wait()
        if not lane.is_swallowed and self._ends[way].can_write_eof():
            with contextlib.suppress(OSError):
                self._ends[way].write_eof()

    async def _pass(self, way: Way, piece: bytes) -> None:
        lane = self.lanes[way]
        await lane.flows.wait()
        if piece and not lane.is_swallowed:
            lane.passed_count += len(piece)
            self._ends[way].write(piece)
            await self._ends[way].drain()


class Proxy:
    """Listens on a port of its own. `each` is what every new link is told, `once` the next one."""

    def __init__(self, dial: Callable[[], Awaitable[Streams]]) -> None:
        self.links: list[Link] = []  # in the order in which they were accepted, the ended ones too
        self.each: Callable[[Link], None] = lambda link: None
        self.port = 0
        self._dial = dial
        self._next: deque[Callable[[Link], None]] = deque()
        self._news = asyncio.Event()
        self._serving: set[asyncio.Task[Any]] = set()

    @property
    def newest(self) -> Link:
        """The link that was accepted last."""
        return self.links[-1]

    def once(self, act: Callable[[Link], None]) -> None:
        """What the next link is told, instead of `each`."""
        self._next.append(act)

    def heal(self) -> None:
        """Every new link works from now on; those that are silent come to an end."""
        self.each = lambda link: None
        self._next.clear()
        for link in self.links:
            link.reset()

    async def accepted(self, count: int) -> Link:
        """The link of that number, from 1, as soon as it is there."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.links) < count:
                self._news.clear()
                await self._news.wait()
        return self.links[count - 1]

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for link in self.links:
            link.reset()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)
        await self._server.wait_closed()

    async def _accept(self, *client: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        link = Link()
        self.links.append(link)
        self._news.set()
        (self._next.popleft() if self._next else self.each)(link)
        with contextlib.suppress(asyncio.CancelledError):
            await link.serve(client, self._dial)


def before_venue(url: str) -> Proxy:
    """In front of an HTTP server."""
    parts = urlsplit(url)
    return Proxy(lambda: asyncio.open_connection(parts.hostname, parts.port))


def before_database(url: str) -> Proxy:
    """In front of a PostgreSQL that listens on a Unix socket."""
    folder = Path(unquote(parse_qs(urlsplit(url).query)["host"][0]))
    return Proxy(lambda: asyncio.open_unix_connection(folder / ".s.PGSQL.5432"))
