"""One client of a stream: a bounded queue, and the pump that empties it into the socket."""

import asyncio
from contextlib import suppress

from aiohttp import WSMsgType, web

QUEUE_MAX = 10_000  # frames; a client that far behind is cut and must read everything again


class Outlet:
    """Sending never waits for a slow client."""

    def __init__(
        self, request: web.Request, socket: web.WebSocketResponse, frame_type: WSMsgType
    ) -> None:
        self.account: str | None = None  # None until it has shown its keys
        self._request = request
        self._socket = socket
        self._frame_type = frame_type
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_MAX)
        self._is_over = False

    def send(self, frame: bytes | None) -> None:
        """Queue a frame; None cuts the connection once all before it is sent."""
        if self._is_over:
            return
        try:
            self._queue.put_nowait(frame)
        except asyncio.QueueFull:
            self.cut()

    async def pump(self) -> None:
        """Empty the queue until the client has gone."""
        try:
            while True:
                frame = await self._queue.get()
                try:
                    if frame is None:
                        self.cut()
                    else:
                        await self._socket.send_frame(frame, self._frame_type)
                finally:
                    self._queue.task_done()
        except ConnectionError:
            pass  # the reading side sees it, too, and ends the stream
        finally:
            self._is_over = True
            with suppress(asyncio.QueueEmpty):
                while True:
                    self._queue.get_nowait()
                    self._queue.task_done()

    async def flushed(self) -> None:
        """Return when everything queued so far has been handed to the socket, or cannot be."""
        await self._queue.join()

    def cut(self) -> None:
        """End the connection without a word."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def close(self) -> None:
        """End the connection politely."""
        await self._socket.close()
