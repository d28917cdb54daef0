"""The heart in a storm: whatever is lost, late, doubled or reordered, what must hold holds."""

from decimal import Decimal

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.trader.session.session_world import buy, leave
from tests.trader.session.storm import MAY_BE_LOST, MAY_COME_TWICE, Storm
from trader.orders.order import OrderType, Purpose, Side, Status
from trader.risk.heat import HeatLevel
from trader.session.events import CloseRequested, ReconcileRequested, TradingState
from trader.session.strategy import (
    CancelOrders,
    Decision,
    ModifyOrder,
    ModifyOrders,
    SubmitOrder,
)

PLACES = st.integers(0, 30)
PRICES = st.sampled_from([85, 88, 89, 91, 95, 98, 100, 102, 105]).map(Decimal)
FATES = st.sampled_from(["", "", "lost", "late", "no_ack", "silent", "fail"])
BUY, SELL, LIMIT = Side.BUY, Side.SELL, OrderType.LIMIT


def _submit(side: Side, size: int, **how: object) -> SubmitOrder:
    return SubmitOrder(side, Decimal(size), "because", **how)  # type: ignore[arg-type]


ENTRIES = st.sampled_from(
    [
        buy(10, stop=90),
        buy(5, stop=90),
        buy(5, stop=88),
        buy(10),
        _submit(SELL, 4, protective_stop=Decimal(110)),
        _submit(BUY, 6, type=LIMIT, price=Decimal(98), protective_stop=Decimal(90)),
    ]
)
EXITS = st.sampled_from(
    [leave(), _submit(SELL, 3), _submit(SELL, 5, type=LIMIT, price=Decimal(104))]
)


