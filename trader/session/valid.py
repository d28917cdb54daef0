"""Judging what user code answered: one of the four decisions, with sane decimals and a reason.

The boundary between a strategy and the heart. Floats become decimals by way of their shortest
text (0.1 is 0.1); what is no finite number, no decision, or has no reason is a `BadDecision`.
"""

from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from trader.ids import ClientOrderId
from trader.money import NotANumber, decimal_of
from trader.orders.order import OrderType, Side, TimeInForce
from trader.session.strategy import (
    CancelOrders,
    Decision,
    ModifyOrder,
    ModifyOrders,
    Nothing,
    SubmitOrder,
)

E = TypeVar("E", bound=StrEnum)
Number = Decimal | int | float | str
REASON_LENGTH_MAX = 500  # characters kept; a reason goes into a row and onto a page
_CHANGES_MAX = 100  # orders in one decision; more is a mistake

_NEEDS_PRICE = (OrderType.LIMIT, OrderType.STOP_LIMIT)
_NEEDS_STOP_PRICE = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)


class BadDecision(ValueError):
    """What a strategy decided cannot be carried out; the text says what and what to do."""


def number_of(value: object, name: str) -> Decimal:
    """A finite decimal from a number as strategies write it. Raises BadDecision."""
    try:
        if isinstance(value, float):
            return decimal_of(str(float(value)))
        if isinstance(value, (Decimal, int, str)):
            return decimal_of(value)
    except NotANumber:
        pass
    raise BadDecision(f"{name} is {value!r}, not a finite number")


def valid_decision(answer: object) -> Decision:
    """The same decision with decimals and a trimmed reason. Raises BadDecision."""
    match answer:
        case Nothing():
            reason = valid_reason(answer.reason)
            return answer if reason is answer.reason else Nothing(reason)
        case SubmitOrder():
            return _valid_submit(answer)
        case ModifyOrders():
            changes = _tuple(answer.changes, "changes")
            if not changes:
                raise BadDecision("modify_orders names no order")
            return ModifyOrders(tuple(map(_valid_change, changes)), valid_reason(answer.reason))
        case CancelOrders():
            ids = tuple(map(_id, _tuple(answer.order_ids, "order_ids")))
            return CancelOrders(ids, valid_reason(answer.reason))
        case _:
            raise BadDecision(
                f"on_bar answered {answer!r:.100}, which is no decision: return what ctx.buy, "
                "sell, exit, modify, cancel or nothing gives"
            )


def _valid_submit(order: SubmitOrder) -> SubmitOrder:
    qty = number_of(order.qty, "qty")
    if qty < 0 or (qty == 0 and not order.is_exit):
        raise BadDecision(f"qty is {qty}, it must be above zero")
    price = _price(order.price, "price")
    stop_price = _price(order.stop_price, "stop_price")
    if (price is not None) != (order.type in _NEEDS_PRICE):
        raise BadDecision(f"a {order.type} order with price {price}")
    if (stop_price is not None) != (order.type in _NEEDS_STOP_PRICE):
        raise BadDecision(f"a {order.type} order with stop_price {stop_price}")
    if not isinstance(order.is_exit, bool):
        raise BadDecision(f"is_exit is {order.is_exit!r}, not True or False")
    if order.symbol is not None and not isinstance(order.symbol, str):
        raise BadDecision(f"symbol is {order.symbol!r}, not text")
    return SubmitOrder(
        _one_of(Side, order.side, "side"),
        qty,
        valid_reason(order.reason),
        _one_of(OrderType, order.type, "type"),
        _one_of(TimeInForce, order.tif, "tif"),
        price,
        stop_price,
        _price(order.protective_stop, "protective_stop"),
        order.is_exit,
        order.symbol,
    )


def _valid_change(change: object) -> ModifyOrder:
    if not isinstance(change, ModifyOrder):
        raise BadDecision(f"{change!r:.100} does not say how to modify which order")
    qty = _price(change.qty, "qty")
    price = _price(change.price, "price")
    stop_price = _price(change.stop_price, "stop_price")
    if qty is None and price is None and stop_price is None:
        raise BadDecision(f"nothing to modify on {change.order_id}")
    return ModifyOrder(_id(change.order_id), qty, price, stop_price)


def _one_of(kind: type[E], value: object, name: str) -> E:
    if isinstance(value, kind):
        return value
    for member in kind:
        if member == value:
            return member
    raise BadDecision(f"{name} is {value!r:.100}, not one of {', '.join(kind)}")


def _price(value: object, name: str) -> Decimal | None:
    if value is None:
        return None
    number = number_of(value, name)
    if number <= 0:
        raise BadDecision(f"{name} is {number}, it must be above zero")
    return number


def _id(value: object) -> ClientOrderId:
    if not isinstance(value, str):
        raise BadDecision(f"{value!r:.100} is no order id")
    return ClientOrderId(value)


def _tuple(value: object, name: str) -> tuple[object, ...]:
    if not isinstance(value, tuple | list) or len(value) > _CHANGES_MAX:
        raise BadDecision(f"{name} must be a tuple of at most {_CHANGES_MAX}, not {value!r:.100}")
    return tuple(value)


def valid_reason(reason: object) -> str:
    """A reason in words, cut to its limit. Raises BadDecision."""
    if not isinstance(reason, str) or not reason.strip():
        raise BadDecision("a decision needs a reason, in words")
    return reason if len(reason) <= REASON_LENGTH_MAX else reason[:REASON_LENGTH_MAX]
