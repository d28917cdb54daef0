"""The last gate: what it lets out, and for what reason it holds the rest back."""

from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.last_gate import LastGate
from tests.actors.account_stage import a_fill
from tests.trader.order_parts import AAPL, a_snapshot, a_stop, an_exit, an_order, qty
from trader.orders.order import Fill, Order, Side
from trader.ports import NotSent


@dataclass
class Clock:
    """Turned by hand."""

    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> LastGate:
    """Of an account that holds ten, whose session runs as its first incarnation."""
    gate = LastGate(clock)
    gate.attach(AAPL.id, 1)
    gate.snapshot(a_snapshot(10, asked_s=99.0))
    return gate


def go() -> None:
    """No reason against entries."""


def ask(gate: LastGate, order: Order, *, attempt: int = 1, deadline_s: float = 110.0) -> str:
    """Why it does not leave; "" when it does."""
    is_exit = order.purpose is not an_order().purpose
    refusal = gate.may_submit(
        order, is_exit=is_exit, deadline_s=deadline_s, attempt=attempt, entry_bar=go
    )
    return "" if refusal is None else refusal.reason_code


def test_a_row_leaves_once(gate: LastGate) -> None:
    assert ask(gate, an_order()) == ""
    assert ask(gate, an_order()) == "already_sent"
    assert ask(gate, an_order(), attempt=2) == ""


def test_an_exit_that_is_over_is_not_counted_anew_by_its_resend(gate: LastGate) -> None:
    assert ask(gate, an_exit(size=4)) == ""
    gate.filled(a_fill(an_exit(size=4), 4))

    assert ask(gate, an_exit(size=4), attempt=2) == "already_over"
    assert ask(gate, an_exit(size=6, order_id="t1next")) == ""


def test_an_exit_that_never_arrived_is_forgotten(gate: LastGate) -> None:
    assert ask(gate, an_exit(size=10)) == ""
    assert ask(gate, an_exit(size=10, order_id="t1next")) == "not_reducible"
    gate.over(AAPL.id, "t1exit", qty(0))

    assert ask(gate, an_exit(size=10, order_id="t1next")) == ""


def test_what_waited_too_long_does_not_leave_exits_included(gate: LastGate, clock: Clock) -> None:
    clock.now_s = 110.1

    assert ask(gate, an_order()) == "deadline_passed"
    assert ask(gate, an_exit()) == "deadline_passed"


def test_what_a_dead_incarnation_decided_does_not_leave(gate: LastGate) -> None:
    gate.attach(AAPL.id, 2)

    assert ask(gate, an_order()) == "old_incarnation"
    assert ask(gate, an_exit(), attempt=2) == ""  # its successor's decision: the same row again


def test_nothing_leaves_once_another_holder_was_seen(gate: LastGate) -> None:
    gate.stopped_because = "other holds epoch 2"

    assert ask(gate, an_order()) == "not_the_owner"
    assert ask(gate, an_exit()) == "not_the_owner"
    change = gate.may_change(raises_risk=False, deadline_s=110.0, entry_bar=go)
    assert change is not None
    assert change.reason_code == "not_the_owner"


def test_bars_for_entries_do_not_hold_an_exit(gate: LastGate) -> None:
    def halted() -> NotSent:
        return NotSent("halted", "by the operator")

    terms = {"deadline_s": 110.0, "attempt": 1, "entry_bar": halted}
    assert gate.may_submit(an_order(), is_exit=False, **terms) == halted()  # type: ignore[arg-type]
    assert gate.may_submit(an_exit(), is_exit=True, **terms) is None  # type: ignore[arg-type]
    entry_like = gate.may_change(raises_risk=True, deadline_s=110.0, entry_bar=halted)
    assert entry_like == halted()
    assert gate.may_change(raises_risk=False, deadline_s=110.0, entry_bar=halted) is None


def test_two_exits_cannot_take_the_same_shares(gate: LastGate) -> None:
    assert ask(gate, an_exit(size=6, order_id="a")) == ""
    assert ask(gate, an_exit(size=6, order_id="b")) == "not_reducible"
    assert ask(gate, an_exit(size=4, order_id="c")) == ""


def test_an_exit_counts_until_its_fills_are_in_the_position(gate: LastGate, clock: Clock) -> None:
    first = an_exit(size=6, order_id="a")
    assert ask(gate, first) == ""
    gate.over(AAPL.id, first.id, qty(6))  # the venue says filled; the executions are on the way

    assert ask(gate, an_exit(size=6, order_id="b")) == "not_reducible"

    gate.filled(a_fill(first, 6))
    clock.now_s = 101.0
    gate.snapshot(a_snapshot(4, asked_s=100.5))
    assert ask(gate, an_exit(size=6, order_id="b")) == "not_reducible"
    assert ask(gate, an_exit(size=4, order_id="c")) == ""


