"""Background jobs: trades out of fills, once, whatever happens to the worker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest
from store.store_parts import (
    AAPL,
    ACCOUNT,
    SESSION,
    a_decision,
    a_fence,
    a_fill,
    an_adjustment,
    an_order_entry,
)

from adapters.store.settlement import settle
from adapters.store.store import Store, StoreSettings, open_store
from trader.errors import StoreUnavailable
from trader.orders.order import Side
from trader.records import Entry, Kept, NotKept
from trader.views import TradeView

BUY_4 = a_fill("x1", side=Side.BUY, qty=4, price="100", position_qty=4)
SELL_4 = a_fill("x2", side=Side.SELL, qty=4, price="110", position_qty=0)


@pytest.fixture
async def store(database_url: str, tmp_path: Path) -> AsyncIterator[Store]:
    """A store with its session begun and one order."""
    settings = StoreSettings(tmp_path, database_url, decisions_kept_days=30)
    async with open_store(settings, elapsed=lambda: 0.0, now=lambda: datetime.now(UTC)) as store:
        await store.prepare()
        await store.ledger.claim(ACCOUNT, "house-a", 60.0)
        await store.ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)
        await store.journal.write([an_order_entry()])
        yield store


@contextlib.asynccontextmanager
async def working(store: Store) -> AsyncIterator["asyncio.Task[None]"]:
    """A worker, until the end of the block."""
    worker = asyncio.create_task(store.jobs.run())
    try:
        yield worker
    finally:
        worker.cancel()
        await asyncio.wait({worker})


async def jobs_count(store: Store) -> int:
    """What waits or runs."""
    connection = await asyncpg.connect(store.url)
    jobs: int = await connection.fetchval("select count(*) from pgqueuer")
    await connection.close()
    return jobs


async def settled(store: Store) -> tuple[TradeView, ...]:
    """The trades, once the queue is empty; newest first."""
    async with asyncio.timeout(10):
        while await jobs_count(store):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return await store.reads.trades()


async def kept(store: Store, *entries: Entry) -> None:
    """Written, all of them."""
    outcomes = await store.journal.write(entries)
    assert all(isinstance(outcome, Kept) for outcome in outcomes)


async def test_fills_become_a_trade_in_the_background(store: Store):
    async with working(store):
        await kept(store, BUY_4)
        await kept(store, SELL_4)

        (trade,) = await settled(store)

    assert (trade.session_id, trade.instrument) == (SESSION, AAPL)
    assert (trade.side, trade.qty) == (Side.BUY, 4)
    assert (trade.entry_px, trade.exit_px) == (100, 110)
    assert (trade.fees, trade.profit) == (Decimal("0.04"), Decimal("39.96"))
    assert trade.closing_execution_id == "x2"


async def test_fills_of_the_time_without_a_worker_are_settled_later(store: Store):
    await kept(store, BUY_4, SELL_4)
    assert await jobs_count(store) == 1

    async with working(store):
        assert len(await settled(store)) == 1


async def test_a_fill_that_is_not_kept_leaves_no_job(store: Store):
    (fenced,) = await store.journal.write([a_fill("x1", fence=a_fence(incarnation=9))])
    (bad,) = await store.journal.write([a_fill("x\0")])

    assert isinstance(fenced, NotKept)
    assert isinstance(bad, NotKept)
    assert await jobs_count(store) == 0


async def test_the_same_fill_again_leaves_no_second_job(store: Store):
    await kept(store, BUY_4)
    await kept(store, BUY_4)

    assert await jobs_count(store) == 1


async def test_a_fill_during_its_sessions_settlement_gets_a_job_of_its_own(store: Store):
    await kept(store, BUY_4)
    connection = await asyncpg.connect(store.url)
    await connection.execute("update pgqueuer set status = 'picked'")  # it has read its fills

    await kept(store, SELL_4)

    assert await jobs_count(store) == 2
    await connection.close()


async def test_settling_twice_at_once_makes_each_trade_once(store: Store):
    await kept(store, BUY_4, SELL_4)
    await kept(
        store,
        a_fill("x3", side=Side.BUY, qty=1, price="100", position_qty=1),
        a_fill("x4", side=Side.SELL, qty=3, price="101", position_qty=-2),  # a flip
        a_fill("x5", side=Side.BUY, qty=2, price="100", position_qty=0),
    )
    connections = [await asyncpg.connect(store.url) for _ in range(3)]

    await asyncio.gather(*(settle(connection, SESSION) for connection in connections))
    again = await settle(connections[0], SESSION)

    trades = await store.reads.trades()
    assert [trade.closing_execution_id for trade in trades] == ["x5", "x4", "x2"]
    assert [trade.side for trade in trades] == [Side.SELL, Side.BUY, Side.BUY]
    assert again == 0
    for connection in connections:
        await connection.close()


async def test_trades_go_on_where_the_last_one_ended(store: Store):
    connection = await asyncpg.connect(store.url)
    fills = [
        BUY_4,
        a_fill("x2", side=Side.SELL, qty=6, price="110", position_qty=-2),  # a flip
        a_fill("x3", side=Side.BUY, qty=2, price="100", position_qty=0),
        a_fill("x4", side=Side.BUY, qty=5, price="100", position_qty=5),
        an_adjustment("k1", to_qty=0),  # somebody sold by hand: no trade of ours
        a_fill("x6", side=Side.BUY, qty=1, price="100", position_qty=1),
        a_fill("x7", side=Side.SELL, qty=1, price="99", position_qty=0),
    ]
    made = []
    for fill in fills:
        await kept(store, fill)
        made.append(await settle(connection, SESSION))

    assert made == [0, 1, 1, 0, 0, 0, 1]
    trades = await store.reads.trades()
    assert [round(trade.profit, 6) for trade in trades] == [
        Decimal("-1.04"),
        Decimal("19.973333"),  # the flip's fee of 0.02 is shared 4 to 2
        Decimal("39.966667"),
    ]
    await connection.close()


async def test_a_worker_that_loses_its_database_says_so(store: Store):
    killer = await asyncpg.connect(store.url)
    async with working(store) as worker:
        await kept(store, BUY_4, SELL_4)
        await settled(store)

        await killer.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'trader' and datname = current_database()"
        )
        async with asyncio.timeout(15):
            await asyncio.wait({worker})

        assert isinstance(worker.exception(), StoreUnavailable)
    # and the next one goes on
    async with working(store):
        async with asyncio.timeout(5):
            while True:
                with contextlib.suppress(StoreUnavailable):
                    await kept(store, a_fill("x3", side=Side.BUY, qty=1, position_qty=1))
                    break
                await asyncio.sleep(0.01)
        await kept(store, a_fill("x4", side=Side.SELL, qty=1, position_qty=0))
        assert len(await settled(store)) == 2
    await killer.close()


async def test_decisions_are_kept_for_their_days_only(store: Store):
    await kept(store, a_decision(1), a_decision(2), a_decision(3))
    connection = await asyncpg.connect(store.url)
    await connection.execute(
        "update decisions set recorded_at = now() - interval '31 days'"
        " where bar_opened_at < (select max(bar_opened_at) from decisions)"
    )

    trimmed = await store.jobs.trim()

    assert trimmed == 2
    assert len(await store.reads.decisions(SESSION)) == 1
    await connection.close()


async def test_stop_ends_every_worker_also_one_that_is_only_connecting(store: Store):
    workers = [asyncio.create_task(store.jobs.run()) for _ in range(2)]
    await asyncio.sleep(0)
    await store.jobs.stop()

    ended, _ = await asyncio.wait(workers, timeout=5.0)
    for worker in workers:
        worker.cancel()
    assert len(ended) == 2


async def test_a_worker_replaced_in_haste_leaves_none_behind(store: Store):
    first = asyncio.create_task(store.jobs.run())
    await kept(store, BUY_4, SELL_4)
    await settled(store)
    await store.jobs.stop()
    second = asyncio.create_task(store.jobs.run())
    await store.jobs.stop()

    ended, _ = await asyncio.wait((first, second), timeout=5.0)
    for worker in (first, second):
        worker.cancel()
    assert len(ended) == 2
