"""The Alpaca wire's shapes: what leaves as JSON, what may come in.  Pure.

On the trading side numbers leave as decimal strings; on the market-data side as JSON numbers,
written from the decimal's own digits so that no float touches them. Absent values are null.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson

from adapters.sandbox.accounts import Account
from adapters.sandbox.commands import Rules
from adapters.sandbox.events import BarClosed, BarRevised, OrderChanged, TradePrinted
from adapters.sandbox.hours import NEW_YORK, day_end
from adapters.sandbox.ledger import Ledger
from adapters.sandbox.orders import (
    ZERO,
    Execution,
    Order,
    TimeInForce,
)
from adapters.sandbox.tape import Bar

NINE_PLACES = Decimal("1E-9")

Json = dict[str, Any]


def decimal_text(value: Decimal | None) -> str | None:
    """A decimal string without trailing zeros and without exponent; null for None."""
    if value is None:
        return None
    if value.as_tuple().exponent == 0:  # the common case: whole shares
        return str(value)
    return format(value.quantize(NINE_PLACES).normalize(), "f")


def number(value: Decimal) -> orjson.Fragment:
    """A JSON number with the decimal's own digits."""
    return orjson.Fragment((decimal_text(value) or "0").encode())


def instant_text(at: datetime | None) -> str | None:
    """RFC 3339 in UTC with microseconds; null for None."""
    return None if at is None else at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def asset_id(symbol: str) -> str:
    """The same symbol always has the same asset id."""
    return str(uuid5(NAMESPACE_URL, f"sandbox:{symbol}"))


@cache
def _account_id(number: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"sandbox-account:{number}"))


class AssetIds(dict[str, str]):
    """Asset ids by symbol, worked out once."""

    def __missing__(self, symbol: str) -> str:
        self[symbol] = asset_id(symbol)
        return self[symbol]


_ASSET_IDS = AssetIds()


def order_json(order: Order) -> Json:
    """The Order object."""
    request = order.request
    return {
        "id": order.id,
        "client_order_id": request.client_order_id,
        "created_at": instant_text(order.created_at),
        "updated_at": instant_text(order.updated_at),
        "submitted_at": instant_text(order.created_at),
        "filled_at": instant_text(order.filled_at),
        "expired_at": instant_text(order.expired_at),
        "expires_at": _expires_at(order),
        "canceled_at": instant_text(order.canceled_at),
        "failed_at": instant_text(order.failed_at),
        "replaced_at": instant_text(order.replaced_at),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": _ASSET_IDS[request.symbol],
        "symbol": request.symbol,
        "asset_class": "us_equity",
        "notional": None,
        "qty": decimal_text(order.qty),
        "filled_qty": decimal_text(order.filled_qty),
        "filled_avg_price": decimal_text(order.average_price),
        "order_class": "",
        "order_type": request.type,
        "type": request.type,
        "side": request.side,
        "position_intent": f"{request.side}_to_{order.effect}",
        "time_in_force": request.time_in_force,
        "limit_price": decimal_text(request.limit_price),
        "stop_price": decimal_text(request.stop_price),
        "status": order.status,
        "extended_hours": request.extended_hours,
        "legs": None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
    }


def _expires_at(order: Order) -> str | None:
    if order.request.time_in_force is TimeInForce.GTC:
        return None
    return instant_text(day_end(order.created_at))


def trade_update_json(change: OrderChanged) -> Json:
    """A trade_updates message."""
    data: Json = {
        "event": change.event,
        "execution_id": change.execution_id,
        "timestamp": instant_text(change.at),
        "order": order_json(change.order),
    }
    if change.execution is not None:
        data["price"] = decimal_text(change.execution.price)
        data["qty"] = decimal_text(change.execution.qty)
        data["position_qty"] = decimal_text(change.execution.position_qty)
    return {"stream": "trade_updates", "data": data}


def account_json(account: Account, rules: Rules, marks: Mapping[str, Decimal]) -> Json:
    """The Account object."""
    equity = account.equity(marks)
    power = decimal_text(account.buying_power(marks, rules.multiplier))
    values = {s: p.qty * marks.get(s, p.average_price) for s, p in account.positions.items()}
    long_value = sum((v for v in values.values() if v > 0), ZERO)
    short_value = sum((v for v in values.values() if v < 0), ZERO)
    gross = long_value - short_value
    return {
        "id": _account_id(account.number),
        "account_number": account.number,
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "cash": decimal_text(account.cash),
        "equity": decimal_text(equity),
        "last_equity": decimal_text(account.last_equity),
        "buying_power": power,
        "regt_buying_power": power,
        "non_marginable_buying_power": decimal_text(max(ZERO, account.cash - account.reserved)),
        "portfolio_value": decimal_text(equity),
        "long_market_value": decimal_text(long_value),
        "short_market_value": decimal_text(short_value),
        "position_market_value": decimal_text(gross),
        "initial_margin": decimal_text(gross / rules.multiplier),
        "maintenance_margin": decimal_text(gross * Decimal("0.3")),
        "multiplier": decimal_text(rules.multiplier),
        "trading_blocked": False,
        "account_blocked": False,
        "transfers_blocked": False,
        "trade_suspended_by_user": False,
        "shorting_enabled": rules.shorting_enabled and rules.multiplier > 1,
        "created_at": instant_text(account.opened_at),
    }


