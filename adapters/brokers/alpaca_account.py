"""The account port over Alpaca's wire: orders, their fate, positions, money.

Source of truth: the venue; nothing is remembered here but which client id belongs to which of the
venue's order ids, because its activities do not say.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from adapters.brokers.alpaca_answers import (
    AUTH_FAILED,
    Reply,
    Write,
    cancel_answer,
    order_answer,
    reason_of,
)
from adapters.brokers.alpaca_http import Trading
from adapters.brokers.alpaca_json import (
    a_list,
    an_object,
    optional_text,
    text,
)
from adapters.brokers.alpaca_listings import list_fills, list_open_orders
from adapters.brokers.alpaca_settings import AlpacaSettings
from adapters.brokers.alpaca_stream import EventStream
from adapters.brokers.alpaca_wire import (
    Wire,
    holds_nothing,
    order_body,
    replace_body,
)
from adapters.brokers.turns import Urgency
from adapters.clock import Clock
from trader.accounts.events import (
    AccountAuthFailed,
    BalanceReported,
)
from trader.config import Mode
from trader.errors import BrokerAuthFailed, BrokerError, BrokerProtocolError, BrokerRefused
from trader.ids import BrokerOrderId, ClientOrderId
from trader.orders.events import OrderAbsent, OrderReported, QueryFailed
from trader.orders.order import (
    Cancel,
    Fill,
    Order,
    OrderReport,
    OrderType,
    Purpose,
    Replace,
    TimeInForce,
)
from trader.ports import (
    Accepted,
    AccountEvent,
    Answer,
    Capabilities,
    ExecutionsReported,
    IdUniqueness,
    LastGate,
    NotSent,
    OrdersReported,
    Rejected,
    Unknown,
)
from trader.positions.events import PositionsReported
from trader.proofs import Recorded

T = TypeVar("T")

CAPABILITIES = Capabilities(
    client_id_unique=IdUniqueness.FOREVER,
    query_by_client_id=True,
    resend_safe=True,
    native_replace=True,
    order_types=frozenset(OrderType),
    tifs=frozenset(TimeInForce),
    reserves_shares=True,
)
OVERLAP = timedelta(minutes=2)  # executions may be listed later than they happened
CLIENT_IDS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class WrongAccount:
    """The keys open another account than the one that was configured."""

    expected: str
    found: str


class AlpacaAccount:
    """One login at Alpaca, or at whatever speaks its wire."""

    def __init__(
        self,
        settings: AlpacaSettings,
        clock: Clock,
        http: Trading,
        open_stream: Callable[[Wire, Callable[[AccountEvent], None]], EventStream],
    ) -> None:
        """`open_stream` makes the stream of its events, not yet started."""
        self._settings = settings
        self._capabilities = replace(CAPABILITIES, in_flight_bound_s=settings.in_flight_bound_s)
        self._clock = clock
        self._http = http
        self._wire = Wire(settings.account_id, settings.venue)
        self._sink: Callable[[AccountEvent], None] = lambda event: None
        self._client_ids: dict[BrokerOrderId, str] = {}
        self._is_verified = settings.mode is not Mode.LIVE
        self._stream = open_stream(self._wire, self._heard)

    @property
    def capabilities(self) -> Capabilities:
        """What the venue promises."""
        return self._capabilities

    async def start(self, sink: Callable[[AccountEvent], None]) -> None:
        """Open the orders stream and keep it open; returns at once. Again: for another listener,
        who is told of the connection as the first one was."""
        await self._stream.stop()
        self._sink = sink
        self._stream.start()

    async def stop(self) -> None:
        """Close the stream and every connection."""
        await self._stream.stop()
        await self._http.close()

    async def verify(self) -> BalanceReported | WrongAccount | QueryFailed:
        """The handshake: whose account the keys open. Until it fits, live mode writes nothing."""
        answer = await self.balance()
        if isinstance(answer, QueryFailed) or self._settings.mode is not Mode.LIVE:
            return answer
        if self._is_verified:
            return answer
        return WrongAccount(self._settings.live_account_id, answer.balance.broker_account)

    # --- writes ---------------------------------------------------------------------------------

    async def submit(self, order: Recorded[Order], gate: LastGate) -> Answer:
        """Send an order, once."""
        item = order.item
        reply = await self._write("POST", "/v2/orders", order_body(item), gate, _urgency(item))
        if isinstance(reply, Reply):
            return self._noted(order_answer(reply, Write.SUBMIT, item.id), item.id)
        return reply

    async def replace(self, change: Recorded[Replace], gate: LastGate) -> Answer:
        """Ask for a change; the successor's quantity counts what is already filled."""
        item = change.item
        path = f"/v2/orders/{item.target_broker_id}"
        urgency = _urgency(item.successor)
        reply = await self._write("PATCH", path, replace_body(item), gate, urgency)
        if isinstance(reply, Reply):
            answer = order_answer(reply, Write.REPLACE, item.successor.id)
            return self._noted(answer, item.successor.id)
        return reply

    async def cancel(self, change: Recorded[Cancel], gate: LastGate) -> Answer:
        """Ask for a cancel; accepted means asked, not yet canceled."""
        target = change.item.target_broker_id
        reply = await self._write("DELETE", f"/v2/orders/{target}", None, gate, Urgency.EXIT)
        if isinstance(reply, Reply):
            return self._noted(cancel_answer(reply, target), None)
        return reply

    # --- questions ------------------------------------------------------------------------------

    async def find(
        self, client_order_id: ClientOrderId
    ) -> OrderReported | OrderAbsent | QueryFailed:
        """One order by our id. Only the venue's own 404 makes it absent."""

        async def ask(asked_s: float) -> OrderReported | OrderAbsent:
            try:
                found = await self._http.ask(
                    "/v2/orders:by_client_order_id", {"client_order_id": client_order_id}
                )
            except BrokerRefused as refusal:
                if refusal.http_status == 404:
                    return OrderAbsent(client_order_id, asked_s)
                raise
            report = self._report(found)
            if report.client_order_id != client_order_id:
                raise BrokerProtocolError("the answer speaks of another order")
            return OrderReported(report, asked_s)

        return await self._asked(f"order {client_order_id}", ask)

    async def open_orders(self) -> OrdersReported | QueryFailed:
        """All open orders, every page."""

        async def ask(asked_s: float) -> OrdersReported:
            reports = [self._report(order) for order in await list_open_orders(self._http)]
            return OrdersReported(tuple(reports), asked_s)

        return await self._asked("orders", ask)

    async def positions(self) -> PositionsReported | QueryFailed:
        """All positions. None at all is believed only if the account's own worth says so too."""

        async def ask(asked_s: float) -> PositionsReported:
            listed = a_list(await self._http.ask("/v2/positions"))
            positions = tuple(map(self._wire.position, listed))
            if not positions and not holds_nothing(await self._http.ask("/v2/account")):
                raise BrokerProtocolError("no position is listed, but the account holds some")
            account_id = self._settings.account_id
            return PositionsReported(account_id, positions, asked_s, self._clock.now())

        return await self._asked("positions", ask)

    async def executions(self, cursor: str | None) -> ExecutionsReported | QueryFailed:
        """Fills since the cursor, less an overlap; None: since the venue's midnight.

        The cursor is the instant of the newest execution seen: the venue's activity ids bear the
        time of its own city, so they are no instant to count back from.
        """

        async def ask(asked_s: float) -> ExecutionsReported:
            since = datetime.fromisoformat(cursor) if cursor else await self._midnight()
            after = since - OVERLAP if cursor else since
            activities, has_more = await list_fills(self._http, after)
            fills = [await self._fill(activity) for activity in activities]
            newest = max([since, *(fill.happened_at for fill in fills)])
            return ExecutionsReported(tuple(fills), newest.isoformat(), has_more)

        return await self._asked("executions", ask)

    async def balance(self) -> BalanceReported | QueryFailed:
        """Cash, equity, buying power."""

        async def ask(asked_s: float) -> BalanceReported:
            found = await self._http.ask("/v2/account")
            return BalanceReported(self._wire.balance(found, self._clock.now()), asked_s)

        answer = await self._asked("account", ask)
        if isinstance(answer, BalanceReported) and self._settings.mode is Mode.LIVE:
            # Every such answer is a handshake: one that failed at the start is made good here.
            self._is_verified = self._settings.live_account_id == answer.balance.broker_account
        return answer

    # --- inside ---------------------------------------------------------------------------------

    def _heard(self, event: AccountEvent) -> None:
        if isinstance(event, OrderReported):
            self._remember(event.report.broker_order_id, event.report.client_order_id)
        self._sink(event)

    async def _write(
        self, method: str, path: str, body: bytes | None, gate: LastGate, urgency: Urgency
    ) -> Reply | Unknown | NotSent:
        if not self._is_verified:
            return NotSent("live_account_not_verified", "the handshake has not succeeded yet")
        return await self._http.write(method, path, body, gate, urgency)

    async def _asked(self, what: str, question: Callable[[float], Awaitable[T]]) -> T | QueryFailed:
        asked_s = self._clock.elapsed()
        try:
            return await question(asked_s)
        except BrokerError as error:
            if isinstance(error, BrokerAuthFailed):
                self._sink(AccountAuthFailed(self._settings.account_id, str(error)))
            return QueryFailed(what, reason_of(error), asked_s)

    def _noted(self, answer: Answer, client_order_id: ClientOrderId | None) -> Answer:
        if isinstance(answer, Accepted) and client_order_id is not None:
            self._remember(answer.broker_order_id, client_order_id)
        if isinstance(answer, Rejected) and answer.code == AUTH_FAILED:
            self._sink(AccountAuthFailed(self._settings.account_id, answer.text))
        return answer

    def _remember(self, broker_order_id: BrokerOrderId, client_order_id: str) -> None:
        self._client_ids[broker_order_id] = client_order_id
        if len(self._client_ids) > CLIENT_IDS_MAX:
            del self._client_ids[next(iter(self._client_ids))]

    def _report(self, order: object) -> OrderReport:
        report = self._wire.report(order)
        self._remember(report.broker_order_id, report.client_order_id)
        return report

    async def _fill(self, activity: object) -> Fill:
        order_id = BrokerOrderId(text(an_object(activity), "order_id"))
        if order_id not in self._client_ids:
            client_order_id = None
            try:
                order = an_object(await self._http.ask(f"/v2/orders/{order_id}"))
                client_order_id = optional_text(order, "client_order_id")
            except BrokerRefused as refusal:
                if refusal.http_status != 404:
                    raise
            self._remember(order_id, client_order_id or "")
        return self._wire.activity(activity, self._client_ids[order_id], self._clock.now())

    async def _midnight(self) -> datetime:
        """When the venue's present day began, in its own city."""
        clock = an_object(await self._http.ask("/v2/clock"))
        try:
            now = datetime.fromisoformat(text(clock, "timestamp"))
        except ValueError:
            raise BrokerProtocolError("timestamp must be an instant") from None
        return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _urgency(order: Order) -> Urgency:
    return Urgency.ENTRY if order.purpose is Purpose.ENTRY else Urgency.EXIT
