"""Each checker of rows, commands and honesty finds what it is there for."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from store.store_parts import a_fence, a_fill, an_adjustment, an_order, progress

from actors import desk
from actors.app.simulation.house import Alarmed, Noticed
from actors.app.simulation.invariants.adjustments import BrokerWins
from actors.app.simulation.invariants.checker import Broken, Checker
from actors.app.simulation.invariants.honesty import HonestStatus
from actors.app.simulation.invariants.money import MoneyIsExact
from actors.app.simulation.invariants.operator import AcknowledgedIsKept, HaltHolds
from actors.app.simulation.invariants.ownership import NewestIncarnation, SingleWriter
from actors.app.simulation.invariants.poison import PoisonIsPutAside
from actors.app.simulation.names import number_of
from actors.app.simulation.plan import draw
from actors.app.simulation.run import Options, run_seed
from actors.app.simulation.world import World
from actors.desk_house import ready_view
from actors.desk_snapshot import Snapshot
from actors.runtime import DeadLetter, DeadReason, Exit, ExitReason, SimulatedLoop
from adapters.simulated.history import CommandAnswered, CommandAsked, WriteLeft
from adapters.simulated.rows import LeaseRow, SessionRow
from trader.ids import AccountId, InstrumentId, SessionId
from trader.money import Quantity
from trader.operator import CommandOutcome, CommandRow, TradingStanding
from trader.orders.order import Purpose
from trader.proofs import Cleared
from trader.records import Fence, OrderEntry
from trader.session.events import TradingState
from trader.views import CheckView, CommandResult, CommandView, ReadyView

LONG_OUTAGE = 1  # the seed of a world whose database is away for minutes

PLAN = draw(0, ())
SESSION = SessionId(PLAN.sessions[0].name)
ACCOUNT = AccountId(PLAN.sessions[0].account)
INSTRUMENT = InstrumentId(f"{PLAN.sessions[0].symbol}.ALPACA")
OURS = Fence(ACCOUNT, 1, SESSION, 1)


class Watched:
    """A world that stands still, and what a checker finds in its history."""

    def __init__(self, kind: type[Checker]) -> None:
        self.found: list[Broken] = []
        self.world = World(PLAN, SimulatedLoop(0))  # type: ignore[abstract]
        self.rows = self.world.rows
        self.checker = kind(self.world, self.found.append)
        self.checker.watch()
        self.lease("us", 1)
        self.begin(1)

    @property
    def says(self) -> list[str]:
        return [each.what for each in self.found]

    def lease(self, holder: str, epoch: int, *, lasting_s: float = 5.0) -> None:
        ends_at = self.rows.now() + timedelta(seconds=lasting_s)
        self.rows.commit(LeaseRow(ACCOUNT, holder, epoch, ends_at), f"{holder}#1")

    def begin(self, incarnation: int) -> None:
        self.rows.commit(SessionRow(SESSION, ACCOUNT, INSTRUMENT, incarnation), "us#1")

    def record(self, fence: Fence = OURS, by: str = "us#1", n: int = 1, **changes: object) -> str:
        order = an_order(
            n, session_id=SESSION, account_id=ACCOUNT, incarnation=fence.incarnation, **changes
        )
        self.rows.commit(OrderEntry(Cleared(order), fence, is_exit=False), by)
        return order.id

    def send(self, order_id: str, who: str = "us#1") -> None:
        now_s = self.world.loop.time()
        self.world.history.note(WriteLeft(now_s, who, number_of(ACCOUNT), "POST", order_id))

    def answer(self, view: CommandView) -> None:
        self.world.history.note(CommandAsked(0.0, view.verb, SESSION))
        self.world.history.note(CommandAnswered(0.0, view.verb, SESSION, view))


# One writer


def test_an_owner_may_write_and_enter():
    watched = Watched(SingleWriter)

    watched.send(watched.record())

    assert watched.says == []


def test_a_row_of_another_epoch_is_found():
    watched = Watched(SingleWriter)

    watched.record(replace(OURS, epoch=2))

    assert "of epoch 2 wrote OrderEntry" in watched.says[0]


def test_a_row_of_another_daemon_is_found():
    watched = Watched(SingleWriter)

    watched.record(by="them#1")

    assert "them#1 of epoch 1 wrote OrderEntry, and us" in watched.says[0]


def test_an_entry_without_a_lease_is_found():
    watched = Watched(SingleWriter)
    order_id = watched.record()

    watched.lease("us", 1, lasting_s=-0.001)
    watched.send(order_id)

    assert f"sent the entry {order_id}" in watched.says[0]


def test_an_exit_without_a_lease_is_none_of_its_business():
    watched = Watched(SingleWriter)
    order_id = watched.record(purpose=Purpose.EXIT)

    watched.lease("us", 1, lasting_s=-0.001)
    watched.send(order_id)

    assert watched.says == []


def test_a_takeover_of_a_living_lease_is_found():
    watched = Watched(SingleWriter)

    watched.lease("them", 2)

    assert watched.says == [f"them took {ACCOUNT} while us held it"]


def test_a_takeover_without_a_new_epoch_is_found():
    watched = Watched(SingleWriter)
    watched.lease("us", 1, lasting_s=-0.001)

    watched.lease("them", 1)

    assert watched.says == [f"them took {ACCOUNT} and its epoch did not rise"]


# The newest incarnation


def test_a_row_that_lands_after_the_successors_load_is_found():
    watched = Watched(NewestIncarnation)
    watched.begin(2)

    watched.record()

    assert "incarnation 1" in watched.says[0]
    assert "2 has loaded" in watched.says[0]


def test_an_entry_that_leaves_after_the_successors_load_is_found():
    watched = Watched(NewestIncarnation)
    order_id = watched.record()
    watched.send(order_id)
    assert watched.says == []

    watched.begin(2)
    watched.send(order_id)

    assert f"sent the entry {order_id} of incarnation 1" in watched.says[0]


# The operator


def a_command(**changes: object) -> CommandRow:
    row = CommandRow("c1", "close", SESSION, "enough", "desk", PLAN_STARTS, None, "", None)
    return replace(row, **changes)  # type: ignore[arg-type]


PLAN_STARTS = World(PLAN, SimulatedLoop(0)).rows.now()  # type: ignore[abstract]
CLOSES = CommandView("c1", "close", SESSION, CommandResult.ACCEPTED, "trader closes it")
HALTED = CommandView("c2", "halt", "", CommandResult.DONE, "no entry leaves any more")


def test_a_command_that_was_acknowledged_without_a_row_is_found():
    watched = Watched(AcknowledgedIsKept)

    watched.answer(CLOSES)

    assert "close was acknowledged and has no row" in watched.says[0]


def test_a_missing_row_that_was_admitted_is_not_lost():
    watched = Watched(AcknowledgedIsKept)

    watched.answer(replace(CLOSES, detail="the database does not answer: its row is missing"))

    assert watched.says == []


def test_a_halt_that_is_not_latched_is_found():
    watched = Watched(AcknowledgedIsKept)
    watched.rows.commit(a_command(id="c2", kind="halt", session_id=None), "us#1")

    watched.answer(HALTED)
    assert "halt was acknowledged and is not latched" in watched.says[0]

    watched.found.clear()
    watched.world.daemon.disk.halt_file.write("a drill")
    watched.answer(HALTED)
    assert watched.says == []


def test_a_close_that_is_done_with_the_position_open_is_found():
    watched = Watched(AcknowledgedIsKept)
    watched.world.venue.adjust(number_of(ACCOUNT), PLAN.sessions[0].symbol, Decimal(3))
    asked_at = PLAN_STARTS + timedelta(seconds=1)

    watched.rows.commit(a_command(asked_at=asked_at, outcome=CommandOutcome.DONE), "us#1")

    assert "is done, and it was never flat" in watched.says[0]


async def test_a_close_that_never_ends_is_found():
    watched = Watched(AcknowledgedIsKept)
    watched.rows.commit(a_command(asked_at=PLAN_STARTS - timedelta(hours=1)), "us#1")

    (found,) = await watched.checker.after_order_period()

    assert "never ended" in found


def halted(watched: Watched) -> None:
    row = TradingStanding(TradingState.HALTED, "a drill", "desk", watched.rows.now())
    watched.rows.commit(row, "us#1")
    watched.answer(HALTED)


def test_an_entry_after_a_halt_is_found_and_an_exit_is_not():
    watched = Watched(HaltHolds)
    entry, an_exit = watched.record(), watched.record(n=2, purpose=Purpose.EXIT)
    watched.send(entry)
    halted(watched)

    watched.send(an_exit)
    assert watched.says == []

    watched.send(entry)
    assert f"us#1 sent the entry {entry}" in watched.says[0]


def test_after_a_resume_was_asked_for_entries_may_leave():
    watched = Watched(HaltHolds)
    halted(watched)

    watched.world.history.note(CommandAsked(0.0, "resume", SESSION))
    watched.send(watched.record())

    assert watched.says == []


# The broker wins


def adjust(watched: Watched, from_qty: int, to_qty: int) -> None:
    entry = replace(an_adjustment(to_qty=to_qty, fence=OURS), from_qty=Quantity(Decimal(from_qty)))
    watched.rows.commit(entry, "us#1")


def test_an_adjustment_to_what_the_venue_holds_is_right():
    watched = Watched(BrokerWins)
    watched.world.venue.adjust(number_of(ACCOUNT), PLAN.sessions[0].symbol, Decimal(3))

    watched.world.history.note(Alarmed(0.0, "us#1", "position_adjusted"))
    adjust(watched, 0, 3)

    assert watched.says == []


@pytest.mark.parametrize(
    ("from_qty", "to_qty", "finding"),
    [
        pytest.param(0, 7, "which the venue has not held", id="to what nobody held"),
        pytest.param(2, 3, "its rows said 0", id="from what the rows did not say"),
        pytest.param(0, 3, "nobody was alarmed", id="in silence"),
    ],
)
def test_another_adjustment_is_found(from_qty: int, to_qty: int, finding: str):
    watched = Watched(BrokerWins)
    watched.world.venue.adjust(number_of(ACCOUNT), PLAN.sessions[0].symbol, Decimal(3))

    adjust(watched, from_qty, to_qty)

    assert finding in " ".join(watched.says)


# Poison


async def test_a_message_that_kills_four_times_is_found():
    watched = Watched(PoisonIsPutAside)
    for crash in range(4):
        end = Exit("trader:x", crash + 1, ExitReason.CRASH, None, "poison", is_repeat=crash > 0)
        watched.world.history.note(Noticed(0.0, "us#1", end))

    assert "died 4 times of one message" in watched.says[0]


@pytest.mark.parametrize("is_put_aside", [False, True])
async def test_a_message_that_kills_three_times_must_be_put_aside(*, is_put_aside: bool):
    watched = Watched(PoisonIsPutAside)
    for crash in range(3):
        end = Exit("trader:x", crash + 1, ExitReason.CRASH, None, "poison", is_repeat=crash > 0)
        watched.world.history.note(Noticed(0.0, "us#1", end))
    if is_put_aside:
        letter = DeadLetter("trader:x", "poison", DeadReason.POISON)
        watched.world.history.note(Noticed(0.0, "us#1", letter))

    assert bool(await watched.checker.after_order_period()) is not is_put_aside


# Money


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda fill: replace(fill, realized=1.5), id="a float"),
        pytest.param(lambda fill: replace(fill, realized=Decimal("NaN")), id="no number"),
        pytest.param(
            lambda fill: replace(fill, fill=replace(fill.fill, qty=Decimal(-4))), id="below nothing"
        ),
    ],
)
def test_money_that_is_none_is_found(spoil: Callable[[object], object]):
    watched = Watched(MoneyIsExact)
    fill = replace(a_fill(fence=OURS))
    watched.rows.commit(fill, "us#1")
    assert watched.says == []

    watched.rows.commit(spoil(fill), "us#1")  # type: ignore[arg-type]

    assert watched.found


def test_what_an_order_has_filled_is_a_number_too():
    watched = Watched(MoneyIsExact)
    watched.record()

    watched.rows.commit(replace(progress(fence=a_fence()), cum_qty=1.0), "us#1")  # type: ignore[arg-type]

    assert "order.cum_qty = 1.0" in watched.says[0]


# Honesty


def test_a_desk_that_is_always_ready_is_found_out(monkeypatch: pytest.MonkeyPatch):
    def always_ready(look: Snapshot, schema: CheckView) -> ReadyView:
        return ReadyView(True, ready_view(look, schema).checks)

    def found(seed: int) -> bool:
        options = Options(("db_down",), commands=False, checkers=(HonestStatus,))
        return not run_seed(seed, options).holds

    assert not found(LONG_OUTAGE)
    monkeypatch.setattr(desk, "ready_view", always_ready)
    assert found(LONG_OUTAGE)
