"""Reading the wire: JSON in which no float ever exists, and fields that are what they should be.

Everything raises BrokerProtocolError, with the field's name, and never anything else.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from trader.errors import BrokerProtocolError
from trader.instants import require_utc
from trader.money import NotANumber, Price, Quantity, decimal_of, price_of, quantity_of

Json = Mapping[str, Any]
T = TypeVar("T")
SAMPLE_LENGTH_MAX = 200


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


# The standard decoder, because it can be told to make decimals of a number's own digits.
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)


def exact_json(body: bytes) -> Any:
    """Whatever the bytes say; numbers with a point are decimals, NaN and Infinity are refused."""
    try:
        return _DECODER.decode(body.decode())
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise BrokerProtocolError(f"not JSON: {type(error).__name__}") from None


def sample(body: bytes) -> str:
    """The beginning of a frame, for people."""
    return body[:SAMPLE_LENGTH_MAX].decode(errors="replace")


def an_object(value: object) -> Json:
    """The value, if it is a JSON object."""
    if not isinstance(value, dict):
        raise BrokerProtocolError(f"an object was expected, not {type(value).__name__}")
    return value


def a_list(value: object) -> list[Any]:
    """The value, if it is a JSON array."""
    if not isinstance(value, list):
        raise BrokerProtocolError(f"an array was expected, not {type(value).__name__}")
    return value


def text(data: Json, name: str) -> str:
    """A text that is not empty."""
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise BrokerProtocolError(f"{name} must be a text, not {value!r:.40}")
    return value


def optional_text(data: Json, name: str) -> str | None:
    """A text, or None where it is null, missing or empty."""
    return None if data.get(name) in (None, "") else text(data, name)


def flag(data: Json, name: str) -> bool:
    """True or false."""
    value = data.get(name)
    if not isinstance(value, bool):
        raise BrokerProtocolError(f"{name} must be true or false, not {value!r:.40}")
    return value


def instant(data: Json, name: str) -> datetime:
    """An instant with its zone, in UTC; nanoseconds are cut to microseconds."""
    try:
        return require_utc(datetime.fromisoformat(text(data, name)))
    except (ValueError, OverflowError):
        raise BrokerProtocolError(f"{name} must be an instant, not {data[name]!r:.40}") from None


def amount(data: Json, name: str) -> Decimal:
    """A decimal as the trading side writes it: text. A bare JSON number is not of its wire."""
    return _number(decimal_of, text(data, name), name)


def qty(data: Json, name: str) -> Quantity:
    """A quantity as text, zero allowed."""
    return _number(quantity_of, text(data, name), name)


def price(data: Json, name: str) -> Price:
    """A price as text, above zero."""
    return _number(price_of, text(data, name), name)


def optional_price(data: Json, name: str) -> Price | None:
    """A price as text, or None where it is null, missing or empty."""
    return None if optional_text(data, name) is None else price(data, name)


def market_price(data: Json, name: str) -> Price:
    """A price as the market-data side writes it: a JSON number."""
    return _number(price_of, data.get(name), name)


def market_qty(data: Json, name: str) -> Quantity:
    """A quantity as the market-data side writes it: a JSON number."""
    return _number(quantity_of, data.get(name), name)


def _number(read: Callable[[Any], T], value: object, name: str) -> T:
    try:
        return read(value)
    except NotANumber as error:
        raise BrokerProtocolError(f"{name}: {error!s:.80}") from None
