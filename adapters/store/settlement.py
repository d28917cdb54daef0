"""Trades out of fills: the durable job, enqueued in the same transaction as the fill."""

import asyncio
from collections.abc import Mapping

from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries

from adapters.store.codec import Row, price_of
from adapters.store.connect import AnyConnection, Connection
from adapters.store.statements import sql
from trader.ids import SessionId
from trader.money import NO_QTY, Price, Quantity
from trader.orders.order import Side
from trader.positions.trades import Assignment, Execution, RoundTrips, Trade

SETTLE = "settle_trades"
PAGE_MOVES_COUNT = 50  # holds the loop some 0.3 ms
REST_S = 0.02  # after each page: heavy work has no hurry, bars and fills have

_MOVES = sql("session_moves")
_RECORD_TRADE = sql("record_trade")


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


async def settle(connection: AnyConnection, session_id: SessionId) -> int:
    """Write the trades that the session's fills have closed since its last one; how many there are.

    Idempotent, also when it runs twice at once: a trade's key is its closing execution. It goes
    page by page, each a transaction, and rests after each, so that nobody waits for it; an
    interrupted one goes on from the last trade that it wrote.
    """
    newest = await connection.fetchrow(
        "select closing_seq, left_over_qty from trades where session_id = $1"
        " order by closing_seq desc limit 1",
        session_id,
    )
    multiplier = await connection.fetchval(
        "select multiplier from sessions where id = $1", session_id
    )
    if multiplier is None:
        return 0  # fills of a session that was never begun: nobody's trades
    start, left_over_qty = newest or (0, NO_QTY)
    if not left_over_qty:
        start += 1
    trips = RoundTrips(multiplier, left_over_qty)
    count = 0
    while rows := await connection.fetch(_MOVES, session_id, start, PAGE_MOVES_COUNT):
        trades = [trade for row in rows if (trade := trips.take(_move_of(row))) is not None]
        if trades:
            await connection.executemany(_RECORD_TRADE, [_row_of(session_id, t) for t in trades])
        count += len(trades)
        if len(rows) < PAGE_MOVES_COUNT:
            break
        start = rows[-1]["seq"] + 1
        await asyncio.sleep(REST_S)
    return count


def _row_of(session_id: SessionId, trade: Trade) -> tuple[object, ...]:
    return (
        *(session_id, trade.side, trade.qty, trade.entry_px, trade.exit_px, trade.fees),
        *(trade.realized, trade.opened_at, trade.closed_at, trade.closing_execution_id),
        *(trade.closing_place, trade.left_over_qty),
    )


def _move_of(row: Row) -> Execution | Assignment:
    if row["execution_id"] is None:
        return Assignment(Quantity(row["to_qty"]), price_of(row["to_avg_px"]), row["happened_at"])
    return Execution(
        execution_id=row["execution_id"],
        side=Side(row["side"]),
        qty=Quantity(row["qty"]),
        price=Price(row["price"]),
        fee=row["fee"],
        happened_at=row["happened_at"],
        place=row["seq"],
    )
