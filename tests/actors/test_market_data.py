"""The feed's actor: sessions hear whole series, and know when the feed cannot be believed."""

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import accumulate

import pytest
from market_parts import M1, START, A, minutes
from market_stage import FEED, Stage, Told, play, staged

from actors.audience import Backfill, DescribeFeed, ReadSeries, Unsubscribe, Unwatch, Watch
from actors.runtime import SimulationHost
from trader.accounts.events import FrameRefused
from trader.ids import InstrumentId
from trader.instants import Timeframe
from trader.market.board import Board
from trader.market.candle import Candle
from trader.market.events import (
    CandleClosed,
    CandlesBackfilled,
    CandleUpdated,
    ClockUnknown,
    FeedFresh,
    FeedStale,
    MarketClosed,
    MarketOpened,
    PriceMoved,
    SeriesOpened,
)
from trader.market.tick import Tick
from trader.money import Price, Quantity
from trader.ports import BarReceived, FeedKind, TickReceived

KINDS = pytest.mark.parametrize("kind", list(FeedKind))


def assert_whole(told: Told, stage: Stage) -> None:
    """Its window is the venue's own bars, with no hole and no double."""
    assert told.cursor is not None
    window = told.cursor.window()
    bars = [bar for bar in stage.venue.bars if bar.opened_at >= window[0].opened_at]
    assert [(bar.opened_at, bar.close) for bar in window] == [
        (bar.opened_at, bar.close) for bar in bars
    ]


@KINDS
def test_a_session_is_warmed_up_and_then_hears_every_bar_once(kind: FeedKind) -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host, kind) as stage:
            told = stage.subscribe("one", 20)
            await stage.until(10)
            (opened,) = told.of(SeriesOpened)
            assert minutes(opened.candles) == list(range(-20, 0))

            await stage.until(302)

            # In feeds of trades the first bar was joined in its midst: history's to give.
            first = 0 if kind is FeedKind.BARS else 1
            assert minutes(told.traded) == list(range(first, 5))
            assert_whole(told, stage)

    play(scenario)


def test_a_bar_closes_by_feed_time_where_no_later_trade_closes_it() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host, FeedKind.TRADES) as stage:
            told = stage.subscribe("one")
            await stage.until(120.0)
            stage.venue.is_trading = False

            # The feed is a second behind; a second of grace; at most a beat more.
            await stage.until(121.3)
            assert minutes(told.traded) == []
            await stage.until(121.7)
            assert minutes(told.traded) == [1]

    play(scenario)


@KINDS
def test_bars_missed_while_the_feed_was_down_come_from_history_and_are_not_traded(
    kind: FeedKind,
) -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host, kind) as stage:
            told = stage.subscribe("one")
            await stage.until(190)
            stage.feed.lose()
            await stage.until(430)
            stage.feed.connect()
            await stage.until(700)

            traded = minutes(told.traded)
            assert not {3, 4, 5, 6} & set(traded)
            assert {8, 9, 10} <= set(traded)
            assert_whole(told, stage)
            assert told.of(CandlesBackfilled)

    play(scenario)


@KINDS
def test_a_history_that_is_down_opens_no_session_and_crashes_nobody(kind: FeedKind) -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host, kind) as stage:
            stage.history.is_down = True
            told = stage.subscribe("one")
            await stage.until(300)
            assert not told.of(SeriesOpened)
            assert told.of(PriceMoved)

            stage.history.is_down = False
            await stage.until(400)

            assert len(told.of(SeriesOpened)) == 1
            assert_whole(told, stage)
            assert stage.exits == []
            assert stage.history.asked < 40

    play(scenario)


def test_a_history_that_lags_stops_entries_and_not_the_bars() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host) as stage:
            stage.history.lag_s = 150
            told = stage.subscribe("one")
            await stage.until(170)

            assert [type(each) for each in told.of(CandleClosed)] == [CandleClosed] * 2
            assert told.of(FeedStale)[-1].reason.startswith("bars may be missing")

            stage.history.lag_s = 0
            await stage.until(230)

            assert isinstance(
                [each for each in told.everything if isinstance(each, FeedStale | FeedFresh)][-1],
                FeedFresh,
            )
            assert_whole(told, stage)

    play(scenario)


