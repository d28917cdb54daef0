"""The trader's core, and its face to strategies:

`from trader import Bar, Context, Decision, Strategy, ind`.

The names are looked up when first used: whoever imports a module of the core pays for that only.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trader import indicators as ind
    from trader.context import Context
    from trader.market.candle import Bar
    from trader.orders.order import Side, TimeInForce
    from trader.session.strategy import (
        CancelOrders,
        Decision,
        ModifyOrder,
        ModifyOrders,
        Nothing,
        SubmitOrder,
    )
    from trader.strategy import Strategy

__all__ = [
    "Bar",
    "CancelOrders",
    "Context",
    "Decision",
    "ModifyOrder",
    "ModifyOrders",
    "Nothing",
    "Side",
    "Strategy",
    "SubmitOrder",
    "TimeInForce",
    "ind",
]

_HOMES = {
    "Bar": "trader.market.candle",
    "Context": "trader.context",
    "Side": "trader.orders.order",
    "Strategy": "trader.strategy",
    "TimeInForce": "trader.orders.order",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'trader' has no attribute {name!r}")
    if name == "ind":
        return import_module("trader.indicators")
    return getattr(import_module(_HOMES.get(name, "trader.session.strategy")), name)
