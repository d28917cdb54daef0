"""At a venue that misbehaves: after each fault the adapter's word and the venue's truth agree."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from brokers.sandbox_stage import SandboxStage, account_stage
from contracts.broker_parts import a_cancel, a_limit, an_order, recorded

from adapters.brokers.alpaca import open_alpaca
from trader.accounts.events import StreamConnected, StreamLost
from trader.orders.events import OrderAbsent, OrderFilled, OrderReported, QueryFailed
from trader.orders.order import Status
from trader.ports import Accepted, ExecutionsReported, OrdersReported, Rejected, Unknown


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[SandboxStage]:
    async with account_stage(tmp_path) as stage:
        yield stage


ORDER = a_limit("1", "90")


async def posts(stage: SandboxStage) -> int:
    """How often the venue saw the order arrive."""
    truth = await stage.truth()
    count: int = truth["requests"]["posts_by_client_order_id"].get(ORDER.id, 0)
    return count


@pytest.mark.parametrize("kind", ["ack_lost", "http_after"])
async def test_an_order_whose_reply_was_lost_is_unknown_and_then_found(
    stage: SandboxStage, kind: str
) -> None:
    await stage.fault(kind, method="POST", path="/v2/orders")

    answer = await stage.account.submit(recorded(ORDER), lambda: None)

    assert isinstance(answer, Unknown)
    assert await posts(stage) == 1
    found = await stage.account.find(ORDER.id)
    assert isinstance(found, OrderReported)


@pytest.mark.parametrize("kind", ["drop_before", "http_before"])
async def test_an_order_that_was_lost_is_unknown_then_absent_and_safe_to_send_again(
    stage: SandboxStage, kind: str
) -> None:
    await stage.fault(kind, method="POST", path="/v2/orders")

    assert isinstance(await stage.account.submit(recorded(ORDER), lambda: None), Unknown)
    assert isinstance(await stage.account.find(ORDER.id), OrderAbsent)
    assert isinstance(await stage.account.submit(recorded(ORDER), lambda: None), Accepted)

    listed = await stage.account.open_orders()
    assert isinstance(listed, OrdersReported)
    assert len(listed.reports) == 1


async def test_an_exit_sent_again_after_a_lost_reply_stays_one_order(stage: SandboxStage) -> None:
    await stage.fault("ack_lost", method="POST", path="/v2/orders")

    assert isinstance(await stage.account.submit(recorded(ORDER), lambda: None), Unknown)
    again = await stage.account.submit(recorded(ORDER), lambda: None)

    assert again == Unknown("duplicate_or_malformed")
    assert await posts(stage) == 2
    listed = await stage.account.open_orders()
    assert isinstance(listed, OrdersReported)
    assert [report.client_order_id for report in listed.reports] == [ORDER.id]


async def test_a_cancel_whose_reply_was_lost_is_sent_once(stage: SandboxStage) -> None:
    accepted = await stage.account.submit(recorded(ORDER), lambda: None)
    assert isinstance(accepted, Accepted)
    await stage.ears.until_a(OrderReported)
    await stage.fault("ack_lost", method="DELETE")

    answer = await stage.account.cancel(a_cancel(ORDER, accepted.broker_order_id), lambda: None)

    assert isinstance(answer, Unknown)
    truth = await stage.truth()
    deletes = [r for r in truth["requests"]["newest"] if r["method"] == "DELETE"]
    assert len(deletes) == 1


async def test_a_rate_limited_entry_was_not_accepted_and_an_exit_gets_through(
    stage: SandboxStage,
) -> None:
    await stage.fault("rate_limit", method="POST", path="/v2/orders")

    answer = await stage.account.submit(recorded(ORDER), lambda: None)

    assert isinstance(answer, Rejected)
    assert answer.code == "rate_limited"
    assert isinstance(await stage.account.find(ORDER.id), OrderAbsent | QueryFailed)
    exit_ = an_order("2", purpose="EXIT")
    assert isinstance(await stage.account.submit(recorded(exit_), lambda: None), Accepted)


async def test_a_fill_that_the_stream_lost_is_found_in_the_executions(stage: SandboxStage) -> None:
    await stage.fault("drop_event", event="fill")
    order = an_order("1")
    await stage.account.submit(recorded(order), lambda: None)

    async with asyncio.timeout(5):
        while True:
            found = await stage.account.find(order.id)
            if isinstance(found, OrderReported) and found.report.status is Status.FILLED:
                break

    assert not any(isinstance(event, OrderFilled) for event in stage.ears.heard)
    listed = await stage.account.executions(None)
    assert isinstance(listed, ExecutionsReported)
    assert [fill.client_order_id for fill in listed.fills] == [order.id]


async def test_a_restarted_daemon_still_learns_whose_the_executions_are(
    stage: SandboxStage,
) -> None:
    order = an_order("1")
    await stage.account.submit(recorded(order), lambda: None)
    await stage.ears.until_a(OrderFilled)

    async with open_alpaca(stage.told) as restarted:  # remembers nothing
        listed = await restarted.account.executions(None)

    assert isinstance(listed, ExecutionsReported)
    assert {fill.client_order_id for fill in listed.fills} == {order.id}


async def test_a_fill_told_twice_has_one_id(stage: SandboxStage) -> None:
    await stage.fault("dup_event", event="fill")
    await stage.account.submit(recorded(an_order("1")), lambda: None)

    await stage.ears.until_a(OrderFilled, count=2)

    ids = [e.fill.execution_id for e in stage.ears.heard if isinstance(e, OrderFilled)]
    assert len(set(ids)) == 1


async def test_an_order_of_somebody_else_is_reported_with_his_id(stage: SandboxStage) -> None:
    body = {"symbol": "AAPL", "side": "buy", "qty": "3"}
    await stage.control("POST", "/operator/trade", body)

    filled = await stage.ears.until_a(OrderFilled)

    assert filled.fill.qty == 3
    listed = await stage.account.executions(None)
    assert isinstance(listed, ExecutionsReported)
    assert [f.execution_id for f in listed.fills] == [filled.fill.execution_id]


async def test_a_cut_stream_comes_back(stage: SandboxStage) -> None:
    await stage.cut()

    await stage.ears.until_a(StreamLost)
    await stage.ears.until_a(StreamConnected, count=2)


async def test_executions_are_complete_over_many_pages_and_orders_unknown_to_us(
    stage: SandboxStage,
) -> None:
    for _ in range(120):  # more than a page
        await stage.control(
            "POST", "/operator/trade", {"symbol": "AAPL", "side": "buy", "qty": "1"}
        )

    listed = await stage.account.executions(None)

    assert isinstance(listed, ExecutionsReported)
    assert len({fill.execution_id for fill in listed.fills}) == 120
    assert not listed.has_more
