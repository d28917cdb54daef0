"""A world: one venue, one database, and the daemons that trade there, all from one seed."""

from collections import Counter
from collections.abc import Callable
from contextvars import copy_context
from datetime import timedelta
from decimal import Decimal
from random import Random

import pykka

from actors.app.simulation import story
from actors.app.simulation.boundaries import Boundaries
from actors.app.simulation.daemon import Daemon
from actors.app.simulation.house import SimulatedVenuePorts
from actors.app.simulation.names import number_of
from actors.app.simulation.plan import Plan
from actors.desk_snapshot import everybody
from actors.realtime_trader import DescribeSession, SessionPicture, name_of
from actors.runtime import SimulatedLoop, SimulationHost, State
from actors.sessions import guardian_name
from adapters.sandbox.accounts import Account
from adapters.sandbox.orders import Fate
from adapters.sandbox.orders import Order as VenueOrder
from adapters.sandbox.prices import RandomWalk
from adapters.simulated.account import SimulatedAccount
from adapters.simulated.database import Database
from adapters.simulated.feed import SimulatedFeed
from adapters.simulated.feed_faults import FeedFaults
from adapters.simulated.history import History, WriteLeft
from adapters.simulated.market import SimulatedMarket, note_bars
from adapters.simulated.rows import Committed, MemoryStore
from adapters.simulated.runner import RecordedRunner, StrategyFaults
from adapters.simulated.venue import SimulatedVenue
from adapters.strategies.inline import InlineRunner
from trader.ids import AccountId, SessionId
from trader.orders.order import Status
from trader.ports import StrategyRunner
from trader.records import OrderEntry, ProgressEntry

CASH = Decimal(100_000)
PREFILL_BARS_COUNT = 30
THIN = Decimal("0.00004")  # of the volume: what is ordered fills in pieces


