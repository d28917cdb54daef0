"""One symbol's market: the accounts' orders, the house maker, the tape and its bars.  Pure.

The house is the rest of the world. It stands on both sides at one price, the path's, with as much
liquidity as a settable fraction of the volume traded there; the accounts' own orders come before
it at equal prices. A market order that finds no liquidity waits for the next print.

The path moves in two ways. A *walk* is continuous: every limit and every stop between the old and
the new price is met at its own price, in order. A *gap* (a bar's open, a price set by hand) jumps:
whoever is crossed trades at the new price, as at an opening cross. Either way no trade of the
house lies outside the bar that it belongs to.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal

from adapters.sandbox.book import Ladder
from adapters.sandbox.orders import NO_CEILING, ZERO, Order, Side, TimeInForce
from adapters.sandbox.tape import Bar, Forming, Path, Trade


class Market:
    """Matching for one symbol. Keeps its last price in `marks`, which all markets share; tells
    `on_trade` of every trade that has an account in it and `on_print` of every print on the tape.
    """

    def __init__(
        self,
        symbol: str,
        marks: dict[str, Decimal],
        on_trade: Callable[[Trade], None],
        on_print: Callable[[str, Decimal, Decimal], None],
    ) -> None:
        self.symbol = symbol
        self.house_price: Decimal | None = None
        self.liquidity = ZERO  # shares the house still trades until its next move
        self.bars: list[Bar] = []  # closed ones, oldest first
        self._forming: Forming | None = None
        self._marks = marks
        self._on_trade = on_trade
        self._on_print = on_print
        self._resting = {Side.BUY: Ladder(), Side.SELL: Ladder()}
        self._stops = {Side.BUY: Ladder(), Side.SELL: Ladder()}

    @property
    def last(self) -> Decimal | None:
        """The last price seen; None before the first."""
        return self._marks.get(self.symbol)

    def begin_at(self, price: Decimal) -> None:
        """Put the house somewhere without a trade, and without liquidity."""
        self.house_price = self._marks[self.symbol] = price

    def enter(self, order: Order) -> None:
        """Match an order as far as it goes; what is left rests, unless it is ioc or fok."""
        if order.waits_for_stop and not self._stop_reached(order):
            assert order.request.stop_price is not None
            self._stops[order.request.side].add(order, order.request.stop_price)
            return
        order.triggered = order.request.stop_price is not None
        self._take(order)
        self._trigger_stops()

    def remove(self, order: Order) -> None:
        """Take an order out of the market, wherever it waits."""
        if order.waits_for_stop:
            assert order.request.stop_price is not None
            self._stops[order.request.side].discard(order, order.request.stop_price)
        else:
            self._resting[order.request.side].discard(order, order.bound)

    def move(
        self, price: Decimal, volume: Decimal, liquidity_fraction: Decimal, path: Path
    ) -> None:
        """Bring the house to a price, trading `volume` shares there and on the way."""
        self.liquidity = (volume * liquidity_fraction).to_integral_value(ROUND_FLOOR)
        budget = self.liquidity
        if path is Path.WALK and self.house_price is not None:
            while (level := self._next_level(self.house_price, price)) is not None:
                self._stand_at(level)
        self._stand_at(price)
        # What the accounts took was part of this volume, so the bar's volume stays the source's.
        self._print(price, max(ZERO, volume - (budget - self.liquidity)))

    def close_bar(self, opened_at: datetime) -> Bar | None:
        """End the forming bar under its label; None where nothing traded: no trade, no bar."""
        if self._forming is None:
            return None
        bar = self._forming.closed(opened_at)
        self._forming = None
        self.bars.append(bar)
        return bar

    def _stand_at(self, price: Decimal) -> None:
        self.house_price = price
        self._touch(price, ZERO)
        for side in Side:
            self._cross(side, price)
        self._trigger_stops()

    def _cross(self, side: Side, price: Decimal) -> None:
        shelf = self._resting[side]
        while self.liquidity > 0:
            order = _best(shelf, side)
            if order is None or not _accepts(order, price):
                return
            self._trade_with_house(order, price)
            if not order.leaves:
                shelf.discard(order, order.bound)

    def _take(self, order: Order) -> None:
        side = order.request.side
        shelf = self._resting[side.opposite]
        if order.request.time_in_force is TimeInForce.FOK and not self._could_fill(order):
            return
        while order.leaves > 0:
            maker = _best(shelf, side.opposite)
            house = self._house_for(order)
            price = None if maker is None else self._meeting_price(order, maker)
            if maker is not None and price is not None and not _better(house, price, side):
                qty = min(order.leaves, maker.leaves)
                self._trade(*((order, maker) if side is Side.BUY else (maker, order)), price, qty)
                if not maker.leaves:
                    shelf.discard(maker, maker.bound)
            elif house is not None:
                self._trade_with_house(order, house)
            else:
                break
        if order.leaves > 0 and order.request.time_in_force in (TimeInForce.DAY, TimeInForce.GTC):
            self._resting[side].add(order, order.bound)

    def _could_fill(self, order: Order) -> bool:
        available = self.liquidity if self._house_for(order) is not None else ZERO
        for maker in self._resting[order.request.side.opposite].orders():
            if available < order.leaves and self._meeting_price(order, maker) is not None:
                available += maker.leaves
        return available >= order.leaves

    def _house_for(self, order: Order) -> Decimal | None:
        price = self.house_price
        if price is None or self.liquidity <= 0 or not _accepts(order, price):
            return None
        return price

    def _meeting_price(self, order: Order, maker: Order) -> Decimal | None:
        """The price of the one who waited; two orders without a price meet at the last one."""
        price: Decimal | None = maker.bound
        if price in (ZERO, NO_CEILING):
            price = order.bound if order.bound not in (ZERO, NO_CEILING) else self.last
        return price if price is not None and _accepts(order, price) else None

    def _trade_with_house(self, order: Order, price: Decimal) -> None:
        qty = min(order.leaves, self.liquidity)
        self.liquidity -= qty
        buyer, seller = (order, None) if order.request.side is Side.BUY else (None, order)
        self._trade(buyer, seller, price, qty)

    def _trade(
        self, buyer: Order | None, seller: Order | None, price: Decimal, qty: Decimal
    ) -> None:
        self._print(price, qty)
        self._on_trade(Trade(self.symbol, buyer, seller, price, qty))

    def _print(self, price: Decimal, qty: Decimal) -> None:
        self._touch(price, qty)
        if qty:
            self._on_print(self.symbol, price, qty)

    def _touch(self, price: Decimal, qty: Decimal) -> None:
        self._marks[self.symbol] = price
        if self._forming is None:
            self._forming = Forming(price)
        self._forming.take(price, qty)

    def _next_level(self, here: Decimal, target: Decimal) -> Decimal | None:
        """The nearest price on the way at which somebody waits."""
        if target < here:
            below = (
                self._resting[Side.BUY].price_below(here),
                self._stops[Side.SELL].price_below(here),
            )
            return max((p for p in below if p is not None and p > target), default=None)
        above = (
            self._resting[Side.SELL].price_above(here),
            self._stops[Side.BUY].price_above(here),
        )
        return min((p for p in above if p is not None and p < target), default=None)

    def _trigger_stops(self) -> None:
        """Wake every stop the last trade has reached; each may move the last trade again."""
        while (order := self._next_stop()) is not None:
            assert order.request.stop_price is not None
            self._stops[order.request.side].discard(order, order.request.stop_price)
            order.triggered = True
            self._take(order)

    def _next_stop(self) -> Order | None:
        for order in (self._stops[Side.BUY].lowest(), self._stops[Side.SELL].highest()):
            if order is not None and self._stop_reached(order):
                return order
        return None

    def _stop_reached(self, order: Order) -> bool:
        stop = order.request.stop_price
        if self.last is None or stop is None:
            return False
        return self.last >= stop if order.request.side is Side.BUY else self.last <= stop


def _best(shelf: Ladder, side: Side) -> Order | None:
    return shelf.highest() if side is Side.BUY else shelf.lowest()


def _accepts(order: Order, price: Decimal) -> bool:
    return price <= order.bound if order.request.side is Side.BUY else price >= order.bound


def _better(house: Decimal | None, price: Decimal, side: Side) -> bool:
    """Whether the house is strictly better for a taker of this side."""
    if house is None:
        return False
    return house < price if side is Side.BUY else house > price
