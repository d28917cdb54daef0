"""Trades out of fills: the durable job, enqueued in the same transaction as the fill."""

from collections.abc import Mapping

from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries

from adapters.store.connect import Connection
from trader.ids import SessionId

SETTLE = "settle_trades"


async def enqueue_settlements(
    connection: Connection, newest_executions: Mapping[SessionId, str]
) -> None:
    """One job a session, part of the connection's transaction.

    Its key names the execution: a job that runs already may have read the fills before this one.
    """
    await Queries(AsyncpgDriver(connection)).enqueue(
        [SETTLE] * len(newest_executions),
        [session_id.encode() for session_id in newest_executions],
        [0] * len(newest_executions),
        dedupe_key=[f"{s}:{execution}" for s, execution in newest_executions.items()],
        on_conflict="skip",
    )
