"""Each way in which an account can misbehave does, at the port, what its name says."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from contracts.broker_parts import ACCOUNT, Ears, a_cancel, an_order, recorded

from actors.runtime import SimulatedLoop, SimulatedProcess
from adapters.sandbox.orders import Side as VenueSide
from adapters.simulated.account import SimulatedAccount
from adapters.simulated.account_faults import AccountFault, AccountFaultKind
from adapters.simulated.history import EventHeard, FaultStruck, QuestionAnswered, WriteArrived
from adapters.simulated.venue import VENUE, SimulatedVenue
from tests.simulated.test_simulated_venue import LoopClock
from trader.accounts.events import AccountAuthFailed, FrameRefused, StreamConnected, StreamLost
from trader.ids import instrument_id
from trader.money import price_of
from trader.orders.events import OrderAbsent, OrderFilled, OrderReported, QueryFailed
from trader.orders.order import OrderType, Status, TimeInForce
from trader.ports import (
    Accepted,
    AccountEvent,
    Answer,
    ExecutionsReported,
    NotSent,
    OrdersReported,
    Rejected,
    Unknown,
)
from trader.positions.events import PositionsReported

K = AccountFaultKind
AAPL = instrument_id("AAPL", VENUE)
NUMBER = "SIM-1"
BUY = an_order("1", instrument=AAPL)
RESTING = an_order(
    "2", instrument=AAPL, type=OrderType.LIMIT, tif=TimeInForce.GTC, price=price_of("90")
)


def go() -> None:
    """A gate that lets everything through."""


class Stage:
    """One login at a venue that stands at 100."""

    def __init__(self) -> None:
        self.at = SimulatedVenue(
            LoopClock(), ("AAPL", "IBM"), seed=7, accounts={NUMBER: Decimal(100_000)}
        )
        self.at.price("AAPL", Decimal(100))
        self.account = SimulatedAccount(self.at, ACCOUNT, NUMBER, who="us")
        self.ears: Ears[AccountEvent] = Ears()

    def strike(self, kind: AccountFaultKind, **match: object) -> None:
        self.at.strike(AccountFault(kind, **match))  # type: ignore[arg-type]

    async def submit(self) -> Answer:
        return await self.account.submit(recorded(BUY), go)

    async def bought(self) -> None:
        """Hold ten, with everything about it told."""
        await self.submit()
        await asyncio.sleep(10)

    def heard(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.ears.heard)

    def filled(self) -> Decimal:
        """What the venue truly filled."""
        return self.at.position(NUMBER, "AAPL")


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    await stage.account.start(stage.ears)
    await stage.ears.until_a(StreamConnected)
    yield stage
    await stage.account.stop()
    stage.at.stop()


# Requests


@pytest.mark.parametrize(
    ("kind", "match", "answer", "is_performed"),
    [
        (K.UNREACHABLE, {}, NotSent, False),
        (K.REQUEST_LOST, {}, Unknown, False),
        (K.REPLY_LOST, {}, Unknown, True),
        (K.LATE_REPLY, {"delay_s": 2.0}, Accepted, True),
        (K.LATE_REPLY, {"delay_s": 60.0}, Unknown, True),
        (K.LATE_ARRIVAL, {"delay_s": 2.0}, Accepted, True),
        (K.LATE_ARRIVAL, {"delay_s": 60.0}, Unknown, True),
        (K.ERROR_BEFORE, {}, Unknown, False),
        (K.ERROR_AFTER, {"status": 504}, Unknown, True),
        (K.RATE_LIMITED, {}, Rejected, False),
        (K.SENT_TWICE, {}, Unknown, True),
        (K.GARBAGE_REPLY, {}, Unknown, True),
        (K.KEYS_REFUSED, {}, Rejected, False),
    ],
)
async def test_what_becomes_of_an_order_and_what_we_are_told(
    stage: Stage, kind: AccountFaultKind, match: dict[str, object], answer: type, is_performed: bool
) -> None:
    stage.strike(kind, method="POST", **match)

    assert type(await stage.submit()) is answer
    await asyncio.sleep(90)

    assert stage.filled() == (10 if is_performed else 0)
    found = await stage.account.find(BUY.id)
    assert type(found) is (OrderReported if is_performed else OrderAbsent)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (K.REPLY_LOST, Unknown),
        (K.ERROR_AFTER, Unknown),
        (K.GARBAGE_REPLY, Unknown),
        (K.RATE_LIMITED, Rejected),
    ],
)
async def test_what_we_are_told_of_a_cancel(
    stage: Stage, kind: AccountFaultKind, answer: type
) -> None:
    accepted = await stage.account.submit(recorded(RESTING), go)
    assert isinstance(accepted, Accepted)
    await asyncio.sleep(1)
    stage.strike(kind, method="DELETE")

    told = await stage.account.cancel(a_cancel(RESTING, accepted.broker_order_id), go)

    assert type(told) is answer


async def test_a_late_order_is_absent_until_it_lands_though_we_gave_up_long_before(
    stage: Stage,
) -> None:
    stage.strike(K.LATE_ARRIVAL, method="POST", delay_s=60.0)
    asked_s = stage.at.clock.elapsed()

    assert isinstance(await stage.submit(), Unknown)
    assert stage.at.clock.elapsed() - asked_s < 6
    assert isinstance(await stage.account.find(BUY.id), OrderAbsent)
    await asyncio.sleep(60)

    assert isinstance(await stage.account.find(BUY.id), OrderReported)


def test_an_order_that_left_arrives_though_its_daemon_is_killed() -> None:
    loop = SimulatedLoop(7)
    process = SimulatedProcess(loop, "us")

    async def world() -> tuple[Stage, Decimal]:
        stage = Stage()
        has_left = asyncio.Event()

        async def life() -> None:
            await stage.account.start(stage.ears)
            await stage.account.submit(recorded(BUY), has_left.set)
            raise AssertionError("a dead process hears no answer")

        process.spawn(life())
        await has_left.wait()
        process.kill()
        stage.at.hang_up("us")
        before = stage.filled()
        await asyncio.sleep(60)
        return stage, before

    stage, before = loop.run_until_complete(world())

    assert (before, stage.filled()) == (0, 10)
    assert stage.heard(OrderFilled) == 0
    assert [each.who for each in stage.at.history.of(WriteArrived)] == ["us"]


async def test_a_rate_limit_with_a_pause_holds_entries_back(stage: Stage) -> None:
    stage.strike(K.RATE_LIMITED, method="POST", retry_after_s=30)

    first = await stage.submit()
    second = await stage.submit()
    await asyncio.sleep(30)
    third = await stage.submit()

    assert (type(first), type(second), type(third)) == (Rejected, NotSent, Accepted)
    arrived = stage.at.history.of(WriteArrived)
    assert [each.status for each in arrived] == [429, 200]


# Questions


@pytest.mark.parametrize(
    "kind", [K.UNREACHABLE, K.REQUEST_LOST, K.REPLY_LOST, K.ERROR_BEFORE, K.RATE_LIMITED,
             K.GARBAGE_REPLY, K.KEYS_REFUSED],
)  # fmt: skip
async def test_a_failed_question_is_not_an_empty_answer(
    stage: Stage, kind: AccountFaultKind
) -> None:
    await stage.bought()
    stage.strike(kind, method="GET", for_s=60.0)

    assert isinstance(await stage.account.positions(), QueryFailed)
    assert isinstance(await stage.account.executions(None), QueryFailed)
    assert isinstance(await stage.account.find(BUY.id), QueryFailed)
    await asyncio.sleep(120)
    assert isinstance(await stage.account.positions(), PositionsReported)

    keys_were_refused = stage.heard(AccountAuthFailed) > 0
    assert keys_were_refused == (kind is K.KEYS_REFUSED)


async def test_one_failure_is_made_good_by_asking_again(stage: Stage) -> None:
    stage.strike(K.ERROR_BEFORE, method="GET")

    assert isinstance(await stage.account.positions(), PositionsReported)


async def test_an_empty_listing_is_not_believed_while_the_account_is_worth_something(
    stage: Stage,
) -> None:
    await stage.bought()
    stage.strike(K.EMPTY_LIST, path="/v2/positions")

    assert isinstance(await stage.account.positions(), QueryFailed)


async def test_open_orders_can_be_missing_from_their_list(stage: Stage) -> None:
    await stage.account.submit(recorded(RESTING), go)
    await asyncio.sleep(1)
    counts = []
    for kind in (K.EMPTY_LIST, K.CUT_LISTING):
        stage.strike(kind, path="/v2/orders")
        listed = await stage.account.open_orders()
        assert isinstance(listed, OrdersReported)
        counts.append(len(listed.reports))
    listed = await stage.account.open_orders()
    assert isinstance(listed, OrdersReported)

    assert (counts, len(listed.reports)) == ([0, 0], 1)


async def test_a_stale_snapshot_shows_the_position_of_a_while_ago(stage: Stage) -> None:
    await stage.bought()
    await asyncio.sleep(10)
    stage.at.operator_trade(NUMBER, "AAPL", VenueSide.SELL, Decimal(4))
    stage.strike(K.STALE_SNAPSHOT, path="/v2/positions", delay_s=5.0)

    seen = [await stage.account.positions() for _ in range(2)]

    assert [each.positions[0].qty for each in seen if isinstance(each, PositionsReported)] == [
        10, 6,
    ]  # fmt: skip


async def test_a_stale_snapshot_from_before_everything_is_flat_and_says_so_of_its_worth(
    stage: Stage,
) -> None:
    await stage.bought()
    stage.strike(K.STALE_SNAPSHOT, delay_s=60.0, count=2)

    seen = await stage.account.positions()

    assert isinstance(seen, PositionsReported)
    assert seen.positions == ()


async def test_a_torn_snapshot_has_the_position_but_not_its_fill(stage: Stage) -> None:
    await stage.bought()
    stage.strike(K.TORN_SNAPSHOT, delay_s=60.0)

    seen, fills = await stage.account.positions(), await stage.account.executions(None)

    assert isinstance(seen, PositionsReported)
    assert isinstance(fills, ExecutionsReported)
    assert (seen.positions[0].qty, fills.fills) == (10, ())


async def test_a_young_order_may_not_be_visible_yet(stage: Stage) -> None:
    await stage.submit()
    stage.strike(K.NOT_YET_VISIBLE, delay_s=5.0, for_s=60.0)

    young = await stage.account.find(BUY.id)
    await asyncio.sleep(6)

    assert isinstance(young, OrderAbsent)
    assert isinstance(await stage.account.find(BUY.id), OrderReported)


# The stream


@pytest.mark.parametrize(
    ("kind", "fills_count", "lost_count", "refused_count"),
    [
        (K.EVENT_LOST, 0, 0, 0),
        (K.EVENT_TWICE, 2, 0, 0),
        (K.EVENT_LATE, 1, 0, 0),
        (K.EVENT_GARBLED, 0, 0, 1),
        (K.STREAM_MUTE, 0, 0, 0),
        (K.STREAM_CUT, 0, 1, 0),
        (K.STREAM_HALF_OPEN, 0, 1, 0),
    ],
)
async def test_what_the_stream_makes_of_a_fill(
    stage: Stage, kind: AccountFaultKind, fills_count: int, lost_count: int, refused_count: int
) -> None:
    stage.strike(kind, event="fill")
    await stage.bought()
    await asyncio.sleep(30)

    heard = (stage.heard(OrderFilled), stage.heard(StreamLost), stage.heard(FrameRefused))
    assert heard == (fills_count, lost_count, refused_count)
    assert stage.heard(StreamConnected) == 1 + lost_count
    assert stage.filled() == 10


async def test_a_late_event_comes_after_those_that_followed_it(stage: Stage) -> None:
    stage.strike(K.EVENT_LATE, event="new", delay_s=2.0)
    await stage.bought()

    events = [each.event for each in stage.at.history.of(EventHeard)]
    assert events == ["connected", "fill", "new"]


async def test_a_stream_is_not_opened_with_keys_that_are_refused(stage: Stage) -> None:
    stage.strike(K.KEYS_REFUSED, method="WS", for_s=30.0)
    stage.at.cut()
    await asyncio.sleep(20)
    assert stage.heard(StreamConnected) == 1
    assert stage.heard(AccountAuthFailed) > 0

    await asyncio.sleep(60)

    assert stage.heard(StreamConnected) == 2


async def test_two_daemons_on_one_login_both_hear(stage: Stage) -> None:
    other = SimulatedAccount(stage.at, ACCOUNT, NUMBER, who="other")
    ears: Ears[AccountEvent] = Ears()
    await other.start(ears)
    await ears.until_a(StreamConnected)

    await stage.bought()

    assert stage.heard(OrderFilled) == 1
    assert sum(isinstance(event, OrderFilled) for event in ears.heard) == 1
    await other.stop()


# Orders


@pytest.mark.parametrize(
    ("kind", "status"), [(K.SILENT_REJECT, Status.REJECTED), (K.NEVER_FIRE, Status.ACCEPTED)]
)
async def test_an_order_that_was_accepted_may_never_trade(
    stage: Stage, kind: AccountFaultKind, status: Status
) -> None:
    stage.strike(kind)

    assert isinstance(await stage.submit(), Accepted)
    await asyncio.sleep(60)

    found = await stage.account.find(BUY.id)
    assert isinstance(found, OrderReported)
    assert (found.report.status, stage.filled()) == (status, 0)


# When they strike


async def test_a_fault_strikes_the_nth_match_and_so_many_after_it(stage: Stage) -> None:
    stage.strike(K.GARBAGE_REPLY, path="/v2/account", nth=2, count=2)

    answers = [type(await stage.account.balance()) is QueryFailed for _ in range(4)]

    assert answers == [False, True, True, False]


async def test_cleared_faults_strike_nobody(stage: Stage) -> None:
    stage.strike(K.GARBAGE_REPLY, count=0)
    stage.strike(K.SILENT_REJECT, count=0)
    stage.at.clear_faults()

    await stage.bought()

    assert stage.filled() == 10
    assert stage.at.history.of(FaultStruck) == []


async def test_a_fault_may_be_meant_for_one_daemon_alone(stage: Stage) -> None:
    stage.strike(K.GARBAGE_REPLY, who="other", count=0)

    assert isinstance(await stage.account.positions(), PositionsReported)


# The truth


async def test_the_history_tells_what_arrived_what_was_answered_and_what_was_heard(
    stage: Stage,
) -> None:
    stage.strike(K.REPLY_LOST, method="POST")
    stage.strike(K.GARBAGE_REPLY, path="/v2/account", count=1)
    await stage.bought()
    await stage.account.balance()
    await stage.account.positions()

    history = stage.at.history
    (arrived,) = history.of(WriteArrived)
    assert (arrived.who, arrived.method, arrived.client_order_id) == ("us", "POST", BUY.id)
    assert (arrived.is_accepted, arrived.status, arrived.position_qty) == (True, 200, 0)
    assert arrived.order is stage.at.orders(NUMBER)[0]
    answered = [(each.path, each.is_ok) for each in history.of(QuestionAnswered)]
    assert answered == [("/v2/account", False), ("/v2/positions", True)]
    (execution,) = stage.at.executions(NUMBER)
    heard = [(each.event, each.execution_id) for each in history.of(EventHeard)]
    assert ("fill", execution.id) in heard
    struck = [(each.kind, each.client_order_id) for each in history.of(FaultStruck)]
    assert struck == [(K.REPLY_LOST, BUY.id), (K.GARBAGE_REPLY, "")]
