"""What tests of brokers are built from, whatever venue it is: orders, and ears for events."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from trader.ids import AccountId, BrokerOrderId, CauseKind, ClientOrderId, InstrumentId, SessionId
from trader.money import price_of, quantity_of
from trader.orders.order import Cancel, Order, OrderType, Purpose, Replace, Side, TimeInForce
from trader.proofs import Recorded

T = TypeVar("T")
E = TypeVar("E")

ACCOUNT = AccountId("main")
AAPL = InstrumentId("AAPL.ALPACA")
AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
PATIENCE_S = 10.0  # how long a test waits for what must come


def an_order(name: str = "1", **changes: Any) -> Order:
    """A market order for ten AAPL."""
    order = Order(
        id=ClientOrderId(f"t1{name:0>20}"),
        session_id=SessionId("s"),
        account_id=ACCOUNT,
        instrument=AAPL,
        side=Side.BUY,
        type=OrderType.MARKET,
        tif=TimeInForce.DAY,
        qty=quantity_of("10"),
        purpose=Purpose.ENTRY,
        reason="a test",
        cause_kind=CauseKind.COMMAND,
        cause_key=name,
        incarnation=1,
    )
    return replace(order, **changes)


def a_limit(name: str, price: str, **changes: Any) -> Order:
    """A limit order for ten AAPL, good till canceled."""
    kind = {"type": OrderType.LIMIT, "tif": TimeInForce.GTC, "price": price_of(price)}
    return an_order(name, **(kind | changes))


def a_cancel(target: Order, broker_order_id: BrokerOrderId) -> Recorded[Cancel]:
    """A recorded request to cancel."""
    return recorded(
        Cancel(
            id=ClientOrderId(f"t1cancel{target.id[-14:]}"),
            session_id=target.session_id,
            account_id=ACCOUNT,
            instrument=target.instrument,
            target=target.id,
            target_broker_id=broker_order_id,
            reason="a test",
            incarnation=1,
        )
    )


def a_replace(target: Order, broker_order_id: BrokerOrderId, successor: Order) -> Recorded[Replace]:
    """A recorded request to change."""
    successor = replace(successor, replaces=target.id)
    return recorded(Replace(target.id, broker_order_id, successor, "a test"))


def recorded(item: T) -> Recorded[T]:
    """As a journal would hand it on."""
    return Recorded(item, AT)


class Ears(Generic[E]):
    """A sink that remembers what it heard, and can be waited on."""

    def __init__(self) -> None:
        self.heard: list[E] = []
        self._news = asyncio.Event()

    def __call__(self, event: E) -> None:
        self.heard.append(event)
        self._news.set()

    async def until(self, is_it: Callable[[E], Any], count: int = 1) -> E:
        """The count-th event that fits, heard or yet to come."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self._news.clear()
                found = [event for event in self.heard if is_it(event)]
                if len(found) >= count:
                    return found[count - 1]
                await self._news.wait()

    async def until_a(self, kind: type[T], count: int = 1) -> T:
        """The count-th event of a kind."""
        event = await self.until(lambda event: isinstance(event, kind), count)
        assert isinstance(event, kind)
        return event
