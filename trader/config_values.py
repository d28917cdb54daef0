"""The kinds of values a configuration may hold, each checked where it is read, in its own words."""

import ipaddress
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from trader.money import NotANumber, decimal_of


def _matching(pattern: str, promise: str) -> Callable[[str], str]:
    """A check of the whole text, which says in words what it wants."""
    wanted = re.compile(pattern)

    def check(text: str) -> str:
        if not wanted.fullmatch(text):
            raise ValueError(f"must be {promise}")
        return text

    return check


def _exact(value: object) -> Decimal:
    """A decimal that was never a float. The refusal does not repeat the text."""
    try:
        if isinstance(value, str | int | Decimal):
            return decimal_of(value)
    except NotANumber:
        pass
    raise ValueError("must be a finite decimal number")


def _param(value: object) -> str | int | float | bool:
    """A strategy's parameter: one plain value."""
    if isinstance(value, Decimal):
        return float(value)  # as the file spells it; not money: the strategy says what it becomes
    if isinstance(value, str | int | float):
        return value
    raise ValueError("must be a text, a number, true or false")


def _loopback(host: str) -> str:
    """Loopback only: another address would need TLS, which this daemon does not speak."""
    try:
        is_ours = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_ours = host == "localhost"
    if not is_ours:
        raise ValueError("must be a loopback address; use an SSH tunnel, or the socket, from afar")
    return host


Host = Annotated[str, AfterValidator(_loopback)]
Positive = Annotated[Decimal, BeforeValidator(_exact), Field(gt=0)]
Ratio = Annotated[Decimal, BeforeValidator(_exact), Field(gt=0, le=10)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Millis = Annotated[float, Field(gt=0, le=600_000)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Name = Annotated[
    str,
    AfterValidator(
        _matching("[a-z0-9][a-z0-9-]{0,31}", "lower-case letters, digits and dashes, 32 at most")
    ),
]
GroupName = Annotated[
    str,
    AfterValidator(_matching("([a-z0-9][a-z0-9-]{0,31})?", "a name like a session's, or empty")),
]
Symbol = Annotated[
    str, AfterValidator(_matching("[A-Za-z0-9][A-Za-z0-9./_-]{0,31}", "a symbol such as AAPL"))
]
Variable = Annotated[
    str,
    AfterValidator(_matching("([A-Z][A-Z0-9_]*)?", "the name of an environment variable")),
]
Currency = Annotated[str, AfterValidator(_matching("[A-Z]{3,5}", "a currency code such as USD"))]
Param = Annotated[str | int | float | bool, PlainValidator(_param)]