def position_json(account: Account, symbol: str, ledger: Ledger) -> Json:
    """The Position object; a short one has a negative qty."""
    position = account.positions[symbol]
    price = ledger.marks.get(symbol, position.average_price)
    close = ledger.closes.get(symbol, price)  # before the first close nothing has changed
    value = position.qty * price
    profit = value - position.cost
    profit_fraction = decimal_text(profit / abs(position.cost) if position.cost else ZERO)
    sign = 1 if position.qty > 0 else -1
    return {
        "asset_id": _ASSET_IDS[symbol],
        "symbol": symbol,
        "exchange": "NASDAQ",
        "asset_class": "us_equity",
        "asset_marginable": True,
        "qty": decimal_text(position.qty),
        "avg_entry_price": decimal_text(position.average_price),
        "side": "long" if position.qty > 0 else "short",
        "market_value": decimal_text(value),
        "cost_basis": decimal_text(position.cost),
        "unrealized_pl": decimal_text(profit),
        "unrealized_plpc": profit_fraction,
        "unrealized_intraday_pl": decimal_text(profit),
        "unrealized_intraday_plpc": profit_fraction,
        "current_price": decimal_text(price),
        "lastday_price": decimal_text(close),
        "change_today": decimal_text(price / close - 1),
        "qty_available": decimal_text(sign * account.available(symbol)),
    }


def asset_json(symbol: str, rules: Rules) -> Json:
    """The Asset object."""
    shortable = rules.shorting_enabled and rules.multiplier > 1
    return {
        "id": _ASSET_IDS[symbol],
        "class": "us_equity",
        "exchange": "NASDAQ",
        "symbol": symbol,
        "name": f"{symbol} (sandbox)",
        "status": "active",
        "tradable": True,
        "marginable": rules.multiplier > 1,
        "maintenance_margin_requirement": 30,
        "shortable": shortable,
        "easy_to_borrow": shortable,
        "fractionable": False,
        "attributes": [],
    }


def activity_id(execution: Execution) -> str:
    """The activity's id: its instant, then the execution id that the stream showed."""
    stamp = execution.at.strftime("%Y%m%d%H%M%S") + f"{execution.at.microsecond // 1000:03d}"
    return f"{stamp}::{execution.id}"


def activity_json(execution: Execution) -> Json:
    """A FILL activity."""
    return {
        "id": activity_id(execution),
        "activity_type": "FILL",
        "transaction_time": instant_text(execution.at),
        "type": "partial_fill" if execution.leaves_qty else "fill",
        "price": decimal_text(execution.price),
        "qty": decimal_text(execution.qty),
        "side": execution.side,
        "symbol": execution.symbol,
        "leaves_qty": decimal_text(execution.leaves_qty),
        "order_id": execution.order_id,
        "cum_qty": decimal_text(execution.cum_qty),
        "order_status": execution.order_status,
    }


def clock_json(now: datetime, is_open: bool, speed: float, timeframe: timedelta) -> Json:
    """The Clock object, in New York time; `sandbox` says how fast this clock runs."""
    midnight = day_end(now).astimezone(NEW_YORK)
    return {
        "timestamp": now.astimezone(NEW_YORK).isoformat(timespec="microseconds"),
        "is_open": is_open,
        "next_open": midnight.isoformat(),
        "next_close": midnight.isoformat(),
        "sandbox": {
            "now": instant_text(now),
            "speed": speed,
            "timeframe_s": timeframe.total_seconds(),
        },
    }


def bar_json(bar: Bar) -> Json:
    """A bar of the history; `t` is its opening."""
    mean = bar.notional / bar.volume if bar.volume else bar.close
    return {
        "t": instant_text(bar.opened_at),
        "o": number(bar.open),
        "h": number(bar.high),
        "l": number(bar.low),
        "c": number(bar.close),
        "v": number(bar.volume),
        "n": bar.trade_count,
        "vw": number(mean),
    }


def trade_message(trade: TradePrinted) -> Json:
    """A trade on the market-data stream."""
    return {
        "T": "t",
        "S": trade.symbol,
        "i": trade.id,
        "x": "V",
        "p": number(trade.price),
        "s": number(trade.qty),
        "t": instant_text(trade.at),
        "c": ["@"],
        "z": "C",
    }


def bar_message(event: BarClosed | BarRevised) -> Json:
    """A finished bar (`b`), or one that replaces a bar sent before (`u`)."""
    kind = "b" if isinstance(event, BarClosed) else "u"
    return {"T": kind, "S": event.symbol, **bar_json(event.bar)}
