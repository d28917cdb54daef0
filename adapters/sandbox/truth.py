"""Everything the venue knows, for a test to compare a daemon's books with.  Pure."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from adapters.sandbox import alpaca_wire as wire
from adapters.sandbox.accounts import Account
from adapters.sandbox.orders import Execution
from adapters.sandbox.venue import Venue

Json = dict[str, Any]


def plain(value: object) -> str | None:
    """How orjson shall write what it does not know: decimals as text."""
    if isinstance(value, Decimal):
        return wire.decimal_text(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def truth(venue: Venue, now: datetime, only_account: str | None) -> Json:
    """The venue's state; accounts by number, everything in them complete and oldest first."""
    return {
        "now": wire.instant_text(now),
        "is_open": venue.is_open,
        "cursor": venue.cursor,
        "rules": venue.ledger.rules,
        "last_prices": venue.ledger.marks,
        "bar_counts": {symbol: len(market.bars) for symbol, market in venue.markets.items()},
        "accounts": {
            number: _account(venue, account)
            for number, account in venue.ledger.accounts.items()
            if only_account in (None, number)
        },
    }


def _account(venue: Venue, account: Account) -> Json:
    marks = venue.ledger.marks
    return {
        "cash": account.cash,
        "equity": account.equity(marks),
        "buying_power": account.buying_power(marks, venue.ledger.rules.multiplier),
        "reserved": account.reserved,
        "fees_paid": account.fees_paid,
        "positions": {
            symbol: {"qty": position.qty, "avg_entry_price": position.average_price}
            for symbol, position in sorted(account.positions.items())
        },
        "client_order_ids": list(account.orders_by_client_id),
        "orders": [{**wire.order_json(order), "fate": order.fate} for order in account.orders],
        "executions": [_execution(execution) for execution in account.executions],
        "adjustments": account.adjustments,
    }


def _execution(execution: Execution) -> Json:
    return {
        **wire.activity_json(execution),
        "execution_id": execution.id,
        "client_order_id": execution.client_order_id,
        "position_qty": execution.position_qty,
        "fee": execution.fee,
    }
