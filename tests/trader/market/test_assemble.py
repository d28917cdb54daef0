"""Trades into candles: the venue's stamps decide, whatever the order of arrival."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from market_parts import M1, A, a_bar, a_tick, at, from_ms, minutes, recorded, rows, values

from trader.instants import Timeframe
from trader.market.assemble import Assembler
from trader.market.candle import Candle
from trader.market.roll_up import RollUp
from trader.market.series import RECENT, Series
from trader.market.tick import Tick
from trader.money import Price, Quantity

NO_TIME = timedelta()


def assembled(
    ticks: list[Tick], timeframe: Timeframe = M1
) -> tuple[Assembler, dict[object, Candle]]:
    """All bars as they stand after these trades, closed ones and the forming one."""
    assembler = Assembler(A, timeframe)
    bars = {candle.opened_at: candle for tick in ticks for candle in assembler.take(tick)}
    for candle in assembler.close_due(at(10**9), NO_TIME):
        bars[candle.opened_at] = candle
    return assembler, bars


def brute_force(ticks: list[Tick], timeframe: Timeframe = M1) -> dict[object, tuple[object, ...]]:
    """The same by sorting and grouping; trades of one instant in the order they came."""
    groups: dict[object, list[Tick]] = {}
    for tick in sorted(ticks, key=lambda each: each.happened_at):
        groups.setdefault(timeframe.open_of(tick.happened_at), []).append(tick)
    return {
        opened_at: (
            opened_at,
            group[0].price,
            max(tick.price for tick in group),
            min(tick.price for tick in group),
            group[-1].price,
            sum((tick.volume for tick in group), Decimal(0)),
        )
        for opened_at, group in groups.items()
    }


TICKS = st.lists(
    st.builds(
        a_tick,
        st.integers(0, 60 * (RECENT + 1) * 4 - 1).map(lambda quarter: quarter / 4),
        st.integers(1, 5),
        st.integers(0, 3),
    ),
    max_size=80,
)


@given(TICKS)
def test_any_order_of_trades_within_the_window_makes_the_same_bars(ticks: list[Tick]) -> None:
    _, bars = assembled(ticks)

    assert {key: values(bar) for key, bar in bars.items()} == brute_force(ticks)


@given(TICKS)
def test_each_revision_of_a_bar_counts_one_up(ticks: list[Tick]) -> None:
    assembler = Assembler(A, M1)
    revisions: dict[object, list[int]] = {}

    for tick in ticks:
        for candle in assembler.take(tick):
            assert candle.is_final
            revisions.setdefault(candle.opened_at, []).append(candle.revision)

    assert all(seen == list(range(len(seen))) for seen in revisions.values())


def test_a_minute_without_trades_has_no_bar() -> None:
    _, bars = assembled([a_tick(10), a_tick(200)])

    assert minutes(bars.values()) == [0, 3]


def test_a_bar_closes_with_the_first_trade_of_a_later_one() -> None:
    assembler = Assembler(A, M1)

    assert assembler.take(a_tick(59.9)) == ()
    assert minutes(assembler.take(a_tick(60))) == [0]


def test_a_bar_closes_when_feed_time_has_passed_its_end_and_not_before() -> None:
    assembler = Assembler(A, M1)
    assembler.take(a_tick(30))

    assert assembler.close_due(at(60.9), timedelta(seconds=1)) == ()
    assert minutes(assembler.close_due(at(61), timedelta(seconds=1))) == [0]
    assert assembler.close_due(at(62), timedelta(seconds=1)) == ()


def test_a_trade_after_the_close_revises_its_bar() -> None:
    assembler = Assembler(A, M1)
    assembler.take(a_tick(30, 100))
    assembler.close_due(at(61), NO_TIME)

    (revised,) = assembler.take(a_tick(59, 90))

    assert (revised.revision, revised.low, revised.close) == (1, 90, 90)


def test_a_trade_older_than_the_window_is_counted_and_changes_nothing() -> None:
    ticks = [a_tick(60 * minute) for minute in range(RECENT + 1)]
    assembler, _ = assembled(ticks)
    assembler.take(a_tick(60 * (RECENT + 1)))

    assert assembler.take(a_tick(1, 5)) == ()
    assert assembler.late_count == 1


def test_the_forming_bar_shows_every_trade() -> None:
    assembler = Assembler(A, M1)
    assert assembler.forming is None
    assembler.take(a_tick(1, 100))
    assembler.take(a_tick(2, 105))

    forming = assembler.forming

    assert forming is not None
    assert (forming.is_final, forming.close, forming.volume) == (False, 105, 2)


def recorded_trades() -> list[Tick]:
    return [
        Tick(
            A,
            Price(Decimal(row["price"])),
            Quantity(Decimal(row["size"])),
            from_ms(row["ts"]),
            from_ms(row["ts"]),
            row["trade_id"],
        )
        for row in rows("xrp_eth_trades_2019-10.csv.gz")
    ]


def recorded_bars(name: str, timeframe: Timeframe) -> list[Candle]:
    return [
        Candle(
            A,
            timeframe,
            from_ms(row["ts"]),
            *(Price(Decimal(row[key])) for key in ("open", "high", "low", "close")),
            Quantity(Decimal(row["volume"])),
        )
        for row in rows(name)
    ]


def test_recorded_trades_make_exactly_the_recorded_minutes() -> None:
    recorded("xrp_eth_trades_2019-10.csv.gz")
    ticks = recorded_trades()

    for name, timeframe in (("xrp_eth_1m", M1), ("xrp_eth_5m", Timeframe.M5)):
        oracle = recorded_bars(f"{name}_2019-10.csv.gz", timeframe)
        _, bars = assembled(ticks, timeframe)

        assert [values(bars[at_]) for at_ in sorted(bars)] == [values(bar) for bar in oracle]


def test_recorded_minutes_roll_up_to_exactly_the_recorded_five_minutes() -> None:
    roll_up = RollUp(A, Timeframe.M5)
    long_bars = [
        bar for part in recorded_bars("xrp_eth_1m_2019-10.csv.gz", M1) for bar in roll_up.take(part)
    ]
    long_bars += roll_up.close_due(at(10**9), NO_TIME)

    oracle = recorded_bars("xrp_eth_5m_2019-10.csv.gz", Timeframe.M5)

    assert [values(bar) for bar in long_bars] == [values(bar) for bar in oracle]


def test_a_gappy_market_keeps_its_gaps() -> None:
    """Every recorded bar as one trade at its close: the same bars, and none in between."""
    stamps = [from_ms(row["ts"]) for row in rows("alt_btc_1m_gappy_2017-11.csv.gz")]
    assembler, series = Assembler(A, M1), Series((), len(stamps))
    for stamp in stamps:
        tick = a_tick((stamp - at(0)).total_seconds())
        series.extend(assembler.take(tick))
    series.extend(assembler.close_due(stamps[-1] + timedelta(days=1), NO_TIME))

    assert [candle.opened_at for candle in series.window()] == stamps


def test_a_long_bar_closes_with_its_last_part() -> None:
    roll_up = RollUp(A, Timeframe.M5)

    assert [roll_up.take(a_bar(minute)) for minute in range(4)] == [()] * 4
    (bar,) = roll_up.take(a_bar(4, 107))

    assert (bar.close, bar.volume, bar.is_final) == (107, 5, True)


def test_a_replaced_part_revises_the_long_bar() -> None:
    roll_up = RollUp(A, Timeframe.M5)
    for minute in range(6):
        roll_up.take(a_bar(minute))

    assert roll_up.take(a_bar(2)) == ()
    (bar,) = roll_up.take(a_bar(2, 111, revision=1))

    assert (minutes([bar]), bar.high, bar.revision) == ([0], 111, 1)


@given(st.lists(st.tuples(st.integers(0, 29), st.integers(1, 9)), max_size=60))
def test_parts_in_any_order_make_the_same_long_bars(parts: list[tuple[int, int]]) -> None:
    roll_up = RollUp(A, Timeframe.M5)
    bars: dict[object, Candle] = {}
    newest: dict[int, int] = {}
    for minute, close in parts:
        newest[minute] = close
        for bar in roll_up.take(a_bar(minute, close)):
            bars[bar.opened_at] = bar
    for bar in roll_up.close_due(at(10**9), NO_TIME):
        bars[bar.opened_at] = bar

    straight = RollUp(A, Timeframe.M5)
    expected = [bar for m in sorted(newest) for bar in straight.take(a_bar(m, newest[m]))]
    expected += straight.close_due(at(10**9), NO_TIME)

    assert [values(bars[key]) for key in sorted(bars, key=str)] == [values(b) for b in expected]
