"""The house: everything opened in one order, read top to bottom, closed bottom to top."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

import structlog

from actors import broker_out, journal, portfolio_server, realtime_trader, sessions
from actors.account_book import AccountBook
from actors.account_messages import name_of as account_name
from actors.app.counted import CountedJournal
from actors.app.lock import only_daemon_of
from actors.app.operator import Latch
from actors.app.rules import guardian_rules, session_rules
from actors.app.secrets import database_url
from actors.app.tree import INLINE, PROCESS, Parts, feed_name, tree
from actors.app.venues import SandboxProcess, open_venues
from actors.audience import Audience
from actors.backlog import Backlog
from actors.broker import AccountManager, AccountNeighbours, AccountRules
from actors.calendar import Calendar
from actors.command_keeper import CommandKeeper
from actors.desk_snapshot import seats_in
from actors.job_runner import JobRunner
from actors.journal import Journal
from actors.lanes import CONFLATE, LANES, NEVER_AGAIN
from actors.market_data import MarketData
from actors.portfolio_server import PortfolioServer
from actors.realtime_trader import Neighbours, RealtimeTrader
from actors.runtime import (
    Actor,
    Address,
    AsyncioHost,
    Exit,
    ExitReason,
    Quarantined,
    Runtime,
    SupervisorSpec,
    Watchdog,
)
from actors.runtime import Notice as RuntimeNotice
from actors.sessions import Desired, SessionQuarantined, Sessions
from actors.strategy_host import StrategyHost
from actors.watcher import Watcher
from adapters.brokers.alpaca import AlpacaVenue, WrongAccount
from adapters.calendar_jobs import ApschedulerJobs
from adapters.folders import Folders
from adapters.gateway.metrics import Metrics
from adapters.store.portfolio import StoredLimits
from adapters.store.sessions import DesiredSession
from adapters.store.store import Store, StoreSettings, open_store
from adapters.strategies.inline import InlineRunner
from adapters.strategies.process import ProcessRunner
from trader.config import Isolation, Settings
from trader.errors import ConfigInvalid, Fenced, StoreUnavailable
from trader.ids import AccountId, InstrumentId, SessionId
from trader.instrument import Instrument
from trader.orders.events import QueryFailed
from trader.ports import FeedKind
from trader.records import HeldByAnother, Lease
from trader.risk.portfolio import PortfolioLimits
from trader.session.events import TradingStateChanged
from trader.session.rules import SessionRules

BUNDLED = ("sma_cross", "donchian", "mean_reversion")

IN_ORDER = (ExitReason.NORMAL, ExitReason.SHUTDOWN)

log = structlog.get_logger()


@dataclass
class House:
    """What is open, for the doors, the drills and the demo."""

    settings: Settings
    folders: Folders
    host: AsyncioHost
    runtime: Runtime
    store: Store
    venues: dict[AccountId, AlpacaVenue]
    sandbox: SandboxProcess | None
    latch: Latch
    leases: dict[AccountId, Lease]
    boot_id: str
    started_at: datetime
    metrics: Metrics


@contextlib.asynccontextmanager
async def open_house(settings: Settings, folders: Folders) -> AsyncIterator[House]:
    """Lock, store, venues, leases, tree: leaf to root. The doors are opened by the caller.

    Raises Fenced when another daemon holds the folder or an account, StoreUnsafe, ConfigInvalid,
    SandboxFailed.
    """
    host = AsyncioHost()
    boot_id = host.new_id()
    async with contextlib.AsyncExitStack() as stack:
        folders.make()
        holder = stack.enter_context(only_daemon_of(folders.state))
        rows = StoreSettings(
            data_folder=folders.data,
            database_url=database_url(settings.store),
            command_timeout_s=settings.store.command_timeout_s,
            read_connections_max=settings.store.read_connections_max,
            spool_records_max=settings.store.spool_records_max,
            decisions_kept_days=settings.store.decisions_kept_days,
        )
        store = await stack.enter_async_context(
            open_store(rows, elapsed=host.elapsed, now=host.now)
        )
        await _until_it_answers("prepare the database", store.prepare)
        venues, sandbox = await stack.enter_async_context(open_venues(settings, folders.data, host))
        leases = {}
        for account_id, venue in venues.items():
            lease = await _claim(store, account_id, settings.store.lease_ttl_s, holder)
            stack.push_async_callback(_release, store, lease)
            leases[account_id] = lease
            await _verify(account_id, venue)
        spooled = await store.spool.replay(store.journal)
        if spooled:
            log.warning("spool_replayed", records_count=spooled)
        latch = Latch(folders.halt_file)
        standing = await store.operator.standing()
        latch.state = TradingStateChanged(standing.state, standing.reason)
        await store.sessions.ensure(_desired_rows(settings))
        runtime = _runtime(settings, host)
        house = House(
            settings=settings,
            folders=folders,
            host=host,
            runtime=runtime,
            store=store,
            venues=venues,
            sandbox=sandbox,
            latch=latch,
            leases=leases,
            boot_id=boot_id,
            started_at=host.now(),
            metrics=Metrics(),
        )
        jobs = ApschedulerJobs()
        jobs.start()
        stack.callback(jobs.stop)
        stack.push_async_callback(runtime.stop, settings.daemon.stop_grace_s)
        await runtime.start(_tree(house, jobs))
        yield house


async def _until_it_answers(what: str, ask: Callable[[], Awaitable[object]]) -> None:
    """A database that is away at the start is waited for, out loud."""
    while True:
        try:
            await ask()
        except StoreUnavailable as error:
            log.error("store_unavailable", while_trying_to=what, error=str(error))
            await asyncio.sleep(1.0)
        else:
            return


async def _claim(store: Store, account_id: AccountId, ttl_s: float, holder: str) -> Lease:
    """Ours at once when this folder held it before; another's is respected."""
    answer = await store.ledger.claim(account_id, holder, ttl_s)
    if isinstance(answer, HeldByAnother):
        raise Fenced(
            f"account {account_id} belongs to another daemon ({answer.holder}, epoch "
            f"{answer.epoch}, until {answer.expires_at:%H:%M:%S}Z): stop that one first"
        )
    return answer


