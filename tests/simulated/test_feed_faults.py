"""What goes wrong with market data, at the ports: each kind does what it says, and ends."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from actors.runtime import SimulatedLoop, SimulatedProcess
from adapters.brokers.alpaca_market_wire import candle_of, tick_of, venue_clock
from adapters.sandbox import alpaca_wire as words
from adapters.sandbox.events import BarClosed, Happening, TradePrinted
from adapters.simulated.feed import SimulatedFeed
from adapters.simulated.feed_faults import FeedFault, FeedFaultKind, FeedFaults
from adapters.simulated.history import (
    BarFinished,
    BarsAnswered,
    ClockAnswered,
    FeedDown,
    FeedFaultMet,
    FeedHeard,
    FeedUp,
    History,
)
from adapters.simulated.market import SimulatedMarket, note_bars
from adapters.simulated.venue import MINUTE, VENUE, SimulatedVenue, wired
from tests.trader.order_parts import NOON
from trader.accounts.events import FrameRefused
from trader.ids import instrument_id
from trader.instants import EPOCH, Timeframe
from trader.market.candle import Candle
from trader.market.tick import Tick
from trader.orders.events import QueryFailed
from trader.ports import (
    BarReceived,
    BarsReported,
    FeedBeat,
    FeedConnected,
    FeedEvent,
    FeedKind,
    FeedLost,
    TickReceived,
    VenueClock,
)

AAPL, IBM = instrument_id("AAPL", VENUE), instrument_id("IBM", VENUE)
K = FeedFaultKind


class LoopClock:
    def elapsed(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.elapsed())


class Day:
    """A venue whose prices run, and one daemon that listens. Seconds are since the start."""

    def __init__(self) -> None:
        self.history = History()
        self.venue = SimulatedVenue(
            LoopClock(), ("AAPL", "IBM"), seed=3, accounts={}, latency_s=0.01
        )
        self.faults = FeedFaults(self.venue, self.history)
        note_bars(self.venue, self.history)
        self.market = self.a_market("us")
        self.feed = SimulatedFeed(self.venue, self.faults, self.history, "us")
        self.heard: list[FeedEvent] = []

    def a_market(self, daemon: str) -> SimulatedMarket:
        return SimulatedMarket(self.venue, self.faults, self.history, daemon)

    async def begin(self) -> None:
        await self.feed.start([AAPL], FeedKind.BARS, self.heard.append)
        await asyncio.sleep(0.1)
        self.venue.resume()

    async def until(self, at_s: float) -> None:
        await asyncio.sleep(at_s - asyncio.get_running_loop().time())

    def install(self, kind: FeedFaultKind, **how: object) -> int:
        return self.faults.install(FeedFault(kind, **how))  # type: ignore[arg-type]

    @property
    def ticks(self) -> list[Tick]:
        return [each.tick for each in self.heard if isinstance(each, TickReceived)]

    @property
    def bars(self) -> list[Candle]:
        return [each.candle for each in self.heard if isinstance(each, BarReceived)]

    @property
    def minutes(self) -> list[int]:
        """Which bars came, counted from the first live one."""
        return [round((each.opened_at - NOON) / MINUTE) for each in self.bars]

    def kinds(self) -> list[type]:
        return [type(each) for each in self.heard]


@pytest.fixture
async def day() -> AsyncIterator[Day]:
    day = Day()
    await day.begin()
    yield day
    day.faults.clear_all()
    await day.feed.stop()
    day.venue.stop()


async def test_without_faults_every_bar_comes_once_and_data_is_never_far(day: Day) -> None:
    await day.until(301)

    assert day.minutes == [0, 1, 2, 3, 4]
    assert len(day.ticks) == 21
    heard_s = [each.at_s for each in day.history.of(FeedHeard)]
    pairs = itertools.pairwise(heard_s)
    assert max(later - earlier for earlier, later in pairs) <= 5.1


# What is said here directly is what the wire would have come to


async def test_a_trade_a_bar_and_the_clock_are_what_the_adapter_reads_off_the_wire(
    day: Day,
) -> None:
    happened: list[Happening] = []
    day.venue.listen(happened.extend)
    await day.until(61)

    prints = [each for each in happened if isinstance(each, TradePrinted)]
    finished = [each for each in happened if isinstance(each, BarClosed)]
    for told, happening in zip(day.ticks, (p for p in prints if p.symbol == "AAPL"), strict=True):
        assert told == tick_of(wired(words.trade_message(happening)), AAPL, told.seen_at)
    bar = next(each for each in finished if each.symbol == "AAPL")
    assert day.bars == [candle_of(wired(words.bar_message(bar)), AAPL, Timeframe.M1, 0)]
    clock = await day.market.clock()
    assert isinstance(clock, VenueClock)
    assert clock == venue_clock(wired(words.clock_json(clock.now, True, 1.0, MINUTE)))


# The stream


async def test_a_gap_is_in_the_feed_and_not_in_history(day: Day) -> None:
    await day.until(70)
    day.install(K.GAP, symbol="AAPL", count=1)
    await day.until(241)

    assert day.minutes == [0, 2, 3]
    answer = await day.market.bars(AAPL, Timeframe.M1, limit=4)
    assert isinstance(answer, BarsReported)
    assert [each.opened_at for each in answer.candles] == [NOON + n * MINUTE for n in range(4)]


@pytest.mark.parametrize(
    ("how", "minutes"),
    [
        pytest.param({"kind": K.DUPLICATE, "count": 1}, [0, 1, 1, 2, 3], id="twice"),
        pytest.param(
            {"kind": K.LATE_BAR, "by_s": 75.0, "count": 1}, [0, 2, 1, 3], id="after the next one"
        ),
        pytest.param({"kind": K.GARBAGE, "for_s": 60.0}, [0, 2, 3], id="in words nobody reads"),
        pytest.param({"kind": K.DATALESS, "for_s": 60.0}, [0, 2, 3], id="not at all"),
        pytest.param({"kind": K.SILENT, "for_s": 60.0}, [0, 2, 3], id="half open"),
        pytest.param({"kind": K.GAP, "symbol": "IBM"}, [0, 1, 2, 3], id="of another symbol"),
        pytest.param({"kind": K.GAP, "daemon": "them"}, [0, 1, 2, 3], id="of another daemon"),
    ],
)
async def test_a_bar_comes(day: Day, how: dict[str, object], minutes: list[int]) -> None:
    await day.until(70)
    day.faults.install(FeedFault(**how))  # type: ignore[arg-type]
    await day.until(241)

    assert day.minutes == minutes


async def test_a_correction_changes_the_truth_and_is_told(day: Day) -> None:
    await day.until(130)
    day.install(K.CORRECTED, symbol="AAPL", bars=1)
    await day.until(131)

    first, _, corrected = day.bars
    assert (corrected.opened_at, corrected.revision) == (first.opened_at, 1)
    assert corrected.volume == first.volume + 1
    answer = await day.market.bars(AAPL, Timeframe.M1, limit=2)
    assert isinstance(answer, BarsReported)
    assert answer.candles[0].same_values(corrected)
    truth = [each.candle for each in day.history.of(BarFinished) if each.candle.instrument == AAPL]
    assert [each.revision for each in truth] == [0, 0, 1]


async def test_trades_come_out_of_order(day: Day) -> None:
    await day.until(10)
    day.install(K.OUT_OF_ORDER, symbol="AAPL", count=1)
    await day.until(50)

    at = [(each.happened_at - NOON).total_seconds() for each in day.ticks]
    assert at == [0, 30, 15, 45]


async def test_stamps_come_from_the_future_and_from_a_clock_that_was_never_set(day: Day) -> None:
    await day.until(50)
    day.install(K.FUTURE_TRADE, symbol="AAPL", by_s=3600.0, count=1)
    day.install(K.FUTURE_BAR, symbol="AAPL", by_s=3600.0, count=1)
    await day.until(65)
    day.install(K.UNSET_CLOCK, symbol="AAPL", count=1)
    await day.until(80)

    assert day.bars[0].opened_at == NOON + timedelta(hours=1)
    assert day.ticks[-2].happened_at == NOON + timedelta(hours=1, seconds=60)
    assert day.ticks[-1].happened_at == EPOCH


async def test_a_flood_is_ten_trades_for_one_and_each_is_another(day: Day) -> None:
    await day.until(10)
    day.install(K.FLOOD, for_s=20.0)
    await day.until(40)

    assert len(day.ticks) == 1 + 10 + 1
    assert len({each.trade_id for each in day.ticks}) == 12


async def test_whatever_garbage_comes_is_refused_or_a_heartbeat(day: Day) -> None:
    day.install(K.GARBAGE)
    await day.until(500)

    refused = [each for each in day.heard if isinstance(each, FrameRefused)]
    assert len({each.reason for each in refused}) >= 8
    assert not day.ticks
    assert not day.bars


# The connection


async def test_a_cut_line_is_told_and_stays_down_while_the_fault_does(day: Day) -> None:
    await day.until(20)
    day.install(K.CUT, for_s=20.0)
    await day.until(120)

    line = [kind for kind in day.kinds() if kind in (FeedConnected, FeedLost)]
    assert line[:2] == [FeedConnected, FeedLost]
    assert line.count(FeedConnected) == 2
    assert line[-1] is FeedConnected
    assert line.count(FeedLost) > 2
    up = [each.at_s for each in day.history.of(FeedUp)]
    down = [each.at_s for each in day.history.of(FeedDown)]
    assert up[0] < down[0] < 40 < up[1] < 56


async def test_old_bars_come_again_after_a_reconnect(day: Day) -> None:
    await day.until(190)
    day.install(K.REPLAY, bars=2, for_s=10.0)
    day.venue.cut()
    await day.until(250)

    assert day.minutes == [0, 1, 2, 1, 2, 3]


async def test_a_silent_line_says_nothing_and_is_noticed_only_where_somebody_pings(
    day: Day,
) -> None:
    await day.until(21)
    day.install(K.SILENT, for_s=30.0)
    count = len(day.heard)
    await day.until(49)
    assert len(day.heard) == count

    day.faults.clear_all()
    day.install(K.SILENT, by_s=7.5, for_s=30.0)
    await day.until(58)

    assert day.kinds()[-1] is FeedLost


async def test_a_stalled_line_gives_all_of_it_at_once(day: Day) -> None:
    await day.until(41)
    count = len(day.heard)
    day.install(K.STALLED, for_s=30.0)
    await day.until(70)
    assert len(day.heard) == count
    await day.until(72)

    assert day.minutes == [0]
    assert len(day.ticks) == 5


async def test_a_dataless_line_has_heartbeats(day: Day) -> None:
    await day.until(10)
    del day.heard[:]
    day.install(K.DATALESS, for_s=60.0)
    await day.until(50)

    assert set(day.kinds()) == {FeedBeat}
    assert len(day.heard) >= 7


async def test_a_slow_connection_comes_and_one_that_is_too_slow_does_not(day: Day) -> None:
    day.install(K.SLOW_CONNECT, by_s=3.0, count=1)
    day.install(K.SLOW_CONNECT, by_s=60.0, count=1)
    await day.until(10)
    day.venue.cut()
    await day.until(14)
    assert day.kinds()[-1] is FeedLost
    await day.until(30)

    causes = [each.cause for each in day.heard if isinstance(each, FeedLost)]
    assert causes == ["cut"]
    day.venue.cut()
    await day.until(40)
    assert [each.cause for each in day.heard if isinstance(each, FeedLost)][-1] == "no answer"


async def test_a_daemon_that_was_killed_hears_and_dials_no_more(day: Day) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)
    process = SimulatedProcess(loop, "them")
    feed = SimulatedFeed(day.venue, day.faults, day.history, "them")
    heard: list[FeedEvent] = []
    await process.spawn(feed.start([AAPL, IBM], FeedKind.BARS, heard.append))
    await day.until(31)
    count = len(heard)
    assert count > 4
    listeners_count = len(day.venue.host.listeners)

    process.kill()
    day.venue.hang_up("them")
    await day.until(200)

    assert len(heard) == count
    assert process.held == []
    assert len(day.venue.host.listeners) == listeners_count - 1
    assert day.minutes == [0, 1, 2]


# Questions


@pytest.mark.parametrize(
    ("how", "is_ok", "took_s"),
    [
        pytest.param({"kind": K.HISTORY_FAILS}, False, 0, id="an error"),
        pytest.param({"kind": K.HISTORY_SLOW, "by_s": 5.0}, True, 5, id="late"),
        pytest.param({"kind": K.HISTORY_SLOW, "by_s": 60.0}, False, 10, id="too late"),
    ],
)
async def test_history_answers(
    day: Day, how: dict[str, object], is_ok: bool, took_s: float
) -> None:
    await day.until(70)
    day.faults.install(FeedFault(**how, count=1))  # type: ignore[arg-type]
    answer = await day.market.bars(AAPL, Timeframe.M1, limit=3)

    assert isinstance(answer, BarsReported) is is_ok
    assert asyncio.get_running_loop().time() - 70 == pytest.approx(took_s, abs=0.2)
    assert bool(day.history.of(BarsAnswered)[-1].reason) is not is_ok
    assert isinstance(await day.market.bars(AAPL, Timeframe.M1, limit=3), BarsReported)


async def test_history_lags_behind_the_feed_or_shows_nothing(day: Day) -> None:
    await day.until(130)
    day.install(K.HISTORY_LAGS, by_s=60.0, count=1)
    day.install(K.HISTORY_EMPTY, count=1, symbol="IBM")

    behind = await day.market.bars(AAPL, Timeframe.M1, limit=3)
    empty = await day.market.bars(IBM, Timeframe.M1, limit=3)

    assert isinstance(behind, BarsReported)
    assert behind.candles[-1].opened_at == day.bars[0].opened_at
    assert empty == BarsReported(())


async def test_the_clock_and_the_rules_may_not_be_told(day: Day) -> None:
    day.install(K.CLOCK_FAILS, count=1)
    day.install(K.RULES_FAIL, count=1)

    assert isinstance(await day.market.clock(), QueryFailed)
    assert isinstance(await day.market.instruments([AAPL]), QueryFailed)
    assert isinstance(await day.market.clock(), VenueClock)
    assert [each.is_open for each in day.history.of(ClockAnswered)] == [None, True]


# The venue's own hours


async def test_a_closed_market_ends_on_a_whole_bar_and_goes_on_with_one(day: Day) -> None:
    await day.until(70)
    number = day.install(K.CLOSED)
    await day.until(150)
    closed = await day.market.clock()
    await day.until(250)
    day.faults.clear(number)
    await day.until(421)

    assert isinstance(closed, VenueClock)
    assert not closed.is_open
    assert day.minutes == [0, 1, 5, 6]
    at = [(each.happened_at - NOON).total_seconds() for each in day.ticks]
    assert not [each for each in at if 120 <= each < 300]


async def test_a_halted_symbol_does_not_trade_and_the_others_do(day: Day) -> None:
    await day.until(70)
    number = day.install(K.HALTED, symbol="AAPL")
    await day.until(130)
    assert day.venue.host.venue.markets["AAPL"].liquidity == Decimal(0)
    await day.until(250)
    day.faults.clear(number)
    await day.until(421)

    assert day.minutes == [0, 1, 5, 6]
    others = [each.candle for each in day.history.of(BarFinished) if each.candle.instrument == IBM]
    assert len(others) == 7


async def test_what_struck_stands_in_the_history(day: Day) -> None:
    await day.until(70)
    day.install(K.GAP, symbol="AAPL", count=1)
    await day.until(130)

    met = day.history.of(FeedFaultMet)
    assert [(each.kind, each.daemon, each.symbol) for each in met] == [(K.GAP, "us", "AAPL")]


def test_the_same_seed_gives_the_same_day_with_faults_too() -> None:
    async def one() -> list[object]:
        day = Day()
        await day.begin()
        for kind in (K.OUT_OF_ORDER, K.FLOOD, K.GARBAGE, K.DUPLICATE):
            day.install(kind, count=3)
        await day.until(200)
        await day.feed.stop()
        day.venue.stop()
        return day.history.events

    def lived() -> list[object]:
        loop = SimulatedLoop(5)  # type: ignore[abstract]
        try:
            return loop.run_until_complete(one())
        finally:
            loop.close()

    first = lived()
    assert lived() == first
    assert len(first) > 20
