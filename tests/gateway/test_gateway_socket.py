"""The unix socket: for the owner alone, and the only door that commands."""

import json
import socket
from pathlib import Path

import aiohttp
import pytest
from gateway_fakes import CONFIG, FakeDesk

from adapters.gateway.metrics import Metrics
from adapters.gateway.socket import serve_socket
from trader.errors import ConfigInvalid
from trader.views import CommandResult


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("halt", {"reason": "lunch"}, ("halt", "", "lunch")),
        (
            "resume",
            {"reason": "back", "confirmation": "RESUME"},
            ("resume", "", "back", "RESUME"),
        ),
        ("sessions/aapl-sma/close", {"reason": "enough"}, ("close", "aapl-sma", "enough")),
        ("reconcile", {}, ("reconcile", "")),
        ("reconcile", {"session": "aapl-sma"}, ("reconcile", "aapl-sma")),
    ],
)
async def test_a_command_reaches_the_desk_and_its_answer_comes_back(
    owner: aiohttp.ClientSession,
    desk: FakeDesk,
    path: str,
    body: dict[str, str],
    told: tuple[str, ...],
) -> None:
    async with owner.post(f"/api/v1/{path}", json=body) as response:
        assert response.status == 200
        answer = json.loads(await response.read())

    assert desk.told == [told]
    assert answer["result"] == "DONE"
    assert answer["orders"][0]["status"] == "UNKNOWN"


async def test_the_socket_shows_what_http_shows(owner: aiohttp.ClientSession) -> None:
    for path in ("/api/v1/status", "/api/v1/heat", "/readyz", "/metrics"):
        async with owner.get(path) as response:
            assert response.status == 200


async def test_what_safety_refuses_is_a_409_with_the_command_in_it(
    owner: aiohttp.ClientSession, desk: FakeDesk
) -> None:
    desk.result = CommandResult.REFUSED

    async with owner.post("/api/v1/resume", json={"reason": "x", "confirmation": "no"}) as response:
        assert response.status == 409
        assert json.loads(await response.read())["detail"] == "so be it"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{}", 400),
        ('{"reason": ""}', 400),
        ('{"reason": 5}', 400),
        ('{"reason": "x", "force": true}', 400),
        ('{"reason": "x", "reason": "y"}', 400),
        ('{"reason": NaN}', 400),
        ("[" * 100_000, 413),
        ("[" * 5_000, 400),
        ("[]", 400),
        ("canary", 400),
        ('{"reason": "' + "x" * 501 + '"}', 400),
    ],
)
async def test_a_body_that_is_not_exactly_the_command_orders_nothing(
    owner: aiohttp.ClientSession, desk: FakeDesk, body: str, status: int
) -> None:
    headers = {"Content-Type": "application/json"}

    async with owner.post("/api/v1/halt", data=body, headers=headers) as response:
        assert response.status == status
        assert "canary" not in await response.text()

    assert desk.told == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_only_plain_json_is_taken(
    owner: aiohttp.ClientSession, desk: FakeDesk, headers: dict[str, str]
) -> None:
    async with owner.post("/api/v1/halt", data=b'{"reason": "x"}', headers=headers) as response:
        assert response.status == 415

    assert desk.told == []


async def test_a_page_in_a_browser_commands_nothing(
    owner: aiohttp.ClientSession, desk: FakeDesk
) -> None:
    async with owner.post(
        "/api/v1/halt", json={"reason": "x"}, headers={"Origin": "http://evil.example"}
    ) as response:
        assert response.status == 403

    assert desk.told == []


async def test_a_session_that_does_not_exist_cannot_be_closed(
    owner: aiohttp.ClientSession,
) -> None:
    async with owner.post("/api/v1/sessions/nobody/close", json={"reason": "x"}) as response:
        assert response.status == 404


async def test_the_socket_is_its_owners_alone_and_goes_with_the_daemon(
    desk: FakeDesk, tmp_path: Path
) -> None:
    path = tmp_path / "trader.sock"

    async with serve_socket(desk, Metrics(), CONFIG, path):
        assert path.stat().st_mode & 0o777 == 0o600

    assert not path.exists()


async def test_what_a_killed_daemon_left_is_replaced(desk: FakeDesk, tmp_path: Path) -> None:
    path = tmp_path / "trader.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    async with serve_socket(desk, Metrics(), CONFIG, path) as address:
        assert address == str(path)


async def test_a_second_daemon_does_not_take_the_first_ones_door(
    socket_path: Path, owner: aiohttp.ClientSession, desk: FakeDesk
) -> None:
    with pytest.raises(ConfigInvalid, match="another daemon answers there"):
        async with serve_socket(desk, Metrics(), CONFIG, socket_path):
            pass

    async with owner.get("/healthz") as response:
        assert response.status == 200


async def test_a_path_too_long_for_a_socket_says_what_to_do(desk: FakeDesk, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"set admin\.socket to a shorter one"):
        async with serve_socket(desk, Metrics(), CONFIG, tmp_path / ("x" * 200)):
            pass
