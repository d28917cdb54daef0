"""The house: everything opened in one order, read top to bottom, closed bottom to top."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from actors import broker_out, realtime_trader, sessions
from actors.app.lock import only_daemon_of
from actors.app.opened import House as House
from actors.app.operator import HaltFileOnDisk, Latch
from actors.app.recording import hearts
from actors.app.secrets import database_url
from actors.app.venues import open_venues
from actors.app.wiring import tree_of
from actors.lanes import CONFLATE, LANES, NEVER_AGAIN
from actors.runtime import (
    AsyncioHost,
    Exit,
    ExitReason,
    Quarantined,
    Runtime,
    Watchdog,
)
from actors.runtime import Notice as RuntimeNotice
from actors.sessions import SessionQuarantined
from adapters.brokers.alpaca import AlpacaVenue, WrongAccount
from adapters.calendar_jobs import ApschedulerJobs
from adapters.folders import Folders
from adapters.gateway.metrics import Metrics
from adapters.store.sessions import DesiredSession
from adapters.store.store import Store, StoreSettings, open_store
from trader.config import Settings
from trader.errors import ConfigInvalid, Fenced, StoreUnavailable
from trader.ids import AccountId, SessionId
from trader.records import HeldByAnother, Lease
from trader.session.events import TradingStateChanged

IN_ORDER = (ExitReason.NORMAL, ExitReason.SHUTDOWN)

log = structlog.get_logger()


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
        log.info("store_ready", database="yours" if rows.database_url else "embedded")
        venues, sandbox = await stack.enter_async_context(open_venues(settings, folders.data, host))
        leases = {}
        for account_id, venue in venues.items():
            lease = await _claim(store, account_id, settings.store.lease_ttl_s, holder)
            stack.push_async_callback(_release, store, lease)
            leases[account_id] = lease
            await _verify(account_id, venue)
            log.info("account_ours", account=account_id, epoch=lease.epoch)
        spooled = await store.spool.replay(store.journal)
        if spooled:
            log.warning("spool_replayed", records_count=spooled)
        latch = Latch(HaltFileOnDisk(folders.halt_file))
        standing = await store.operator.standing()
        latch.state = TradingStateChanged(standing.state, standing.reason)
        await store.sessions.ensure(_desired_rows(settings))
        runtime = _runtime(settings, host)
        heart_of = stack.enter_context(hearts(settings, folders, runtime))
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
        await runtime.start(tree_of(house, jobs, heart_of=heart_of))
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
