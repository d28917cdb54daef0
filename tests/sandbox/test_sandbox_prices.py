"""Where prices come from, and how they are paced."""

import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.sandbox.clock import VenueClock, next_boundary
from adapters.sandbox.commands import Move
from adapters.sandbox.limits import TokenBucket
from adapters.sandbox.prices import RandomWalk, Slot, load_replay, shipped_recording
from adapters.sandbox.tape import Path as PricePath


def prints(slot: Slot, symbol: str) -> list[tuple[str, int]]:
    moves = [move for step in slot for move in step.moves if move.symbol == symbol]
    return [(str(move.price), int(move.volume)) for move in moves]


def test_a_bar_is_walked_as_open_extreme_extreme_close_and_its_volume_is_kept(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("ts,open,high,low,close,volume\n60000,10,12,9,11,1003\n120000,11,12,8,9,1000\n")

    replay = load_replay({None: path}, ["XYZ"])

    assert prints(replay.slot(0), "XYZ") == [("10", 250), ("9", 250), ("12", 250), ("11", 253)]
    falling = replay.slot(1)
    assert prints(falling, "XYZ") == [("11", 250), ("12", 250), ("8", 250), ("9", 250)]
    assert [step.fraction for step in falling] == [0, 0.25, 0.5, 0.75]
    assert [step.moves[0].path for step in falling] == [PricePath.GAP] + [PricePath.WALK] * 3


def test_a_recording_starts_over_when_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("ts,open,high,low,close,volume\n60000,1,1,1,1,4\n120000,2,2,2,2,4\n")

    replay = load_replay({"XYZ": path}, ["XYZ"])

    assert [prints(replay.slot(n), "XYZ")[0][0] for n in range(5)] == ["1", "2", "1", "2", "1"]


def test_symbols_that_traded_at_one_instant_share_a_slot(tmp_path: Path) -> None:
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text("ts,open,high,low,close,volume\n60000,1,1,1,1,4\n180000,3,3,3,3,4\n")
    other.write_text("ts,open,high,low,close,volume\n120000,2,2,2,2,4\n180000,4,4,4,4,4\n")

    replay = load_replay({"ONE": one, "OTHER": other}, ["ONE", "OTHER"])

    assert [bool(prints(replay.slot(n), "ONE")) for n in range(3)] == [True, False, True]
    assert [bool(prints(replay.slot(n), "OTHER")) for n in range(3)] == [False, True, True]


def test_recorded_trades_keep_their_moments_within_the_minute(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv.gz"
    with gzip.open(path, "wt") as lines:
        lines.write("ts,price,size\n60000,10,5\n75000,11,6\n75000,12,1\n120001,13,7\n")

    replay = load_replay({None: path}, ["XYZ"])

    first = replay.slot(0)
    assert [step.fraction for step in first] == [0, 0.25, 0.25]
    assert first[1].moves == (Move("XYZ", Decimal(11), Decimal(6), PricePath.GAP),)
    assert prints(replay.slot(1), "XYZ") == [("13", 7)]


def test_the_shipped_recording_has_twelve_years_of_five_stocks() -> None:
    with shipped_recording() as path:
        replay = load_replay({None: path}, ["AAPL", "FB", "GOOG", "IBM", "MSFT"])

    assert prints(replay.slot(0), "AAPL")[0] == ("118.56", 2404025)
    assert prints(replay.slot(0), "FB") == []
    last = replay.slot(-1)
    assert all(prints(last, symbol) for symbol in ("AAPL", "FB", "GOOG", "IBM", "MSFT"))


def test_a_file_that_does_not_name_its_symbol_needs_one(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("ts,open,high,low,close,volume\n60000,1,1,1,1,4\n")

    with pytest.raises(ValueError, match="SYMBOL="):
        load_replay({None: path}, ["ONE", "OTHER"])


def test_a_seeded_walk_repeats_itself_from_any_slot() -> None:
    walk = RandomWalk(["ONE", "OTHER"], 7, Decimal(100), 0.001)
    forward = [walk.slot(n) for n in range(50)]

    assert walk.slot(10) == forward[10]
    assert RandomWalk(["OTHER", "ONE"], 7, Decimal(100), 0.001).slot(49) is not None
    again = RandomWalk(["ONE", "OTHER"], 7, Decimal(100), 0.001)
    assert [again.slot(n) for n in range(50)] == forward
    other = RandomWalk(["ONE", "OTHER"], 8, Decimal(100), 0.001)
    assert [other.slot(n) for n in range(50)] != forward


def test_the_venue_s_clock_runs_faster_than_the_host_s() -> None:
    elapsed = 100.0
    start = datetime(2026, 3, 2, tzinfo=UTC)
    clock = VenueClock(start, 60.0, lambda: elapsed)

    elapsed += 2

    assert clock.now() == start + timedelta(minutes=2)


def test_bars_begin_at_whole_timeframes() -> None:
    minute = timedelta(minutes=1)
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)

    assert next_boundary(noon, minute) == noon
    assert next_boundary(noon + timedelta(microseconds=1), minute) == noon + minute
    late = datetime(2026, 3, 2, 23, 59, 30, tzinfo=UTC)
    assert next_boundary(late, timedelta(minutes=5)) == datetime(2026, 3, 3, tzinfo=UTC)


def test_a_token_bucket_refills_evenly_and_holds_one_minute() -> None:
    now = 0.0
    bucket = TokenBucket(60, lambda: now)

    assert [bucket.take() for _ in range(61)] == [True] * 60 + [False]
    assert bucket.full_in_s == 60
    now = 1.5
    assert [bucket.take(), bucket.take()] == [True, False]
    now = 1000.0
    assert [bucket.take() for _ in range(61)] == [True] * 60 + [False]
