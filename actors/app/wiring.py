"""The wiring: how each actor is made and whom it knows. Who supervises whom stands in `tree.py`."""

import functools
from collections.abc import Callable, Sequence
from typing import assert_never

from actors import journal, portfolio_server, sessions
from actors.account_book import AccountBook
from actors.account_messages import name_of as account_name
from actors.app.rules import guardian_rules, session_rules
from actors.app.tree import INLINE, PROCESS, Parts, feed_name, tree
from actors.app.wired import Wired
from actors.audience import Audience
from actors.backlog import Backlog, LoadedAfterReplay
from actors.broker import AccountManager, AccountNeighbours, AccountRules
from actors.calendar import Calendar
from actors.command_keeper import CommandKeeper
from actors.desk_snapshot import seats_in
from actors.job_runner import JobRunner
from actors.journal import Journal
from actors.market_data import MarketData
from actors.portfolio_server import PortfolioServer
from actors.realtime_trader import Heart, Neighbours, RealtimeTrader
from actors.runtime import (
    Actor,
    Address,
    SupervisorSpec,
)
from actors.sessions import Desired, Sessions
from actors.strategy_host import StrategyHost
from actors.watcher import Watcher
from adapters.store.portfolio import StoredLimits
from adapters.strategies.inline import InlineRunner
from adapters.strategies.process import ProcessRunner
from trader.config import Isolation, Settings
from trader.ids import AccountId, InstrumentId, SessionId
from trader.instrument import Instrument
from trader.orders.events import QueryFailed
from trader.ports import CalendarJobs, FeedKind, StrategyRunner
from trader.risk.portfolio import PortfolioLimits
from trader.session.rules import SessionRules
from trader.session.step import step

BUNDLED = ("sma_cross", "donchian", "mean_reversion")


def tree_of(
    house: Wired,
    calendar_jobs: CalendarJobs,
    inline: StrategyRunner | None = None,
    heart_of: Callable[[SessionId], Heart] = lambda _: step,
) -> SupervisorSpec:
    """The house's actors as one specification. `inline`: who decides in this process."""
    settings, runtime, store = house.settings, house.runtime, house.store
    config, jobs = settings.store, store.jobs
    journal_at = runtime.address(journal.NAME)
    portfolio_at = runtime.address(portfolio_server.NAME)
    sessions_at = runtime.address(sessions.NAME)
    expected = tuple(SessionId(name) for name in settings.sessions)
    kind = _kinds(settings)
    inline, process = inline or InlineRunner(), None
    if any(name == PROCESS for name in kind.values()):
        process = ProcessRunner(
            host_count=settings.strategies.host_processes_count or None,
            decide_deadline_s=settings.strategies.decision_deadline_ms / 1000,
        )

    backlog = Backlog()
    loader = LoadedAfterReplay(backlog, store.ledger)
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
            house.ousted,
        )

    audiences = {account_id: Audience() for account_id in house.venues}

    def feed(account_id: AccountId) -> Actor:
        venue = house.venues[account_id]
        return MarketData(venue.feed, venue.history, FeedKind.BARS, audiences[account_id])

    def hours(account_id: AccountId) -> Actor:
        listeners = [runtime.address(feed_name(account_id))]
        return Calendar(house.venues[account_id].venue, calendar_jobs, listeners)

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
            loader,
            lambda: house.leases[account_id].epoch,
            house.latch.current,
            exits_only=why_exits_only,
            heart=heart_of(rules.session_id),
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
                house.written,
                store.spool,
                backlog,
                pending_max=config.pending_entries_max,
                degraded_after_s=config.degraded_after_ms / 1000,
            ),
            jobs=None if jobs is None else lambda: JobRunner(jobs),
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
            commands=lambda: CommandKeeper(
                store.operator, house.latch, bearer_of, frozenset(expected)
            ),
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
