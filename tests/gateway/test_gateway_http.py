"""The loopback door: who gets in, what is shown, what is refused and how."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from gateway_fakes import BAR, CONFIG, ORDER, FakeDesk

from adapters.gateway.auth import BearerAuthority, OwnerAuthority, Scope, ensure_token
from adapters.gateway.connections import listening
from adapters.gateway.http import http_doorway, serve_http
from adapters.gateway.metrics import Metrics
from adapters.gateway.socket import socket_doorway
from trader.config import AdminConfig
from trader.errors import ConfigInvalid, StoreUnavailable
from trader.orders.order import Status

RESOURCES = [
    "status",
    "sessions",
    "sessions/aapl-sma",
    "sessions/aapl-sma/why",
    "sessions/aapl-sma/decisions",
    "sessions/aapl-sma/bars",
    "orders",
    f"orders/{ORDER}",
    "positions",
    "fills",
    "trades",
    "heat",
    "accounts",
    "feeds",
    "actors",
    "dead-letters",
    "config",
]


async def body_of(response: aiohttp.ClientResponse) -> Any:
    return json.loads(await response.read())


@pytest.mark.parametrize("path", RESOURCES)
async def test_every_resource_is_shown_to_the_token_and_to_nobody_else(
    client: aiohttp.ClientSession, stranger: aiohttp.ClientSession, path: str
) -> None:
    async with client.get(f"/api/v1/{path}") as response:
        assert response.status == 200
        assert response.content_type == "application/json"
    async with stranger.get(f"/api/v1/{path}") as response:
        assert response.status == 401
        assert response.content_type == "application/problem+json"
        assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "Bearer ü"]
)
async def test_anything_but_the_token_as_a_bearer_is_refused(
    stranger: aiohttp.ClientSession, token: str, header: str
) -> None:
    headers = {"Authorization": header.format(token=token)}

    async with stranger.get("/api/v1/status", headers=headers) as response:
        assert response.status == 401


async def test_a_token_in_the_query_or_a_cookie_opens_nothing(
    stranger: aiohttp.ClientSession, token: str
) -> None:
    async with stranger.get(f"/api/v1/heat?token={token}") as response:
        assert response.status == 401
    async with stranger.get("/api/v1/heat", cookies={"token": token}) as response:
        assert response.status == 401


@pytest.mark.parametrize("door", ["http", "socket"])
def test_every_route_has_a_scope_and_only_the_probes_are_open(
    desk: FakeDesk, metrics: Metrics, door: str
) -> None:
    doorway = (
        http_doorway(desk, OwnerAuthority(), metrics, CONFIG)
        if door == "http"
        else socket_doorway(desk, metrics, CONFIG)
    )

    scopes = {
        route.resource.canonical: doorway.scopes[route.handler]
        for route in doorway.app.router.routes()
        if route.resource is not None
    }

    assert [path for path, scope in scopes.items() if scope is Scope.OPEN] == [
        "/healthz",
        "/readyz",
    ]
    commands = {path for path, scope in scopes.items() if scope in (Scope.TRADE, Scope.ADMIN)}
    assert bool(commands) is (door == "socket")


async def test_a_route_that_nobody_gave_a_scope_is_not_served(
    desk: FakeDesk, metrics: Metrics, token: str
) -> None:
    doorway = http_doorway(desk, BearerAuthority(token), metrics, CONFIG)
    routes = {route.handler: route for route in doorway.app.router.routes()}
    heat = next(handler for handler in routes if getattr(handler, "__name__", "") == "heat")
    del doorway.scopes[heat]

    async with (
        listening(doorway.app, CONFIG) as url,
        aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"}) as session,
        session.get("/api/v1/heat") as response,
    ):
        assert response.status == 403


@pytest.mark.parametrize("verb", ["halt", "resume", "reconcile", "sessions/aapl-sma/close"])
async def test_http_commands_nothing_even_with_the_token(
    client: aiohttp.ClientSession, desk: FakeDesk, verb: str
) -> None:
    async with client.post(f"/api/v1/{verb}", json={"reason": "x"}) as response:
        assert response.status in (404, 405)

    assert desk.told == []


async def test_money_is_plain_text_and_instants_end_in_z(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/v1/sessions/aapl-sma/bars") as response:
        (bar,) = (await body_of(response))["items"]

    assert bar["volume"] == "1000"
    assert bar["close"] == "130.31"
    assert bar["opened_at"] == "2026-11-20T14:33:00Z"


async def test_a_list_is_asked_for_by_page_and_names_its_next_one(
    client: aiohttp.ClientSession, desk: FakeDesk
) -> None:
    query = f"session=aapl-sma&open=true&limit=1&after={ORDER}"
    async with client.get(f"/api/v1/orders?{query}") as response:
        assert (await body_of(response))["next"] == ORDER
    async with client.get("/api/v1/orders?limit=2") as response:
        assert (await body_of(response))["next"] is None

    assert desk.asked == [("aapl-sma", True, 1, ORDER), (None, False, 2, None)]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "bogus=1", "limit=1&limit=2", "after=a%20b", "open=canary"],
)
async def test_a_wrong_query_is_refused_without_repeating_it(
    client: aiohttp.ClientSession, query: str
) -> None:
    async with client.get(f"/api/v1/orders?{query}") as response:
        assert response.status == 400
        text = await response.text()

    assert json.loads(text)["title"] == "bad query"
    assert not {"canary", "bogus", "501"} & set(text.replace('"', " ").split())


async def test_an_unknown_name_is_a_404_that_does_not_repeat_it(
    client: aiohttp.ClientSession,
) -> None:
    async with client.get("/api/v1/sessions/canary/why") as response:
        assert response.status == 404
        assert "canary" not in await response.text()


@pytest.mark.parametrize(
    ("failure", "status"),
    [(TimeoutError(), 504), (StoreUnavailable("canary"), 503), (KeyError("canary"), 500)],
)
async def test_a_desk_that_fails_is_said_so_and_its_words_stay_inside(
    client: aiohttp.ClientSession, desk: FakeDesk, failure: Exception, status: int
) -> None:
    desk.failure = failure

    async with client.get("/api/v1/sessions") as response:
        assert response.status == status
        problem = await body_of(response)

    assert "canary" not in str(problem)
    assert problem["trace_id"] == response.headers["X-Request-ID"]


async def test_a_browser_that_comes_from_somewhere_is_turned_away(
    client: aiohttp.ClientSession,
) -> None:
    async with client.get("/api/v1/heat", headers={"Origin": "http://evil.example"}) as response:
        assert response.status == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [("evil.example", 421), ("evil.example:80", 421), ("localhost:1", 200), ("127.0.0.1", 200)],
)
async def test_a_foreign_name_that_resolves_to_us_is_turned_away(
    client: aiohttp.ClientSession, host: str, status: int
) -> None:
    async with client.get("/api/v1/heat", headers={"Host": host}) as response:
        assert response.status == status


async def test_health_says_only_that_the_loop_turns(
    stranger: aiohttp.ClientSession, desk: FakeDesk
) -> None:
    desk.failure = TimeoutError()

    async with stranger.get("/healthz") as response:
        assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize(("is_ready", "status"), [(True, 200), (False, 503)])
async def test_readiness_is_a_code_for_everybody_and_a_list_for_the_token(
    client: aiohttp.ClientSession,
    stranger: aiohttp.ClientSession,
    desk: FakeDesk,
    is_ready: bool,
    status: int,
) -> None:
    desk.is_ready = is_ready

    async with stranger.get("/readyz") as response:
        assert (response.status, await response.read()) == (status, b"")
    async with client.get("/readyz") as response:
        assert response.status == status
        assert (await body_of(response))["checks"][0]["name"] == "reconcile"


async def test_a_desk_that_does_not_answer_is_not_ready(
    stranger: aiohttp.ClientSession, desk: FakeDesk
) -> None:
    desk.failure = TimeoutError()

    async with stranger.get("/readyz") as response:
        assert response.status == 503


async def test_no_answer_tells_the_servers_version(stranger: aiohttp.ClientSession) -> None:
    for path in ("/healthz", "/nowhere", "/api/v1/heat"):
        async with stranger.get(path) as response:
            assert response.headers["Server"] == "trader"
            assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_metrics_need_the_token_and_carry_what_has_happened(
    client: aiohttp.ClientSession, stranger: aiohttp.ClientSession, metrics: Metrics
) -> None:
    metrics.order_reached(Status.FILLED)
    metrics.order_acknowledged(0.004)
    metrics.bar_decided(0.0004)
    metrics.journal_wrote(0.002)
    metrics.reconcile_broke("missed_fill")

    async with stranger.get("/metrics") as response:
        assert response.status == 401
    async with client.get("/metrics") as response:
        page = (await response.text()).splitlines()

    for line in (
        'trader_orders_total{status="FILLED"} 1.0',
        'trader_reconcile_breaks_total{kind="missed_fill"} 1.0',
        "trader_order_ack_seconds_count 1.0",
        'trader_bar_to_decision_seconds_bucket{le="0.0005"} 1.0',
        "trader_db_write_seconds_count 1.0",
        "trader_ready 1.0",
        "trader_heat_ratio 0.013031",
        'trader_heat_level{level="UNKNOWN"} 1.0',
        'trader_trading_state{state="HALTED"} 1.0',
        'trader_trading_state{state="ACTIVE"} 0.0',
        "trader_unknown_orders 1.0",
        'trader_reconcile_age_seconds{session="aapl-sma"} 12.25',
        'trader_entries_blocked{reason_code="heat_block",session="aapl-sma"} 1.0',
        'trader_feed_lag_seconds{feed="alpaca"} 0.1',
        'trader_actor_mailbox_messages{actor_class="RealtimeTrader"} 7.0',
        'trader_actor_restarts_total{actor_class="RealtimeTrader"} 2.0',
        'trader_build_info{mode="paper",version="0.1.0"} 1.0',
    ):
        assert line in page


async def test_metrics_go_on_when_the_desk_does_not_answer(
    client: aiohttp.ClientSession, desk: FakeDesk, metrics: Metrics
) -> None:
    desk.failure = TimeoutError()
    metrics.order_reached(Status.FILLED)

    async with client.get("/metrics") as response:
        page = (await response.text()).splitlines()

    assert 'trader_orders_total{status="FILLED"} 1.0' in page
    assert "trader_ready 0.0" in page


async def test_bars_can_be_followed_line_by_line_until_the_session_ends(
    client: aiohttp.ClientSession, desk: FakeDesk
) -> None:
    desk.bars_to_follow = [BAR, BAR]

    async with client.get("/api/v1/sessions/aapl-sma/bars?follow=true") as response:
        lines = (await response.text()).splitlines()

    assert [json.loads(line)["close"] for line in lines] == ["130.31"] * 3
    assert desk.stopped_following


async def raw(url: str, sent: bytes) -> bytes:
    """What the server says to these bytes until it closes."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(sent)
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()
        await writer.wait_closed()


