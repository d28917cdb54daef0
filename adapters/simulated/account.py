"""An account at the simulated venue: fulfils `trader.ports.Account`, with the sandbox's faults."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import orjson

from adapters.brokers.alpaca_account import CAPABILITIES, OVERLAP
from adapters.brokers.alpaca_answers import Reply, Write, cancel_answer, order_answer
from adapters.brokers.alpaca_wire import Wire, order_body, replace_body
from adapters.sandbox import alpaca_wire as words
from adapters.sandbox.alpaca_requests import read_order, read_replace
from adapters.sandbox.entry import Refused
from adapters.sandbox.events import Happening, OrderChanged
from adapters.sandbox.faults import Fault, FaultKind, Occasion, Place
from adapters.sandbox.orders import Fate
from adapters.sandbox.orders import Order as VenueOrder
from adapters.simulated.venue import VENUE, SimulatedVenue, wired
from trader.accounts.events import BalanceReported, StreamConnected, StreamLost
from trader.ids import AccountId, ClientOrderId
from trader.orders.events import OrderAbsent, OrderReported, QueryFailed
from trader.orders.order import Cancel, Order, Replace
from trader.ports import (
    AccountEvent,
    Answer,
    Capabilities,
    ExecutionsReported,
    LastGate,
    NotSent,
    OrdersReported,
    Unknown,
)
from trader.positions.events import PositionsReported
from trader.proofs import Recorded

RECONNECT_S = 1.0
FATES = {FaultKind.SILENT_REJECT: Fate.SILENT_REJECT, FaultKind.NEVER_FIRE: Fate.NEVER_FIRE}
LOST_BEFORE = (FaultKind.DROP_BEFORE, FaultKind.HTTP_BEFORE)
LOST_AFTER = (FaultKind.ACK_LOST, FaultKind.HTTP_AFTER)


class SimulatedAccount:
    """One login. `number` is the venue's name of it, `account_id` ours."""

    def __init__(self, venue: SimulatedVenue, account_id: AccountId, number: str) -> None:
        self._venue = venue
        self._account_id = account_id
        self._number = number
        self._wire = Wire(account_id, VENUE)
        self._ledger = venue.host.venue.ledger
        self._sink: Callable[[AccountEvent], None] | None = None
        self._is_up = False
        venue.listen(self._happened)
        venue.on_cut.append(self._cut)

    @property
    def capabilities(self) -> Capabilities:
        """What the venue promises."""
        return CAPABILITIES

    async def start(self, sink: Callable[[AccountEvent], None]) -> None:
        """Open the event stream. Again: for another listener."""
        self._sink = sink
        self._is_up = True
        sink(StreamConnected(self._account_id))

    async def stop(self) -> None:
        """Hear no more."""
        self._sink = None
        self._is_up = False

    # Writes

    async def submit(self, order: Recorded[Order], gate: LastGate) -> Answer:
        """Send an order, once."""
        item = order.item
        body = orjson.loads(order_body(item))

        def enter() -> VenueOrder:
            return self._venue.host.submit(self._number, read_order(body), self._fate(item.id))

        path = "/v2/orders"
        reply = await self._write("POST", path, gate, enter, item.id)
        return order_answer(reply, Write.SUBMIT, item.id) if isinstance(reply, Reply) else reply

    async def replace(self, change: Recorded[Replace], gate: LastGate) -> Answer:
        """Ask for a change."""
        item = change.item
        body = orjson.loads(replace_body(item))

        def enter() -> VenueOrder:
            old = self._ledger.order(self._number, item.target_broker_id)
            command = read_replace(body, self._venue.now(), self._number, old)
            lifecycle = self._venue.host.venue.lifecycle
            return self._venue.host.perform(command, lifecycle.request_replace)

        path = f"/v2/orders/{item.target_broker_id}"
        reply = await self._write("PATCH", path, gate, enter, item.target)
        if isinstance(reply, Reply):
            return order_answer(reply, Write.REPLACE, item.successor.id)
        return reply

    async def cancel(self, change: Recorded[Cancel], gate: LastGate) -> Answer:
        """Ask for a cancel."""
        target = change.item.target_broker_id

        def enter() -> VenueOrder:
            return self._venue.host.request_cancel(self._number, target)

        path = f"/v2/orders/{target}"
        reply = await self._write("DELETE", path, gate, enter, change.item.target)
        if not isinstance(reply, Reply):
            return reply
        return cancel_answer(Reply(204, b"") if reply.status == 200 else reply, target)

    async def _write(
        self,
        method: str,
        path: str,
        gate: LastGate,
        enter: Callable[[], VenueOrder],
        client_order_id: str,
    ) -> Reply | Unknown | NotSent:
        await self._travel()
        refusal = gate()
        if refusal is not None:
            return refusal
        fault = self._strike(Place.REQUEST, method, path, client_order_id)
        kind = fault.kind if fault is not None else None
        if kind in LOST_BEFORE:
            return Unknown("connection_lost")
        if kind is FaultKind.RATE_LIMIT:
            return NotSent("rate_limited", "too many requests")
        if kind is FaultKind.SLOW:
            await self._linger(fault)
        try:
            order = enter()
            reply = Reply(200, orjson.dumps(words.order_json(order)))
            self._venue.host.settle_soon(order)
        except Refused as refused:
            reply = Reply(refused.http_status, orjson.dumps(refused.body()))
        if kind is FaultKind.SLOW_REPLY:
            await self._linger(fault)
        await self._travel()
        return Unknown("connection_lost") if kind in LOST_AFTER else reply

    # Questions

    async def find(
        self, client_order_id: ClientOrderId
    ) -> OrderReported | OrderAbsent | QueryFailed:
        """One order by our id."""
        asked_s = self._venue.clock.elapsed()
        failure = await self._ask("/v2/orders:by_client_order_id", f"order {client_order_id}")
        if failure is not None:
            return failure
        order = self._ledger.account(self._number).orders_by_client_id.get(client_order_id)
        if order is None:
            return OrderAbsent(client_order_id, asked_s)
        return OrderReported(self._wire.report(wired(words.order_json(order))), asked_s)

    async def open_orders(self) -> OrdersReported | QueryFailed:
        """All open orders."""
        asked_s = self._venue.clock.elapsed()
        failure = await self._ask("/v2/orders", "orders")
        if failure is not None:
            return failure
        listed = self._ledger.account(self._number).all_open()
        reports = tuple(self._wire.report(wired(words.order_json(each))) for each in listed)
        return OrdersReported(reports, asked_s)

    async def positions(self) -> PositionsReported | QueryFailed:
        """All positions."""
        asked_s = self._venue.clock.elapsed()
        failure = await self._ask("/v2/positions", "positions")
        if failure is not None:
            return failure
        account = self._ledger.account(self._number)
        held = (words.position_json(account, symbol, self._ledger) for symbol in account.positions)
        positions = tuple(self._wire.position(wired(each)) for each in held)
        return PositionsReported(self._account_id, positions, asked_s, self._venue.clock.now())

    async def executions(self, cursor: str | None) -> ExecutionsReported | QueryFailed:
        """Fills since the cursor, less an overlap; None: of the last day."""
        failure = await self._ask("/v2/account/activities", "executions")
        if failure is not None:
            return failure
        now = self._venue.clock.now()
        since = datetime.fromisoformat(cursor) if cursor else now - timedelta(days=1)
        after = since - OVERLAP if cursor else since
        found = [e for e in self._ledger.account(self._number).executions if e.at > after]
        fills = tuple(
            self._wire.activity(wired(words.activity_json(each)), each.client_order_id, now)
            for each in found
        )
        newest = max([since, *(fill.happened_at for fill in fills)])
        return ExecutionsReported(fills, newest.isoformat(), has_more=False)

    async def balance(self) -> BalanceReported | QueryFailed:
        """Cash, equity, buying power."""
        asked_s = self._venue.clock.elapsed()
        failure = await self._ask("/v2/account", "account")
        if failure is not None:
            return failure
        ledger = self._ledger
        said = words.account_json(ledger.account(self._number), ledger.rules, ledger.marks)
        return BalanceReported(self._wire.balance(wired(said), self._venue.clock.now()), asked_s)

    async def _ask(self, path: str, what: str) -> QueryFailed | None:
        asked_s = self._venue.clock.elapsed()
        await self._travel()
        fault = self._strike(Place.REQUEST, "GET", path, None)
        if fault is None:
            return None
        if fault.kind in (FaultKind.SLOW, FaultKind.SLOW_REPLY):
            await self._linger(fault)
            return None
        return QueryFailed(what, fault.kind.value, asked_s)

    # The stream

    def _happened(self, happenings: list[Happening]) -> None:
        for each in happenings:
            if isinstance(each, OrderChanged) and each.order.account == self._number:
                self._changed(each)

    def _changed(self, change: OrderChanged) -> None:
        if self._sink is None or not self._is_up:
            return
        client_order_id = change.order.request.client_order_id
        fault = self._strike(Place.EVENT, None, None, client_order_id, change.event)
        kind = fault.kind if fault is not None else None
        if kind is FaultKind.DISCONNECT:
            self._cut()
        if kind in (FaultKind.DISCONNECT, FaultKind.DROP_EVENT, FaultKind.MUTE):
            return
        update = wired(words.trade_update_json(change))["data"]
        events = self._wire.trade_update(update, self._venue.clock.now())
        for event in events * (2 if kind is FaultKind.DUP_EVENT else 1):
            self._sink(event)

    def _cut(self) -> None:
        if self._sink is None or not self._is_up:
            return
        self._is_up = False
        self._sink(StreamLost(self._account_id, "cut"))
        asyncio.get_running_loop().call_later(RECONNECT_S, self._reconnect)

    def _reconnect(self) -> None:
        if self._sink is not None and not self._is_up:
            self._is_up = True
            self._sink(StreamConnected(self._account_id))

    # Faults and distance

    def _fate(self, client_order_id: str) -> Fate:
        fault = self._strike(Place.ORDER, None, None, client_order_id)
        return FATES[fault.kind] if fault is not None else Fate.NORMAL

    def _strike(
        self,
        place: Place,
        method: str | None,
        path: str | None,
        client_order_id: str | None,
        event: str | None = None,
    ) -> Fault | None:
        if self._venue.host.faults.quiet:
            return None
        occasion = Occasion(place, self._number, method, path, client_order_id, None, event)
        return self._venue.host.faults.strike(occasion, self._venue.now())

    async def _travel(self) -> None:
        await asyncio.sleep(self._venue.host.latency_s)

    async def _linger(self, fault: Fault | None) -> None:
        assert fault is not None
        await asyncio.sleep(fault.delay_ms / 1000)
