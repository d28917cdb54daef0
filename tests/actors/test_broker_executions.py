"""Reading executions: a fill that happened while nobody was there is told to whoever comes."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from actors.account_book import AccountBook
from actors.account_messages import AttachSession
from actors.broker_executions import Executions, ExecutionsAnswered
from actors.runtime import Actor, Child, Runtime, SimulationHost, SupervisorSpec
from tests.actors.market_stage import play
from tests.trader.order_parts import AAPL, ACCOUNT, SESSION, px, qty
from tests.trader.session.session_world import START
from trader.ids import BrokerOrderId, InstrumentId
from trader.orders.events import OrderFilled
from trader.orders.order import Fill, Side
from trader.ports import ExecutionsReported

FILL = Fill(
    execution_id="x-1",
    account_id=ACCOUNT,
    instrument=AAPL.id,
    client_order_id="",
    broker_order_id=BrokerOrderId("b-1"),
    side=Side.BUY,
    qty=qty(1),
    price=px(100),
    cum_qty=qty(1),
    happened_at=START,
    seen_at=START,
)


class Broker:
    """Lists what lies after the cursor: fill n lies before cursor n."""

    def __init__(self, *fills: Fill) -> None:
        self._fills = fills

    async def executions(self, cursor: str | None) -> ExecutionsReported:
        after = self._fills[int(cursor or 0) :]
        return ExecutionsReported(after, str(len(self._fills)), has_more=False)


class Reader(Actor):
    """An account manager as far as executions go; `read` is a text."""

    def __init__(self, broker: Broker, book: AccountBook, kept: list[str]) -> None:
        super().__init__()
        self._executions = Executions(self, broker, book, kept.append)  # type: ignore[arg-type]

    def on_start(self) -> None:
        self._executions.begin(None)

    def on_receive(self, message: Any) -> None:
        if isinstance(message, ExecutionsAnswered):
            self._executions.answered(message.answer)
        else:
            self._executions.read()


class Session(Actor):
    """Remembers what it is told."""

    def __init__(self, heard: list[Any]) -> None:
        super().__init__()
        self._heard = heard

    def on_receive(self, message: Any) -> None:
        self._heard.append(message)


def _heard_after(
    fill: Fill, awaited: tuple[InstrumentId, ...], then: Callable[[list[str], list[Any]], None]
) -> None:
    """The account is read, then the session comes and asks twice."""

    async def scenario(host: SimulationHost) -> None:
        heard: list[Any] = []
        kept: list[str] = []
        book = AccountBook(host.elapsed, awaited)
        runtime = Runtime(host)
        children = (
            Child("session", lambda: Session(heard)),
            Child("reader", lambda: Reader(Broker(fill), book, kept)),
        )
        await runtime.start(SupervisorSpec("root", children))
        await asyncio.sleep(1.0)
        book.attach(AttachSession(SESSION, AAPL.id, 1, runtime.address("session")))
        for _ in range(2):
            runtime.address("reader").tell("read")
            await asyncio.sleep(1.0)
        await runtime.stop(1.0)
        then(kept, heard)

    play(scenario)


def test_a_fill_of_the_time_before_its_session_came_is_told_when_it_has_come() -> None:
    def then(kept: list[str], heard: list[Any]) -> None:
        assert heard == [OrderFilled(FILL)]
        assert kept == ["1"]

    _heard_after(FILL, (AAPL.id,), then)


def test_a_fill_that_nobody_will_ever_own_holds_nothing_up() -> None:
    def then(kept: list[str], heard: list[Any]) -> None:
        assert heard == []
        assert kept == ["1"]

    _heard_after(replace(FILL, instrument=InstrumentId("IBM.ALPACA")), (AAPL.id,), then)