class World:
    """See the module. Faults get their hands on what is public here; checkers read it."""

    def __init__(
        self, plan: Plan, loop: SimulatedLoop, on_line: Callable[[float, str], None] | None = None
    ) -> None:
        self.plan = plan
        self.loop = loop
        self.context = copy_context()  # of the servers and of whoever strikes: no daemon's
        self.chance = Random(f"world {plan.seed}")
        self.clock = SimulationHost(f"{plan.seed} world", loop=loop)  # nobody moves this one
        self.history = History()
        self._on_line = on_line
        if on_line is not None:
            story.tell(self.history, self.tell_story)
            story.tell_log(self.tell_story)
        symbols = tuple(each.symbol for each in plan.sessions)
        self.venue = SimulatedVenue(
            self.clock,
            symbols,
            seed=plan.seed,
            accounts={number_of(AccountId(name)): CASH for name in plan.accounts},
            source=RandomWalk(symbols, plan.seed, Decimal(100), plan.volatility),
            latency_s=plan.latency_s,
            prefill_bars_count=PREFILL_BARS_COUNT,
            history=self.history,
        )
        self.feed_faults = FeedFaults(self.venue, self.history)
        note_bars(self.venue, self.history)
        self.strategy_faults = StrategyFaults()
        self.rows = MemoryStore(self.clock.now, self.clock.elapsed, self.history)
        self.database = Database(self.rows, plan.seed)
        self.daemons = [Daemon(self, "us")]
        self.boundaries = Boundaries(self)
        self._on_status: list[Callable[[Status], None]] = []
        self._left: set[str] = set()  # ids of orders that are on the wire, or were
        self.history.listen(Committed, self._committed)
        self.history.listen(WriteLeft, self._sent)

    # Its course

    def begin(self) -> None:
        """Prices move, and the daemon boots at its second."""
        self.venue.resume()
        if self.plan.is_thin:
            self.venue.thin_out(THIN)
        self.later(self.plan.boot_at_s, self.daemon.start)

    def lift(self) -> None:
        """All faults are over; the daemon runs, and the operator allows what he had forbidden."""
        self.tell("faults are over")
        self.venue.clear_faults()
        self.feed_faults.clear_all()
        self.strategy_faults.clear_all()
        self.boundaries.forget_all()
        self.database.calm()
        for daemon in self.daemons:
            daemon.disk.calm()
        for daemon in self.daemons[1:]:
            daemon.shut()
        self.daemon.resume()
        self._let_go()

    def _let_go(self) -> None:
        """An order that never fires is a fault, too: the venue's people take it out by hand."""
        for name in self.plan.accounts:
            for order in self.books(name).all_open():
                if order.fate is Fate.NEVER_FIRE:
                    host = self.venue.host
                    host.settle_soon(host.request_cancel(number_of(AccountId(name)), order.id))

    def end(self) -> None:
        """Nothing of it runs any more."""
        for daemon in self.daemons:
            daemon.shut()
        self.venue.stop()
        pykka.ActorRegistry._actor_refs.clear()

    def later(self, delay_s: float, call: Callable[[], object]) -> None:
        """Call in the world's own time, whoever asks."""
        self.loop.call_later(delay_s, call, context=self.context)

    def tell(self, what: str) -> None:
        """A line of the story."""
        self.loop.note(what)
        self.tell_story(what)

    def tell_story(self, what: str) -> None:
        """A line that is no part of the trace."""
        if self._on_line is not None:
            self._on_line(self.loop.time(), what)

    # What a daemon has of it

    def ports(self, host: SimulationHost, account_id: AccountId, label: str) -> SimulatedVenuePorts:
        """The way of one boot of a daemon to the venue."""
        account = SimulatedAccount(
            self.venue, account_id, number_of(account_id), who=label, clock=host
        )
        number = number_of(account_id)
        feed, market = self.context.copy().run(self._market_ports, host, label, number)
        return SimulatedVenuePorts(account, feed, market, market)

    def _market_ports(
        self, host: SimulationHost, label: str, number: str
    ) -> tuple[SimulatedFeed, SimulatedMarket]:
        """Made where the venue lives."""
        return (
            SimulatedFeed(self.venue, self.feed_faults, self.history, label, number, host.now),
            SimulatedMarket(
                self.venue,
                self.feed_faults,
                self.history,
                label,
                number,
                Random(f"market {self.plan.seed} {label} {number}"),
            ),
        )

    def runner(self, inner: InlineRunner, label: str) -> StrategyRunner:
        """Where a daemon's strategies run."""
        chance = Random(f"strategies {self.plan.seed} {label}")
        return RecordedRunner(inner, self.clock, self.history, self.strategy_faults, label, chance)

    def died(self, daemon: Daemon) -> None:
        """A process of that daemon has ended."""
        self.venue.hang_up(f"{daemon.name}#{daemon.boots_count}")
        self.tell(f"{daemon.name} ended after boot {daemon.boots_count}")

    def second_daemon(self) -> None:
        """Another machine wants the accounts, from here on."""
        if len(self.daemons) == 1:
            self.daemons.append(Daemon(self, "them"))
            self.daemons[1].start()

    # What a checker reads

    @property
    def daemon(self) -> Daemon:
        """The one that owns the accounts, unless a fault brought another."""
        return self.daemons[0]

    def books(self, account: str) -> Account:
        """The venue's own books of an account."""
        return self.venue.host.venue.ledger.account(number_of(AccountId(account)))

    def order_at_venue(self, order_id: str) -> VenueOrder | None:
        """The venue's own, whichever account it is in."""
        for name in self.plan.accounts:
            order = self.books(name).orders_by_client_id.get(order_id)
            if order is not None:
                return order
        return None

    async def picture(self, session: str) -> SessionPicture | None:
        """What the session's actor believes; None: nobody answers for it."""
        house = self.daemon.house
        if house is None:
            return None
        for name in (name_of(SessionId(session)), guardian_name(SessionId(session))):
            try:
                picture: SessionPicture = await house.runtime.address(name).ask(
                    DescribeSession(), 10.0
                )
            except (TimeoutError, pykka.ActorDeadError):
                continue
            return picture
        return None

    def names(self) -> list[str]:
        """Who may crash: all actors of the daemon that are no supervisors."""
        house = self.daemon.house
        if house is None:
            return []
        return [each.name for each in everybody(house.runtime.tree()) if not each.children]

    def running(self) -> list[str]:
        """Who runs: one that is quarantined has a name, and does nothing."""
        house = self.daemon.house
        tree = () if house is None else everybody(house.runtime.tree())
        return [each.name for each in tree if each.state is State.RUNNING]

    def statuses(self, recent_s: float) -> list[Status]:
        """Where each order stands that is open or has ended lately."""
        lately = self.clock.now() - timedelta(seconds=recent_s)
        return [
            Status.SUBMITTED
            if row.status is Status.INITIALIZED and row.order.id in self._left
            else row.status
            for row in self.rows.orders.values()
            if not row.status.is_terminal
            or (row.events and (row.events[-1].happened_at or row.recorded_at) > lately)
        ]

    def on_status(self, hear: Callable[[Status], None]) -> None:
        """Hear of each status that a row reaches."""
        self._on_status.append(hear)

    def counts(self) -> Counter[str]:
        """How much happened."""
        return Counter(
            orders=len(self.rows.orders),
            fills=len(self.rows.fills),
            decisions=len(self.rows.decisions),
            boots=sum(daemon.boots_count for daemon in self.daemons),
            strikes=len(self.plan.strikes),
        )

    def _sent(self, write: WriteLeft) -> None:
        if write.method == "POST":
            self._left.add(write.client_order_id)
            for hear in self._on_status:
                hear(Status.SUBMITTED)

    def _committed(self, committed: Committed) -> None:
        what = committed.what
        if not isinstance(what, OrderEntry | ProgressEntry):
            return
        reached = what.status if isinstance(what, ProgressEntry) else Status.INITIALIZED
        for hear in self._on_status:
            hear(reached)
