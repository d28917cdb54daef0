"""What clients of the Alpaca wire may send, read into the venue's own words.  Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar
from uuid import uuid4

from adapters.sandbox.commands import RequestReplace
from adapters.sandbox.entry import FORBIDDEN, Refused, invalid, malformed
from adapters.sandbox.orders import Order, OrderRequest, OrderType, Side, TimeInForce

Json = dict[str, Any]
E = TypeVar("E", bound=StrEnum)

CLIENT_ORDER_ID_LENGTH_MAX = 128
NUMBER_MAX = Decimal(10) ** 12  # past this a number is a mistake, not an order
TEN_THOUSANDTH = Decimal("0.0001")
CENT = Decimal("0.01")
NEEDS_LIMIT = (OrderType.LIMIT, OrderType.STOP_LIMIT)
NEEDS_STOP = (OrderType.STOP, OrderType.STOP_LIMIT)


def read_order(body: Json) -> OrderRequest:
    """A new order as a client asked for it; numbers may be JSON numbers or strings."""
    for unsupported in ("notional", "trail_price", "trail_percent"):
        if body.get(unsupported) is not None:
            raise invalid(f"{unsupported} is not supported by this venue")
    if body.get("order_class") not in (None, "", "simple"):
        raise invalid("order_class is not supported by this venue")
    symbol = body.get("symbol")
    if not isinstance(symbol, str) or not symbol:
        raise malformed("symbol is required")
    order_type = _choice(OrderType, body, "type")
    limit_price, stop_price = _price(body, "limit_price"), _price(body, "stop_price")
    for name, price, needing in (
        ("limit_price", limit_price, NEEDS_LIMIT),
        ("stop_price", stop_price, NEEDS_STOP),
    ):
        if price is None and order_type in needing:
            raise malformed(f"{order_type} orders require {name}")
        if price is not None and order_type not in needing:
            raise malformed(f"{order_type} orders must not have {name}")
    time_in_force = _choice(TimeInForce, body, "time_in_force")
    if stop_price is not None and time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        raise invalid(f"{order_type} orders must be day or gtc")
    qty = _decimal(body, "qty")
    if qty is None:
        raise malformed("qty is required")
    return OrderRequest(
        client_order_id=_client_order_id(body),
        symbol=symbol,
        side=_choice(Side, body, "side"),
        type=order_type,
        time_in_force=time_in_force,
        qty=_whole(qty, symbol),
        limit_price=limit_price,
        stop_price=stop_price,
        extended_hours=body.get("extended_hours") is True,
    )


def read_replace(body: Json, at: datetime, account: str, order: Order) -> RequestReplace:
    """A change of an order; time in force and trail cannot be changed at this venue."""
    for name in ("trail", "time_in_force"):
        if body.get(name) not in (None, order.request.time_in_force):
            raise invalid(f"{name} cannot be changed at this venue")
    qty = _decimal(body, "qty")
    return RequestReplace(
        at,
        account,
        order.id,
        _client_order_id(body),
        qty=None if qty is None else _whole(qty, order.request.symbol),
        limit_price=_price(body, "limit_price"),
        stop_price=_price(body, "stop_price"),
    )


def read_instant(query: Mapping[str, str], name: str) -> datetime | None:
    """An instant or a day in a query; without a zone it is UTC."""
    text = query.get(name)
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise malformed(f"invalid {name}: not an RFC 3339 time") from None
    return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)


def read_limit(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A count in a query, at least 1 and at most `most`."""
    text = query.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= most:
        raise malformed(f"invalid {name}: must be between 1 and {most}")
    return int(text)


def _client_order_id(body: Json) -> str:
    value = body.get("client_order_id")
    if value in (None, ""):
        return str(uuid4())
    if not isinstance(value, str) or not value.isprintable():
        raise malformed("client_order_id must be a printable string")
    if len(value) > CLIENT_ORDER_ID_LENGTH_MAX:
        raise malformed(
            f"client_order_id must be no more than {CLIENT_ORDER_ID_LENGTH_MAX} characters"
        )
    return value


def _choice(kind: type[E], body: Json, name: str) -> E:
    try:
        return kind(str(body.get(name)))
    except ValueError:
        raise malformed(f"invalid {name}: {body.get(name)!r:.40}") from None


def _decimal(body: Json, name: str) -> Decimal | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise malformed(f"{name} must be a number")
    try:
        parsed = Decimal(str(value))
    except InvalidOperation:
        raise malformed(f"{name} must be a number") from None
    if not parsed.is_finite() or abs(parsed) > NUMBER_MAX:
        raise malformed(f"{name} must be a number")
    return parsed


def _price(body: Json, name: str) -> Decimal | None:
    price = _decimal(body, name)
    if price is None:
        return None
    if price <= 0:
        raise invalid(f"{name} must be > 0")
    tick = CENT if price >= 1 else TEN_THOUSANDTH
    if price % tick:
        raise invalid(
            f"invalid {name} {price:f}. sub-penny increment does not fulfill "
            "minimum pricing criteria"
        )
    return price


def _whole(qty: Decimal, symbol: str) -> Decimal:
    if qty <= 0:
        raise invalid("qty must be > 0")
    if qty % 1:
        raise Refused(403, FORBIDDEN, f'asset "{symbol}" is not fractionable', symbol=symbol)
    return qty.to_integral_value()
