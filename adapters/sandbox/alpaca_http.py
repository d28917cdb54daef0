"""The Alpaca wire, REST, trading side: account, orders, positions, activities, clock."""

from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import uuid4

from aiohttp import web

from adapters.sandbox import alpaca_wire as wire
from adapters.sandbox.accounts import Account
from adapters.sandbox.alpaca_requests import read_instant, read_limit, read_order, read_replace
from adapters.sandbox.entry import NOT_FOUND, Refused, invalid, malformed, not_found
from adapters.sandbox.faults import FaultKind, Occasion, Place
from adapters.sandbox.guard import Answer, Call, Guard, Handler
from adapters.sandbox.host import Host
from adapters.sandbox.hours import NEW_YORK
from adapters.sandbox.orders import Fate, Order, OrderRequest, OrderType, Side, TimeInForce

T = TypeVar("T")

ORDERS_LIMIT = 50
ORDERS_LIMIT_MAX = 500
ACTIVITIES_PAGE_MAX = 100
CALENDAR_DAYS_MAX = 366
FATES = {FaultKind.SILENT_REJECT: Fate.SILENT_REJECT, FaultKind.NEVER_FIRE: Fate.NEVER_FIRE}


class AlpacaTrading:
    """The handlers. One instance serves all accounts."""

    def __init__(
        self, host: Host, timeframe: timedelta, flush: Callable[[], Awaitable[None]]
    ) -> None:
        self._host = host
        self._venue = host.venue
        self._ledger = host.venue.ledger
        self._timeframe = timeframe
        self._flush = flush  # returns when the streams have sent what they had

    def handlers(self) -> dict[tuple[str, str], Handler]:
        """Who answers which method and path."""
        return {
            ("GET", "/v2/account"): self._get_account,
            ("GET", "/v2/account/activities"): self._get_activities,
            ("GET", "/v2/account/activities/{kind}"): self._get_activities,
            ("GET", "/v2/assets"): self._get_assets,
            ("GET", "/v2/assets/{symbol}"): self._get_asset,
            ("GET", "/v2/clock"): self._get_clock,
            ("GET", "/v2/calendar"): self._get_calendar,
            ("POST", "/v2/orders"): self._post_order,
            ("GET", "/v2/orders"): self._get_orders,
            ("DELETE", "/v2/orders"): self._delete_orders,
            ("GET", "/v2/orders:by_client_order_id"): self._get_order_by_client_id,
            ("GET", "/v2/orders/{id}"): self._get_order,
            ("PATCH", "/v2/orders/{id}"): self._patch_order,
            ("DELETE", "/v2/orders/{id}"): self._delete_order,
            ("GET", "/v2/positions"): self._get_positions,
            ("GET", "/v2/positions/{symbol}"): self._get_position,
            ("DELETE", "/v2/positions/{symbol}"): self._delete_position,
        }

    def routes(self, guard: Guard) -> list[web.RouteDef]:
        """Every route of the trading side."""
        return [
            web.route(method, path, guard.wrap(handler))
            for (method, path), handler in self.handlers().items()
        ]

    # --- account and venue ----------------------------------------------------------------------

    async def _get_account(self, call: Call) -> Answer:
        return Answer(wire.account_json(call.account, self._ledger.rules, self._ledger.marks))

    async def _get_assets(self, call: Call) -> Answer:
        return Answer([wire.asset_json(s, self._ledger.rules) for s in self._venue.markets])

    async def _get_asset(self, call: Call) -> Answer:
        return Answer(wire.asset_json(self._symbol(call), self._ledger.rules))

    async def _get_clock(self, call: Call) -> Answer:
        now = self._host.tell_time()
        speed = self._host.clock.speed
        return Answer(wire.clock_json(now, self._venue.is_open, speed, self._timeframe))

    async def _get_calendar(self, call: Call) -> Answer:
        """Every day is open all day: whether it is open now, the clock says."""
        today = self._host.now().astimezone(NEW_YORK)
        start = (read_instant(call.query, "start") or today).date()
        end = (read_instant(call.query, "end") or today).date()
        count = min((end - start).days + 1, CALENDAR_DAYS_MAX)
        days = (start + timedelta(days=n) for n in range(count))
        return Answer([{"date": d.isoformat(), "open": "00:00", "close": "23:59"} for d in days])

    # --- orders ---------------------------------------------------------------------------------

    async def _post_order(self, call: Call) -> Answer:
        return await self._enter(call.account, read_order(call.body))

    async def _enter(self, account: Account, request: OrderRequest) -> Answer:
        fate = Fate.NORMAL
        faults = self._host.faults
        if not faults.quiet:
            occasion = Occasion(
                Place.ORDER,
                account=account.number,
                client_order_id=request.client_order_id,
                symbol=request.symbol,
            )
            fault = faults.strike(occasion, self._host.now())
            fate = FATES[fault.kind] if fault is not None else Fate.NORMAL
        return await self._ordered(self._host.submit(account.number, request, fate))

    async def _ordered(self, order: Order) -> Answer:
        answer = Answer(wire.order_json(order))
        self._host.settle_soon(order)
        if not self._host.latency_s:
            # Without latency the events are out before the reply: the classic race, on purpose.
            await self._flush()
        return answer

    async def _get_orders(self, call: Call) -> Answer:
        query = call.query
        status = query.get("status", "open")
        limit = read_limit(query, "limit", ORDERS_LIMIT, ORDERS_LIMIT_MAX)
        if status == "open":
            orders: Sequence[Order] = call.account.all_open()
        elif status in ("closed", "all"):
            orders = call.account.orders
        else:
            raise malformed("invalid status")
        window = _window(orders, call, lambda order: order.created_at)
        symbols = set(filter(None, query.get("symbols", "").split(",")))
        found: list[wire.Json] = []
        for place in window if query.get("direction") == "asc" else reversed(window):
            order = orders[place]
            if len(found) == limit:
                break
            if (
                (status == "closed" and order.is_open)
                or (symbols and order.request.symbol not in symbols)
                or query.get("side", order.request.side) != order.request.side
            ):
                continue
            found.append(wire.order_json(order))
        return Answer(found)

    async def _get_order(self, call: Call) -> Answer:
        order = self._ledger.order(call.account.number, call.path_parts["id"])
        return Answer(wire.order_json(order))

    async def _get_order_by_client_id(self, call: Call) -> Answer:
        client_id = call.query.get("client_order_id", "")
        order = call.account.orders_by_client_id.get(client_id)
        if order is None:
            raise not_found(f"order {client_id}")
        return Answer(wire.order_json(order))

    async def _patch_order(self, call: Call) -> Answer:
        order = self._ledger.order(call.account.number, call.path_parts["id"])
        change = read_replace(call.body, self._host.now(), call.account.number, order)
        return await self._ordered(
            self._host.perform(change, self._venue.lifecycle.request_replace)
        )

    async def _delete_order(self, call: Call) -> Answer:
        await self._ordered(self._host.request_cancel(call.account.number, call.path_parts["id"]))
        return Answer(None, 204)

    async def _delete_orders(self, call: Call) -> Answer:
        results = []
        for order in call.account.all_open():
            try:
                self._host.settle_soon(self._host.request_cancel(call.account.number, order.id))
                results.append({"id": order.id, "status": 200})
            except Refused as refusal:
                results.append({"id": order.id, "status": refusal.http_status})
        return Answer(results, 207)

    # --- positions and executions ---------------------------------------------------------------

    async def _get_positions(self, call: Call) -> Answer:
        positions = sorted(call.account.positions)
        return Answer([wire.position_json(call.account, s, self._ledger) for s in positions])

    async def _get_position(self, call: Call) -> Answer:
        return Answer(wire.position_json(call.account, self._held_symbol(call), self._ledger))

    async def _delete_position(self, call: Call) -> Answer:
        """Close a position by a market order, the whole of it or a part."""
        symbol = self._held_symbol(call)
        held = call.account.position_qty(symbol)
        if "percentage" in call.query:
            raise invalid("percentage is not supported by this venue")
        side = Side.SELL if held > 0 else Side.BUY
        body = {
            "symbol": symbol,
            "qty": call.query.get("qty", str(abs(held))),
            "side": side,
            "type": OrderType.MARKET,
            "time_in_force": TimeInForce.DAY,
            "client_order_id": str(uuid4()),
        }
        return await self._enter(call.account, read_order(body))

    async def _get_activities(self, call: Call) -> Answer:
        query = call.query
        kind = call.path_parts.get("kind") or query.get("activity_types", "FILL")
        if "FILL" not in kind.split(","):
            return Answer([])
        executions = call.account.executions
        size = read_limit(query, "page_size", ACTIVITIES_PAGE_MAX, ACTIVITIES_PAGE_MAX)
        ascending = query.get("direction") == "asc"
        window = _window(executions, call, lambda execution: execution.at)
        if token := query.get("page_token"):
            last = call.account.execution_index.get(token.partition("::")[2])
            if last is None:
                raise malformed("invalid page_token")
            window = (
                range(max(window.start, last + 1), window.stop)
                if ascending
                else range(window.start, min(window.stop, last))
            )
        page = window[:size] if ascending else window[::-1][:size]
        return Answer([wire.activity_json(executions[place]) for place in page])

    # --- inside ---------------------------------------------------------------------------------

    def _symbol(self, call: Call) -> str:
        """The symbol a path names, by its ticker or by its asset id."""
        name = call.path_parts["symbol"]
        for symbol in self._venue.markets:
            if name in (symbol, wire.asset_id(symbol)):
                return symbol
        raise not_found(f"asset {name}")

    def _held_symbol(self, call: Call) -> str:
        symbol = self._symbol(call)
        if symbol not in call.account.positions:
            raise Refused(404, NOT_FOUND, "position does not exist")
        return symbol


def _window(items: Sequence[T], call: Call, instant: Callable[[T], datetime]) -> range:
    """The places, in time order, that `after` and `until` leave over, both exclusive."""
    after, until = read_instant(call.query, "after"), read_instant(call.query, "until")
    start = 0 if after is None else bisect_right(items, after, key=instant)
    stop = len(items) if until is None else bisect_left(items, until, key=instant)
    return range(start, stop)
