"""The stop that rests at the venue is one that an entry of this very position has carried."""

from collections.abc import Iterator
from datetime import timedelta

from actors.app.simulation.invariants.orders import Recordings
from adapters.sandbox.orders import Execution
from adapters.simulated.history import WriteArrived
from trader.ids import ClientOrderId, symbol_of
from trader.money import Price
from trader.orders.order import Order, Purpose

UNHEARD_OF = timedelta(seconds=90)  # that the position was over for a moment


class StopsAreOfTheirPosition(Recordings):
    """I4, of the exits that rest."""

    invariant = "I4"
    promise = "a stop guards the position whose entry carried it, and no later one"

    def made(self, write: WriteArrived, order_id: ClientOrderId) -> None:
        """Look at the entries behind a stop."""
        stop = self.recorded.get(order_id)
        if stop is None or stop.purpose is not Purpose.PROTECT:
            return
        if stop.stop_price not in tuple(self._carried(stop)):
            self.broken(
                f"{stop.id} stops {stop.instrument} at {stop.stop_price}, which no entry of this"
                " position has carried"
            )

    def _carried(self, stop: Order) -> Iterator[Price | None]:
        """The stops of the entries that made the position, newest first, by the venue's books."""
        books = self.world.books(stop.account_id)
        symbol = symbol_of(stop.instrument)
        since = self.world.clock.now() - UNHEARD_OF
        left = books.position_qty(symbol)
        yield from (self._stop_of(trade) for trade in books.busted if trade.symbol == symbol)
        for trade in reversed(books.executions):
            if trade.symbol != symbol:
                continue
            was_over = trade.position_qty == 0 or trade.position_qty * left < 0
            if was_over and trade.at < since:
                return
            yield self._stop_of(trade)

    def _stop_of(self, trade: Execution) -> Price | None:
        entry = self.recorded.get(ClientOrderId(trade.client_order_id))
        if entry is None or entry.purpose is not Purpose.ENTRY:
            return None
        return entry.protective_stop
