"""One WebSocket of the venue, kept open for ever: dial, say hello, read, and again after a loss.

No stream of this venue replays what was missed: whoever listens must ask for it each time the
stream comes up.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import aiohttp
import orjson

from adapters.brokers.alpaca_http import AlpacaHttp
from adapters.brokers.alpaca_json import Json, exact_json
from adapters.brokers.alpaca_settings import AlpacaSettings
from adapters.clock import Clock
from adapters.retry import reconnecting
from trader.errors import BrokerError, BrokerProtocolError, BrokerUnreachable

DATA = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)


class Line:
    """An open connection: JSON goes out, frames come in."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[bool], beat: Callable[[], None]):
        self._socket = socket
        self._beat = beat

    async def say(self, message: Json) -> None:
        """Send a message."""
        try:
            await self._socket.send_bytes(orjson.dumps(message))
        except (aiohttp.ClientError, OSError) as error:
            raise BrokerUnreachable(f"lost while writing: {type(error).__name__}") from None

    async def hear(self) -> bytes:
        """The next frame with data; pings and pongs on the way are heartbeats.

        Raises BrokerUnreachable when the connection is over.
        """
        while True:
            message = await self._socket.receive()
            if message.type in DATA:
                return bytes(message.data)
            match message.type:
                case aiohttp.WSMsgType.PING:
                    await self._socket.pong(message.data)
                    self._beat()
                case aiohttp.WSMsgType.PONG:
                    self._beat()
                case aiohttp.WSMsgType.ERROR:
                    raise BrokerUnreachable(f"a frame broke the protocol: {message.data}")
                case _:
                    raise BrokerUnreachable(f"closed (code {self._socket.close_code})")

    async def hear_json(self) -> object:
        """The next frame's JSON. Raises BrokerError."""
        return exact_json(await self.hear())

    async def close(self) -> None:
        """End the connection."""
        await self._socket.close()


class EventStream(Protocol):
    """What an account needs of the stream of its events."""

    def start(self) -> None:
        """Begin; returns at once."""
        ...

    async def stop(self) -> None:
        """Close the connection and do not come back."""
        ...


@dataclass(frozen=True, slots=True)
class Listener:
    """What one stream means: how it is opened, and who is told what."""

    hello: Callable[[Line], Awaitable[None]]  # raises BrokerError when the venue does not agree
    up: Callable[[], None]
    take: Callable[[bytes], None]
    beat: Callable[[], None]
    lost: Callable[[BrokerError], None]


class AlpacaStream:
    """Keeps a stream open until it is stopped."""

    def __init__(
        self,
        http: AlpacaHttp,
        clock: Clock,
        settings: AlpacaSettings,
        url: str,
        listener: Listener,
    ) -> None:
        self._http = http
        self._clock = clock
        self._settings = settings
        self._url = url
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; returns at once."""
        assert self._task is None, "already started"
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Close the connection and do not come back."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _run(self) -> None:
        while True:
            # A connection that held makes the next pauses short again.
            await reconnecting(self._settings.reconnect_wait_s_max)(self._live)

    async def _live(self) -> None:
        """One connection, from dial to loss. Raises BrokerError if it did not live long."""
        up_s = None
        try:
            line = Line(await self._http.dial(self._url), self._listener.beat)
            try:
                async with asyncio.timeout(self._settings.total_timeout_s):
                    await self._listener.hello(line)
                up_s = self._clock.elapsed()
                self._listener.up()
                while True:
                    self._listener.take(await line.hear())
            finally:
                await line.close()
        except TimeoutError:
            error: BrokerError = BrokerUnreachable("no answer to our hello")
        except BrokerError as loss:
            error = loss
        except Exception as bug:
            # The outermost loop: whatever a listener stumbles over, the stream comes back.
            error = BrokerProtocolError(f"{type(bug).__name__} while listening: {bug}")
        self._listener.lost(error)
        if up_s is None or self._clock.elapsed() - up_s < self._settings.steady_s:
            raise error
