"""Trades out of fills, page by page."""

from collections.abc import AsyncIterator
from decimal import Decimal

import asyncpg
import pytest
from store_parts import AAPL, ACCOUNT, SESSION

from adapters.store import settlement
from adapters.store.connect import Connection
from adapters.store.settlement import settle

# Bought in seven executions, sold in one; a short that flips; a long that stays open.
MOVES = (
    *(("BUY", 1, 100 + n) for n in range(7)),
    ("SELL", 7, 110),
    ("SELL", 2, 120),
    ("BUY", 3, 100),  # flips: one is left over
    ("SELL", 1, 90),
    ("BUY", 5, 80),
)
TRADES = [("BUY", 7, 49), ("SELL", 2, 40), ("BUY", 1, -10)]  # side, quantity, realized


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """A session of ours with those fills."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "insert into sessions (id, account_id, instrument) values ($1, $2, $3)",
        *(SESSION, ACCOUNT, AAPL),
    )
    for n, move in enumerate(MOVES, start=1):
        await fill(connection, n, *move)
    yield connection
    await connection.close()


async def fill(connection: Connection, n: int, side: str, qty: int, price: int) -> None:
    """The n-th execution."""
    await connection.execute(
        "insert into fills (account_id, execution_id, session_id, client_order_id,"
        " broker_order_id, instrument, side, qty, price, cum_qty, happened_at, seen_at,"
        " position_qty, realized)"
        " values ($1, $2, $3, '', '', $4, $5, $6, $7, $6, now(), now(), 0, 0)",
        *(ACCOUNT, f"x{n}", SESSION, AAPL, side, Decimal(qty), Decimal(price)),
    )


async def trades_of(connection: Connection) -> list[tuple[str, int, int]]:
    """Side, quantity and gain of each trade, in order."""
    rows = await connection.fetch("select side, qty, realized from trades order by closing_seq")
    return [(row["side"], int(row["qty"]), int(row["realized"])) for row in rows]


@pytest.mark.parametrize("page_moves_count", [1, 2, 3, 5, 12, 100])
async def test_trades_do_not_depend_on_where_a_page_ends(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, page_moves_count: int
):
    monkeypatch.setattr(settlement, "PAGE_MOVES_COUNT", page_moves_count)
    monkeypatch.setattr(settlement, "REST_S", 0.0)

    assert await settle(connection, SESSION) == 3
    assert await trades_of(connection) == TRADES


async def test_a_settlement_that_was_cut_off_goes_on_where_it_was(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
):
    class Cut(Exception):
        pass

    async def cut(_: float) -> None:
        if await trades_of(connection):
            raise Cut

    monkeypatch.setattr(settlement, "PAGE_MOVES_COUNT", 5)
    monkeypatch.setattr(settlement.asyncio, "sleep", cut)
    with pytest.raises(Cut):
        await settle(connection, SESSION)
    assert len(await trades_of(connection)) in (1, 2)
    monkeypatch.undo()

    await settle(connection, SESSION)

    assert await trades_of(connection) == TRADES


async def test_settling_again_makes_no_trade_twice_and_new_fills_are_taken_up(
    connection: Connection,
):
    await settle(connection, SESSION)

    assert await settle(connection, SESSION) == 0
    await fill(connection, 13, "SELL", 5, 90)
    assert await settle(connection, SESSION) == 1

    assert await trades_of(connection) == [*TRADES, ("BUY", 5, 50)]
