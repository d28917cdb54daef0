"""The store's other rooms: read models, limits, the roster, the operator's word; and the whole."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store.store_parts import (
    AAPL,
    ACCOUNT,
    NOON,
    SESSION,
    a_decision,
    a_fence,
    a_fill,
    an_id,
    an_order,
    an_order_entry,
    progress,
)

from adapters.store.codec import order_of
from adapters.store.portfolio import StoredLimits
from adapters.store.sessions import DesiredSession
from adapters.store.store import Store, StoreSettings, open_store
from trader.errors import StoreError, StoreUnavailable
from trader.ids import AccountId, InstrumentId, SessionId
from trader.money import Price, Quantity
from trader.operator import CommandOutcome
from trader.orders.order import Order, OrderType, Purpose, Side, Status, TimeInForce
from trader.proofs import Durability
from trader.records import Kept
from trader.session.events import TradingState

LIMITS = StoredLimits(
    warn_ratio=Decimal("0.04"),
    block_ratio=Decimal("0.06"),
    group_caps={"tech": Decimal("0.03"), "metals": Decimal("0.02")},
)


def now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@pytest.fixture
async def store(database_url: str, tmp_path: Path) -> AsyncIterator[Store]:
    """A store with its session begun."""
    house = StoreSettings(tmp_path, database_url)
    async with open_store(house, elapsed=lambda: 0.0, now=now) as store:
        await store.prepare()
        await store.ledger.claim(ACCOUNT, "house-a", 60.0)
        await store.ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)
        yield store


# ---------------------------------------------------------------------- rows and back

TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))
INSTANTS = st.integers(-(10**9), 3 * 10**9).map(
    lambda second: datetime.fromtimestamp(second, UTC) + timedelta(microseconds=second % 10**6)
)
PRICES = st.decimals("0.000000001", 10**12, allow_nan=False).map(Price)
ORDERS = st.builds(
    Order,
    id=st.integers().map(an_id),
    session_id=st.just(SESSION),
    account_id=st.just(ACCOUNT),
    instrument=st.just(AAPL),
    side=st.sampled_from(Side),
    type=st.sampled_from(OrderType),
    tif=st.sampled_from(TimeInForce),
    qty=PRICES.map(lambda price: Quantity(price)),
    purpose=st.sampled_from(Purpose),
    reason=TEXTS,
    cause_key=TEXTS,
    incarnation=st.just(1),
    price=st.none() | PRICES,
    stop_price=st.none() | PRICES,
    protective_stop=st.none() | PRICES,
    replaces=st.none() | st.integers().map(an_id),
    decided_at=st.none() | INSTANTS,
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(orders=st.lists(ORDERS, min_size=1, max_size=8, unique_by=lambda order: order.id))
async def test_what_is_written_is_what_is_read(store: Store, orders: list[Order]):
    entries = [
        replace(an_order_entry(), order=replace(an_order_entry().order, item=o)) for o in orders
    ]
    connection = await asyncpg.connect(store.url)

    outcomes = await store.journal.write(entries)

    rows = await connection.fetch(
        "select * from orders where id = any ($1)", [o.id for o in orders]
    )
    stored = {row["id"]: order_of(row) for row in rows}
    for order, outcome in zip(orders, outcomes, strict=True):
        assert isinstance(outcome, Kept)
        assert outcome.recorded is not None
        assert outcome.recorded.item == stored[order.id]
        assert outcome.was_stored or stored[order.id] == order
    await connection.close()


@pytest.mark.parametrize("text", ["\0", "\ud800"])
async def test_a_text_that_no_database_takes_is_refused_not_raised(store: Store, text: str):
    (outcome,) = await store.journal.write([an_order_entry(reason=text)])

    assert outcome.reason_code == "bad_data"


# ---------------------------------------------------------------------- read models


async def test_orders_are_read_in_pages_newest_first(store: Store):
    await store.journal.write([an_order_entry(n) for n in range(7)])
    await store.journal.write([progress(Status.FILLED, n=n, cum_qty=10) for n in (1, 3, 5)])

    first = await store.reads.orders(limit=3)
    rest = await store.reads.orders(limit=100, after=first[-1].id)
    open_only = await store.reads.orders(open_only=True)
    of_another = await store.reads.orders(session_id=SessionId("other"))

    assert [order.id for order in (*first, *rest)] == [an_id(n) for n in (6, 5, 4, 3, 2, 1, 0)]
    assert [order.id for order in open_only] == [an_id(n) for n in (6, 4, 2, 0)]
    assert of_another == ()
    assert first[1].leaves_qty == 0
    assert await store.reads.orders(limit=-1) == ()


async def test_an_order_is_shown_with_its_whole_life(store: Store):
    await store.journal.write([an_order_entry()])
    await store.journal.write([progress(Status.PARTIALLY_FILLED, cum_qty=4, happened_at=NOON)])

    order = await store.reads.order(an_id(1))

    assert order is not None
    assert [event.status for event in order.timeline] == [
        Status.INITIALIZED,
        Status.PARTIALLY_FILLED,
    ]
    assert order.timeline[1].happened_at == NOON
    assert (order.cum_qty, order.leaves_qty, order.avg_px) == (4, 6, Decimal("150.25"))
    assert await store.reads.order(an_id(99)) is None


async def test_fills_and_decisions_are_read_newest_first(store: Store):
    await store.journal.write([a_fill("x1"), a_fill("x2", n=None), a_fill("x3")])
    await store.journal.write([a_decision(n, f"reason {n}") for n in range(3)])

    fills = await store.reads.fills(limit=2)
    rest = await store.reads.fills(after=fills[-1].execution_id, session_id=SESSION)
    decisions = await store.reads.decisions(SESSION, limit=2)

    assert [fill.execution_id for fill in (*fills, *rest)] == ["x3", "x2", "x1"]
    assert fills[1].order_id is None
    assert fills[0].fee == Decimal("0.02")
    assert [decision.reason for decision in decisions] == ["reason 2", "reason 1"]
    assert decisions[0].order_ids == (an_id(1), an_id(2))
    assert await store.reads.realized() == {SESSION: Decimal("1.50")}


# ---------------------------------------------------------------------- limits


async def test_the_limits_have_a_version_a_change(store: Store):
    assert await store.portfolio.load() is None

    first = await store.portfolio.ensure(LIMITS, "config.toml")
    again = await store.portfolio.ensure(replace(LIMITS, warn_ratio=Decimal("0.01")), "config.toml")
    changed = await store.portfolio.save(replace(LIMITS, group_caps={}), "operator")

    assert first == again
    assert (first.warn_ratio, first.group_caps) == (LIMITS.warn_ratio, LIMITS.group_caps)
    assert changed.version > first.version
    assert changed.changed_by == "operator"
    assert await store.portfolio.load() == changed


async def test_two_daemons_store_the_first_limits_once(store: Store):
    both = await asyncio.gather(*(store.portfolio.ensure(LIMITS, f"d{n}") for n in range(3)))

    assert len({limits.version for limits in both}) == 1


# ---------------------------------------------------------------------- the roster

IBM = DesiredSession(
    SessionId("ibm-donchian"),
    ACCOUNT,
    InstrumentId("IBM.ALPACA"),
    config={"strategy": "donchian", "params": {"n": 20}},
)
APPLE = DesiredSession(SESSION, ACCOUNT, AAPL, Decimal(1), {"strategy": "sma_cross"})


async def test_the_roster_is_what_is_configured(store: Store):
    ensured = await store.sessions.ensure([APPLE, IBM])
    assert [session.id for session in ensured] == [SESSION, IBM.id]
    assert ensured[1] == IBM
    assert ensured[0] == replace(APPLE, incarnation=1)

    fewer = await store.sessions.ensure([IBM])
    back = await store.sessions.ensure([APPLE, IBM])

    assert [session.id for session in fewer] == [IBM.id]
    assert [session.id for session in back] == [SESSION, IBM.id]


async def test_two_sessions_cannot_share_an_instrument(store: Store):
    twin = replace(IBM, id=SessionId("ibm-twin"))

    with pytest.raises(StoreError, match="one session an instrument"):
        await store.sessions.ensure([IBM, twin])

    assert await store.sessions.desired() == (
        DesiredSession(SESSION, ACCOUNT, AAPL, incarnation=1),
    )


async def test_an_instrument_goes_to_another_session_when_the_first_one_rests(store: Store):
    await store.sessions.ensure([IBM])
    successor = replace(IBM, id=SessionId("ibm-two"))

    await store.sessions.ensure([successor])
    rows = await store.ledger.begin_session(successor.id, ACCOUNT, IBM.instrument, 1)

    assert rows.incarnation == 1
    with pytest.raises(StoreError, match="cannot start"):
        await store.ledger.begin_session(IBM.id, ACCOUNT, IBM.instrument, 1)


async def test_a_session_keeps_its_account_and_instrument(store: Store):
    with pytest.raises(StoreError, match="a name of its own"):
        await store.sessions.ensure([replace(APPLE, account_id=AccountId("other"))])


# ---------------------------------------------------------------------- the operator


async def test_a_halt_is_latched(store: Store, database_url: str, tmp_path: Path):
    assert (await store.operator.standing()).state is TradingState.ACTIVE

    halted = await store.operator.allow(TradingState.HALTED, "the desk smells of smoke", "sara")

    house = StoreSettings(tmp_path / "again", database_url)
    async with open_store(house, elapsed=lambda: 0.0, now=now) as restarted:
        assert await restarted.operator.standing() == halted
    assert (halted.reason, halted.changed_by) == ("the desk smells of smoke", "sara")


async def test_a_command_is_a_row_until_it_is_finished(store: Store):
    asked = await store.operator.record("c1", "close", SESSION, "going home", "sara")
    again = await store.operator.record("c1", "halt", None, "another body", "eve")
    await store.operator.record("c2", "reconcile", None, "just looking", "sara")
    assert asked == again
    assert [c.id for c in (await store.operator.wanted()).unfinished] == ["c1", "c2"]

    await store.operator.finish("c1", CommandOutcome.DONE, "flat")
    await store.operator.finish("c1", CommandOutcome.FAILED, "too late to say so")

    done = await store.operator.record("c1", "close", SESSION, "going home", "sara")
    assert (done.outcome, done.detail) == (CommandOutcome.DONE, "flat")
    assert [c.id for c in (await store.operator.wanted()).unfinished] == ["c2"]


# ---------------------------------------------------------------------- the whole


async def test_a_house_without_a_database_url_brings_its_own(tmp_path: Path):
    async with open_store(StoreSettings(tmp_path), elapsed=lambda: 0.0, now=now) as store:
        assert (await store.prepare()).is_current
        probe = await store.probe()
        await store.ledger.claim(ACCOUNT, "house-a", 60.0)
        await store.ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)
        (outcome,) = await store.journal.write([an_order_entry()])

    assert isinstance(outcome, Kept)
    assert probe.is_embedded
    assert probe.server_version.startswith("18")


async def test_a_database_that_is_away_is_no_reason_not_to_start(tmp_path: Path):
    away = StoreSettings(tmp_path, f"postgresql://trader@/x?host={tmp_path}")
    async with open_store(away, elapsed=lambda: 0.0, now=now) as store:
        for question in (store.prepare, store.probe, store.operator.standing, store.portfolio.load):
            with pytest.raises(StoreUnavailable):
                await question()
        recorded = await store.spool.append(an_order_entry())

    assert recorded.durability is Durability.SPOOL


async def test_what_was_spooled_during_an_outage_is_in_the_database_after_it(store: Store):
    await store.spool.append(an_order_entry(1, fence=a_fence(epoch=9, incarnation=9)))

    assert await store.spool.replay(store.journal) == 1

    rows = await store.ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)
    assert [stored.order for stored in rows.orders] == [an_order(1)]
    assert rows.orders[0].recorded_at > now() - timedelta(minutes=1)