class StormMachine(RuleBasedStateMachine):
    """One session, one venue, and everything that can go wrong between them."""

    @initialize(
        reserves_shares=st.booleans(),
        resend_safe=st.booleans(),
        refuses_wash_trades=st.booleans(),
        decisions=st.lists(ENTRIES, max_size=2),
    )
    def begin(
        self,
        reserves_shares: bool,
        resend_safe: bool,
        refuses_wash_trades: bool,
        decisions: list[Decision],
    ) -> None:
        self.world = Storm(reserves_shares, resend_safe, refuses_wash_trades)
        self.world.move(Decimal(100))
        self.world.drain()
        for decision in decisions:
            self.enter_undisturbed(decision)

    # The trade

    def _decide(self, decision: Decision) -> None:
        self.world.decisions.append(decision)
        self.world.bar()

    @rule(decision=ENTRIES)
    def enter(self, decision: Decision) -> None:
        self._decide(decision)

    @rule(decision=EXITS)
    def leave(self, decision: Decision) -> None:
        self._decide(decision)

    @rule(decision=ENTRIES)
    def enter_undisturbed(self, decision: Decision) -> None:
        self._decide(decision)
        self.world.drain()
        for each in self.world.fillable():
            self.world.fill(each, each.leaves)
        self.world.drain()
        self.world.wait(1)
        self.world.drain()

    @rule(place=PLACES, price=PRICES, size=st.integers(1, 12))
    def change(self, place: int, price: Decimal, size: int) -> None:
        working = [
            w for w in self.world.state.open_orders() if w.order.purpose is not Purpose.PROTECT
        ]
        if working:
            target = working[place % len(working)].order
            is_limit = target.type is LIMIT
            wanted = ModifyOrder(target.id, Decimal(size), price if is_limit else None)
            self._decide(ModifyOrders((wanted,), "better"))

    @rule()
    def cancel_entries(self) -> None:
        self._decide(CancelOrders((), "enough"))

    @rule(number=st.integers(0, 3))
    def close(self, number: int) -> None:
        self.world.fold(CloseRequested(f"close{number}", "operator"))

    @rule(price=PRICES)
    def move(self, price: Decimal) -> None:
        self.world.move(price)

    @rule(place=PLACES, part=st.sampled_from([1, 2, 3, 100]))
    def trade(self, place: int, part: int) -> None:
        ready = self.world.fillable()
        if ready:
            each = ready[place % len(ready)]
            self.world.fill(each, min(Decimal(part), each.leaves))

    # The post

    @rule(place=PLACES, fate=FATES)
    def deliver(self, place: int, fate: str) -> None:
        places = self.world.deliverable()
        if places:
            self.world.deliver(places[place % len(places)], fate)

    @rule(count=st.integers(1, 15))
    def deliver_some(self, count: int) -> None:
        for _ in range(count):
            places = self.world.deliverable()
            if places:
                self.world.deliver(places[0])

    @rule()
    def deliver_all(self) -> None:
        self.world.drain()

    @rule(place=PLACES)
    def lose(self, place: int) -> None:
        able = [i for i in self.world.deliverable() if self.world.post[i].lane in MAY_BE_LOST]
        if able:
            self.world.post.pop(able[place % len(able)])

    @rule(place=PLACES)
    def repeat(self, place: int) -> None:
        able = [i for i in self.world.deliverable() if self.world.post[i].lane in MAY_COME_TWICE]
        if able:
            chosen = able[place % len(able)]
            self.world.post.insert(chosen, self.world.post[chosen])

    @rule(seconds=st.sampled_from([0.05, 0.5, 1, 3, 6, 12, 35, 130]))
    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    # The house

    @rule()
    def crash(self) -> None:
        self.world.crash()

    @rule()
    def kill(self) -> None:
        self.world.kill()

    @rule(is_up=st.booleans())
    def store(self, is_up: bool) -> None:
        self.world.set_store(is_up)

    @rule(is_up=st.booleans())
    def line(self, is_up: bool) -> None:
        self.world.set_line(is_up)

    @rule(level=st.sampled_from(HeatLevel))
    def heat(self, level: HeatLevel) -> None:
        self.world.say_heat(level)

    @rule(trading=st.sampled_from([TradingState.ACTIVE, TradingState.HALTED]))
    def operator(self, trading: TradingState) -> None:
        self.world.set_trading(trading)

    @rule()
    def reconcile(self) -> None:
        self.world.fold(ReconcileRequested("operator"))

    @rule()
    def clock_jumps(self) -> None:
        self.world.suspect_clock()

    @rule()
    def strategy_fails(self) -> None:
        self.world.fail_strategy()

    # The market

    @rule()
    def bar_late(self) -> None:
        self.world.bar(is_late=True)

    @rule()
    def bar_missed(self) -> None:
        self.world.bar(is_told=False)

    @rule(back=st.integers(0, 8), close=PRICES)
    def bar_replaced(self, back: int, close: Decimal) -> None:
        self.world.correct_bar(back, close)

    # The venue

    @rule(is_refusing=st.booleans())
    def refuse(self, is_refusing: bool) -> None:
        self.world.is_refusing = is_refusing

    @rule(place=PLACES)
    def cancel_behind(self, place: int) -> None:
        working = self.world.open_at_venue()
        if working:
            self.world.cancel_behind(working[place % len(working)])

    @rule(size=st.sampled_from([-12, -7, -3, 3, 7, 12]), has_execution=st.booleans())
    def meddle(self, size: int, has_execution: bool) -> None:
        self.world.meddle(size, has_execution=has_execution)

    @rule(place=PLACES, size=st.integers(1, 3))
    def fill_after_cancel(self, place: int, size: int) -> None:
        ended = [
            e
            for e in self.world.venue.values()
            if e.status is Status.CANCELED and e.qty > e.cum and e.replaced_by is None
        ]
        if ended:
            each = ended[place % len(ended)]
            self.world.is_excused = True  # by then another order may have taken its place
            self.world.fill(each, min(Decimal(size), each.qty - each.cum))

    @invariant()
    def something_is_bounded(self) -> None:
        """Nothing that is remembered grows for ever."""
        state = self.world.state
        assert len(state.pending) < 50

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.calm()
            self.world.check_agreement()


TestTheHeartInAStorm = StormMachine.TestCase
TestTheHeartInAStorm.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
