"""Price, Quantity, Money: decimals only, never floats, rounded in named places.

`Price` and `Quantity` are `Decimal` with a name; `Money` knows its currency. Position quantities
are signed (long positive), order quantities unsigned with a side.
"""

from dataclasses import dataclass
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Decimal,
    InvalidOperation,
)
from typing import NewType

Price = NewType("Price", Decimal)
Quantity = NewType("Quantity", Decimal)

ZERO = Decimal(0)
NO_QTY = Quantity(ZERO)
CENT = Decimal("0.01")
_LARGEST = Decimal(10) ** 15  # beyond it a number on a wire is a mistake, not a price


class NotANumber(ValueError):
    """A text or number that is not a finite decimal in a sane range."""


def decimal_of(text: str | int | Decimal) -> Decimal:
    """A finite decimal from text; floats are not taken.

    Raises NotANumber for NaN, infinities, garbage and magnitudes past 10^15.
    """
    if isinstance(text, bool) or not isinstance(text, str | int | Decimal):
        raise NotANumber(f"{text!r} is not decimal text")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise NotANumber(f"{text!r} is not a decimal number") from None
    if not number.is_finite() or abs(number) > _LARGEST:
        raise NotANumber(f"{text!r} is not a finite decimal in range")
    return number


def price_of(text: str | int | Decimal) -> Price:
    """A price above zero. Raises NotANumber."""
    number = decimal_of(text)
    if number <= 0:
        raise NotANumber(f"a price must be above zero, not {text!r}")
    return Price(number)


def quantity_of(text: str | int | Decimal) -> Quantity:
    """An unsigned quantity, zero allowed. Raises NotANumber."""
    number = decimal_of(text)
    if number < 0:
        raise NotANumber(f"a quantity must not be negative, not {text!r}")
    return Quantity(number)


def plain(number: Decimal) -> str:
    """Decimal text without an exponent: the only way a decimal leaves the program."""
    return format(number, "f")


def down_to_tick(price: Decimal, tick: Decimal) -> Price:
    """The highest multiple of the tick that is not above `price`."""
    return Price((price / tick).to_integral_value(ROUND_FLOOR) * tick)


def up_to_tick(price: Decimal, tick: Decimal) -> Price:
    """The lowest multiple of the tick that is not below `price`."""
    return Price((price / tick).to_integral_value(ROUND_CEILING) * tick)


def down_to_lot(qty: Decimal, lot: Decimal) -> Quantity:
    """The largest multiple of the lot that is not above `qty` (towards zero)."""
    return Quantity((qty / lot).to_integral_value(ROUND_DOWN) * lot)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency; another currency does not add."""

    amount: Decimal
    currency: str

    def __add__(self, other: "Money") -> "Money":
        assert self.currency == other.currency, f"{self.currency} + {other.currency}"
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        assert self.currency == other.currency, f"{self.currency} - {other.currency}"
        return Money(self.amount - other.amount, self.currency)

    def to_cents(self) -> "Money":
        """Rounded half to even, as fees are charged."""
        return Money(self.amount.quantize(CENT, ROUND_HALF_EVEN), self.currency)
