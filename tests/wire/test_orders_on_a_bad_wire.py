"""Orders over a network that fails at any byte: what is unknown, what is certain, sent once.

The venue is real, with its own count of what arrived; the kernel's sockets lie between.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from brokers.alpaca_parts import settings
from contracts.broker_parts import a_limit, recorded
from wire.proxy import Link, Way
from wire.wire_venue import (
    IMPATIENT,
    METHODS,
    NEW,
    RESTING,
    WireStage,
    a_door_that_nobody_opens,
    no_longer_than,
    wire_stage,
)

from adapters.brokers.alpaca import open_alpaca
from trader.orders.events import OrderAbsent, OrderReported, QueryFailed
from trader.ports import Accepted, NotSent, OrdersReported, Unknown
from trader.positions.events import PositionsReported

KINDS = pytest.mark.parametrize("kind", list(METHODS))
REPLY_BYTES_MIN = 150  # the shortest of the replies, that to a cancel, is longer


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[WireStage]:
    async with wire_stage(tmp_path) as stage:
        await stage.rest()
        yield stage


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[WireStage]:
    async with wire_stage(tmp_path, **IMPATIENT) as stage:
        await stage.rest()
        yield stage


# ---------------------------------------------------------------------- cut


@KINDS
@pytest.mark.parametrize("bytes_count", [0, 1, 150])
async def test_a_write_that_was_cut_on_its_way_is_unknown_and_never_arrived(
    stage: WireStage, kind: str, bytes_count: int
) -> None:
    link = stage.http.newest
    link.after(Way.UP, bytes_count, link.reset)

    answer = await stage.write(kind)

    assert isinstance(answer, Unknown)
    assert await stage.arrived(kind) == 0
    assert len(stage.http.links) == 1  # nothing was tried again behind our back


@KINDS
@pytest.mark.parametrize("bytes_count", [0, 12, REPLY_BYTES_MIN])
async def test_a_write_whose_reply_was_cut_is_unknown_and_arrived_once(
    stage: WireStage, kind: str, bytes_count: int
) -> None:
    link = stage.http.newest
    link.after(Way.DOWN, bytes_count, link.reset)

    answer = await stage.write(kind)

    assert isinstance(answer, Unknown)
    assert await stage.arrived(kind) == 1
    assert len(stage.http.links) == 1


async def test_whichever_byte_was_the_last_an_order_sent_again_is_one_order(
    stage: WireStage,
) -> None:
    """Cut at each place in turn: the answer is true, and the venue never has two of one id."""
    for n in range(40):
        order = a_limit(f"9{n:03}", "80")
        # The connection is a fresh one whenever the last was cut.
        await stage.account.balance()
        link = stage.http.newest
        way, bytes_count = (Way.UP, 14 * n) if n % 2 else (Way.DOWN, 20 * n)
        link.after(way, bytes_count, link.reset)

        first = await stage.account.submit(recorded(order), lambda: None)
        found = await stage.account.find(order.id)
        again = await stage.account.submit(recorded(order), lambda: None)

        assert isinstance(first, Accepted | Unknown), (way, bytes_count)
        assert isinstance(found, OrderReported) or isinstance(first, Unknown), (way, bytes_count)
        if isinstance(found, OrderReported):
            assert again == Unknown("duplicate_or_malformed")
        else:
            assert isinstance(found, OrderAbsent)
            assert isinstance(again, Accepted)
        assert await stage.orders_of(order) == 1, (way, bytes_count)


@KINDS
async def test_a_venue_that_hangs_up_politely_instead_of_answering_is_unknown_too(
    stage: WireStage, kind: str
) -> None:
    link = stage.http.newest
    link.after(Way.DOWN, 0, link.hang_up)

    assert isinstance(await stage.write(kind), Unknown)
    assert await stage.arrived(kind) == 1


# ---------------------------------------------------------------------- sent once (S9)


@pytest.mark.parametrize("way", list(Way))
@pytest.mark.parametrize("end", [Link.reset, Link.hang_up])
@KINDS
async def test_a_kept_connection_that_dies_never_carries_a_write_twice(
    stage: WireStage, kind: str, end: object, way: Way
) -> None:
    link = stage.http.newest
    assert callable(end)
    link.after(way, 0, partial(end, link))

    answer = await stage.write(kind)

    assert isinstance(answer, Unknown)
    assert await stage.arrived(kind) == (1 if way is Way.DOWN else 0)
    await stage.account.balance()  # whatever the library had still wanted to send came before it
    assert await stage.arrived(kind) == (1 if way is Way.DOWN else 0)


async def test_the_library_alone_would_have_sent_the_cancel_twice(stage: WireStage) -> None:
    """The trap itself: once this fails, aiohttp has changed and our guard may go."""
    keys = stage.told
    headers = {
        "APCA-API-KEY-ID": keys.key_id.get_secret_value(),
        "APCA-API-SECRET-KEY": keys.secret.get_secret_value(),
    }
    async with aiohttp.ClientSession(headers=headers) as plain:
        async with plain.get(f"{keys.url}/v2/account") as response:
            await response.read()
        link = stage.http.newest
        link.after(Way.DOWN, 0, link.reset)
        async with plain.delete(f"{keys.url}/v2/orders/{stage.resting}") as response:
            await response.read()

    assert await stage.arrived("cancel") == 2


@KINDS
async def test_a_connection_that_the_venue_closed_while_idle_costs_nothing(
    stage: WireStage, kind: str
) -> None:
    stage.http.newest.hang_up()
    await stage.truth()  # by another way: meanwhile the word of it comes

    answer = await stage.write(kind)

    assert isinstance(answer, Accepted)
    assert await stage.arrived(kind) == 1
    assert len(stage.http.links) == 2


# ---------------------------------------------------------------------- silent, or slow


@KINDS
@pytest.mark.parametrize("way", list(Way))
async def test_a_half_open_connection_is_unknown_within_the_read_timeout(
    impatient: WireStage, kind: str, way: Way
) -> None:
    impatient.http.newest.swallow(way)

    with no_longer_than(2.0):
        answer = await impatient.write(kind)

    assert isinstance(answer, Unknown)
    assert await impatient.arrived(kind) == (1 if way is Way.DOWN else 0)
    await impatient.http.newest.ended()  # and it is not used again


@KINDS
async def test_a_stalled_connection_is_unknown_and_what_waited_in_it_may_still_arrive(
    impatient: WireStage, kind: str
) -> None:
    link = impatient.http.newest
    link.stall()

    with no_longer_than(2.0):
        answer = await impatient.write(kind)
    assert isinstance(answer, Unknown)
    assert await impatient.arrived(kind) == 0
    link.resume()  # minutes later, in some router

    async with asyncio.timeout(5):
        while not await impatient.arrived(kind):
            pass
    assert await impatient.arrived(kind) == 1  # so Unknown was the only true answer


@KINDS
async def test_a_reply_that_trickles_past_the_deadline_is_unknown(
    impatient: WireStage, kind: str
) -> None:
    impatient.http.newest.slow(0.05, 2, Way.DOWN)  # never silent for as long as the read timeout

    with no_longer_than(2.0):
        answer = await impatient.write(kind)

    assert isinstance(answer, Unknown)
    assert await impatient.arrived(kind) == 1


async def test_a_reply_that_comes_after_its_deadline_is_nobodys(impatient: WireStage) -> None:
    link = impatient.http.newest
    link.stall(Way.DOWN)
    assert isinstance(await impatient.write("submit"), Unknown)
    link.resume()

    found = await impatient.account.find(RESTING.id)

    assert isinstance(found, OrderReported)
    assert found.report.client_order_id == RESTING.id
    assert isinstance(await impatient.account.find(NEW.id), OrderReported)


@KINDS
async def test_a_host_that_does_not_even_answer_the_knock_was_sent_nothing(
    impatient: WireStage, kind: str
) -> None:
    asked: list[str] = []
    with a_door_that_nobody_opens() as port:
        told = settings(f"http://127.0.0.1:{port}", **IMPATIENT)
        async with open_alpaca(told) as broker:
            impatient.account = broker.account
            with no_longer_than(2.0):
                answer = await impatient.write(kind, lambda: asked.append("gate"))

    assert isinstance(answer, NotSent)
    assert answer.reason_code == "unreachable"
    assert asked == []


# ---------------------------------------------------------------------- questions


@pytest.mark.parametrize("bytes_count", [0, 30, 330, 360])
async def test_a_position_list_cut_anywhere_is_asked_again_and_never_flat(
    stage: WireStage, bytes_count: int
) -> None:
    await stage.control("POST", "/operator/position", {"symbol": "AAPL", "qty": "7"})
    link = stage.http.newest
    link.after(Way.DOWN, bytes_count, link.reset)

    answer = await stage.account.positions()

    assert isinstance(answer, PositionsReported)
    assert [position.qty for position in answer.positions] == [7]


async def test_lists_that_are_cut_every_time_are_failures(stage: WireStage) -> None:
    stage.http.newest.reset()
    stage.http.each = lambda link: link.after(Way.DOWN, REPLY_BYTES_MIN, link.reset)

    for answer in (
        await stage.account.positions(),
        await stage.account.open_orders(),
        await stage.account.executions(None),
        await stage.account.find(RESTING.id),
    ):
        assert isinstance(answer, QueryFailed)
        assert answer.reason.startswith("timeout")

    stage.http.heal()
    listed = await stage.account.open_orders()
    assert isinstance(listed, OrdersReported)
    assert [report.client_order_id for report in listed.reports] == [RESTING.id]


async def test_a_silent_venue_fails_every_question_and_holds_up_none(impatient: WireStage) -> None:
    impatient.http.newest.swallow()
    impatient.http.each = lambda link: link.swallow()

    with no_longer_than(8.0):
        answers = await asyncio.gather(
            impatient.account.positions(),
            impatient.account.open_orders(),
            impatient.account.balance(),
            impatient.venue.clock(),
        )

    assert all(isinstance(answer, QueryFailed) for answer in answers)