def test_a_feed_that_cannot_be_started_is_tried_again() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host) as stage:
            stage.feed.failures = 3
            told = stage.subscribe("one")
            await stage.until(30)

            assert stage.feed.starts == 4
            assert told.of(SeriesOpened)
            assert stage.exits == []

    play(scenario)


def test_sessions_that_start_together_make_one_subscription() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host, sessions=("one", "two", "three")) as stage:
            for name in ("one", "two", "three"):
                stage.subscribe(name)
            await stage.until(5)

            assert stage.feed.starts == 1
            assert all(told.of(SeriesOpened) for told in stage.told.values())

    play(scenario)


def test_a_later_session_that_needs_more_history_disturbs_nobody() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host, sessions=("one", "two")) as stage:
            one = stage.subscribe("one", 10)
            await stage.until(130)
            stage.history.is_down = True
            two = stage.subscribe("two", 50)
            await stage.until(250)
            assert minutes(one.traded) == [0, 1, 2, 3]
            assert not two.of(SeriesOpened)

            stage.history.is_down = False
            await stage.until(310)

            (opened,) = two.of(SeriesOpened)
            assert len(opened.candles) == 50
            assert_whole(two, stage)
            assert len(one.of(SeriesOpened)) == 1

    play(scenario)


def test_the_successor_of_a_crash_opens_every_series_again() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host) as stage:
            told = stage.subscribe("one")
            await stage.until(130)

            stage.market.tell("nonsense")
            stage.market.tell(stage.venue.clock())
            await stage.until(310)

            assert len(stage.exits) >= 1
            assert len(told.of(SeriesOpened)) >= 2
            assert_whole(told, stage)
            traded = minutes(told.traded)
            assert traded == sorted(set(traded))
            assert traded[-1] == 4

    play(scenario)


def test_a_silent_feed_is_stale_after_ten_seconds_and_fresh_with_the_next_frame() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host) as stage:
            told = stage.subscribe("one")
            await stage.until(20)
            assert isinstance(flags(told)[-1], FeedFresh)

            stage.feed.is_up = False  # half open: nothing is said, not even that it is lost
            await stage.until(29)
            assert isinstance(flags(told)[-1], FeedFresh)
            await stage.until(32)
            stale = flags(told)[-1]
            assert isinstance(stale, FeedStale)
            assert stale.reason == "no frame for 10 s"

            stage.feed.is_up = True
            await stage.until(35)
            assert isinstance(flags(told)[-1], FeedFresh)

    play(scenario)


def test_heartbeats_alone_do_not_keep_a_steady_instrument_fresh() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host) as stage:
            told = stage.subscribe("one", 30)
            await stage.until(100)
            stage.venue.is_trading = False
            await stage.until(220)
            assert isinstance(flags(told)[-1], FeedFresh)

            await stage.until(230)

            assert isinstance(flags(told)[-1], FeedStale)

    play(scenario)


def test_a_closed_market_is_no_stale_feed_and_gets_its_time_again_when_it_opens() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host) as stage:
            told = stage.subscribe("one", 30)
            await stage.until(100)
            stage.venue.is_trading = stage.venue.is_beating = False
            stage.market.tell(stage.venue.clock(is_open=False))
            await stage.until(900)

            assert [type(each) for each in told.of(MarketOpened) + told.of(MarketClosed)] == [
                MarketOpened,
                MarketClosed,
            ]
            assert isinstance(flags(told)[-1], FeedFresh)

            stage.venue.is_beating = True
            await stage.until(902)
            stage.market.tell(stage.venue.clock())
            await stage.until(1020)
            assert isinstance(flags(told)[-1], FeedFresh)
            await stage.until(1030)
            assert isinstance(flags(told)[-1], FeedStale)

    play(scenario)


