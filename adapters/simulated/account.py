"""An account at the simulated venue: the real adapter of the real wire, over a simulated line."""

from collections.abc import Callable

from pydantic import SecretStr

from adapters.brokers.alpaca_account import AlpacaAccount
from adapters.brokers.alpaca_settings import AlpacaSettings
from adapters.brokers.alpaca_wire import Wire
from adapters.clock import Clock
from adapters.simulated.order_stream import OrderStream
from adapters.simulated.trading_line import TradingLine
from adapters.simulated.venue import VENUE, SimulatedVenue
from trader.ids import AccountId
from trader.ports import AccountEvent

KEY = SecretStr("simulated")


class SimulatedAccount(AlpacaAccount):
    """One login of one boot of a daemon. `number` is the venue's name of it, `account_id` ours.

    Made inside the daemon's process. `who` names the daemon in the history and to faults; `clock`
    is the daemon's own where its wall clock is not the world's.
    """

    def __init__(
        self,
        venue: SimulatedVenue,
        account_id: AccountId,
        number: str,
        *,
        who: str = "daemon",
        clock: Clock | None = None,
    ) -> None:
        clock = clock or venue.clock
        settings = AlpacaSettings(account_id, KEY, KEY, venue=VENUE)
        distance = venue.distance()

        def open_stream(wire: Wire, sink: Callable[[AccountEvent], None]) -> OrderStream:
            return OrderStream(venue, settings, clock, distance, wire, sink, who=who, number=number)

        line = TradingLine(venue, settings, clock, distance, who=who, number=number)
        super().__init__(settings, clock, line, open_stream)
