"""The portfolio server: complete or UNKNOWN, one grant at a time, nothing to remember."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from actors import portfolio_server
from actors.account_messages import EquityAsked, EquityReported
from actors.lanes import CONFLATE, LANES
from actors.portfolio_server import (
    DescribeHeat,
    ExpectSessions,
    HeatPicture,
    PortfolioServer,
    ReleaseHeat,
    Reserve,
    TakeContribution,
)
from actors.runtime import Actor, Address, Child, Runtime, SimulationHost, SupervisorSpec
from tests.actors.account_stage import CRASH, a_balance
from tests.trader.order_parts import ACCOUNT
from trader.errors import StoreUnavailable
from trader.ids import ClientOrderId, SessionId
from trader.risk.events import HeatChanged, HeatGranted, HeatRefused, ReserveHeat
from trader.risk.heat import Contribution, HeatLevel
from trader.risk.portfolio import PortfolioLimits
from trader.session.events import HeatAsked

T = TypeVar("T")
A, B = SessionId("a"), SessionId("b")
LIMITS = PortfolioLimits(
    warn_ratio=Decimal("0.04"),
    block_ratio=Decimal("0.06"),
    group_caps={},
    mark_age_max_s=120.0,
    report_age_max_s=10.0,
)
REPORT_S = 5.0  # how often a trader reports unasked


class Session(Actor):
    """A trader as far as heat goes: reports now and then, and when it is asked."""

    def __init__(self, session_id: SessionId, stage: "Stage") -> None:
        super().__init__()
        self.session_id = session_id
        self.stage = stage
        self.sequence = 0

    def on_start(self) -> None:
        self.runtime.subscribe(portfolio_server.TOPIC, self.address)
        self.report()
        self.remind(REPORT_S, "report")

    def on_receive(self, message: Any) -> None:
        if message == "report":
            self.report()
            self.remind(REPORT_S, "report")
        elif isinstance(message, HeatAsked):
            self.report()
        else:
            self.stage.told[self.session_id].append(message)

    def report(self) -> None:
        self.sequence += 1
        if self.session_id not in self.stage.silent:
            high = self.stage.high[self.session_id]
            share = Contribution(
                session_id=self.session_id,
                incarnation=self.incarnation,
                sequence=self.sequence,
                low=Decimal(0),
                high=Decimal(high),
                grants=(),
                group="",
                marked_s=self.runtime.host.elapsed(),
                is_complete=True,
            )
            self.stage.portfolio.tell(TakeContribution(share, self.address))


class Broker(Actor):
    """An account that knows its equity: 10,000."""

    def on_receive(self, message: Any) -> None:
        assert isinstance(message, EquityAsked)
        address = self.runtime.address(portfolio_server.NAME)
        address.tell(EquityReported(a_balance(10_000)))


@dataclass
class Stage:
    """Two sessions, their portfolio, and the database of its limits."""

    host: SimulationHost
    high: dict[SessionId, int] = field(default_factory=lambda: {A: 100, B: 100})
    told: dict[SessionId, list[Any]] = field(default_factory=lambda: {A: [], B: []})
    silent: set[SessionId] = field(default_factory=set)
    is_store_down: bool = False
    limits_asked: int = 0
    limits: PortfolioLimits = LIMITS

    def __post_init__(self) -> None:
        self.runtime = Runtime(self.host, lanes=LANES, conflate=CONFLATE)
        self.starts: list[str] = []

    @property
    def portfolio(self) -> Address:
        return self.runtime.address(portfolio_server.NAME)

    def actor(self) -> PortfolioServer:
        self.starts.append(portfolio_server.NAME)
        accounts = ((ACCOUNT, self.runtime.address("account")),)
        return PortfolioServer(self.load, lambda: (A, B), accounts, "USD")

    def session(self, session_id: SessionId) -> Session:
        self.starts.append(session_id)
        return Session(session_id, self)

    async def load(self) -> PortfolioLimits:
        self.limits_asked += 1
        if self.is_store_down:
            raise StoreUnavailable("connection refused")
        return self.limits

    def reserve(self, session_id: SessionId, order_id: str, amount: int) -> None:
        """Have that session ask for so much heat."""
        request = ReserveHeat(session_id, 1, ClientOrderId(order_id), Decimal(amount), "")
        self.portfolio.tell(Reserve(request, self.runtime.address(session_id)))

    def heard(self, session_id: SessionId, kind: type[T]) -> list[T]:
        """What that session was told of that kind."""
        return [each for each in self.told[session_id] if isinstance(each, kind)]

    async def picture(self) -> HeatPicture:
        picture: HeatPicture = await self.portfolio.ask(DescribeHeat(), 1.0)
        return picture


def play(scenario: Callable[[Stage], Awaitable[None]]) -> None:
    """Run it in virtual time, with everybody up for half a second."""
    host = SimulationHost(7)

    async def staged() -> None:
        stage = Stage(host)
        children = (
            Child("account", Broker),
            Child(portfolio_server.NAME, stage.actor),
            Child(A, lambda: stage.session(A)),
            Child(B, lambda: stage.session(B)),
        )
        await stage.runtime.start(SupervisorSpec("root", children))
        await asyncio.sleep(0.5)
        try:
            await scenario(stage)
        finally:
            await stage.runtime.stop()

    try:
        host.loop.run_until_complete(staged())
    finally:
        host.loop.close()


def levels(stage: Stage, session_id: SessionId = A) -> list[HeatLevel]:
    return [each.heat.level for each in stage.heard(session_id, HeatChanged)]


def test_the_level_is_unknown_until_everybody_has_reported_then_pushed_down_to_all() -> None:
    async def scenario(stage: Stage) -> None:
        assert levels(stage, A)[-1] is HeatLevel.CALM
        assert levels(stage, B)[-1] is HeatLevel.CALM
        assert HeatLevel.UNKNOWN in {*levels(stage, A), *levels(stage, B)}

    play(scenario)


def test_what_does_not_change_is_not_told_again() -> None:
    async def scenario(stage: Stage) -> None:
        before = len(levels(stage))
        await asyncio.sleep(60)

        assert len(levels(stage)) == before

    play(scenario)


def test_a_session_that_falls_silent_is_named_and_blocks_entries() -> None:
    async def scenario(stage: Stage) -> None:
        stage.silent.add(B)
        await asyncio.sleep(LIMITS.report_age_max_s + REPORT_S)
        stage.reserve(A, "t1a", 10)
        await asyncio.sleep(0.1)

        assert stage.heard(A, HeatChanged)[-1].heat.missing == (B,)
        assert [each.reason_code for each in stage.heard(A, HeatRefused)] == ["heat_unknown"]

    play(scenario)


def test_silence_is_noticed_though_nobody_says_anything() -> None:
    async def scenario(stage: Stage) -> None:
        stage.silent |= {A, B}
        await asyncio.sleep(LIMITS.report_age_max_s + REPORT_S)

        assert stage.heard(A, HeatChanged)[-1].heat.missing == (A, B)

    play(scenario)


def test_two_entries_racing_for_the_last_heat_one_wins() -> None:
    async def scenario(stage: Stage) -> None:
        stage.reserve(A, "t1a", 300)  # 200 of 600 are taken
        stage.reserve(B, "t1b", 300)
        await asyncio.sleep(0.1)

        granted = stage.heard(A, HeatGranted) + stage.heard(B, HeatGranted)
        refused = stage.heard(A, HeatRefused) + stage.heard(B, HeatRefused)
        assert [len(granted), len(refused)] == [1, 1]
        assert refused[0].reason_code == "heat_over_block"

    play(scenario)


def test_a_released_reservation_is_free_for_the_next() -> None:
    async def scenario(stage: Stage) -> None:
        stage.reserve(A, "t1a", 300)
        stage.portfolio.tell(ReleaseHeat(ClientOrderId("t1a")))
        stage.reserve(B, "t1b", 300)
        await asyncio.sleep(0.1)

        assert len(stage.heard(B, HeatGranted)) == 1

    play(scenario)


def test_after_its_crash_it_is_complete_again_within_two_seconds_and_no_trader_restarted() -> None:
    async def scenario(stage: Stage) -> None:
        stage.portfolio.tell(CRASH)
        await asyncio.sleep(0.01)
        crashed_s = stage.host.elapsed()
        while (await stage.picture()).heat.level is not HeatLevel.CALM:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert stage.host.elapsed() - crashed_s < 2.0

        assert stage.starts.count(portfolio_server.NAME) > 1
        assert (stage.starts.count(A), stage.starts.count(B)) == (1, 1)

    play(scenario)


def test_a_grant_of_the_dead_one_is_void() -> None:
    async def scenario(stage: Stage) -> None:
        stage.reserve(A, "t1a", 300)
        await asyncio.sleep(0.1)
        stage.portfolio.tell(CRASH)
        await asyncio.sleep(2)
        stage.reserve(B, "t1b", 300)
        await asyncio.sleep(0.1)

        assert len(stage.heard(B, HeatGranted)) == 1

    play(scenario)


def test_without_its_limits_nothing_is_granted_and_the_database_is_asked_at_a_pace() -> None:
    async def scenario(stage: Stage) -> None:
        stage.is_store_down = True
        stage.portfolio.tell(CRASH)
        await asyncio.sleep(2)
        stage.limits_asked = 0
        await asyncio.sleep(10)
        stage.reserve(A, "t1a", 1)
        await asyncio.sleep(0.1)
        assert stage.limits_asked <= 11
        assert len(stage.heard(A, HeatRefused)) == 1
        assert (await stage.picture()).limits is None
        stage.is_store_down = False
        await asyncio.sleep(2)
        stage.reserve(A, "t1a2", 1)
        await asyncio.sleep(0.1)

        assert len(stage.heard(A, HeatGranted)) == 1

    play(scenario)


def test_whoever_joins_the_roster_is_waited_for() -> None:
    async def scenario(stage: Stage) -> None:
        stage.portfolio.tell(ExpectSessions((A, B, SessionId("unowned"))))
        await asyncio.sleep(0.1)

        assert stage.heard(A, HeatChanged)[-1].heat.missing == (SessionId("unowned"),)

    play(scenario)


def test_its_picture_shows_every_share_with_its_age_and_the_limits() -> None:
    async def scenario(stage: Stage) -> None:
        await asyncio.sleep(1.0)
        picture = await stage.picture()

        assert [(share.session_id, share.high) for share, _ in picture.contributions] == [
            (A, 100),
            (B, 100),
        ]
        assert all(0 <= age_s <= REPORT_S for _, age_s in picture.contributions)
        assert picture.limits == LIMITS
        assert picture.heat.high == 200

    play(scenario)


def test_a_grant_that_is_over_is_noticed_though_everybody_reports_the_same_as_ever() -> None:
    async def scenario(stage: Stage) -> None:
        stage.reserve(A, "t1a", 300)  # 500 of 600: a warning
        await asyncio.sleep(29)
        assert levels(stage)[-1] is HeatLevel.WARN
        await asyncio.sleep(2)

        assert levels(stage)[-1] is HeatLevel.CALM

    play(scenario)
