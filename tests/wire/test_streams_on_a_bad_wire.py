"""Streams over a network that falls silent or cuts in the middle of a frame: seen, and survived."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
from contracts.broker_parts import AAPL, Ears, an_order, recorded
from wire.proxy import Link, Way
from wire.wire_venue import WireStage, no_longer_than, wire_stage

from trader.accounts.events import FrameRefused, StreamConnected, StreamLost
from trader.orders.events import OrderFilled
from trader.ports import (
    AccountEvent,
    ExecutionsReported,
    FeedConnected,
    FeedEvent,
    FeedKind,
    FeedLost,
    TickReceived,
)

HEARTBEAT_S = 0.3
# A ping after each heartbeat, half of one for its answer; the rest is a busy machine's.
LOST_S_MAX = 1.5 * HEARTBEAT_S + 1.5

Failure = Callable[[Link], None]
SILENCES = pytest.mark.parametrize(
    "fall_silent",
    [
        pytest.param(lambda link: link.swallow(), id="nothing passes"),
        pytest.param(lambda link: link.swallow(Way.UP), id="what we say is lost"),
        pytest.param(lambda link: link.swallow(Way.DOWN), id="what the venue says is lost"),
        pytest.param(lambda link: link.stall(), id="nobody reads"),
    ],
)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[WireStage]:
    async with wire_stage(
        tmp_path, heartbeat_s=HEARTBEAT_S, total_timeout_s=2.0, reconnect_wait_s_max=0.02
    ) as stage:
        yield stage


async def listen(stage: WireStage) -> Ears[AccountEvent]:
    await stage.account.start(stage.ears)
    await stage.ears.until_a(StreamConnected)
    return stage.ears


async def follow(stage: WireStage) -> Ears[FeedEvent]:
    ears: Ears[FeedEvent] = Ears()
    await stage.feed.start([AAPL], FeedKind.TRADES, ears)
    await ears.until_a(FeedConnected)
    return ears


def count(ears: Ears[AccountEvent], kind: type) -> int:
    return sum(isinstance(event, kind) for event in ears.heard)


def cut(way: Way, bytes_count: int, link: Link) -> None:
    link.after(way, bytes_count, link.reset)


@SILENCES
async def test_a_half_open_orders_stream_is_lost_within_a_heartbeat_and_a_half(
    stage: WireStage, fall_silent: Failure
) -> None:
    ears = await listen(stage)
    fall_silent(stage.streams.newest)
    await stage.account.submit(recorded(an_order("1")), lambda: None)

    with no_longer_than(LOST_S_MAX):
        await ears.until_a(StreamLost)

    await ears.until_a(StreamConnected, count=2)
    # The stream does not tell again what fell into the silence: that is asked for.
    listed = await stage.account.executions(None)
    assert isinstance(listed, ExecutionsReported)
    assert [fill.client_order_id for fill in listed.fills] == [an_order("1").id]


@SILENCES
async def test_a_half_open_feed_is_lost_within_a_heartbeat_and_a_half(
    stage: WireStage, fall_silent: Failure
) -> None:
    ears = await follow(stage)
    fall_silent(stage.streams.newest)

    with no_longer_than(LOST_S_MAX):
        await ears.until_a(FeedLost)

    await ears.until_a(FeedConnected, count=2)
    await stage.price("101")
    tick = (await ears.until(lambda e: isinstance(e, TickReceived) and e.tick.price == 101)).tick
    assert tick.instrument == AAPL


@pytest.mark.parametrize("bytes_count", [0, 2, 400])
async def test_an_order_event_that_was_cut_in_its_frame_is_no_event_at_all(
    stage: WireStage, bytes_count: int
) -> None:
    ears = await listen(stage)
    link = stage.streams.newest
    link.after(Way.DOWN, bytes_count, link.reset)
    order = an_order("1")
    await stage.account.submit(recorded(order), lambda: None)

    await ears.until_a(StreamConnected, count=2)

    assert count(ears, StreamLost) == 1
    assert count(ears, FrameRefused) == 0
    fills = [event.fill for event in ears.heard if isinstance(event, OrderFilled)]
    listed = await stage.account.executions(None)
    assert isinstance(listed, ExecutionsReported)
    assert {fill.execution_id for fill in fills} <= {f.execution_id for f in listed.fills}
    assert [fill.qty for fill in listed.fills] == [10]


async def test_wherever_the_hello_is_cut_the_stream_comes_up_at_last(stage: WireStage) -> None:
    places = [(way, n) for way in Way for n in (0, 1, 40, 129, 133, 180, 220)]
    for way, bytes_count in places:
        stage.streams.once(partial(cut, way, bytes_count))

    await stage.account.start(stage.ears)

    await stage.ears.until_a(StreamConnected)
    assert count(stage.ears, StreamLost) > 0
    assert len(stage.streams.links) == len(places) + 1
    await stage.account.submit(recorded(an_order("1")), lambda: None)
    await stage.ears.until_a(OrderFilled)
    assert count(stage.ears, FrameRefused) == 0


@pytest.mark.parametrize("way", list(Way))
async def test_a_venue_that_takes_the_call_and_says_nothing_is_lost_within_the_timeout(
    tmp_path: Path, way: Way
) -> None:
    async with wire_stage(tmp_path, total_timeout_s=0.4, reconnect_wait_s_max=0.02) as stage:
        stage.streams.once(lambda link: link.swallow(way))
        await stage.account.start(stage.ears)

        with no_longer_than(2.0):
            await stage.ears.until_a(StreamLost)

        await stage.streams.links[0].ended()
        await stage.ears.until_a(StreamConnected)


async def test_a_venue_that_falls_silent_in_its_hello_is_lost_within_the_timeout(
    tmp_path: Path,
) -> None:
    async with wire_stage(
        tmp_path, total_timeout_s=0.4, heartbeat_s=30.0, reconnect_wait_s_max=0.02
    ) as stage:
        stage.streams.once(lambda link: link.before(Way.DOWN, b"authorized", link.swallow))
        await stage.account.start(stage.ears)

        with no_longer_than(2.0):
            lost = await stage.ears.until_a(StreamLost)

        assert "hello" in lost.cause
        await stage.ears.until_a(StreamConnected)


async def test_a_listener_that_leaves_a_silent_stream_does_not_hang(stage: WireStage) -> None:
    await listen(stage)
    stage.streams.newest.swallow()

    with no_longer_than(3.0):
        await stage.account.stop()

    await stage.streams.newest.ended()
