"""Effects in a reader's words: plain JSON that says the same for the same effect.

Bars stand as the instant and the digest that are kept with a decision, proofs as what they prove,
decimals without their trailing zeros.
"""

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from trader.market.candle import Candle
from trader.market.digest import digest
from trader.money import plain
from trader.proofs import Cleared
from trader.session.effects import Effects

Did = list[dict[str, Any]]

QUESTIONS = frozenset({"AskPosition", "AskOrders", "AskExecutions", "Find", "ReportHeat"})
"""Owed by a certain second, and done again until they are answered: their moment decides nothing.
"""


def did_of(effects: Effects) -> Did:
    """What was done."""
    return [_table(effect) for effect in effects]


def decisions_of(did: Did) -> Did:
    """What was decided: all but the questions."""
    return [each for each in did if each["is"] not in QUESTIONS]


def _table(value: Any) -> dict[str, Any]:
    fields = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    said = {name: _said(one) for name, one in fields.items() if one is not None}
    return {"is": type(value).__name__, **said}


def _said(value: Any) -> Any:
    match value:
        case StrEnum():
            return value.value
        case str() | int() | None:
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return plain(value.normalize()) if value else "0"
        case datetime():
            return value.isoformat()
        case Cleared():
            return _said(value.item)
        case Candle():
            return f"{value.opened_at.isoformat()} {digest(value)}"
        case (Candle(), *_):
            return _window(value)
        case tuple() | list():
            return [_said(each) for each in value]
        case frozenset():
            return sorted(_said(each) for each in value)
        case Mapping():
            return {str(key): _said(each) for key, each in value.items()}
        case _:
            return _table(value)


def _window(candles: tuple[Candle, ...]) -> str:
    """How many, from when to when, and a digest of all."""
    whole = hashlib.sha256("".join(map(digest, candles)).encode()).hexdigest()[:16]
    first, last = candles[0].opened_at, candles[-1].opened_at
    return f"{len(candles)} bars, {first.isoformat()} to {last.isoformat()}, {whole}"
