"""What the venue refuses at the door, with the wire's own codes.  A refusal changes nothing."""

from collections.abc import Mapping
from decimal import Decimal

from adapters.sandbox.accounts import Account
from adapters.sandbox.commands import Rules
from adapters.sandbox.orders import ZERO, Order, OrderRequest, OrderType, PositionEffect, Side

NOT_FOUND = 40410000
MALFORMED = 40010001
INVALID = 42210000
FORBIDDEN = 40310000


class Refused(Exception):
    """The venue said no, definitely: nothing has changed."""

    def __init__(self, http_status: int, code: int, message: str, **extra: str) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.code = code
        self.message = message
        self.extra = extra

    def body(self) -> dict[str, int | str]:
        """The JSON the wire carries."""
        return {"code": self.code, "message": self.message, **self.extra}


def not_found(what: str) -> Refused:
    """404: there is no such thing."""
    return Refused(404, NOT_FOUND, f"{what} not found")


def invalid(message: str) -> Refused:
    """422: well formed, but not allowed."""
    return Refused(422, INVALID, message)


def malformed(message: str) -> Refused:
    """422 40010001: a parameter is missing, malformed or not unique."""
    return Refused(422, MALFORMED, message)


def effect_on_position(account: Account, request: OrderRequest) -> PositionEffect:
    """Whether an order adds to the position the account has now, or reduces it."""
    reduces = account.position_qty(request.symbol) * request.side.sign < 0
    return PositionEffect.CLOSE if reduces else PositionEffect.OPEN


def reserve_price(request: OrderRequest, last: Decimal | None) -> Decimal:
    """What a share of this order is reserved at; a short sale at the last price at least."""
    price = request.limit_price or request.stop_price or last
    if price is None:
        raise Refused(403, FORBIDDEN, "no available quote for the symbol", symbol=request.symbol)
    return max(price, last or ZERO) if request.side is Side.SELL else price


def check_client_id(account: Account, client_order_id: str) -> None:
    """A client order id is unique for ever, whatever became of its order."""
    if client_order_id in account.orders_by_client_id:
        raise malformed("client_order_id must be unique")


def check_shares(account: Account, request: OrderRequest, qty: Decimal, freed: Decimal) -> None:
    """A closing order needs shares that no other order holds; it never turns a position round."""
    available = account.available(request.symbol) + freed
    if qty > available:
        raise Refused(
            403,
            FORBIDDEN,
            f"insufficient qty available for order (requested: {qty:f}, available: {available:f})",
            available=f"{available:f}",
            existing_qty=f"{abs(account.position_qty(request.symbol)):f}",
            held_for_orders=f"{account.held.get(request.symbol, ZERO):f}",
            symbol=request.symbol,
        )


def check_money(
    account: Account, rules: Rules, marks: Mapping[str, Decimal], extra_dollars: Decimal
) -> None:
    """An opening order needs buying power."""
    power = account.buying_power(marks, rules.multiplier)
    if extra_dollars > power:
        raise Refused(
            403,
            FORBIDDEN,
            "insufficient buying power",
            buying_power=f"{power:f}",
            cost_basis=f"{extra_dollars:f}",
        )


def check_wash_trade(account: Account, request: OrderRequest, replaced: Order | None) -> None:
    """An account must not trade with itself: an opposite order that could cross forbids this."""
    for other in account.working(request.symbol, request.side.opposite):
        if other is not replaced and _could_cross(request, other.request):
            kind = "limit" if other.request.type is OrderType.LIMIT else "market/stop"
            raise Refused(
                403,
                FORBIDDEN,
                "potential wash trade detected. use complex orders",
                existing_order_id=other.id,
                reject_reason=f"opposite side {kind} order exists",
            )


def check_direction(account: Account, rules: Rules, request: OrderRequest) -> None:
    """Opening one way while an opening order stands the other way would turn a position round."""
    opposite = [
        order
        for order in account.working(request.symbol, request.side.opposite)
        if order.effect is PositionEffect.OPEN
    ]
    if request.side is Side.BUY:
        if opposite:
            message = "cannot open a long buy while a short sell order is open"
            raise Refused(403, FORBIDDEN, message, existing_order_id=opposite[0].id)
        return
    if opposite:
        message = "cannot open a short sell while a long buy order is open"
        raise Refused(403, FORBIDDEN, message, existing_order_id=opposite[0].id)
    if not rules.shorting_enabled or rules.multiplier <= 1:
        raise Refused(403, FORBIDDEN, "account is not allowed to short", symbol=request.symbol)


def _could_cross(ours: OrderRequest, theirs: OrderRequest) -> bool:
    if ours.limit_price is None or theirs.limit_price is None:
        return True
    buy, sell = (ours, theirs) if ours.side is Side.BUY else (theirs, ours)
    assert buy.limit_price is not None
    assert sell.limit_price is not None
    return buy.limit_price >= sell.limit_price