def test_sessions_hear_of_the_market_only_when_it_changes() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host) as stage:
            told = stage.subscribe("one")
            for message in (
                stage.venue.clock(),
                ClockUnknown("timeout"),
                ClockUnknown("timeout"),
                stage.venue.clock(),
            ):
                stage.market.tell(message)
            await stage.until(1)

            market = (MarketOpened, MarketClosed, ClockUnknown)
            assert [type(each) for each in told.everything if isinstance(each, market)] == [
                MarketOpened,
                ClockUnknown,
                MarketOpened,
            ]

    play(scenario)


def flags(told: Told) -> list[FeedStale | FeedFresh]:
    return [each for each in told.everything if isinstance(each, FeedStale | FeedFresh)]


def test_a_replaced_bar_is_told_as_a_revision_and_nobody_trades_on_it() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host) as stage:
            told = stage.subscribe("one")
            await stage.until(185)
            corrected = replace(
                stage.venue.bars[-1], close=Price(Decimal(99)), low=Price(Decimal(99)), revision=1
            )

            stage.feed.say(BarReceived(corrected))
            await stage.until(186)

            assert told.of(CandleClosed)[-1].candle == corrected
            assert told.cursor is not None
            assert told.cursor.window()[-1].close == 99
            assert minutes(told.traded) == [0, 1, 2]

    play(scenario)


def test_garbage_doubles_and_strangers_are_counted_and_nothing_is_lost() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host) as stage:
            told = stage.subscribe("one")
            await stage.until(5)
            now = stage.venue.now()

            def tick(price: str, *, seconds: float = 0, trade_id: str = "", name: str = A) -> Tick:
                at = now + timedelta(seconds=seconds)
                one = Quantity(Decimal(1))
                return Tick(InstrumentId(name), Price(Decimal(price)), one, at, now, trade_id)

            for bad in (
                tick("NaN"),
                tick("5", name="ZZZ.TEST"),
                tick("5", seconds=3600),
                tick("100", trade_id="1"),
                tick("100", trade_id="1"),
            ):
                stage.feed.say(TickReceived(bad))
            stage.feed.say(FrameRefused("test", "not json", "<html>"))
            await stage.until(5.1)  # a question goes before what the feed says
            view = await stage.market.ask(DescribeFeed(), 1.0)

            assert (view.refused_count, view.held_count, view.late_count) == (3, 1, 0)
            assert view.is_connected
            assert view.is_market_open
            assert view.series == (f"{A} 1m",)
            assert (view.stale, view.name) == ((), FEED)
            await stage.until(125)
            assert minutes(told.traded) == [0, 1]

    play(scenario)


def test_a_viewer_sees_the_forming_bar_move_and_close_until_it_looks_away() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host, sessions=("one", "viewer")) as stage:
            stage.subscribe("one")
            viewer = stage.runtime.address("viewer")
            stage.market.tell(Watch(A, M1, viewer))
            await stage.until(62)
            told = stage.told["viewer"]

            forming = [each.candle for each in told.of(CandleUpdated)]
            first = [candle for candle in forming if minutes([candle]) == [0]]
            assert len(first) >= 55
            assert not any(candle.is_final for candle in forming)
            assert [candle.volume for candle in first] == sorted(c.volume for c in first)
            assert minutes([each.candle for each in told.of(CandleClosed)]) == [0]

            stage.market.tell(Unwatch(A, M1, viewer))
            await stage.until(63)
            count = len(told.everything)
            await stage.until(70)
            assert len(told.everything) == count

    play(scenario)


def test_the_newest_bars_can_be_read_with_the_forming_one_last() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host) as stage:
            stage.subscribe("one")
            await stage.until(90)

            bars: tuple[Candle, ...] = await stage.market.ask(ReadSeries(A, M1, 3), 1.0)

            assert minutes(bars) == [-2, -1, 0, 1]
            assert [bar.is_final for bar in bars] == [True, True, True, False]
            assert await stage.market.ask(ReadSeries(A, Timeframe.H1, 3), 1.0) == ()

    play(scenario)


