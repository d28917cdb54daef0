"""Price levels in time order: the shelf on which resting and stop orders wait."""

from bisect import bisect_left, bisect_right, insort
from decimal import Decimal

from adapters.sandbox.orders import Order


class Ladder:
    """Orders by price; at one price, first come is first served.

    Adding and removing cost a binary search, so a deep book stays quick.
    """

    def __init__(self) -> None:
        self._prices: list[Decimal] = []  # ascending, one entry a level
        self._levels: dict[Decimal, dict[str, Order]] = {}  # by price, then by order id

    def add(self, order: Order, price: Decimal) -> None:
        """Queue an order behind those already waiting at its price."""
        level = self._levels.get(price)
        if level is None:
            level = self._levels[price] = {}
            insort(self._prices, price)
        level[order.id] = order

    def discard(self, order: Order, price: Decimal) -> None:
        """Take an order off the shelf; nothing happens where it is not on it."""
        level = self._levels.get(price)
        if level is None or level.pop(order.id, None) is None or level:
            return
        del self._levels[price]
        del self._prices[bisect_left(self._prices, price)]

    def highest(self) -> Order | None:
        """First in time at the highest price."""
        return self._first(self._prices[-1]) if self._prices else None

    def lowest(self) -> Order | None:
        """First in time at the lowest price."""
        return self._first(self._prices[0]) if self._prices else None

    def price_below(self, price: Decimal) -> Decimal | None:
        """The highest level strictly below a price."""
        index = bisect_left(self._prices, price)
        return self._prices[index - 1] if index else None

    def price_above(self, price: Decimal) -> Decimal | None:
        """The lowest level strictly above a price."""
        index = bisect_right(self._prices, price)
        return self._prices[index] if index < len(self._prices) else None

    def orders(self) -> list[Order]:
        """All of them, lowest price first, in time order at each."""
        return [order for price in self._prices for order in self._levels[price].values()]

    def _first(self, price: Decimal) -> Order:
        return next(iter(self._levels[price].values()))
