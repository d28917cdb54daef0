"""Real money asks to be configured twice, and nothing leaves before the handshake fits."""

from typing import Any

import pytest
from brokers.alpaca_parts import (
    KEY,
    SECRET,
    Exchange,
    Hostile,
    order_json,
    settings,
)
from contracts.broker_parts import ACCOUNT, a_cancel, an_order, recorded
from pydantic import SecretStr

from adapters.brokers.alpaca import AlpacaSettings, WrongAccount, open_alpaca
from trader.accounts.events import BalanceReported
from trader.config import Mode
from trader.errors import ConfigInvalid
from trader.ids import BrokerOrderId
from trader.orders.events import QueryFailed
from trader.ports import Accepted, NotSent

ORDER = an_order("1")
LIVE = {"mode": Mode.LIVE, "live_account_id": "REAL-1"}


def told(**changes: Any) -> AlpacaSettings:
    return AlpacaSettings(ACCOUNT, SecretStr(KEY), SecretStr(SECRET), **changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"mode": Mode.LIVE}, "live_account_id"),
        ({"url": "https://api.alpaca.markets"}, "real money"),
        ({"stream_url": "wss://api.alpaca.markets/stream"}, "real money"),
        ({"url": "http://paper-api.alpaca.markets"}, "unencrypted"),
        ({"data_stream_url": "ws://stream.data.alpaca.markets/v2/iex"}, "unencrypted"),
    ],
)
def test_a_half_configured_live_account_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigInvalid, match=problem):
        told(**changes)


def test_the_paper_host_and_a_loopback_venue_need_nothing_more() -> None:
    assert told().mode is Mode.PAPER
    assert settings("http://127.0.0.1:8080").mode is Mode.PAPER
    assert told(url="https://api.alpaca.markets", **LIVE).mode is Mode.LIVE


def test_the_settings_show_no_secret() -> None:
    assert SECRET not in repr(told())
    assert KEY not in repr(told())


def account_json(number: str) -> dict[str, object]:
    return {
        "account_number": number, "status": "ACTIVE", "currency": "USD", "cash": "1", "equity": "1",
        "buying_power": "1", "trading_blocked": False, "account_blocked": False,
        "trade_suspended_by_user": False,
    }  # fmt: skip


@pytest.mark.parametrize("number", ["REAL-1", "SOMEBODY-ELSE"])
async def test_in_live_mode_nothing_leaves_before_the_handshake_fits(number: str) -> None:
    async def behave(exchange: Exchange) -> None:
        if "account" in exchange.line:
            await exchange.answer(200, account_json(number))
        else:
            await exchange.answer(200, order_json(ORDER))

    async with (
        Hostile(behave) as server,
        open_alpaca(settings(server.url, **LIVE)) as broker,
    ):
        early = await broker.account.submit(recorded(ORDER), lambda: None)
        assert isinstance(early, NotSent)
        assert server.lines == []

        handshake = await broker.account.verify()
        late = await broker.account.submit(recorded(ORDER), lambda: None)
        cancel = await broker.account.cancel(a_cancel(ORDER, BrokerOrderId("b")), lambda: None)

    if number == "REAL-1":
        assert isinstance(handshake, BalanceReported)
        assert isinstance(late, Accepted)
    else:
        assert handshake == WrongAccount("REAL-1", number)
        assert isinstance(late, NotSent)
        assert isinstance(cancel, NotSent)
        assert not any("orders" in line for line in server.lines)


async def test_a_handshake_that_failed_verifies_nothing() -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.answer(500)

    async with (
        Hostile(behave) as server,
        open_alpaca(settings(server.url, **LIVE)) as broker,
    ):
        assert isinstance(await broker.account.verify(), QueryFailed)
        assert isinstance(await broker.account.submit(recorded(ORDER), lambda: None), NotSent)
