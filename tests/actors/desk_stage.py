"""A stage for the desk in virtual time: the real runtime, desk, keeper and latch; stand-ins around.

The trader's stand-in drives a real heart in its toy world, so what the desk shows is what a session
really holds. The rows are a dictionary that can be away or silent.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from actors.account_messages import AccountState, DescribeAccount
from actors.app.operator import HaltFileOnDisk, Latch
from actors.audience import DescribeFeed, ReadSeries
from actors.command_keeper import NAME as COMMANDS
from actors.command_keeper import CommandKeeper
from actors.desk import HouseDesk
from actors.desk_needs import Boot, Needs
from actors.desk_snapshot import everybody, seats_in
from actors.journal import DescribeJournal, JournalView
from actors.lanes import CONFLATE, LANES
from actors.portfolio_server import DescribeHeat, HeatPicture
from actors.realtime_trader import NOTICES, TRADING, DescribeSession, Noticed, SessionPicture
from actors.runtime import (
    Actor,
    Address,
    Child,
    Exhausted,
    Runtime,
    SimulationHost,
    SupervisorSpec,
)
from actors.viewer import VIEWERS
from tests.trader.order_parts import ACCOUNT, SESSION, qty
from tests.trader.session.session_world import START, World
from trader.accounts.account import Balance
from trader.config import Settings
from trader.errors import StoreUnavailable
from trader.ids import AccountId, InstrumentId, SessionId
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.money import Money, Quantity
from trader.operator import CommandOutcome, CommandRow, TradingStanding, Wanted
from trader.risk.heat import Contribution, Heat, HeatLevel
from trader.risk.portfolio import PortfolioLimits
from trader.session import effects as fx
from trader.session.events import DutyDue, TradingState
from trader.session.step import SessionEvent
from trader.views import CheckView, FeedView

INSTRUMENT = InstrumentId("AAPL.ALPACA")
SETTINGS = Settings.model_validate(
    {
        "accounts": {"paper": {"venue": "sandbox"}},
        "sessions": {"aapl": {"account": "paper", "symbol": "AAPL", "strategy": "sma_cross"}},
    }
)
BAR = Candle(
    INSTRUMENT,
    Timeframe.M1,
    START,
    *(4 * [qty(100)]),
    qty(1),
    is_final=False,  # type: ignore[arg-type]
)


class Poison:
    """Whoever reads it dies."""


@dataclass
class Rows:
    """Commands as rows. `is_down`: the database refuses; `is_silent`: it does not answer."""

    by_id: dict[str, CommandRow] = field(default_factory=dict)
    standing: TradingStanding | None = None
    is_down: bool = False
    is_silent: bool = False
    log: list[str] = field(default_factory=list)
    position: int = 0  # of the session, by its row
    takes_s: float = 0.0
    changes_count: int = 0

    async def _reach(self) -> None:
        await asyncio.sleep(self.takes_s)
        if self.is_silent:
            await asyncio.sleep(5)  # the store's own patience
        if self.is_down or self.is_silent:
            raise StoreUnavailable("no database")

    async def record(
        self, command_id: str, kind: str, session_id: SessionId | None, reason: str, asked_by: str
    ) -> CommandRow:
        await self._reach()
        self.log.append(f"row {kind}")
        row = CommandRow(command_id, kind, session_id, reason, asked_by, START, None, "", None)
        return self.by_id.setdefault(command_id, row)

    async def finish(self, command_id: str, outcome: CommandOutcome, detail: str) -> None:
        await self._reach()
        row = self.by_id[command_id]
        self.by_id[command_id] = CommandRow(
            *(row.id, row.kind, row.session_id, row.reason, row.asked_by, row.asked_at),
            outcome,
            detail,
            START,
        )

    async def wanted(self) -> Wanted:
        await self._reach()
        standing = self.standing or TradingStanding(TradingState.ACTIVE, "", "", START)
        return Wanted(standing, tuple(row for row in self.by_id.values() if row.outcome is None))

    async def allow(self, state: TradingState, reason: str, changed_by: str) -> TradingStanding:
        await self._reach()
        self.changes_count += 1
        changed_at = START + timedelta(seconds=self.changes_count)
        self.standing = TradingStanding(state, reason, changed_by, changed_at)
        return self.standing

    async def position_qtys(self, _: AccountId) -> Mapping[SessionId, Quantity]:
        await self._reach()
        return {SESSION: qty(self.position)}

    async def schema(self) -> CheckView:
        return CheckView("database", not self.is_down, "as it is")


class WatchedLatch(Latch):
    """The real one, and when its file came and went."""

    def __init__(self, file: Path, log: list[str]) -> None:
        super().__init__(HaltFileOnDisk(file))
        self._log = log

    def write_file(self, reason: str) -> None:
        super().write_file(reason)
        self._log.append("file")


class Trader(Actor):
    """A heart in its toy world; what it notices is published, as a trader's is."""

    def __init__(self, stage: "Stage") -> None:
        super().__init__()
        self._stage = stage
        self._world = stage.world
        self._log = stage.log

    def on_start(self) -> None:
        self.runtime.subscribe(TRADING, self.address)

    def on_receive(self, message: Any) -> SessionPicture | None:
        world = self._world
        world.now_s = max(world.now_s, self.runtime.host.elapsed())
        if self.name in self._stage.dying:
            raise RuntimeError("it dies of every message")
        if isinstance(message, DescribeSession):
            return SessionPicture(world.state, world.now_s, (), False)
        if isinstance(message, Poison):
            raise RuntimeError("poison")
        self.hear(message)
        return None

    def hear(self, event: SessionEvent) -> None:
        world = self._world
        self._log.append(f"{self.name} {type(event).__name__}")
        seen = len(world.done)
        world.tell(event)
        for effect in world.done[seen:]:
            if isinstance(effect, fx.Notice):
                broker_qty = world.state.broker.broker_qty
                self.publish(NOTICES, Noticed(SESSION, effect, broker_qty))


