"""The venue as a process of its own: its ready line, its death and its memory."""

import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sandbox_doors import PATIENCE_S, Doors, session

ROOT = Path(__file__).parents[2]
FAST = ("--symbols", "AAPL,IBM", "--requests-per-minute", "1000000")


async def spawn(data_dir: Path, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "adapters.sandbox",
        "--data-dir",
        str(data_dir),
        *FAST,
        *options,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def process(
    data_dir: Path, *options: str
) -> AsyncIterator[tuple[Doors, asyncio.subprocess.Process]]:
    """A venue in another process. It ends with the test, however the test ends."""
    child = await spawn(data_dir, *options)
    try:
        assert child.stdout is not None
        line = json.loads(await asyncio.wait_for(child.stdout.readline(), PATIENCE_S))
        async with session() as client:
            secrets = {a["number"]: (a["key"], text(a["secret_file"])) for a in line["accounts"]}
            yield Doors(client, line, secrets, text(line["token_file"])), child
    finally:
        await kill(child)


def text(path: str) -> str:
    return Path(path).read_text()


async def kill(child: asyncio.subprocess.Process) -> None:
    """`kill -9`, unless it is dead already."""
    if child.returncode is None:
        child.kill()
    await child.communicate()


async def history(doors: Doors) -> list[Any]:
    _, page = await doors.call(
        "GET", "/v2/stocks/AAPL/bars", timeframe="1Min", start="2000-01-01", limit="10000"
    )
    return list(page["bars"])


def without_clock(truth: Any) -> Any:
    return {name: truth[name] for name in ("accounts", "rules", "is_open")}


async def test_a_killed_venue_comes_back_with_everything_it_had(tmp_path: Path) -> None:
    async with process(tmp_path, "--paused", "--prefill", "30") as (doors, child):
        await doors.control("POST", "/price", {"symbol": "AAPL", "price": "100"})
        async with doors.updates() as updates:
            await doors.order(qty="10", client_order_id="filled")
            await updates.until("fill")
            resting = await doors.order(
                type="stop", side="sell", qty="4", stop_price="95", client_order_id="stop"
            )
            await updates.until("new")
        await doors.control("POST", "/operator/position", {"symbol": "IBM", "qty": "-3"})
        bars = await history(doors)
        before = await doors.control("GET", "/truth")
        await kill(child)

    async with process(tmp_path, "--paused") as (doors, _):
        after = await doors.control("GET", "/truth")
        assert without_clock(after) == without_clock(before)
        assert after["now"] >= before["now"]
        assert await history(doors) == bars
        assert len(bars) == 30

        async with doors.updates() as updates:
            await doors.control("POST", "/price", {"symbol": "AAPL", "price": "94"})
            fill = await updates.until("fill")
        assert fill["order"]["id"] == resting["id"]
        assert (fill["price"], fill["position_qty"]) == ("94", "6")
        body = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market"}
        body |= {"time_in_force": "day", "client_order_id": "filled"}
        assert (await doors.call("POST", "/v2/orders", body))[0] == 422


async def test_the_venue_s_clock_never_shows_less_than_it_has_shown(tmp_path: Path) -> None:
    shown: list[datetime] = []
    for _ in range(3):
        async with process(tmp_path, "--paused", "--speed", "1000") as (doors, child):
            _, clock = await doors.call("GET", "/v2/clock")
            shown.append(datetime.fromisoformat(clock["sandbox"]["now"]))
            await kill(child)

    assert shown == sorted(shown)


async def test_whatever_was_acknowledged_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    enough = asyncio.Event()

    async def keep_ordering(doors: Doors, lane: int) -> None:
        body = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market"}
        for number in range(10_000):
            client_id = f"{lane}-{number}"
            try:
                status, _ = await doors.call(
                    "POST",
                    "/v2/orders",
                    body | {"time_in_force": "gtc", "client_order_id": client_id},
                )
            except aiohttp.ClientError:
                return
            assert status == 200
            acknowledged.append(client_id)
            if len(acknowledged) == 100:
                enough.set()

    async with process(tmp_path, "--paused", "--cash", "100000000") as (doors, child):
        await doors.control("POST", "/price", {"symbol": "AAPL", "price": "100"})
        lanes = [asyncio.create_task(keep_ordering(doors, lane)) for lane in range(4)]
        await asyncio.wait_for(enough.wait(), PATIENCE_S)
        await kill(child)
        await asyncio.gather(*lanes)

    async with process(tmp_path, "--paused") as (doors, _):
        async with asyncio.timeout(PATIENCE_S):
            # What was pending when it died is settled after the restart.
            while any(order["status"] != "filled" for order in (await doors.truth())["orders"]):
                pass
        truth = await doors.truth()

    known = truth["client_order_ids"]
    assert set(acknowledged) <= set(known)
    assert len(known) == len(set(known)) == len(truth["executions"])
    assert truth["positions"]["AAPL"]["qty"] == str(len(known))


async def test_stamps_of_replayed_bars_never_go_back_over_kills_and_laps(tmp_path: Path) -> None:
    recording = tmp_path / "three.csv"
    recording.write_text(
        "symbol,date,open,high,low,close,volume\n"
        + "".join(f"AAPL,2000-01-0{n},{n},{n}.5,0.5,{n},1000\n" for n in (1, 2, 3))
    )
    options = ("--speed", "1200", "--csv", str(recording), "--prefill", "2")
    seen: list[Any] = []
    for _ in range(3):
        async with process(tmp_path, *options) as (doors, child):
            async with doors.market_data(bars=["AAPL"]) as stream:
                for _ in range(4):
                    seen += await stream.hear()
            await kill(child)

    async with process(tmp_path, *options, "--paused") as (doors, _):
        bars = await history(doors)

    stamps = [datetime.fromisoformat(bar["t"]) for bar in bars]
    gaps = {later - earlier for earlier, later in pairwise(stamps)}
    assert gaps == {timedelta(minutes=1)}
    # Laps of 1, 2, 3, whatever was killed in the middle of a bar.
    opens = [bar["o"] for bar in bars]
    assert opens == [1 + n % 3 for n in range(len(opens))]
    known = {bar["t"]: bar["c"] for bar in bars}
    assert all(known[bar["t"]] == bar["c"] for bar in seen)
    assert [bar["t"] for bar in seen] == sorted({bar["t"] for bar in seen})


async def test_the_ready_line_names_doors_and_files_only_their_owner_can_read(
    tmp_path: Path,
) -> None:
    async with process(tmp_path, "--paused", "--account", "A", "--account", "B") as (doors, child):
        line = doors.line

    assert line["pid"] == child.pid
    assert line["stream_url"] == line["url"].replace("http", "ws") + "/stream"
    assert [account["number"] for account in line["accounts"]] == ["A", "B"]
    for path in (line["token_file"], *(account["secret_file"] for account in line["accounts"])):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert not any(secret in json.dumps(line) for _, secret in doors._keys.values())


async def test_sigterm_ends_the_venue_cleanly_and_says_goodbye_to_streams(tmp_path: Path) -> None:
    async with process(tmp_path, "--paused") as (doors, child):
        async with doors.updates() as updates:
            child.send_signal(signal.SIGTERM)
            frame = await updates.frame()
            assert frame.type is aiohttp.WSMsgType.CLOSE
        _, errors = await asyncio.wait_for(child.communicate(), PATIENCE_S)

    assert (child.returncode, errors) == (0, b"")


async def test_a_venue_that_ends_with_its_parent_leaves_ctrl_c_to_it(tmp_path: Path) -> None:
    async with process(tmp_path, "--paused", "--die-with-parent") as (doors, child):
        child.send_signal(signal.SIGINT)
        assert (await doors.call("GET", "/v2/clock"))[0] == 200
        child.send_signal(signal.SIGTERM)
        await asyncio.wait_for(child.communicate(), PATIENCE_S)

    assert child.returncode == 0


async def test_a_data_directory_serves_one_venue_at_a_time(tmp_path: Path) -> None:
    async with process(tmp_path, "--paused"):
        second = await spawn(tmp_path, "--paused")
        _, errors = await asyncio.wait_for(second.communicate(), PATIENCE_S)

    assert second.returncode == 2
    assert b"belongs to another sandbox venue" in errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--speed", "0"), b"greater than 0"),
        (("--timeframe", "1x"), b"a timeframe is a number"),
        (("--symbols", "NOPE"), b"no row for any of the symbols"),
        (("--csv", "nowhere.csv"), b"nowhere.csv"),
    ],
    ids=["no speed", "no such timeframe", "no such symbol", "no such file"],
)
async def test_a_venue_that_cannot_start_says_why(
    tmp_path: Path, options: tuple[str, ...], message: bytes
) -> None:
    child = await spawn(tmp_path, *options)
    output, errors = await asyncio.wait_for(child.communicate(), PATIENCE_S)

    assert (child.returncode, output) == (2, b"")
    assert message in errors
    assert b"Traceback" not in errors


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a Linux kernel's service")
async def test_the_venue_dies_with_its_parent(tmp_path: Path) -> None:
    parent_code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-m', 'adapters.sandbox', *sys.argv[1:]],"
        " stdout=subprocess.PIPE)\n"
        "print(child.stdout.readline().decode(), end='', flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        parent_code,
        *("--data-dir", str(tmp_path), "--paused", "--die-with-parent", *FAST),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert parent.stdout is not None
    line = json.loads(await asyncio.wait_for(parent.stdout.readline(), PATIENCE_S))
    async with session() as client, client.ws_connect(line["stream_url"]) as socket:
        await kill(parent)

        frame = await asyncio.wait_for(socket.receive(), PATIENCE_S)

    assert frame.type is aiohttp.WSMsgType.CLOSE