def test_a_canceled_exit_gives_back_what_it_did_not_fill(gate: LastGate) -> None:
    first = an_exit(size=10, order_id="a")
    assert ask(gate, first) == ""
    gate.filled(a_fill(first, 3))
    gate.over(AAPL.id, first.id, qty(3))

    assert ask(gate, an_exit(size=7, order_id="b")) == ""


def test_a_stale_word_on_an_exit_frees_no_more_than_there_is(gate: LastGate) -> None:
    first = an_exit(size=10, order_id="a")
    assert ask(gate, first) == ""
    gate.filled(a_fill(first, 8))
    gate.over(AAPL.id, first.id, qty(3))  # canceled, says a report from before five of the fills

    assert ask(gate, an_exit(size=3, order_id="b")) == "not_reducible"
    assert ask(gate, an_exit(size=2, order_id="c")) == ""


def test_the_same_fill_by_stream_and_by_poll_counts_once(gate: LastGate) -> None:
    first = an_exit(size=5, order_id="a")
    assert ask(gate, first) == ""
    gate.filled(a_fill(first, 5))
    gate.filled(a_fill(first, 5))

    assert ask(gate, an_exit(size=5, order_id="b")) == ""


def test_a_snapshot_asked_for_before_the_newest_fill_is_discarded(
    gate: LastGate, clock: Clock
) -> None:
    first = an_exit(size=10, order_id="a")
    assert ask(gate, first) == ""
    gate.filled(a_fill(first, 10))

    gate.snapshot(a_snapshot(10, asked_s=99.9))

    assert ask(gate, an_exit(size=1, order_id="b")) == "not_reducible"


def test_resting_stops_do_not_count_as_exits_under_way(gate: LastGate) -> None:
    assert ask(gate, a_stop(90, 10)) == ""
    assert ask(gate, an_exit(size=10)) == ""


def test_before_the_broker_has_spoken_an_exit_is_the_hearts_responsibility(clock: Clock) -> None:
    gate = LastGate(clock)

    assert ask(gate, an_exit()) == ""


class NeverOvershoots(RuleBasedStateMachine):
    """Exits, fills, cancels and snapshots in any order: the position never turns round."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.gate = LastGate(self.clock)
        self.held = 20  # truly, at the venue
        self.gate.snapshot(a_snapshot(20, asked_s=99.0))
        self.working: dict[str, tuple[Order, int]] = {}  # with what is left to fill
        self.untold: list[Fill] = []
        self.count = 0

    @rule(size=st.integers(1, 20))
    def leave(self, size: int) -> None:
        self.count += 1
        order = an_exit(size=size, order_id=f"x{self.count}")
        if ask(self.gate, order, deadline_s=1e9) == "":
            self.working[order.id] = (order, size)

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def fill_at_the_venue(self, data: st.DataObject) -> None:
        order_id = data.draw(st.sampled_from(sorted(self.working)))
        order, left = self.working.pop(order_id)
        size = data.draw(st.integers(1, left))
        self.held -= size
        self.count += 1
        self.untold.append(a_fill(order, size, self.count))
        if left > size:
            self.working[order_id] = (order, left - size)

    @precondition(lambda self: self.untold)
    @rule()
    def hear_of_a_fill(self) -> None:
        self.clock.now_s += 1
        self.gate.filled(self.untold.pop(0))

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        order_id = data.draw(st.sampled_from(sorted(self.working)))
        order, left = self.working.pop(order_id)
        self.gate.over(AAPL.id, order_id, qty(Decimal(order.qty) - left))

    @rule()
    def reconcile(self) -> None:
        self.clock.now_s += 1
        self.gate.snapshot(a_snapshot(self.held, asked_s=self.clock.now_s))

    @invariant()
    def what_is_under_way_never_takes_more_than_there_is(self) -> None:
        assert sum(left for _, left in self.working.values()) <= self.held


TestNeverOvershoots = NeverOvershoots.TestCase


def test_a_short_position_is_left_by_buying(gate: LastGate) -> None:
    gate.snapshot(a_snapshot(-10, asked_s=100.0))

    assert ask(gate, an_exit(Side.BUY, 11, order_id="a")) == "not_reducible"
    assert ask(gate, replace(an_exit(Side.BUY, 10), incarnation=1)) == ""
