"""The market feed over Alpaca's data stream: trades and bars, updated bars included."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from adapters.brokers.alpaca_answers import reason_of
from adapters.brokers.alpaca_http import AlpacaHttp
from adapters.brokers.alpaca_json import Json, a_list, an_object, exact_json, sample
from adapters.brokers.alpaca_market_wire import candle_of, tick_of
from adapters.brokers.alpaca_settings import AlpacaSettings
from adapters.brokers.alpaca_stream import AlpacaStream, Line, Listener
from adapters.clock import Clock
from trader.accounts.events import FrameRefused
from trader.errors import BrokerAuthFailed, BrokerError, BrokerProtocolError
from trader.ids import InstrumentId, symbol_of
from trader.instants import Timeframe
from trader.ports import (
    BarReceived,
    FeedBeat,
    FeedConnected,
    FeedEvent,
    FeedKind,
    FeedLost,
    TickReceived,
)

CHANNELS = {
    FeedKind.TRADES: ("trades",),
    FeedKind.BARS: ("trades", "bars", "updatedBars"),
}
STREAM_TIMEFRAME = Timeframe.M1  # the only one this stream has
AUTH_ERRORS = (401, 402, 404)


class AlpacaFeed:
    """Live trades and one-minute bars. One subscription for its whole life."""

    def __init__(self, settings: AlpacaSettings, clock: Clock, http: AlpacaHttp) -> None:
        self._settings = settings
        self._clock = clock
        self._sink: Callable[[FeedEvent], None] = lambda event: None
        self._instruments: dict[str, InstrumentId] = {}  # by symbol
        self._channels: tuple[str, ...] = ()
        listener = Listener(
            hello=self._hello,
            up=lambda: self._sink(FeedConnected(settings.venue)),
            take=self._take,
            beat=self._beat,
            lost=self._lost,
        )
        self._stream = AlpacaStream(http, clock, settings, settings.data_stream_url, listener)

    async def start(
        self, instruments: Sequence[InstrumentId], kind: FeedKind, sink: Callable[[FeedEvent], None]
    ) -> None:
        """Subscribe and stay subscribed; returns at once."""
        self._instruments = {symbol_of(instrument): instrument for instrument in instruments}
        self._channels = CHANNELS[kind]
        self._sink = sink
        self._stream.start()

    async def stop(self) -> None:
        """Unsubscribe and close."""
        await self._stream.stop()

    async def _hello(self, line: Line) -> None:
        settings = self._settings
        symbols = sorted(self._instruments)
        await self._expect(line, "success")
        key, secret = settings.key_id.get_secret_value(), settings.secret.get_secret_value()
        await line.say({"action": "auth", "key": key, "secret": secret})
        await self._expect(line, "success")
        await line.say({"action": "subscribe"} | dict.fromkeys(self._channels, symbols))
        answer = await self._expect(line, "subscription")
        for name in self._channels:
            if not set(symbols) <= set(a_list(answer.get(name))):
                raise BrokerProtocolError(f"not subscribed to all {name} asked for")

    async def _expect(self, line: Line, kind: str) -> Json:
        message = an_object(a_list(await line.hear_json())[0])
        if message.get("T") == "error":
            words = f"{message.get('code')!r:.20} {message.get('msg')!r:.100}"
            if message.get("code") in AUTH_ERRORS:
                raise BrokerAuthFailed(f"the data stream does not accept the keys: {words}")
            raise BrokerProtocolError(f"the data stream refuses: {words}")
        if message.get("T") != kind:
            raise BrokerProtocolError(f"{kind} was expected, not {message.get('T')!r:.40}")
        return message

    def _take(self, frame: bytes) -> None:
        for event in events_of(frame, self._instruments, self._settings.venue, self._clock.now()):
            self._sink(event)

    def _beat(self) -> None:
        self._sink(FeedBeat(self._clock.now()))

    def _lost(self, error: BrokerError) -> None:
        self._sink(FeedLost(self._settings.venue, reason_of(error)))


def events_of(
    frame: bytes, wanted: Mapping[str, InstrumentId], source: str, seen_at: datetime
) -> Iterator[FeedEvent]:
    """What a frame says; `wanted` by symbol. One without data is a heartbeat."""
    had_data = False
    try:
        for item in a_list(exact_json(frame)):
            # A bad one spoils none of its neighbors.
            try:
                event = _event_of(an_object(item), wanted, seen_at)
            except BrokerProtocolError as error:
                yield FrameRefused(source, str(error), sample(frame))
            else:
                if event is not None:
                    had_data = True
                    yield event
    except BrokerProtocolError as error:
        yield FrameRefused(source, str(error), sample(frame))
    if not had_data:
        yield FeedBeat(seen_at)


def _event_of(
    data: Json, wanted: Mapping[str, InstrumentId], seen_at: datetime
) -> FeedEvent | None:
    """A trade or bar; None for what is neither. Raises BrokerProtocolError."""
    match data.get("T"):
        case "t":
            return TickReceived(tick_of(data, _instrument(data, wanted), seen_at))
        case "b" | "u" as kind:
            revision = 1 if kind == "u" else 0
            instrument = _instrument(data, wanted)
            return BarReceived(candle_of(data, instrument, STREAM_TIMEFRAME, revision))
        case "error":
            raise BrokerProtocolError(f"the venue says {data.get('msg')!r:.100}")
        case _:
            return None


def _instrument(data: Json, wanted: Mapping[str, InstrumentId]) -> InstrumentId:
    symbol = data.get("S")
    if not isinstance(symbol, str) or symbol not in wanted:
        raise BrokerProtocolError(f"symbol {symbol!r:.40} was not asked for")
    return wanted[symbol]
