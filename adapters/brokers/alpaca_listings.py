"""Listings that come in pages: read to their end, or a failure; never half of one for the whole."""

from datetime import datetime, timedelta
from typing import Any

from adapters.brokers.alpaca_http import Trading
from adapters.brokers.alpaca_json import a_list, an_object, instant, text
from trader.errors import BrokerProtocolError

ORDERS_PAGE = 500  # the venue's largest
FILLS_PAGE = 100  # the venue's largest
PAGES_MAX = 50  # of one listing
INSTANT = timedelta(microseconds=1)


async def list_open_orders(http: Trading) -> list[Any]:
    """Every open order, oldest first. Raises BrokerError."""
    orders: dict[str, Any] = {}  # by the venue's id
    params = {
        "status": "open", "limit": str(ORDERS_PAGE), "direction": "asc", "nested": "false",
    }  # fmt: skip
    for _ in range(PAGES_MAX):
        page = a_list(await http.ask("/v2/orders", params))
        known_count = len(orders)
        orders |= {text(an_object(order), "id"): order for order in page}
        if len(page) < ORDERS_PAGE:
            return list(orders.values())
        if len(orders) == known_count:
            break  # a page of nothing new: one instant has more orders than a page holds
        # `after` is exclusive: one step back, so that no order of that instant is skipped.
        params["after"] = (instant(page[-1], "submitted_at") - INSTANT).isoformat()
    raise BrokerProtocolError("the listing of orders does not end")


async def list_fills(http: Trading, after: datetime) -> tuple[list[Any], bool]:
    """FILL activities after an instant, oldest first, and whether more are left for another time.

    Raises BrokerError.
    """
    fills: list[Any] = []
    params = {"after": after.isoformat(), "direction": "asc", "page_size": str(FILLS_PAGE)}
    for _ in range(PAGES_MAX):
        page = a_list(await http.ask("/v2/account/activities/FILL", params))
        fills += page
        if len(page) < FILLS_PAGE:
            return fills, False
        last_id = text(an_object(page[-1]), "id")
        if params.get("page_token") == last_id:
            raise BrokerProtocolError("the listing of fills does not move on")
        params["page_token"] = last_id
    return fills, True
