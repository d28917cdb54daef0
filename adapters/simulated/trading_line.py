"""A daemon's end of the line to the venue: requests with their way, their faults, their timeouts.

What it answers follows from the same facts as over a real socket: whether the last gate had been
passed, and what came back. The turns are the real adapter's, and so is what a reply means.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from adapters.brokers.alpaca_answers import Reply, data_in
from adapters.brokers.alpaca_settings import AlpacaSettings
from adapters.brokers.turns import NoTurn, Turns, Urgency
from adapters.clock import Clock
from adapters.retry import READ_ATTEMPTS_MAX, READ_DELAY_S_MAX, READ_WAIT_S_MAX
from adapters.simulated.account_faults import (
    CONNECTING,
    EXCHANGES,
    AccountFault,
    AccountFaultKind,
    Occasion,
)
from adapters.simulated.distance import Distance
from adapters.simulated.door import Answer, Request
from adapters.simulated.history import QuestionAnswered, WriteLeft
from adapters.simulated.line import LineLost, Loss, Way
from adapters.simulated.venue import SimulatedVenue
from trader.errors import BrokerError, BrokerRefused, BrokerTimeout, BrokerUnreachable, RateLimited
from trader.ports import LastGate, NotSent, Unknown

KEEPALIVE_S = 20.0  # an idle connection is closed after it: the next request opens another
SWALLOWED_FRACTION = 0.5  # of refused connections our timeout notices, not a refusal
RESET_FRACTION = 0.5  # of what is lost is noticed by a reset, the rest by our timeout


class TradingLine:
    """Fulfils the account's `Trading`."""

    def __init__(
        self,
        venue: SimulatedVenue,
        settings: AlpacaSettings,
        clock: Clock,
        distance: Distance,
        *,
        who: str,
        number: str,
    ) -> None:
        self._venue = venue
        self._settings = settings
        self._clock = clock
        self._distance = distance
        self._who = who
        self._number = number
        self._turns = Turns(
            clock, per_minute=settings.requests_per_minute, in_flight_max=settings.in_flight_max
        )
        self._warm_until_s = 0.0

    async def close(self) -> None:
        """Close the connection."""
        self._warm_until_s = 0.0

    async def ask(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """The data that answers a GET; tries again as the real client does. Raises BrokerError."""
        query = params or {}
        request = self._request("GET", path, query, None, query.get("client_order_id", ""))
        asked_s = self._clock.elapsed()
        attempt = 0
        while True:
            attempt += 1
            try:
                data = await self._ask_once(request)
            except BrokerError as error:
                spent_s = self._clock.elapsed() - asked_s
                may_again = attempt < READ_ATTEMPTS_MAX and spent_s < READ_DELAY_S_MAX
                if not error.retryable or not may_again:
                    # A refusal in the venue's own words is an answer: the order is not there.
                    self._answered(path, asked_s, is_ok=isinstance(error, BrokerRefused))
                    raise
                wait_s_max = min(READ_WAIT_S_MAX, 0.1 * 2 ** (attempt - 1))
                await asyncio.sleep(wait_s_max * self._distance.chance.random())
            else:
                self._answered(path, asked_s, is_ok=True)
                return data

    async def write(
        self, method: str, path: str, body: bytes | None, gate: LastGate, urgency: Urgency
    ) -> Reply | Unknown | NotSent:
        """Send a request that changes something, once, if the gate lets it."""
        is_sent = False
        request = self._request(method, path, {}, body, self._whom(path, body))
        try:
            async with self._turns.turn(urgency, self._settings.queue_wait_s_max):
                await self._connect(request)
                refusal = gate()
                if refusal is not None:
                    return refusal
                is_sent = True
                self._left(method, request.client_order_id)
                return (await self._exchange(request)).reply()
        except asyncio.CancelledError:
            # The promise of the port: what was sent is unknown, whoever lost interest in it.
            return Unknown("canceled") if is_sent else NotSent("canceled")
        except NoTurn as error:
            return NotSent("rate_limited", str(error))
        except BrokerUnreachable as error:
            return NotSent("unreachable", str(error))
        except LineLost as error:
            return Unknown(f"ServerDisconnectedError: {error}")

    async def _ask_once(self, request: Request) -> Any:
        try:
            async with self._turns.turn(Urgency.QUESTION, self._settings.queue_wait_s_max):
                await self._connect(request)
                answer = await self._exchange(request)
        except NoTurn as error:
            raise RateLimited(str(error), retry_after_s=0.0) from None
        except LineLost as error:
            raise BrokerTimeout(f"ServerDisconnectedError: {error}") from None
        if answer.status == 200 and answer.garbage is None:
            return answer.payload
        return data_in(answer.reply())

    async def _connect(self, request: Request) -> None:
        """Have a connection. Raises BrokerUnreachable."""
        if self._struck(CONNECTING, request) is not None:
            if self._distance.chance.random() < SWALLOWED_FRACTION:
                await asyncio.sleep(self._settings.connect_timeout_s)
            raise BrokerUnreachable("ClientConnectorError: no connection")
        now_s = self._clock.elapsed()
        if now_s >= self._warm_until_s:
            await asyncio.sleep(2 * self._distance.draw_s())
        self._warm_until_s = now_s + KEEPALIVE_S

    async def _exchange(self, request: Request) -> Answer:
        """Raises LineLost."""
        fault = self._struck(EXCHANGES, request)
        door, line = self._venue.door, self._venue.line
        answer = await line.ask(self._way(fault), lambda: door.serve(request, fault), request.what)
        if answer.status == 429:
            pause_s = answer.retry_after_s
            self._turns.learn(429, {} if pause_s is None else {"Retry-After": str(pause_s)})
        return answer

    def _way(self, fault: AccountFault | None) -> Way:
        there_s, back_s = self._distance.draw_s(), self._distance.draw_s()
        timeout_s = self._settings.read_timeout_s
        kind = None if fault is None else fault.kind
        if fault is not None and kind is AccountFaultKind.LATE_ARRIVAL:
            there_s += fault.delay_s
        if fault is not None and kind is AccountFaultKind.LATE_REPLY:
            back_s += fault.delay_s
        took_s = there_s + back_s
        if kind in (AccountFaultKind.REQUEST_LOST, AccountFaultKind.REPLY_LOST):
            loss = Loss.REQUEST if kind is AccountFaultKind.REQUEST_LOST else Loss.REPLY
            is_reset = self._distance.chance.random() < RESET_FRACTION
            return Way(there_s, back_s, loss, 0.0 if is_reset else timeout_s - took_s)
        if took_s > timeout_s:
            return Way(there_s, back_s, Loss.REPLY, timeout_s - took_s)  # we give up before it
        return Way(there_s, back_s)

    def _struck(self, kinds: frozenset[AccountFaultKind], request: Request) -> AccountFault | None:
        if self._venue.faults.is_quiet:
            return None
        occasion = Occasion(
            self._number, self._who, request.method, request.path, request.client_order_id
        )
        return self._venue.faults.strike(kinds, occasion)

    def _request(
        self, method: str, path: str, query: Mapping[str, str], body: bytes | None, whom: str
    ) -> Request:
        return Request(self._who, self._number, method, path, query, body, whom)

    def _whom(self, path: str, body: bytes | None) -> str:
        """The client id that a write is about."""
        if body is not None:
            return str(orjson.loads(body)["client_order_id"])
        return self._venue.client_id_of(path.rpartition("/")[2])

    def _left(self, method: str, client_order_id: str) -> None:
        now_s = self._clock.elapsed()
        left = WriteLeft(now_s, self._who, self._number, method, client_order_id)
        self._venue.history.note(left)

    def _answered(self, path: str, asked_s: float, *, is_ok: bool) -> None:
        now_s = self._clock.elapsed()
        self._venue.history.note(
            QuestionAnswered(asked_s, now_s, self._who, self._number, path, is_ok)
        )
