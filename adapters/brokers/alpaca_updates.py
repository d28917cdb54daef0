"""The orders stream: what happens to the account's orders, as it happens."""

from collections.abc import Callable

from adapters.brokers.alpaca_answers import reason_of
from adapters.brokers.alpaca_http import AlpacaHttp
from adapters.brokers.alpaca_json import a_list, an_object, exact_json, sample
from adapters.brokers.alpaca_settings import AlpacaSettings
from adapters.brokers.alpaca_stream import AlpacaStream, Line, Listener
from adapters.brokers.alpaca_wire import Wire
from adapters.clock import Clock
from trader.accounts.events import AccountAuthFailed, FrameRefused, StreamConnected, StreamLost
from trader.errors import BrokerAuthFailed, BrokerError, BrokerProtocolError
from trader.ports import AccountEvent

CHANNEL = "trade_updates"


def orders_stream(
    settings: AlpacaSettings,
    clock: Clock,
    http: AlpacaHttp,
    wire: Wire,
    sink: Callable[[AccountEvent], None],
) -> AlpacaStream:
    """The stream of one account, not yet started; everything it hears goes into the sink."""

    async def hello(line: Line) -> None:
        keys = {
            "key_id": settings.key_id.get_secret_value(),
            "secret_key": settings.secret.get_secret_value(),
        }
        await line.say({"action": "authenticate", "data": keys})
        welcome = an_object(await line.hear_json())
        if an_object(welcome.get("data")).get("status") != "authorized":
            raise BrokerAuthFailed("the orders stream does not accept the keys")
        await line.say({"action": "listen", "data": {"streams": [CHANNEL]}})
        answer = an_object(await line.hear_json())
        if CHANNEL not in a_list(an_object(answer.get("data")).get("streams")):
            raise BrokerProtocolError("the orders stream does not listen")

    def up() -> None:
        sink(StreamConnected(settings.account_id))

    def take(frame: bytes) -> None:
        try:
            message = an_object(exact_json(frame))
            if message.get("stream") != CHANNEL:
                return
            events = wire.trade_update(message.get("data"), clock.now())
        except BrokerProtocolError as error:
            sink(FrameRefused(settings.venue, str(error), sample(frame)))
            return
        for event in events:
            sink(event)

    def lost(error: BrokerError) -> None:
        if isinstance(error, BrokerAuthFailed):
            sink(AccountAuthFailed(settings.account_id, str(error)))
        sink(StreamLost(settings.account_id, reason_of(error)))

    listener = Listener(hello=hello, up=up, take=take, beat=lambda: None, lost=lost)
    return AlpacaStream(http, clock, settings, settings.stream_url, listener)
