"""A desk that stands in for the house: fixed views, and it remembers what it was told."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from decimal import Decimal

from trader.config import AdminConfig
from trader.ids import AccountId, BrokerOrderId, ClientOrderId, InstrumentId, SessionId
from trader.instants import Timeframe
from trader.money import Price, Quantity
from trader.orders.order import OrderType, Purpose, Side, Status, TimeInForce
from trader.session.events import TradingState
from trader.views import (
    AccountView,
    ActorView,
    BarView,
    CheckView,
    CommandResult,
    CommandView,
    ConfigKeyView,
    DeadLetterView,
    DecisionView,
    FeedView,
    FillView,
    HeatContributionView,
    HeatGroupView,
    HeatView,
    OrderEventView,
    OrderView,
    PositionView,
    ReadyView,
    SessionView,
    StatusView,
    TradeView,
    WhyAnswer,
    WhyView,
)

CONFIG = AdminConfig(port=0, connections_max=4, request_timeout_s=0.3)

SESSION = SessionId("aapl-sma")
ACCOUNT = AccountId("demo")
AAPL = InstrumentId("AAPL.ALPACA")
ORDER = ClientOrderId("t1abcdefghijklmnopqrst")
AT = datetime(2026, 11, 20, 14, 33, tzinfo=UTC)

BAR = BarView(
    AAPL,
    Timeframe.M1,
    AT,
    Price(Decimal("130.10")),
    Price(Decimal("130.40")),
    Price(Decimal("130.05")),
    Price(Decimal("130.31")),
    Quantity(Decimal("1E+3")),
    is_final=True,
    revision=0,
)
DECISION = DecisionView(
    SESSION, AT, "submit_order", "fast above slow", "", "9f2c", order_ids=(ORDER,)
)
SESSION_VIEW = SessionView(
    id=SESSION,
    account_id=ACCOUNT,
    instrument=AAPL,
    timeframe=Timeframe.M1,
    strategy="sma_cross",
    group="",
    phase="TRADING",
    trading_state=TradingState.ACTIVE,
    blocked_by=("heat_block",),
    incarnation=3,
    restarts_count=2,
    position_qty=Quantity(Decimal(10)),
    avg_px=Price(Decimal("130.31")),
    mark=None,
    realized=Decimal("-1.50"),
    unrealized=None,
    heat_high=Decimal("1303.10"),
    working_orders_count=1,
    unknown_orders_count=1,
    reconcile_age_s=12.25,
    reconcile_age_s_max=60.0,
    feed_is_fresh=True,
    feed_detail="",
    last_bar=BAR,
    last_decision=DECISION,
)
ORDER_VIEW = OrderView(
    id=ORDER,
    session_id=SESSION,
    account_id=ACCOUNT,
    instrument=AAPL,
    side=Side.BUY,
    type=OrderType.MARKET,
    tif=TimeInForce.DAY,
    purpose=Purpose.ENTRY,
    qty=Quantity(Decimal(10)),
    cum_qty=Quantity(Decimal(4)),
    leaves_qty=Quantity(Decimal(6)),
    avg_px=Price(Decimal("130.31")),
    price=None,
    stop_price=None,
    protective_stop=None,
    status=Status.UNKNOWN,
    reason="fast above slow",
    reason_code="",
    broker_order_id=BrokerOrderId("b-1"),
    replaces=None,
    recorded_at=AT,
    timeline=(
        OrderEventView(
            1, "order_recorded", Status.INITIALIZED, Quantity(Decimal(0)), "", "", None, AT
        ),
    ),
)
HEAT = HeatView(
    low=Decimal(0),
    high=Decimal("1303.10"),
    equity=Decimal(100_000),
    currency="USD",
    ratio=Decimal("0.013031"),
    level="UNKNOWN",
    warn_ratio=Decimal("0.04"),
    block_ratio=Decimal("0.06"),
    missing=(SessionId("ibm-donchian"),),
    contributions=(
        HeatContributionView(
            SESSION, AAPL, "tech", Decimal(0), Decimal("1303.10"), 0.5, is_complete=True
        ),
    ),
    groups=(HeatGroupView("tech", Decimal("1303.10"), Decimal("0.013031"), None),),
)
ACTORS = ActorView(
    "root",
    "Supervisor",
    "RUNNING",
    1,
    0,
    0,
    "",
    children=(ActorView("trader/aapl-sma", "RealtimeTrader", "RUNNING", 3, 7, 2, "ValueError"),),
)
FEED = FeedView("alpaca", True, True, 0.2, 0.1, (), ("AAPL.ALPACA 1m",), 1, 0, 0)


class FakeDesk:
    """Set `failure` to make every question fail; `is_ready`, `result` and `bars_to_follow` too."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.asked: list[tuple[object, ...]] = []
        self.failure: Exception | None = None
        self.is_ready = True
        self.result = CommandResult.DONE
        self.bars_to_follow: list[BarView] = []
        self.stopped_following = False

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure

    async def status(self) -> StatusView:
        self._check()
        return StatusView(
            version="0.1.0",
            boot_id="boot-1",
            mode="paper",
            started_at=AT,
            now=AT,
            trading_state=TradingState.HALTED,
            trading_state_reason="lunch",
            ready=await self.ready(),
            heat=HEAT,
            accounts=await self.accounts(),
            sessions=(SESSION_VIEW,),
            actors_count=2,
            actor_restarts_count=2,
            dead_letters_count=1,
            spooled_count=0,
        )

    async def ready(self) -> ReadyView:
        self._check()
        return ReadyView(
            self.is_ready, (CheckView("reconcile", self.is_ready, "12 s since the last"),)
        )

    async def sessions(self) -> tuple[SessionView, ...]:
        self._check()
        return (SESSION_VIEW,)

    async def session(self, session_id: SessionId) -> SessionView | None:
        return SESSION_VIEW if session_id == SESSION else None

    async def why(self, session_id: SessionId) -> WhyView | None:
        if session_id != SESSION:
            return None
        answers = (
            WhyAnswer("Is the operator's state ACTIVE?", "HALTED: lunch", False),
            WhyAnswer("Is the feed fresh?", "0.2 s", True),
        )
        return WhyView(SESSION, answers, (DECISION,), AT)

    async def orders(
        self,
        *,
        session_id: SessionId | None = None,
        open_only: bool = False,
        limit: int = 100,
        after: ClientOrderId | None = None,
    ) -> tuple[OrderView, ...]:
        self._check()
        self.asked.append((session_id, open_only, limit, after))
        return (ORDER_VIEW,)

    async def order(self, order_id: ClientOrderId) -> OrderView | None:
        return ORDER_VIEW if order_id == ORDER else None

    async def positions(self) -> tuple[PositionView, ...]:
        ten, nine = Quantity(Decimal(10)), Quantity(Decimal(9))
        return (PositionView(SESSION, ACCOUNT, AAPL, ten, ten, nine, False, None, None, 3.0),)

    async def fills(
        self, *, session_id: SessionId | None = None, limit: int = 100, after: str | None = None
    ) -> tuple[FillView, ...]:
        price, qty = Price(Decimal("130.31")), Quantity(Decimal(4))
        return (FillView("e-1", ORDER, SESSION, ACCOUNT, AAPL, Side.BUY, qty, price, None, AT),)

    async def trades(
        self, *, session_id: SessionId | None = None, limit: int = 100, after: str | None = None
    ) -> tuple[TradeView, ...]:
        low, high, qty = Price(Decimal(1)), Price(Decimal(2)), Quantity(Decimal(4))
        gain, fee = Decimal(4), Decimal(0)
        return (TradeView(SESSION, AAPL, Side.BUY, qty, low, high, fee, gain, AT, AT, "e-2"),)

    async def decisions(
        self, session_id: SessionId, *, limit: int = 100
    ) -> tuple[DecisionView, ...] | None:
        return (DECISION,) if session_id == SESSION else None

    async def bars(self, session_id: SessionId, *, limit: int = 100) -> tuple[BarView, ...] | None:
        return (BAR,) if session_id == SESSION else None

    async def follow_bars(self, session_id: SessionId) -> AsyncGenerator[BarView, None]:
        try:
            for bar in self.bars_to_follow:
                yield bar
        finally:
            self.stopped_following = True

    async def heat(self) -> HeatView:
        self._check()
        return HEAT

    async def accounts(self) -> tuple[AccountView, ...]:
        return (
            AccountView(
                ACCOUNT,
                "sandbox",
                False,
                "DEMO-1",
                "USD",
                Decimal(100_000),
                None,
                None,
                False,
                True,
                AT,
                4,
                3.5,
            ),
        )

    async def feeds(self) -> tuple[FeedView, ...]:
        return (FEED,)

    async def actors(self) -> ActorView:
        return ACTORS

    async def dead_letters(self, *, limit: int = 100) -> tuple[DeadLetterView, ...]:
        return (DeadLetterView("trader/gone", "PriceMoved", "no such name", AT),)

    async def config(self) -> tuple[ConfigKeyView, ...]:
        return (ConfigKeyView("admin.port", "0", "--set admin.port"),)

    def _done(self, verb: str, target: str, *words: str) -> CommandView:
        self.told.append((verb, target, *words))
        return CommandView("c-1", verb, target, self.result, "so be it", orders=(ORDER_VIEW,))

    async def halt(self, reason: str) -> CommandView:
        self._check()
        return self._done("halt", "", reason)

    async def resume(self, reason: str, confirmation: str) -> CommandView:
        return self._done("resume", "", reason, confirmation)

    async def close(self, session_id: SessionId, reason: str) -> CommandView | None:
        return self._done("close", session_id, reason) if session_id == SESSION else None

    async def reconcile(self, session_id: SessionId | None = None) -> CommandView:
        return self._done("reconcile", session_id or "")
