"""Durable background jobs: pgqueuer behind one small class.

A job is enqueued in the transaction of what caused it, runs at least once, is tried again with
back-off, and is held for a person after that. So every job here is idempotent.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from datetime import timedelta

from pgqueuer.applications import PgQueuer
from pgqueuer.executors import DatabaseRetryEntrypointExecutor
from pgqueuer.models import Job, Schedule

from adapters.store.connect import COMMAND_TIMEOUT_S, Pool, answered, connect
from adapters.store.settlement import SETTLE, settle
from trader.errors import StoreUnavailable
from trader.ids import SessionId

# Well above the longest stall of the event loop: a job whose beat is late runs a second time.
HEARTBEAT_TIMEOUT = timedelta(seconds=30)
POLL_EVERY = timedelta(seconds=5)  # besides notifications, which may be lost
TRIM_AT = "17 4 * * *"  # each night, once for all daemons of a database

_TRIM_DECISIONS = """
delete from decisions where ctid = any (array(
    select ctid from decisions where recorded_at < now() - $1::interval limit 10000))
returning 1
"""  # in pieces: none may outlast the patience with a statement
_TRIM_JOB_LOGS = (
    "delete from pgqueuer_log where created < now() - interval '7 days'",
    "delete from pgqueuer_statistics where created < now() - interval '7 days'",
)


class Jobs:
    """The worker. It has a connection of its own; the work itself goes through the pool."""

    def __init__(
        self,
        url: str,
        pool: Pool,
        *,
        decisions_kept_days: int,
        command_timeout_s: float = COMMAND_TIMEOUT_S,
    ) -> None:
        self._url = url
        self._pool = pool
        self._decisions_kept_days = decisions_kept_days
        self._command_timeout_s = command_timeout_s
        self._shutdowns: set[asyncio.Event] = set()  # of every run under way
        self._stops_count = 0

    async def stop(self) -> None:
        """Take no further job; every `run` returns when the one under way is done."""
        self._stops_count += 1
        for shutdown in self._shutdowns:
            shutdown.set()

    def run(self) -> Coroutine[None, None, None]:
        """Work until stopped. Raises StoreUnavailable when the database is lost: run it again."""
        return self._run(self._stops_count)

    async def _run(self, stops_count: int) -> None:
        connection = await connect(self._url, self._command_timeout_s)
        if stops_count != self._stops_count:
            connection.terminate()
            return  # stopped before it was up
        queuer = PgQueuer.from_asyncpg_connection(connection)
        self._shutdowns.add(queuer.shutdown)
        try:
            queuer.entrypoint(
                SETTLE, on_failure="hold", executor_factory=DatabaseRetryEntrypointExecutor
            )(self._settle)
            queuer.schedule("trim", TRIM_AT, clean_old=True)(self._trim)
            connection.add_termination_listener(lambda _: queuer.shutdown.set())
            with answered("jobs"):
                await queuer.run(
                    dequeue_timeout=POLL_EVERY,
                    heartbeat_timeout=HEARTBEAT_TIMEOUT,
                    shutdown_on_listener_failure=True,
                )
            if connection.is_closed():
                raise StoreUnavailable("jobs: the connection is lost")
        finally:
            self._shutdowns.discard(queuer.shutdown)
            with contextlib.suppress(Exception):
                connection.terminate()

    async def trim(self) -> int:
        """Delete decisions past their age, and the queue's own logs; how many decisions it were."""
        deleted_count = 0
        async with self._pool.acquire() as connection:
            for statement in _TRIM_JOB_LOGS:
                await connection.execute(statement)
            while deleted := await connection.fetch(
                _TRIM_DECISIONS, timedelta(days=self._decisions_kept_days)
            ):
                deleted_count += len(deleted)
        return deleted_count

    async def _settle(self, job: Job) -> None:
        assert job.payload is not None
        async with self._pool.acquire() as connection:
            await settle(connection, SessionId(job.payload.decode()))

    async def _trim(self, _: Schedule) -> None:
        await self.trim()