class Answers(Actor):
    """Answers every question with what the stage holds at that moment."""

    def __init__(self, answers: dict[type, Callable[[], Any]], stage: "Stage") -> None:
        super().__init__()
        self._answers = answers
        self._dying = stage.dying
        self._heard = stage.feed_heard

    def on_receive(self, message: Any) -> Any:
        if self.name in self._dying:
            raise RuntimeError("it dies of every message")
        answer = self._answers.get(type(message))
        if answer is not None:
            return answer()
        self._heard.append(message)
        return None


class Stage:
    """See the module."""

    def __init__(self, host: SimulationHost, folder: Path) -> None:
        self.host = host
        self.log: list[str] = []
        self.rows = Rows(log=self.log)
        self.latch = WatchedLatch(folder / "HALT", self.log)
        self.world = World(now_s=host.elapsed()).start()
        self.balance: Balance | None = a_balance("PA1")
        self.account = {
            "is_line_up": True,
            "epoch": 4,
            "lease_left_s": 3.0,
            "positions": {INSTRUMENT: qty(0)},
            "asked_s": 0.0,
        }
        self.feed: dict[str, Any] = {"is_connected": True, "is_market_open": True, "stale": ()}
        self.is_journal_up = True
        self.spooled_count = 0
        self.missing: tuple[SessionId, ...] = ()
        self.feed_heard: list[Any] = []
        self.dying: set[str] = set()  # names that die of whatever they are told
        self.runtime = Runtime(host, lanes=LANES, conflate=CONFLATE)
        boot = Boot(
            version="1",
            boot_id="boot",
            started_at=host.now(),
            settings=SETTINGS,
            config=(),
            feeds={ACCOUNT: self.runtime.address("feed:paper")},
        )
        needs = Needs(
            self.rows,  # type: ignore[arg-type]
            self.rows,
            self.latch,
            self.rows.position_qtys,
            self.rows.schema,
        )
        self.desk = HouseDesk(self.runtime, boot, needs)

    def tree(self, *guardians: Child) -> SupervisorSpec:
        """The names of the house, the quarantine of the traders included."""
        answers: dict[str, dict[type, Callable[[], Any]]] = {
            "account:paper": {DescribeAccount: self._account},
            "feed:paper": {DescribeFeed: self._feed, ReadSeries: lambda: (BAR,)},
            "portfolio": {DescribeHeat: self._heat},
            "journal": {DescribeJournal: self._journal},
        }

        def stand_in(name: str) -> Child:
            return Child(name, lambda: Answers(answers[name], self))

        return SupervisorSpec(
            "root",
            (
                *(stand_in(name) for name in answers),
                SupervisorSpec(
                    "traders",
                    (Child("trader:aapl", lambda: Trader(self)),),
                    restarts_count_max=2,
                    exhausted=Exhausted.QUARANTINE,
                ),
                SupervisorSpec("guardians", guardians),
                Child(
                    COMMANDS,
                    lambda: CommandKeeper(
                        self.rows, self.latch, self._bearer, frozenset({SESSION})
                    ),
                ),
                SupervisorSpec(VIEWERS, ()),
            ),
            restarts_count_max=50,
        )

    def guardian(self) -> Child:
        """Stands in for the session."""
        return Child("guardian:aapl", lambda: Trader(self))

    def notice(self, code: str, broker_qty: int) -> None:
        """The heart says something, with what the broker held then."""
        notice = fx.Notice(fx.Severity.INFO, code, "as told")
        self.runtime.publish(NOTICES, Noticed(SESSION, notice, qty(broker_qty)))

    def hear_timer(self) -> None:
        """The trader's own timer, where something is owed."""
        if self.world.state.due_s <= self.world.now_s:
            for name in ("trader:aapl", "guardian:aapl"):
                if name in self.runtime.boxes:
                    self.runtime.address(name).tell(DutyDue())

    def mail_of(self, name: str) -> int:
        """How much waits for that name."""
        (status,) = [each for each in everybody(self.runtime.tree()) if each.name == name]
        return status.mailbox_depth_count

    def _bearer(self, session_id: SessionId) -> Address | None:
        seat = seats_in(self.runtime.tree(), iter([SESSION])).get(session_id)
        name = seat and seat.reachable
        return self.runtime.address(name) if name else None

    def _account(self) -> AccountState:
        return AccountState(
            account_id=ACCOUNT,
            balance=self.balance,
            is_line_up=self.account["is_line_up"],  # type: ignore[arg-type]
            line_cause="",
            epoch=self.account["epoch"],  # type: ignore[arg-type]
            lease_left_s=self.account["lease_left_s"],  # type: ignore[arg-type]
            positions=self.account["positions"],  # type: ignore[arg-type]
            positions_age_s=self.host.elapsed() - self.account["asked_s"],  # type: ignore[operator]
            refused_frames_count=0,
        )

    def _feed(self) -> FeedView:
        counts = {"refused_count": 0, "late_count": 0, "held_count": 0}
        return FeedView(
            "feed:paper", last_frame_age_s=0.1, lag_s=0.1, series=(), **self.feed, **counts
        )

    def _heat(self) -> HeatPicture:
        ten, equity = Decimal(10), Decimal(1000)
        level = HeatLevel.UNKNOWN if self.missing else HeatLevel.CALM
        heat = Heat(
            ten, ten, self.missing, 0.0, equity, ten / equity, level, {"": ten, "tech": ten}
        )
        share = Contribution(SESSION, 1, 1, ten, ten, (), "tech", 0.0, True)
        caps = {"tech": Decimal("0.5"), "banks": Decimal("0.1")}
        limits = PortfolioLimits(Decimal("0.04"), Decimal("0.06"), caps, 120.0, 10.0)
        return HeatPicture(heat, ((share, 0.5),), limits)

    def _journal(self) -> JournalView:
        reason = "" if self.is_journal_up else "no answer"
        return JournalView(self.is_journal_up, reason, 0, 0, 0, 0, self.spooled_count, 0.0)


def a_balance(number: str) -> Balance:
    """Of the broker's account with that number."""
    money = Money(Decimal(1000), "USD")
    return Balance(ACCOUNT, number, money, money, money, False, datetime(2026, 1, 5, tzinfo=UTC))


@asynccontextmanager
async def _set(host: SimulationHost, folder: Path, *guards: str) -> AsyncIterator[Stage]:
    stage = Stage(host, folder)
    await stage.runtime.start(stage.tree(*(stage.guardian() for _ in guards)))
    try:
        yield stage
    finally:
        await stage.runtime.stop()


def play(folder: Path, scenario: Callable[[Stage], Awaitable[None]], *guards: str) -> None:
    """Run it on a stage, in virtual time; with a guard the session has a guardian as well."""
    host = SimulationHost(7)

    async def whole() -> None:
        async with _set(host, folder, *guards) as stage:
            await scenario(stage)

    try:
        host.loop.run_until_complete(whole())
    finally:
        host.loop.close()