async def _release(store: Store, lease: Lease) -> None:
    with contextlib.suppress(StoreUnavailable):  # it runs out by itself
        await store.ledger.release(lease)


async def _verify(account_id: AccountId, venue: AlpacaVenue) -> None:
    """Whose account the keys open. Without an answer the adapter writes nothing in live mode."""
    answer = await venue.account.verify()
    if isinstance(answer, WrongAccount):
        raise ConfigInvalid(
            (
                f"accounts.{account_id}.live_account_id: the keys open {answer.found}, "
                f"not {answer.expected}",
            )
        )


def _desired_rows(settings: Settings) -> list[DesiredSession]:
    return [
        DesiredSession(
            id=SessionId(name),
            account_id=AccountId(each.account),
            instrument=settings.instrument_of(SessionId(name)),
            config=each.model_dump(mode="json"),
        )
        for name, each in settings.sessions.items()
    ]


def _tree(house: House, jobs: ApschedulerJobs) -> SupervisorSpec:
    """How each actor is made; who supervises whom stands in `tree.py`."""
    settings, runtime, store = house.settings, house.runtime, house.store
    config = settings.store
    journal_at = runtime.address(journal.NAME)
    portfolio_at = runtime.address(portfolio_server.NAME)
    sessions_at = runtime.address(sessions.NAME)
    expected = tuple(SessionId(name) for name in settings.sessions)
    kind = _kinds(settings)
    inline, process = InlineRunner(), None
    if any(name == PROCESS for name in kind.values()):
        process = ProcessRunner(
            host_count=settings.strategies.host_processes_count or None,
            decide_deadline_s=settings.strategies.decision_deadline_ms / 1000,
        )

    backlog = Backlog()
    written = CountedJournal(store.journal, house.metrics, house.host.elapsed)
    books = {
        account_id: AccountBook(
            house.host.elapsed, map(settings.instrument_of, settings.sessions_of(account_id))
        )
        for account_id in house.venues
    }

    def account(account_id: AccountId) -> Actor:
        rules = AccountRules(account_id, house.leases[account_id], config.lease_ttl_s)
        return AccountManager(
            rules,
            house.venues[account_id].account,
            store.ledger,
            books[account_id],
            AccountNeighbours(journal_at, portfolio_at, sessions_at),
            house.latch.halted,
            house.metrics.order_acknowledged,
        )

    audiences = {account_id: Audience() for account_id in house.venues}

    def feed(account_id: AccountId) -> Actor:
        venue = house.venues[account_id]
        return MarketData(venue.feed, venue.history, FeedKind.BARS, audiences[account_id])

    def hours(account_id: AccountId) -> Actor:
        listeners = [runtime.address(feed_name(account_id))]
        return Calendar(house.venues[account_id].venue, jobs, listeners)

    def trader(rules: SessionRules, why_exits_only: str) -> Actor:
        account_id = rules.account_id
        return RealtimeTrader(
            rules,
            Neighbours(
                broker=runtime.address(account_name(account_id)),
                journal=journal_at,
                portfolio=portfolio_at,
                feed=runtime.address(feed_name(account_id)),
                strategies=runtime.address(kind.get(rules.session_id, INLINE)),
            ),
            store.ledger,
            lambda: house.leases[account_id].epoch,
            house.latch.current,
            exits_only=why_exits_only,
        )

    def desired(session_id: SessionId) -> Desired:
        account_id = AccountId(settings.sessions[session_id].account)
        venue = house.venues[account_id]
        return Desired(
            session_id,
            account_id,
            settings.instrument_of(session_id),
            lambda instrument: session_rules(settings, session_id, venue, instrument),
        )

    async def limits() -> PortfolioLimits:
        first = settings.portfolio
        stored = await store.portfolio.ensure(
            StoredLimits(first.warn_ratio, first.block_ratio, first.group_caps), "config.toml"
        )
        return PortfolioLimits(
            stored.warn_ratio,
            stored.block_ratio,
            stored.group_caps,
            mark_age_max_s=first.mark_age_s_max,
            report_age_max_s=first.report_age_s_max,
            grant_ttl_s=settings.risk.grant_ttl_s,
        )

    async def instruments(
        account_id: AccountId, ids: Sequence[InstrumentId]
    ) -> tuple[Instrument, ...] | QueryFailed:
        return await house.venues[account_id].venue.instruments(ids)

    def bearer_of(session_id: SessionId) -> Address | None:
        seat = seats_in(runtime.tree(), iter(expected)).get(session_id)
        name = None if seat is None else seat.reachable
        return None if name is None else runtime.address(name)

    def per_account(make: Callable[[AccountId], Actor]) -> dict[AccountId, Callable[[], Actor]]:
        return {account_id: functools.partial(make, account_id) for account_id in house.venues}

    return tree(
        Parts(
            watcher=lambda: Watcher(house.metrics.reconcile_broke),
            journal=lambda: Journal(
                written,
                store.spool,
                backlog,
                pending_max=config.pending_entries_max,
                degraded_after_s=config.degraded_after_ms / 1000,
            ),
            jobs=lambda: JobRunner(store.jobs),
            portfolio=lambda: PortfolioServer(
                limits,
                lambda: expected,
                tuple((a, runtime.address(account_name(a))) for a in house.venues),
                settings.portfolio.currency,
            ),
            accounts=per_account(account),
            feeds=per_account(feed),
            hours=per_account(hours),
            inline=lambda: StrategyHost(inline, house.metrics.bar_decided),
            process=None
            if process is None
            else lambda: StrategyHost(process, house.metrics.bar_decided),
            sessions=lambda: Sessions(
                [desired(each) for each in expected],
                instruments,
                trader,
                lambda account_id, instrument: guardian_rules(
                    settings, account_id, house.venues[account_id], instrument
                ),
                portfolio_at,
            ),
            commands=lambda: CommandKeeper(store.operator, bearer_of, frozenset(expected)),
        ),
        restarts_count_max=settings.runtime.restarts_count_max,
        restarts_window_s=settings.runtime.restarts_window_s,
    )