def test_a_session_that_missed_something_is_given_it_again() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host) as stage:
            told = stage.subscribe("one")
            await stage.until(190)
            reply_to = stage.runtime.address("one")

            after = START + timedelta(minutes=0)
            stage.market.tell(Backfill(A, M1, after, reply_to))
            await stage.until(191)
            given = told.of(CandlesBackfilled)[-1]
            assert (minutes(given.candles), given.previous_at) == ([1, 2], after)

            stage.market.tell(Backfill(A, M1, START - timedelta(days=9), reply_to))
            await stage.until(192)
            assert len(told.of(SeriesOpened)) == 2

    play(scenario)


def test_a_session_that_has_ended_hears_nothing_more() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host) as stage:
            told = stage.subscribe("one")
            await stage.until(10)
            stage.market.tell(Unsubscribe(next(iter(stage.audience.everyone())).session_id))
            await stage.until(11)
            count = len(told.everything)

            await stage.until(130)

            assert len(told.everything) == count

    play(scenario)


def test_a_timeframe_that_the_feed_cannot_give_is_stale_with_that_reason() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with staged(host) as stage:
            told = stage.subscribe("one", timeframe=Timeframe.S5)
            await stage.until(5)

            assert flags(told)[-1] == FeedStale(
                A,
                "the feed has no bars of 5s",
                flags(told)[-1].since,  # type: ignore[union-attr]
            )

    play(scenario)


def test_two_hundred_sessions_of_one_series_cost_one_question() -> None:
    async def scenario(host: SimulationHost) -> None:
        names = [f"s{number}" for number in range(200)]
        async with staged(host, sessions=names) as stage:
            for name in names:
                stage.subscribe(name)
            await stage.until(3)
            asked = stage.history.asked

            assert asked <= 2
            assert all(told.of(SeriesOpened) for told in stage.told.values())

    play(scenario)


@KINDS
@pytest.mark.parametrize("seed", range(4))
def test_a_feed_that_is_looked_at_when_something_may_change_says_what_a_restless_one_says(
    monkeypatch: pytest.MonkeyPatch, kind: FeedKind, seed: int
) -> None:
    """Restless: four times a second, whatever happens."""

    def day() -> tuple[list[object], int]:
        told: list[object] = []
        looks = 0

        async def scenario(host: SimulationHost) -> None:
            nonlocal looks
            chance = random.Random(seed)
            async with staged(host, kind) as stage:
                one = stage.subscribe("one")
                for at_s in accumulate(chance.choice((3, 20, 45, 140)) for _ in range(12)):
                    await stage.until(at_s)
                    match chance.randrange(6):
                        case 0:
                            stage.feed.lose()
                        case 1:
                            stage.feed.connect()
                        case 2:
                            stage.venue.is_trading ^= True
                        case 3:
                            stage.venue.is_beating ^= True
                        case 4:
                            stage.history.is_down ^= True
                        case _:
                            stage.market.tell(stage.venue.clock(is_open=chance.random() < 0.5))
                await stage.until(1_200)
                told.extend(each for each in one.everything if not isinstance(each, PriceMoved))
                looks = stage.runtime.counters["turns"]

        play(scenario)
        return told, looks

    said, turns = day()
    monkeypatch.setattr(Board, "due_s", lambda _: 0.0)
    restless, restless_turns = day()

    assert _in_two(said) == _in_two(restless)
    assert turns < restless_turns / 1.5


def _in_two(said: list[object]) -> tuple[list[object], list[object]]:
    """Flags and bars; which comes first within a quarter of a second says nothing."""
    flags = [
        each.reason if isinstance(each, FeedStale) else each
        for each in said
        if isinstance(each, FeedStale | FeedFresh)
    ]
    return flags, [each for each in said if not isinstance(each, FeedStale | FeedFresh)]
