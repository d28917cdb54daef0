"""The history of bars, and the pace of live ones."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sandbox_doors import PATIENCE_S, Doors, open_doors
from sandbox_floor import START, Floor

from adapters.sandbox.clock import VenueClock
from adapters.sandbox.events import BarClosed, Happening
from adapters.sandbox.host import Host
from adapters.sandbox.pace import Pacer
from adapters.sandbox.prices import RandomWalk
from adapters.sandbox.storage import CommandJournal, Durability

MINUTE = timedelta(minutes=1)
LONG_AGO = "2000-01-01"


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with open_doors(
        tmp_path, symbols=("AAPL", "IBM"), prefill_count=12, start_at="2026-03-02T15:00:30Z"
    ) as (doors, _):
        yield doors


async def pages(doors: Doors, **query: str) -> list[tuple[str, Any]]:
    """Every bar of every page, with its symbol."""
    rows: list[tuple[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        status, page = await doors.call(
            "GET", "/v2/stocks/bars", symbols="IBM,AAPL", start=LONG_AGO, **query, **token
        )
        assert status == 200, page
        here = [(symbol, bar) for symbol, bars in page["bars"].items() for bar in bars]
        assert len(here) <= int(query.get("limit", "1000"))
        rows += here
        if page["next_page_token"] is None:
            return rows
        token = {"page_token": page["next_page_token"]}


@pytest.mark.parametrize("sort", ["asc", "desc"])
async def test_pages_of_bars_join_without_hole_or_double(doors: Doors, sort: str) -> None:
    whole = await pages(doors, timeframe="1Min", sort=sort)

    assert await pages(doors, timeframe="1Min", sort=sort, limit="5") == whole
    assert [symbol for symbol, _ in whole] == ["AAPL"] * 12 + ["IBM"] * 12
    stamps = [bar["t"] for symbol, bar in whole if symbol == "AAPL"]
    assert stamps == sorted(set(stamps), reverse=sort == "desc")


async def test_history_ends_right_before_the_live_start(doors: Doors) -> None:
    rows = await pages(doors, timeframe="1Min")

    first, last = rows[0][1], rows[11][1]
    assert (first["t"], last["t"]) == (
        "2026-03-02T14:49:00.000000Z",
        "2026-03-02T15:00:00.000000Z",
    )
    assert set(first) == {"t", "o", "h", "l", "c", "v", "n", "vw"}
    assert first["l"] <= min(first["o"], first["c"]) <= first["vw"] <= first["h"]


async def test_start_and_end_are_both_included(doors: Doors) -> None:
    _, page = await doors.call(
        "GET",
        "/v2/stocks/AAPL/bars",
        timeframe="1Min",
        start="2026-03-02T14:50:00Z",
        end="2026-03-02T14:52:00Z",
    )

    minutes = [bar["t"][14:16] for bar in page["bars"]]
    assert (page["symbol"], minutes, page["next_page_token"]) == ("AAPL", ["50", "51", "52"], None)


async def test_longer_timeframes_are_gathered_from_the_venue_s_own(doors: Doors) -> None:
    ones = [bar for symbol, bar in await pages(doors, timeframe="1Min") if symbol == "AAPL"]
    fives = [bar for symbol, bar in await pages(doors, timeframe="5Min") if symbol == "AAPL"]

    assert [bar["t"][11:16] for bar in fives] == ["14:45", "14:50", "14:55", "15:00"]
    full = [bar for bar in ones if "14:50" <= bar["t"][11:16] < "14:55"]
    assert len(full) == 5
    assert (fives[1]["o"], fives[1]["c"]) == (full[0]["o"], full[-1]["c"])
    assert fives[1]["h"] == max(bar["h"] for bar in full)
    assert fives[1]["l"] == min(bar["l"] for bar in full)
    assert fives[1]["v"] == sum(bar["v"] for bar in full)


@pytest.mark.parametrize("timeframe", ["", "1Fortnight", "0Min", "30Sec"])
async def test_a_timeframe_the_venue_has_not_is_refused(doors: Doors, timeframe: str) -> None:
    status, refusal = await doors.call(
        "GET", "/v2/stocks/AAPL/bars", timeframe=timeframe, start=LONG_AGO
    )

    assert (status, refusal["code"]) == (400, 40010001)


@pytest.mark.parametrize(
    "query",
    [{"limit": "0"}, {"limit": "-1"}, {"start": "soon"}, {"page_token": "%%%"}],
    ids=["limit 0", "limit -1", "a start that is no time", "a token not ours"],
)
async def test_a_malformed_question_is_refused(doors: Doors, query: dict[str, str]) -> None:
    status, refusal = await doors.call("GET", "/v2/stocks/AAPL/bars", timeframe="1Min", **query)

    assert (status, refusal["code"]) == (422, 40010001)


async def test_after_standing_still_the_path_goes_on_at_the_next_whole_minute_without_a_burst(
    tmp_path: Path,
) -> None:
    elapsed_s = 0.0
    journal = CommandJournal(tmp_path / "journal", Durability.PROCESS)
    list(journal.replay())
    floor = Floor()
    host = Host(floor.venue, VenueClock(START, 1e6, lambda: elapsed_s), journal, 0)
    pacer = Pacer(host, RandomWalk(["XYZ"], 7, floor.cash(), 0.001), MINUTE, 0)
    stamps: list[datetime] = []
    three = asyncio.Event()

    def listen(happenings: list[Happening]) -> None:
        stamps.extend(h.bar.opened_at for h in happenings if isinstance(h, BarClosed))
        if len(stamps) == 3:
            three.set()

    host.listeners.append(listen)
    pacer.begin(0, 0)
    elapsed_s = 10 * 60.5 / 1e6
    pacer.resume()
    playing = asyncio.create_task(pacer.run())
    await asyncio.wait_for(three.wait(), PATIENCE_S)
    playing.cancel()
    journal.close()

    assert stamps == [START + n * MINUTE for n in (11, 12, 13)]
