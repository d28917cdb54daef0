"""The last gate: asked in the loop turn of the write, and a refusal writes nothing."""

import asyncio
from asyncio import selector_events
from typing import Any

import pytest
from brokers.alpaca_parts import Exchange, Hostile, order_json, settings
from contracts.broker_parts import (
    a_cancel,
    a_limit,
    a_replace,
    an_order,
    recorded,
)

from adapters.brokers.alpaca import open_alpaca
from trader.ids import BrokerOrderId
from trader.ports import Accepted, Account, Answer, LastGate, NotSent

ORDER = an_order("1")
SUCCESSOR = a_limit("2", "91")
BROKER_ID = BrokerOrderId("b-0001")
REFUSAL = NotSent("halted", "by hand")


async def behave(exchange: Exchange) -> None:
    match exchange.line.split(" ")[0]:
        case "DELETE":
            await exchange.answer(204)
        case "PATCH":
            await exchange.answer(200, order_json(SUCCESSOR))
        case "POST":
            await exchange.answer(200, order_json(ORDER))
        case _:
            await exchange.answer(200, {})


async def write(account: Account, kind: str, gate: LastGate) -> Answer:
    match kind:
        case "submit":
            return await account.submit(recorded(ORDER), gate)
        case "replace":
            return await account.replace(a_replace(ORDER, BROKER_ID, SUCCESSOR), gate)
        case _:
            return await account.cancel(a_cancel(ORDER, BROKER_ID), gate)


WRITES = pytest.mark.parametrize("kind", ["submit", "replace", "cancel"])
CONNECTIONS = pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])


@WRITES
@CONNECTIONS
async def test_nothing_else_runs_between_the_gate_and_the_socket(
    kind: str, reused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail: list[str] = []
    transport: Any = selector_events._SelectorSocketTransport  # type: ignore[attr-defined]
    plain_write = transport.write

    def noted_write(self: Any, data: bytes) -> None:
        if data.startswith((b"POST", b"PATCH", b"DELETE")):
            trail.append("write")
        plain_write(self, data)

    def gate() -> None:
        # Whatever else is ready on this loop runs after the present turn, not inside it.
        asyncio.get_running_loop().call_soon(trail.append, "somebody else")
        trail.append("gate")

    monkeypatch.setattr(transport, "write", noted_write)
    async with Hostile(behave) as server, open_alpaca(settings(server.url)) as broker:
        if reused:
            await broker.account.cancel(a_cancel(ORDER, BROKER_ID), lambda: None)
            trail.clear()
        answer = await write(broker.account, kind, gate)

    assert isinstance(answer, Accepted)
    assert trail[:3] == ["gate", "write", "somebody else"]
    assert server.connections_count == 1


@WRITES
@CONNECTIONS
async def test_a_refusal_writes_not_one_byte(kind: str, reused: bool) -> None:
    async with Hostile(behave) as server, open_alpaca(settings(server.url)) as broker:
        if reused:
            await broker.account.cancel(a_cancel(ORDER, BROKER_ID), lambda: None)
        bytes_before = server.bytes_count

        answer = await write(broker.account, kind, lambda: REFUSAL)

        assert answer == REFUSAL
        await broker.account.balance()  # a round trip: nothing of the refused one came before it
    assert [line for line in server.lines if "account" not in line] == (
        ["DELETE /v2/orders/b-0001"] if reused else []
    )
    assert bytes_before == 0 or reused


@WRITES
async def test_the_gate_is_asked_only_once_the_connection_stands(kind: str) -> None:
    connections_at_the_gate: list[int] = []
    async with Hostile(behave) as server, open_alpaca(settings(server.url)) as broker:

        def gate() -> None:
            connections_at_the_gate.append(server.connections_count)

        # The server's side of the handshake is counted in its own turn, so let one pass.
        await write(broker.account, kind, lambda: None)
        await write(broker.account, kind, gate)

    assert connections_at_the_gate == [1]


@WRITES
async def test_without_a_connection_the_gate_is_never_asked(kind: str) -> None:
    asked: list[str] = []
    async with open_alpaca(settings("http://127.0.0.1:1")) as broker:
        answer = await write(broker.account, kind, lambda: asked.append("gate"))

    assert isinstance(answer, NotSent)
    assert answer.reason_code == "unreachable"
    assert asked == []


@WRITES
async def test_a_gate_with_a_bug_lets_nothing_through_and_is_heard(kind: str) -> None:
    def broken() -> NotSent | None:
        raise ZeroDivisionError("a bug")

    async with Hostile(behave) as server, open_alpaca(settings(server.url)) as broker:
        with pytest.raises(ZeroDivisionError):
            await write(broker.account, kind, broken)

        assert server.bytes_count == 0
