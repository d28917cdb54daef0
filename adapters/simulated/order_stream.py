"""A daemon's end of the orders stream: kept open for ever, as the real adapter keeps its own."""

import asyncio
from collections.abc import Callable

from adapters.brokers.alpaca_answers import reason_of
from adapters.brokers.alpaca_settings import AlpacaSettings
from adapters.brokers.alpaca_wire import Wire
from adapters.clock import Clock
from adapters.simulated.account_faults import DIALS, STREAM, AccountFaultKind, Occasion
from adapters.simulated.distance import Distance
from adapters.simulated.history import EventHeard
from adapters.simulated.line import Stream, Way
from adapters.simulated.streams import Control, Frame, Subscriber
from adapters.simulated.venue import SimulatedVenue
from trader.accounts.events import AccountAuthFailed, FrameRefused, StreamConnected, StreamLost
from trader.errors import BrokerAuthFailed, BrokerError, BrokerProtocolError, BrokerUnreachable
from trader.ports import AccountEvent

RECONNECT_S = 0.2  # doubled each time, up to the settings' most


class OrderStream:
    """Fulfils `EventStream`."""

    def __init__(
        self,
        venue: SimulatedVenue,
        settings: AlpacaSettings,
        clock: Clock,
        distance: Distance,
        wire: Wire,
        sink: Callable[[AccountEvent], None],
        *,
        who: str,
        number: str,
    ) -> None:
        self._venue = venue
        self._settings = settings
        self._clock = clock
        self._distance = distance
        self._wire = wire
        self._sink = sink
        self._who = who
        self._number = number
        self._task: asyncio.Task[None] | None = None
        self._closed: asyncio.Future[None] | None = None
        self._up_s: float | None = None

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
        tries_count = 0
        while True:
            error = await self._live()
            if isinstance(error, BrokerAuthFailed):
                self._sink(AccountAuthFailed(self._settings.account_id, str(error)))
            self._heard("lost")
            self._sink(StreamLost(self._settings.account_id, reason_of(error)))
            is_steady = self._up_s is not None and (
                self._clock.elapsed() - self._up_s >= self._settings.steady_s
            )
            tries_count = 0 if is_steady else tries_count + 1
            if tries_count:
                wait_s_max = min(
                    self._settings.reconnect_wait_s_max, RECONNECT_S * 2 ** (tries_count - 1)
                )
                await asyncio.sleep(wait_s_max * self._distance.chance.random())

    async def _live(self) -> BrokerError:
        """One connection, from dial to loss."""
        self._up_s = None
        stream = Stream(self._take, self._distance.mean_s)
        self._closed = asyncio.get_running_loop().create_future()
        subscriber = Subscriber(self._number, self._who, stream)
        way = Way(2 * self._distance.draw_s(), self._distance.draw_s())
        try:
            await self._venue.line.ask(way, lambda: self._open(subscriber), "dial")
            await self._closed
        except BrokerError as error:
            return error
        finally:
            stream.cut()
        return BrokerUnreachable("closed (code 1006)")

    def _open(self, subscriber: Subscriber) -> None:
        """In the venue's time. Raises BrokerError."""
        fault = None
        if not self._venue.faults.is_quiet:
            occasion = Occasion(self._number, self._who, "WS", STREAM)
            fault = self._venue.faults.strike(DIALS, occasion)
        if fault is not None:
            if fault.kind is AccountFaultKind.KEYS_REFUSED:
                raise BrokerAuthFailed("the orders stream does not accept the keys")
            raise BrokerUnreachable("lost while dialling")
        self._venue.streams.open(subscriber)

    def _take(self, frame: Frame) -> None:
        if frame is Control.LISTENING:
            self._up_s = self._clock.elapsed()
            self._heard("connected")
            self._sink(StreamConnected(self._settings.account_id))
        elif frame is Control.CLOSED:
            if self._closed is not None and not self._closed.done():
                self._closed.set_result(None)
        else:
            self._message(frame)

    def _message(self, frame: Frame) -> None:
        try:
            events = self._wire.trade_update(frame, self._clock.now())
        except BrokerProtocolError as error:
            self._heard("garbled")
            self._sink(FrameRefused(self._settings.venue, str(error), str(frame)))
            return
        assert isinstance(frame, dict)
        order = frame["order"]
        self._heard(frame["event"], order["client_order_id"], frame["execution_id"])
        for event in events:
            self._sink(event)

    def _heard(self, event: str, client_order_id: str = "", execution_id: str = "") -> None:
        now_s = self._clock.elapsed()
        self._venue.history.note(
            EventHeard(now_s, self._who, self._number, event, client_order_id, execution_id)
        )