def _kinds(settings: Settings) -> dict[SessionId, str]:
    """Where each session's strategy lives: bundled ones inline, anybody else's in a process."""
    kinds = {}
    for name, each in settings.sessions.items():
        match each.isolation:
            case Isolation.AUTO:
                is_inline = each.strategy in BUNDLED
            case Isolation.INLINE:
                is_inline = True
            case Isolation.PROCESS:
                is_inline = False
            case _:
                assert_never(each.isolation)
        kinds[SessionId(name)] = INLINE if is_inline else PROCESS
    return kinds


def _runtime(settings: Settings, host: AsyncioHost) -> Runtime:
    config = settings.runtime
    runtime = Runtime(
        host,
        lanes=LANES,
        conflate=CONFLATE,
        budget_s=config.slice_ms / 1000,
        mailbox_soft_limit=config.mailbox_depth_max,
        never_again=NEVER_AGAIN,
        on_lost=broker_out.lost,
        watchdog=Watchdog(
            warn_after_s=config.handler_warn_ms / 1000,
            interrupt_after_s=config.handler_interrupt_ms / 1000,
            abort_after_s=config.loop_dead_after_s,
            on_stuck=lambda stuck: log.error("handler_holds_the_loop", **_plain(stuck)),
        ),
    )

    def heard(notice: RuntimeNotice) -> None:
        in_order = isinstance(notice, Exit) and notice.reason in IN_ORDER
        write = log.debug if in_order else log.warning
        write(_snake(type(notice).__name__), **_plain(notice))
        prefix = realtime_trader.name_of(SessionId(""))
        if isinstance(notice, Quarantined) and notice.name.startswith(prefix):
            session_id = SessionId(notice.name.removeprefix(prefix))
            reason = f"quarantined: {notice.last_exit.error!r}"
            runtime.address(sessions.NAME).tell(SessionQuarantined(session_id, reason))

    runtime.listen(heard)
    return runtime


def _plain(notice: object) -> dict[str, str]:
    names = getattr(type(notice), "__slots__", ())
    return {str(name): str(getattr(notice, name))[:500] for name in names}


def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")
