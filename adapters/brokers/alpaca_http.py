"""The HTTP client for one host of the venue: bounded in every direction, and nothing sent twice.

A question raises BrokerError and may be asked again; a write never raises for what the network may
do, and what it answers follows from one fact: whether the last gate had been passed.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import aiohttp
from yarl import URL

from adapters.brokers.alpaca_answers import Reply, data_in
from adapters.brokers.alpaca_settings import AlpacaSettings
from adapters.brokers.last_gate import Attempt, GatedRequest, GateRefused
from adapters.brokers.turns import NoTurn, Turns, Urgency
from adapters.clock import Clock
from adapters.retry import reading
from trader.errors import BrokerProtocolError, BrokerTimeout, BrokerUnreachable, RateLimited
from trader.ports import LastGate, NotSent, Unknown

BODY_BYTES_MAX = 16 * 1024 * 1024  # a full page of bars is a tenth of it
FRAME_BYTES_MAX = 4 * 1024 * 1024
KEEPALIVE_S = 20.0  # below any gateway's own, so that a reused connection is rarely a dead one
CAUSE_LENGTH_MAX = 200


class Trading(Protocol):
    """One login's requests to the trading side. Questions raise BrokerError, writes never do."""

    async def ask(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """The data that answers a GET."""
        ...

    async def write(
        self, method: str, path: str, body: bytes | None, gate: LastGate, urgency: Urgency
    ) -> Reply | Unknown | NotSent:
        """Send a request that changes something, once, if the gate lets it."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class AlpacaHttp:
    """Connections to one host. Opens when first used; may be used again after `close`."""

    def __init__(self, settings: AlpacaSettings, clock: Clock, url: str) -> None:
        self._settings = settings
        self._base = url.rstrip("/")
        self._turns = Turns(
            clock,
            per_minute=settings.requests_per_minute,
            in_flight_max=settings.in_flight_max,
        )
        self._open: aiohttp.ClientSession | None = None
        # With each request and not the session's own: the streams have no business with them.
        self._headers = {
            "APCA-API-KEY-ID": settings.key_id.get_secret_value(),
            "APCA-API-SECRET-KEY": settings.secret.get_secret_value(),
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # nothing that could swell
        }

    async def close(self) -> None:
        """Close every connection."""
        if self._open is not None:
            await self._open.close()
            self._open = None

    async def ask(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """The JSON that answers a GET. Raises BrokerError; tries again where that may help."""
        url = URL(self._base + path, encoded=True)
        if params:
            url = url.with_query(params)
        return await reading()(self._ask_once, url)

    async def write(
        self, method: str, path: str, body: bytes | None, gate: LastGate, urgency: Urgency
    ) -> Reply | Unknown | NotSent:
        """Send a request that changes something, once, if the gate lets it."""
        attempt = Attempt(gate)
        url = URL(self._base + path, encoded=True)
        try:
            async with self._turns.turn(urgency, self._settings.queue_wait_s_max):
                return await self._exchange(method, url, body, attempt)
        except GateRefused as refusal:
            return refusal.answer
        except asyncio.CancelledError:
            # The promise of the port: what was sent is unknown, whoever lost interest in it.
            return Unknown("canceled") if attempt.was_written else NotSent("canceled")
        except NoTurn as error:
            return NotSent("rate_limited", str(error))
        except (aiohttp.ClientError, OSError, BrokerProtocolError) as error:
            cause = _cause(error)
            return Unknown(cause) if attempt.was_written else NotSent("unreachable", cause)

    async def dial(self, url: str) -> aiohttp.ClientWebSocketResponse[bool]:
        """Open a WebSocket. Raises BrokerUnreachable."""
        try:
            return await self._session().ws_connect(
                url,
                heartbeat=self._settings.heartbeat_s,
                autoping=False,  # pongs are heartbeats worth hearing of
                max_msg_size=FRAME_BYTES_MAX,
                decode_text=False,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )
        except (aiohttp.ClientError, OSError) as error:
            raise BrokerUnreachable(_cause(error)) from None

    async def _ask_once(self, url: URL) -> Any:
        try:
            async with self._turns.turn(Urgency.QUESTION, self._settings.queue_wait_s_max):
                reply = await self._exchange("GET", url, None, None)
        except aiohttp.ClientConnectorError as error:
            raise BrokerUnreachable(_cause(error)) from None
        except NoTurn as error:
            raise RateLimited(str(error), retry_after_s=0.0) from None
        except (aiohttp.ClientError, OSError) as error:
            raise BrokerTimeout(_cause(error)) from None
        return data_in(reply)

    async def _exchange(
        self, method: str, url: URL, body: bytes | None, attempt: Attempt | None
    ) -> Reply:
        headers = self._headers
        if body is not None:
            headers = headers | {"Content-Type": "application/json"}
        async with self._session().request(
            method,
            url,
            data=body,
            headers=headers,
            allow_redirects=False,
            middlewares=() if attempt is None else (attempt,),
        ) as response:
            self._turns.learn(response.status, response.headers)
            return Reply(response.status, await _bounded_body(response))

    def _session(self) -> aiohttp.ClientSession:
        if self._open is None:
            settings = self._settings
            self._open = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                request_class=GatedRequest,
                timeout=aiohttp.ClientTimeout(
                    total=settings.total_timeout_s,
                    connect=settings.connect_timeout_s,
                    sock_read=settings.read_timeout_s,
                ),
            )
        return self._open


async def _bounded_body(response: aiohttp.ClientResponse) -> bytes:
    if response.content_length is not None and response.content_length <= BODY_BYTES_MAX:
        return await response.read()
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            response.close()
            raise BrokerProtocolError(f"a reply of more than {BODY_BYTES_MAX} bytes")
    return bytes(body)


def _cause(error: BaseException) -> str:
    # Never the error's repr: it would show the request's headers.
    return f"{type(error).__name__}: {error}"[:CAUSE_LENGTH_MAX]
