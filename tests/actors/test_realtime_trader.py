"""The trader's body: rebuilt from rows, one timer, every effect told to whoever can do it."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, TypeVar

from actors import journal, portfolio_server
from actors.account_messages import AttachSession, QueryOrders, QueryPosition, SubmitOrder
from actors.audience import Subscribe
from actors.journal import RecordEntry
from actors.lanes import CONFLATE, LANES
from actors.portfolio_server import TakeContribution
from actors.realtime_trader import (
    NOTICES,
    DescribeSession,
    Neighbours,
    Noticed,
    RealtimeTrader,
    SessionPicture,
    name_of,
)
from actors.runtime import Actor, Address, Child, Runtime, SimulationHost, SupervisorSpec
from actors.strategy_host import OpenStrategy
from adapters.simulated.journal import MemoryJournal
from adapters.simulated.ledger import MemoryLedger
from adapters.simulated.rows import MemoryStore, PositionRow
from tests.actors.account_stage import a_fill
from tests.trader.order_parts import AAPL, ACCOUNT, SESSION, a_snapshot, an_order, px, qty
from tests.trader.session.session_world import RULES
from trader.errors import StoreUnavailable
from trader.ids import AccountId, InstrumentId, SessionId
from trader.instants import Timeframe
from trader.market.events import PriceMoved, SeriesOpened
from trader.orders.events import OpenOrdersReported, OrderFilled, OrderRecorded
from trader.orders.order import Purpose
from trader.proofs import Recorded
from trader.records import Fence, SessionRows
from trader.session.events import (
    CloseRequested,
    StoreChanged,
    TradingState,
    TradingStateChanged,
)

T = TypeVar("T")
CRASH = "crash"  # the heart does not understand it: the body dies of it
NEIGHBOURS = ("broker", "journal", "portfolio", "feed", "strategies", "listener")


class Ledger(MemoryLedger):
    """The rows, which can be away."""

    is_down = False

    async def begin_session(
        self, session_id: SessionId, account_id: AccountId, instrument: InstrumentId, epoch: int
    ) -> SessionRows:
        if self.is_down:
            raise StoreUnavailable("connection refused")
        return await super().begin_session(session_id, account_id, instrument, epoch)


class Neighbour(Actor):
    """Keeps what it is told."""

    def __init__(self, told: list[Any]) -> None:
        super().__init__()
        self.told = told

    def on_receive(self, message: Any) -> None:
        self.told.append(message)


class Stage:
    """One trader, and everybody around it as listeners."""

    def __init__(self, host: SimulationHost) -> None:
        self.host = host
        self.rows = MemoryStore(host.now, host.elapsed)
        self.ledger = Ledger(self.rows)
        self.told: dict[str, list[Any]] = {name: [] for name in NEIGHBOURS}
        self.state = TradingStateChanged(TradingState.ACTIVE, "")
        self.bodies: list[RealtimeTrader] = []
        self.runtime = Runtime(host, lanes=LANES, conflate=CONFLATE)

    @property
    def trader(self) -> Address:
        return self.runtime.address(name_of(SESSION))

    def actor(self) -> RealtimeTrader:
        to = {name: self.runtime.address(name) for name in NEIGHBOURS if name != "listener"}
        body = RealtimeTrader(RULES, Neighbours(**to), self.ledger, lambda: 1, lambda: self.state)
        self.bodies.append(body)
        return body

    def listener(self, name: str) -> Child:
        return Child(name, lambda: Neighbour(self.told[name]))

    def heard(self, name: str, kind: type[T]) -> list[T]:
        """What that neighbour was told of that kind."""
        return [each for each in self.told[name] if isinstance(each, kind)]

    async def picture(self) -> SessionPicture:
        picture: SessionPicture = await self.trader.ask(DescribeSession(), 5.0)
        return picture


def play(scenario: Callable[[Stage], Awaitable[None]], *, is_down: bool = False) -> None:
    """Run it in virtual time: the trader is up, and loaded unless the database is away."""
    host = SimulationHost(7)

    async def staged() -> None:
        stage = Stage(host)
        await stage.ledger.claim(ACCOUNT, "us", 1e6)
        stage.ledger.is_down = is_down
        children = (*map(stage.listener, NEIGHBOURS), Child(name_of(SESSION), stage.actor))
        await stage.runtime.start(SupervisorSpec("root", children, restarts_count_max=100))
        stage.runtime.subscribe(NOTICES, stage.runtime.address("listener"))
        await asyncio.sleep(0.1)
        try:
            await scenario(stage)
        finally:
            await stage.runtime.stop()

    try:
        host.loop.run_until_complete(staged())
    finally:
        host.loop.close()


def test_it_attaches_asks_the_broker_and_subscribes_once_its_rows_are_there() -> None:
    async def scenario(stage: Stage) -> None:
        broker = stage.told["broker"]
        assert isinstance(broker[0], AttachSession)
        assert broker[0].incarnation == 1
        assert {QueryPosition, QueryOrders} <= {type(each) for each in broker}
        (subscribed,) = stage.heard("feed", Subscribe)
        assert (subscribed.instrument, subscribed.timeframe) == (AAPL.id, Timeframe.M1)

    play(scenario)


def test_without_its_rows_it_waits_and_tries_again() -> None:
    async def scenario(stage: Stage) -> None:
        await asyncio.sleep(5)
        assert stage.told["broker"] == []
        assert (await stage.picture()).state.fence is None
        stage.ledger.is_down = False
        await asyncio.sleep(1)

        assert stage.heard("broker", AttachSession)

    play(scenario, is_down=True)


def test_what_is_told_before_the_rows_are_there_waits_for_them() -> None:
    async def scenario(stage: Stage) -> None:
        stage.trader.tell(OrderFilled(a_fill(an_order(), 4)))
        for _ in range(100):
            stage.trader.tell(
                PriceMoved(AAPL.id, px(99), px(99), px(99), stage.host.now(), stage.host.now())
            )
            await asyncio.sleep(0.1)
        assert (await stage.picture()).state.mark is None
        stage.ledger.is_down = False
        await asyncio.sleep(1)
        state = (await stage.picture()).state

        assert state.position.qty == 4  # a fact: it waited
        assert state.mark != 99  # a price: the subscription tells it anew

    play(scenario, is_down=True)


def test_a_crashed_trader_is_rebuilt_from_rows_under_a_new_incarnation() -> None:
    async def scenario(stage: Stage) -> None:
        stage.trader.tell(OrderFilled(a_fill(an_order(), 4)))  # never written: it dies with it
        stage.rows.positions[SESSION] = PositionRow(
            ACCOUNT, qty(7), px(100), Decimal(0), stage.host.now()
        )
        stage.trader.tell(CRASH)
        await asyncio.sleep(2)
        state = (await stage.picture()).state

        assert state.position.qty == 7
        assert state.incarnation == len(stage.bodies) > 1
        assert stage.heard("broker", AttachSession)[-1].incarnation == state.incarnation

    play(scenario)


def test_its_timer_goes_on_though_nobody_answers() -> None:
    async def scenario(stage: Stage) -> None:
        stage.told["broker"].clear()
        stage.told["portfolio"].clear()
        await asyncio.sleep(120)  # nobody answers: what is owed is asked for again

        assert len(stage.heard("broker", QueryPosition)) >= 4
        assert len(stage.heard("portfolio", TakeContribution)) >= 10

    play(scenario)


def test_an_order_goes_to_the_journal_first_and_to_the_broker_after_its_commit() -> None:
    async def scenario(stage: Stage) -> None:
        stage.trader.tell(a_snapshot(10, avg_px=100, asked_s=stage.host.elapsed()))
        await asyncio.sleep(2)
        stage.trader.tell(a_snapshot(10, avg_px=100, asked_s=stage.host.elapsed()))
        await asyncio.sleep(2)
        stage.trader.tell(CloseRequested("c1", "operator"))
        await asyncio.sleep(0.1)
        (asked,) = stage.heard("journal", RecordEntry)
        assert stage.heard("broker", SubmitOrder) == []
        order = asked.entry.order.item  # type: ignore[union-attr]
        stage.trader.tell(OrderRecorded(Recorded(order, stage.host.now())))
        await asyncio.sleep(0.1)

        (sent,) = stage.heard("broker", SubmitOrder)
        assert (sent.order.item, sent.is_exit, order.qty) == (order, True, 10)

    play(scenario)


def test_a_strategy_is_opened_on_the_bars_of_its_subscription() -> None:
    async def scenario(stage: Stage) -> None:
        stage.trader.tell(SeriesOpened(AAPL.id, Timeframe.M1, ()))
        await asyncio.sleep(0.1)

        assert [each.spec for each in stage.heard("strategies", OpenStrategy)] == [RULES.strategy]

    play(scenario)


def test_losses_of_the_journal_rebuild_it_once() -> None:
    async def scenario(stage: Stage) -> None:
        stage.runtime.publish(journal.TOPIC, StoreChanged(True, "", lost_count=3))
        await asyncio.sleep(30)

        assert len(stage.bodies) == 2
        assert (await stage.picture()).state.incarnation == 2

    play(scenario)


def test_open_rows_that_came_after_its_load_are_loaded_once() -> None:
    async def scenario(stage: Stage) -> None:
        spooled = an_order(purpose=Purpose.EXIT)
        await MemoryJournal(stage.rows).adopt([(spooled, Fence(ACCOUNT, 1, SESSION, 1))])
        rows = await stage.ledger.open_orders(ACCOUNT)
        stage.trader.tell(OpenOrdersReported((), stage.host.elapsed(), rows[SESSION]))
        await asyncio.sleep(30)

        assert len(stage.bodies) == 2
        state = (await stage.picture()).state
        assert [each.order for each in state.open_orders()] == [spooled]

    play(scenario)


def test_the_operators_word_holds_for_a_body_that_starts_later() -> None:
    async def scenario(stage: Stage) -> None:
        stage.state = TradingStateChanged(TradingState.HALTED, "lunch")
        stage.trader.tell(CRASH)
        await asyncio.sleep(2)

        assert (await stage.picture()).state.trading_state is TradingState.HALTED

    play(scenario)


def test_its_notices_are_published_under_its_name() -> None:
    async def scenario(stage: Stage) -> None:
        for _ in range(3):
            stage.trader.tell(a_snapshot(10, avg_px=100, asked_s=stage.host.elapsed()))
            await asyncio.sleep(2)

        noticed = stage.heard("listener", Noticed)
        assert "position_adjusted" in {each.notice.code for each in noticed}
        assert {each.session_id for each in noticed} == {SESSION}

    play(scenario)


def test_a_stopped_trader_hears_no_more() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.runtime.stop()
        before = stage.runtime.dead_letters.count
        stage.runtime.publish(portfolio_server.TOPIC, CloseRequested("c1", "nobody listens"))

        assert stage.runtime.dead_letters.count == before

    play(scenario)
