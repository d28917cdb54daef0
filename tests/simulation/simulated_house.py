"""The whole house under a seed: the daemon's own actors and tree, the simulated venue and store."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from actors import broker_out, journal, portfolio_server, realtime_trader, sessions
from actors.account_book import AccountBook
from actors.account_messages import AccountState, DescribeAccount, name_of
from actors.app.operator import Latch
from actors.app.tree import INLINE, Parts, feed_name, tree
from actors.audience import Audience
from actors.backlog import Backlog
from actors.broker import AccountManager, AccountNeighbours, AccountRules
from actors.calendar import Calendar
from actors.command_keeper import CommandKeeper
from actors.journal import Journal
from actors.lanes import CONFLATE, LANES, NEVER_AGAIN
from actors.market_data import MarketData
from actors.portfolio_server import DescribeHeat, HeatPicture, PortfolioServer
from actors.realtime_trader import DescribeSession, Neighbours, RealtimeTrader, SessionPicture
from actors.runtime import Actor, Address, Exit, Notice, Quarantined, Runtime, SimulationHost
from actors.sessions import Desired, SessionQuarantined, Sessions, guardian_id, guardian_name
from actors.strategy_host import StrategyHost
from actors.watcher import Watcher
from adapters.simulated.account import SimulatedAccount
from adapters.simulated.database import Database
from adapters.simulated.disk import Disk
from adapters.simulated.feed import SimulatedFeed
from adapters.simulated.market import SimulatedMarket
from adapters.simulated.rows import MemoryStore
from adapters.simulated.store import SimulatedStore
from adapters.simulated.venue import VENUE, SimulatedVenue
from adapters.strategies.inline import InlineRunner
from trader.ids import AccountId, InstrumentId, SessionId, instrument_id
from trader.instants import Timeframe
from trader.instrument import Instrument
from trader.orders.events import QueryFailed
from trader.ports import FeedKind
from trader.records import Lease
from trader.risk.heat import HeatLevel, HeatRules
from trader.risk.portfolio import PortfolioLimits
from trader.risk.standing import Limits
from trader.session.events import TradingState, TradingStateChanged
from trader.session.rules import SessionRules
from trader.session.state import SessionState
from trader.session.strategy import StrategySpec

ACCOUNT = AccountId("paper")
NUMBER = "SIM-1"
CASH = Decimal(100_000)
CRASH = "crash"  # nobody understands it: whoever is told it dies of it
SESSIONS: dict[SessionId, tuple[str, str, dict[str, object]]] = {
    SessionId("sma"): ("AAPL", "sma_cross", {"fast": 2, "slow": 3, "qty": 10}),
    SessionId("donchian"): ("IBM", "donchian", {"entry": 3, "exit": 2, "qty": 10}),
}
LIMITS = Limits(
    qty_max=Decimal(1000),
    notional_max=Decimal(25_000),
    orders_per_minute_max=30,
    orders_per_day_max=5_000,
    collar_fraction=Decimal("0.5"),
    position_qty_max=Decimal(1000),
)
PORTFOLIO = PortfolioLimits(
    warn_ratio=Decimal("0.5"),
    block_ratio=Decimal("0.9"),
    group_caps={},
    mark_age_max_s=180.0,
    report_age_max_s=10.0,
)


class LoopJobs:
    """Calendar jobs on the virtual clock."""

    def __init__(self, host: SimulationHost) -> None:
        self._host = host

    def at(self, name: str, instant: datetime, callback: Callable[[], None]) -> None:
        delay_s = (instant - self._host.now()).total_seconds()
        self._host.loop.call_later(max(0.0, delay_s), callback)


@dataclass
class House:
    """The world, and what a checker may read of it."""

    seed: int
    host: SimulationHost
    found: list[str] = field(default_factory=list)  # findings of reconciles
    exits: list[Exit] = field(default_factory=list)
    leases: dict[AccountId, Lease] = field(default_factory=dict)

    def __post_init__(self) -> None:
        host = self.host
        self.rows = MemoryStore(host.now, host.elapsed)
        self.database = Database(self.rows, self.seed)
        disk = Disk(host.elapsed, self.seed)
        self.latch = Latch(disk.halt_file)
        self.store = SimulatedStore(self.database, disk, host, "us")
        self.ledger = self.store.ledger
        symbols = (*(symbol for symbol, _, _ in SESSIONS.values()), "MSFT")
        self.venue = SimulatedVenue(
            host, symbols, seed=self.seed, accounts={NUMBER: CASH}, latency_s=0.005
        )
        self.account = SimulatedAccount(self.venue, ACCOUNT, NUMBER)
        self.feed = SimulatedFeed(self.venue)
        self.market = SimulatedMarket(self.venue)
        self.runtime = Runtime(
            host,
            lanes=LANES,
            conflate=CONFLATE,
            never_again=NEVER_AGAIN,
            on_lost=broker_out.lost,
        )
        self.runtime.listen(self._heard)

    def _heard(self, notice: Notice) -> None:
        if isinstance(notice, Exit):
            self.exits.append(notice)
        prefix = realtime_trader.name_of(SessionId(""))
        if isinstance(notice, Quarantined) and notice.name.startswith(prefix):
            session_id = SessionId(notice.name.removeprefix(prefix))
            at = self.runtime.address(sessions.NAME)
            at.tell(SessionQuarantined(session_id, repr(notice.last_exit.error)))

    # What is in it

    def parts(self) -> Parts:
        """As the daemon wires it."""
        at = self.runtime.address
        backlog, audience = Backlog(), Audience()
        instruments = (instrument_id(symbol, VENUE) for symbol, _, _ in SESSIONS.values())
        book = AccountBook(self.host.elapsed, instruments)
        journal_at, portfolio_at = at(journal.NAME), at(portfolio_server.NAME)
        neighbours = AccountNeighbours(journal_at, portfolio_at, at(sessions.NAME))
        runner = InlineRunner()

        async def limits() -> PortfolioLimits:
            return PORTFOLIO

        async def described(
            account_id: AccountId, ids: Sequence[InstrumentId]
        ) -> tuple[Instrument, ...] | QueryFailed:
            return await self.market.instruments(ids)

        def trader(rules: SessionRules, why_exits_only: str) -> Actor:
            return RealtimeTrader(
                rules,
                Neighbours(
                    broker=at(name_of(ACCOUNT)),
                    journal=journal_at,
                    portfolio=portfolio_at,
                    feed=at(feed_name(ACCOUNT)),
                    strategies=at(INLINE),
                ),
                self.ledger,
                lambda: self.leases[ACCOUNT].epoch,
                lambda: TradingStateChanged(TradingState.ACTIVE, ""),
                exits_only=why_exits_only,
            )

        return Parts(
            watcher=lambda: Watcher(self.found.append),
            journal=lambda: Journal(
                self.store.journal,
                self.store.spool,
                backlog,
                pending_max=10_000,
                degraded_after_s=0.5,
            ),
            jobs=None,
            portfolio=lambda: PortfolioServer(
                limits, lambda: tuple(SESSIONS), ((ACCOUNT, at(name_of(ACCOUNT))),), "USD"
            ),
            accounts={
                ACCOUNT: lambda: AccountManager(
                    AccountRules(ACCOUNT, self.leases[ACCOUNT], 20.0),
                    self.account,
                    self.ledger,
                    book,
                    neighbours,
                    lambda: "",
                )
            },
            feeds={ACCOUNT: lambda: MarketData(self.feed, self.market, FeedKind.BARS, audience)},
            hours={
                ACCOUNT: lambda: Calendar(
                    self.market, LoopJobs(self.host), [at(feed_name(ACCOUNT))]
                )
            },
            inline=lambda: StrategyHost(runner),
            process=None,
            sessions=lambda: Sessions(
                [self._desired(each) for each in SESSIONS],
                described,
                trader,
                lambda _, instrument: self.rules(guardian_id(ACCOUNT, instrument.id), instrument),
                portfolio_at,
            ),
            commands=lambda: CommandKeeper(
                self.store.operator, self.latch, lambda _: None, frozenset(SESSIONS)
            ),
        )

    def rules(self, session_id: SessionId, instrument: Instrument) -> SessionRules:
        """A configured session's, or those of a guardian."""
        _, name, params = SESSIONS.get(session_id, ("", "", {}))
        spec = StrategySpec(
            name, tuple(params.items()), instrument.symbol, instrument.tick, instrument.lot
        )
        return SessionRules(
            session_id=session_id,
            account_id=ACCOUNT,
            instrument=instrument,
            timeframe=Timeframe.M1,
            group="",
            strategy=spec if name else None,
            warmup_bars=10,
            capabilities=self.account.capabilities,
            limits=LIMITS,
            heat=HeatRules(),
        )

    def _desired(self, session_id: SessionId) -> Desired:
        instrument = instrument_id(SESSIONS[session_id][0], VENUE)
        return Desired(
            session_id,
            ACCOUNT,
            instrument,
            lambda described: self.rules(session_id, described),
        )

    # What is done to it

    def at(self, name: str) -> Address:
        """Whoever bears that name."""
        return self.runtime.address(name)

    def crash(self, name: str) -> None:
        """Have whoever bears that name die."""
        self.at(name).tell(CRASH)

    # What can be read of it

    async def session(self, session_id: SessionId, *, guardian: bool = False) -> SessionState:
        """What that session believes, or whoever stands in for it."""
        name_it = guardian_name if guardian else realtime_trader.name_of
        at = self.at(name_it(session_id))
        picture: SessionPicture = await at.ask(DescribeSession(), 60.0)
        return picture.state

    async def heat_level(self) -> HeatLevel:
        """The portfolio's level."""
        picture: HeatPicture = await self.at(portfolio_server.NAME).ask(DescribeHeat(), 60.0)
        return picture.heat.level

    async def account_state(self) -> AccountState:
        """How the account manager sees its account."""
        state: AccountState = await self.at(name_of(ACCOUNT)).ask(DescribeAccount(), 60.0)
        return state

    def crashed(self) -> set[str]:
        """The names of those who have died so far."""
        return {each.name for each in self.exits}

    def truth(self, symbol: str) -> Decimal:
        """What the venue truly holds for us."""
        return self._books.position_qty(symbol)

    def executed(self) -> list[tuple[str, str, Decimal, Decimal]]:
        """What truly traded: symbol, side, quantity, price."""
        return [(e.symbol, str(e.side), e.qty, e.price) for e in self._books.executions]

    @property
    def _books(self) -> Any:
        return self.venue.host.venue.ledger.account(NUMBER)

    async def wrongs(self) -> list[str]:
        """What the venue's own truth has against us; nothing when all is well."""
        found: list[str] = []
        orders = self._books.orders_by_client_id
        for order_id, order in orders.items():
            row = self.rows.orders.get(order_id)
            if row is None and not order_id.startswith("operator-"):
                found.append(f"I1: {order_id} is at the venue and has no row")
            elif row is not None and row.order.qty != order.request.qty:
                found.append(f"I2: {order_id} has another quantity at the venue")
        ours = {execution_id for _, execution_id in self.rows.fills}
        theirs = {each.id for each in self._books.executions}
        found += [f"I7: fill {each} is not in the database" for each in sorted(theirs - ours)]
        found += [f"I7: fill {each} was never made" for each in sorted(ours - theirs)]
        for session_id, (symbol, _, _) in SESSIONS.items():
            state = await self.session(session_id)
            row_qty = getattr(self.rows.positions.get(session_id), "qty", Decimal(0))
            truth = self.truth(symbol)
            if not state.position.qty == row_qty == truth:
                found.append(
                    f"I3: {symbol}: memory {state.position.qty}, rows {row_qty}, venue {truth}"
                )
            found += [f"I3: {each.order.id} is {each.status}" for each in state.orders.values()
                      if each.status in ("UNKNOWN", "PENDING_RECORD")]  # fmt: skip
            bars = [
                each.bar_opened_at
                for each in self.rows.decisions
                if each.session_id == session_id and each.action != "refused"
            ]
            if len(bars) != len(set(bars)):
                found.append(f"I5: {session_id} decided twice on one bar")
        return found


def live(seed: int, day: Callable[[House], Awaitable[None]]) -> House:
    """A day in the house: opened, ready and trading when `day` begins; closed after it."""
    host = SimulationHost(seed)

    async def whole() -> House:
        house = House(seed, host)
        lease = await house.ledger.claim(ACCOUNT, "us", 20.0)
        assert isinstance(lease, Lease)
        house.leases[ACCOUNT] = lease
        house.venue.resume()
        spec = tree(house.parts(), restarts_count_max=5, restarts_window_s=60.0)
        await house.runtime.start(spec)
        try:
            await day(house)
        finally:
            house.venue.stop()
            await house.runtime.stop(grace_s=1.0)
        return house

    try:
        return host.loop.run_until_complete(whole())
    finally:
        host.loop.close()


def minutes(count: float) -> Awaitable[None]:
    """Let so much virtual time pass."""
    return asyncio.sleep(count * 60)
