"""Each checker of bars and freshness finds what it is there for, and nothing where all is well."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from store.store_parts import an_order

from actors.app.simulation.invariants.bars import OnlyOnFinishedBars
from actors.app.simulation.invariants.checker import Broken, Checker
from actors.app.simulation.invariants.every_bar import OnEveryBar, WallClockIsIgnored
from actors.app.simulation.invariants.freshness import (
    OnlyInAnOpenMarket,
    OnlyOnAFreshFeed,
    ReconcileIsAlive,
)
from actors.app.simulation.names import number_of
from actors.app.simulation.plan import Plan, Strike, draw
from actors.app.simulation.run import run_plan
from actors.app.simulation.world import World
from actors.market_data import MarketData
from actors.runtime import SimulatedLoop
from adapters.simulated.heard import candle_of_bar
from adapters.simulated.history import (
    BarFinished,
    BarsAnswered,
    ClockAnswered,
    FeedHeard,
    QuestionAnswered,
    StrategyAsked,
    StrategyOpened,
    WriteLeft,
)
from adapters.simulated.rows import LeaseRow, SessionRow
from trader.ids import AccountId, CauseKind, InstrumentId, SessionId, instant_key
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.money import Price
from trader.ports import BarReceived, FeedBeat
from trader.proofs import Cleared
from trader.records import Fence, OrderEntry

PLAN = draw(0, ())
SYMBOL = PLAN.sessions[0].symbol
SESSION = SessionId(PLAN.sessions[0].name)
ACCOUNT = AccountId(PLAN.sessions[0].account)
NUMBER = number_of(ACCOUNT)
INSTRUMENT = InstrumentId(f"{SYMBOL}.ALPACA")
FENCE = Fence(ACCOUNT, 1, SESSION, 1)
US = "us#1"


class Watched:
    """A world of which only the history goes on, and what a checker finds in it."""

    def __init__(self, kind: type[Checker], plan: Plan = PLAN) -> None:
        self.found: list[Broken] = []
        self.world = World(plan, SimulatedLoop(0))  # type: ignore[abstract]
        self.checker = kind(self.world, self.found.append)
        self.checker.watch()
        bars = self.world.venue.host.venue.markets[SYMBOL].bars
        self.past = [candle_of_bar(each, INSTRUMENT, Timeframe.M1, 0) for each in bars]
        self.orders_count = 0
        ends_at = self.world.rows.now() + timedelta(hours=1)
        self.world.rows.commit(LeaseRow(ACCOUNT, "us", 1, ends_at), US)
        self.world.rows.commit(SessionRow(SESSION, ACCOUNT, INSTRUMENT, 1), US)

    @property
    def says(self) -> list[str]:
        return [each.what for each in self.found]

    @property
    def now_s(self) -> float:
        return self.world.loop.time()

    def passes(self, seconds: float) -> None:
        self.world.loop.run_for(seconds)

    def finish(self) -> Candle:
        """The venue finishes its next bar."""
        newest = self.past[-1]
        candle = replace(newest, opened_at=newest.opened_at + timedelta(minutes=1))
        self.past.append(candle)
        self.world.history.note(BarFinished(self.now_s, candle))
        return candle

    def open(self, candles: Iterable[Candle], daemon: str = US) -> None:
        opened = StrategyOpened(self.now_s, daemon, SESSION, 1, tuple(candles))
        self.world.history.note(opened)

    def ask(self, candle: Candle, daemon: str = US) -> None:
        self.world.history.note(StrategyAsked(self.now_s, daemon, SESSION, 1, candle))

    def hear(self, *candles: Candle) -> None:
        frame = tuple(BarReceived(each) for each in candles) or (FeedBeat(datetime.now(UTC)),)
        self.world.history.note(FeedHeard(self.now_s, US, NUMBER, self.now_s, frame))

    def clock(self, is_open: bool | None) -> None:
        self.world.history.note(ClockAnswered(self.now_s, US, NUMBER, is_open))

    def confirm(self, is_ok: bool = True) -> None:
        now_s = self.now_s
        answered = QuestionAnswered(now_s, now_s, US, NUMBER, "/v2/positions", is_ok)
        self.world.history.note(answered)

    def enter(self, bar: Candle | None = None) -> None:
        """An entry leaves; it was decided on that bar."""
        cause_key = instant_key((bar or self.past[0]).opened_at)
        cause_kind = CauseKind.COMMAND if bar is None else CauseKind.CANDLE
        self.orders_count += 1
        order = an_order(
            self.orders_count,
            session_id=SESSION,
            account_id=ACCOUNT,
            instrument=INSTRUMENT,
            cause_kind=cause_kind,
            cause_key=cause_key,
        )
        self.world.rows.commit(OrderEntry(Cleared(order), FENCE, is_exit=False), US)
        self.world.history.note(WriteLeft(self.now_s, US, NUMBER, "POST", order.id))


# I5: on what a strategy is asked


def test_a_strategy_asked_once_on_each_bar_as_it_finished_is_well() -> None:
    watched = Watched(OnlyOnFinishedBars)
    watched.open(watched.past[-5:])
    for _ in range(3):
        watched.passes(60)
        watched.ask(watched.finish())

    watched.open(watched.past[-5:])

    assert watched.says == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"is_final": False}, "not finished"),
        ({"revision": 1}, "replaced"),
        ({"high": Price(Decimal(10_000))}, "another one when it finished"),
        ({"opened_at": datetime(2030, 1, 1, tzinfo=UTC)}, "the venue had not made"),
    ],
)
def test_a_strategy_asked_on_what_is_no_finished_bar_is_found(
    changes: dict[str, object], why: str
) -> None:
    watched = Watched(OnlyOnFinishedBars)

    watched.ask(replace(watched.finish(), **changes))  # type: ignore[arg-type]

    assert any(why in each for each in watched.says)


def test_a_strategy_asked_late_is_found() -> None:
    watched = Watched(OnlyOnFinishedBars)
    candle = watched.finish()
    watched.passes(40)

    watched.ask(candle)

    assert watched.says[0].endswith("40.0 s after it had finished")


def test_an_entry_that_leaves_long_after_its_bar_is_found() -> None:
    watched = Watched(OnlyOnFinishedBars)
    candle = watched.finish()
    watched.enter(candle)
    assert watched.says == []
    watched.passes(50)

    watched.enter(candle)

    assert watched.says[0].endswith("left 50.0 s after its bar had finished")


def test_a_strategy_asked_again_after_a_restart_is_found() -> None:
    watched = Watched(OnlyOnFinishedBars)
    candle = watched.finish()
    watched.ask(candle, "us#1")

    watched.ask(candle, "us#2")

    assert watched.says[0].endswith("again; the first time as us#1")


def test_a_window_with_a_hole_that_the_daemon_could_know_is_found() -> None:
    watched = Watched(OnlyOnFinishedBars)
    lost = watched.past[-2]
    answered = BarsAnswered(0.0, US, NUMBER, INSTRUMENT, Timeframe.M1, (lost.opened_at,))
    watched.world.history.note(answered)
    watched.passes(5)

    watched.open((*watched.past[-5:-2], watched.past[-1]))

    assert watched.says[0].endswith(f"has a hole: {lost.opened_at:%H:%M}")


def test_a_hole_that_nobody_could_know_is_one_on_which_no_entry_leaves() -> None:
    watched = Watched(OnlyOnFinishedBars)
    watched.open(watched.past[-5:])
    watched.finish()
    watched.ask(watched.finish())
    assert watched.says == []

    watched.enter()

    assert "without knowing" in watched.says[0]


def test_a_window_with_a_bar_that_never_was_is_found() -> None:
    watched = Watched(OnlyOnFinishedBars)
    invented = replace(watched.past[-1], volume=Decimal(1))

    watched.open((*watched.past[-3:-1], invented))

    assert "the venue never made" in watched.says[0]


def test_a_bar_that_nobody_was_asked_about_is_found() -> None:
    watched = Watched(OnEveryBar)
    watched.world.running = lambda: [f"trader:{each.name}" for each in PLAN.sessions]  # type: ignore[method-assign]
    watched.open(watched.past[-5:])
    watched.passes(60)
    watched.ask(watched.finish())
    watched.passes(60)
    missed = watched.finish()
    watched.passes(60)

    found = asyncio.run(watched.checker.after_order_period())

    ours = [each for each in found if each.startswith(SESSION)]
    assert ours == [f"{SESSION} was not asked about {missed.opened_at:%H:%M} (no row)"]


# I14, I15: entries on what is not known


def test_an_entry_in_a_market_that_is_known_to_be_open_is_well() -> None:
    watched = Watched(OnlyInAnOpenMarket)
    watched.clock(True)
    watched.passes(100)

    watched.enter()

    assert watched.says == []


@pytest.mark.parametrize("answer", [False, None])
def test_an_entry_in_a_market_not_known_to_be_open_is_found(answer: bool | None) -> None:
    watched = Watched(OnlyInAnOpenMarket)
    watched.clock(True)
    watched.clock(answer)
    watched.enter()
    assert watched.says == []  # it was on its way
    watched.passes(12)
    watched.clock(answer)

    watched.enter()

    assert "not known to be open" in watched.says[0]


def test_an_entry_on_a_silent_feed_is_found() -> None:
    watched = Watched(OnlyOnAFreshFeed)
    watched.hear(watched.finish())
    watched.enter()
    assert watched.says == []
    watched.passes(22)

    watched.enter()

    assert "last frame" in watched.says[0]


def test_an_entry_on_a_feed_without_data_is_found() -> None:
    watched = Watched(OnlyOnAFreshFeed)
    watched.hear(watched.finish())
    watched.passes(140)
    watched.hear()

    watched.enter()

    assert [each.split("; ")[1] for each in watched.says] == ["last data at 0.0 s"]


def test_an_entry_on_positions_that_nobody_confirmed_is_found() -> None:
    watched = Watched(ReconcileIsAlive)
    watched.confirm()
    watched.enter()
    assert watched.says == []
    watched.passes(72)
    watched.confirm(is_ok=False)

    watched.enter()

    assert "positions confirmed 72.0 s ago" in watched.says[0]


# I21: whole worlds


def _asked(plan: Plan) -> tuple[list[tuple[SessionId, datetime]], list[Broken]]:
    worlds: list[World] = []
    kinds = (OnlyOnFinishedBars, OnEveryBar, WallClockIsIgnored)
    verdict = run_plan(plan, kinds, watch=worlds.append)
    asked = worlds[0].history.of(StrategyAsked)
    return sorted((each.session_id, each.candle.opened_at) for each in asked), verdict.broken


def _jumping(plan: Plan) -> Plan:
    jumps = tuple(Strike(at_s, "wall_clock_jumps") for at_s in (130.0, 299.99, 301.0, 900.0))
    return replace(plan, kinds=("wall_clock_jumps",), strikes=jumps)


def test_the_same_bars_are_decided_on_whatever_the_wall_clock_does() -> None:
    plan = draw(7, (), commands=False)

    still, _ = _asked(plan)
    jumping, broken = _asked(_jumping(plan))

    assert broken == []
    assert jumping == still
    assert len(still) > 60


def test_a_feed_that_listens_to_the_wall_clock_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def wall_s(self: MarketData) -> float:
        return self.runtime.host.now().timestamp()

    monkeypatch.setattr(MarketData, "_now_s", property(wall_s))

    _, broken = _asked(_jumping(draw(7, (), commands=False)))

    assert "I21" in {each.invariant for each in broken}