async def test_what_is_not_http_gets_an_answer_that_repeats_none_of_it(url: str) -> None:
    said = await raw(url, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Cana\xffry: canary\r\n\r\n")

    assert b" 400 " in said.partition(b"\r\n")[0]
    assert b"canary" not in said.lower()
    assert b"aiohttp" not in said.lower()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: loc", id="half a header"),
        pytest.param(
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf",
            id="half a body",
        ),
    ],
)
async def test_a_connection_held_open_for_nothing_is_closed(url: str, sent: bytes) -> None:
    started = asyncio.get_running_loop().time()

    said = await raw(url, sent)

    assert asyncio.get_running_loop().time() - started < 3
    assert said == b"" or b"408" in said


async def test_a_full_house_turns_away_and_has_room_again_later(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    crowd = [await asyncio.open_connection(host, int(port)) for _ in range(CONFIG.connections_max)]
    assert await raw(url, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""

    for _, writer in crowd:
        writer.close()
        await writer.wait_closed()

    async with asyncio.timeout(5):
        while not (await raw(url, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")):
            pass


async def test_a_body_beyond_the_limit_is_refused(client: aiohttp.ClientSession) -> None:
    async with client.get("/healthz", data=b"x" * 70_000) as response:
        assert response.status == 413


async def test_a_port_that_is_taken_is_said_in_words(
    url: str, desk: FakeDesk, metrics: Metrics
) -> None:
    taken = AdminConfig(port=int(url.rpartition(":")[2]))

    with pytest.raises(ConfigInvalid, match=r"admin\.port \d+: address already in use"):
        async with serve_http(desk, OwnerAuthority(), metrics, taken):
            pass


def test_the_token_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    token = ensure_token(tmp_path / "token")

    assert ensure_token(tmp_path / "token") == token
    assert len(token) >= 43
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("k9Xw2mQz7LpV4tRb8NcY1sHd6FjG3aEu", 0o644, "others may read"),
        ("tooshorttoken", 0o600, "too short or too simple"),
        ("a" * 64, 0o600, "too short or too simple"),
        ("", 0o600, "too short or too simple"),
    ],
)
def test_a_token_that_others_know_or_could_guess_is_refused_at_start(
    tmp_path: Path, text: str, mode: int, message: str
) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    file.chmod(mode)

    with pytest.raises(ConfigInvalid, match=message) as caught:
        ensure_token(file)

    assert not text or text not in str(caught.value)


def test_a_token_file_that_points_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("k9Xw2mQz7LpV4tRb8NcY1sHd6FjG3aEu")
    (tmp_path / "token").symlink_to(tmp_path / "real")

    with pytest.raises(ConfigInvalid, match="plain file"):
        ensure_token(tmp_path / "token")
