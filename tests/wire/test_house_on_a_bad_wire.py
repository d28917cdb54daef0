"""The whole house, its venue in another process, and a network between them that falls silent."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from system.house_stage import HouseStage, house_stage, stage_settings, until
from wire.proxy import Proxy

from actors.app import venues
from adapters.brokers.alpaca import AlpacaSettings
from trader.ids import SessionId
from trader.market import staleness
from trader.orders.order import Status

pytestmark = pytest.mark.slow

AAPL = SessionId("aapl")
SESSIONS = {
    AAPL: {"symbol": "AAPL", "strategy": "Held"},
    "ibm": {"symbol": "IBM", "strategy": "Restless"},
}
SILENT_S = 3.0  # without a frame: the feed is stale (in truth 10, which tests/system waits for)
SEEN_S = SILENT_S + 7.0  # and this machine is busy
BACK_S = 20.0


@dataclass
class Wires:
    """What lies between the house and its venue."""

    requests: Proxy
    streams: Proxy


@pytest.fixture
async def wires(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wires]:
    """Every login of a house that is opened now goes through these."""
    venue: list[str] = []
    login_of = venues.login_of

    def routed(*told: object) -> AlpacaSettings:
        login = login_of(*told)  # type: ignore[arg-type]
        venue.append(login.url)
        at = f"127.0.0.1:{streams.port}"
        return replace(
            login,
            url=f"http://127.0.0.1:{requests.port}",
            data_url=f"http://127.0.0.1:{requests.port}",
            stream_url=urlsplit(login.stream_url)._replace(netloc=at).geturl(),
            data_stream_url=urlsplit(login.data_stream_url)._replace(netloc=at).geturl(),
            connect_timeout_s=1.0,
            read_timeout_s=0.8,
            total_timeout_s=1.5,
            heartbeat_s=1.0,
            reconnect_wait_s_max=0.2,
        )

    async def dial() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(venue[0])
        return await asyncio.open_connection(parts.hostname, parts.port)

    monkeypatch.setattr(venues, "login_of", routed)
    monkeypatch.setattr(staleness, "FRAME_AGE_S_MAX", SILENT_S)
    async with Proxy(dial) as requests, Proxy(dial) as streams:
        yield Wires(requests, streams)


@pytest.fixture
def folder(in_memory: Path) -> Path:
    """The house's own."""
    folder = in_memory / str(len(list(in_memory.iterdir())))
    folder.mkdir()
    return folder


def fall_silent(proxy: Proxy) -> None:
    """Half-open, what stands and what will be dialed."""
    proxy.each = lambda link: link.swallow()
    for link in proxy.links:
        link.swallow()


async def is_in(stage: HouseStage) -> bool:
    """Whether AAPL is held and its stop rests at the venue."""
    state = await stage.state(AAPL)
    stop = state.protective()
    return state.position.qty > 0 and stop is not None and stop.broker_order_id is not None


async def sold(stage: HouseStage) -> Decimal:
    """How much AAPL the venue has sold for us; the strategy itself never does."""
    executions = (await stage.control.truth())["executions"]
    ours = [each for each in executions if (each["symbol"], each["side"]) == ("AAPL", "sell")]
    return sum((Decimal(each["qty"]) for each in ours), Decimal(0))


async def is_out(stage: HouseStage) -> bool:
    return await sold(stage) == 10


async def test_with_every_stream_silent_nothing_enters_an_exit_leaves_and_all_of_it_comes_back(
    folder: Path, wires: Wires
) -> None:
    async with house_stage(stage_settings(folder, SESSIONS)) as stage:
        await until(lambda: is_in(stage))
        fall_silent(wires.streams)

        async def is_seen() -> bool:
            state = await stage.state(AAPL)
            return not state.is_line_up and not state.is_feed_fresh

        await until(is_seen, SEEN_S)
        await stage.desk.close(AAPL, "drill")
        await until(lambda: is_out(stage), 5.0)
        state = await stage.state(AAPL)
        assert not state.is_feed_fresh  # it was still so

        wires.streams.heal()
        await until(lambda: is_in(stage), BACK_S)
        await stage.control.ask("POST", "/pause")
        await stage.agreed(BACK_S)
        assert await sold(stage) == 10
        assert stage.crashes == []


async def test_with_every_request_lost_an_exit_is_under_way_and_in_the_end_done_once(
    folder: Path, wires: Wires
) -> None:
    async with house_stage(stage_settings(folder, SESSIONS)) as stage:
        await until(lambda: is_in(stage))
        fall_silent(wires.requests)
        await stage.desk.close(AAPL, "drill")

        async def is_under_way() -> bool:
            # Its stop holds the shares: first of all that one must be canceled.
            orders = (await stage.state(AAPL)).orders.values()
            return Status.PENDING_CANCEL in [each.status for each in orders]

        await until(is_under_way)
        await until(lambda: len(wires.requests.links) > 10, SEEN_S)  # it was asked about, in vain
        assert await stage.venue_qty("AAPL") == 10
        wires.requests.heal()

        await until(lambda: is_out(stage), BACK_S)
        await stage.control.ask("POST", "/pause")
        await stage.agreed(BACK_S)
        assert await sold(stage) == 10
        assert stage.crashes == []
