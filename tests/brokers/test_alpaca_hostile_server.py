"""The error taxonomy over real sockets: what is unknown, what was never sent, what is final."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from brokers.alpaca_parts import (
    KEY,
    SECRET,
    Behaviour,
    Exchange,
    Hostile,
    order_json,
    settings,
)
from contracts.broker_parts import (
    AT,
    Ears,
    a_cancel,
    a_limit,
    a_replace,
    an_order,
    recorded,
)
from yarl import URL

from adapters.brokers import alpaca_http
from adapters.brokers.alpaca import AlpacaVenue, open_alpaca
from trader.accounts.events import AccountAuthFailed
from trader.ids import BrokerOrderId
from trader.instants import Timeframe
from trader.orders.events import OrderAbsent, QueryFailed
from trader.ports import (
    Accepted,
    AccountEvent,
    Answer,
    ExecutionsReported,
    NotSent,
    OrdersReported,
    Rejected,
    Unknown,
)

ORDER = an_order("1")
SUCCESSOR = a_limit("2", "91")
BROKER_ID = BrokerOrderId("b-0001")

Write = Callable[[AlpacaVenue], Awaitable[Answer]]


async def submit(broker: AlpacaVenue) -> Answer:
    return await broker.account.submit(recorded(ORDER), lambda: None)


async def replace(broker: AlpacaVenue) -> Answer:
    return await broker.account.replace(a_replace(ORDER, BROKER_ID, SUCCESSOR), lambda: None)


async def cancel(broker: AlpacaVenue) -> Answer:
    return await broker.account.cancel(a_cancel(ORDER, BROKER_ID), lambda: None)


WRITES = pytest.mark.parametrize("write", [submit, replace, cancel])


async def reset_without_a_word(exchange: Exchange) -> None:
    exchange.cut()


async def reset_inside_the_head(exchange: Exchange) -> None:
    await exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Le")
    exchange.cut()


async def reset_inside_the_body(exchange: Exchange) -> None:
    await exchange.raw(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"id": "b-0001", ')
    exchange.cut()


async def accept_and_never_answer(exchange: Exchange) -> None:
    await exchange.never()


async def drip_for_ever(exchange: Exchange) -> None:
    await exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:  # always quicker than the read timeout: only the total one ends it
        await exchange.raw(b" ")
        await asyncio.sleep(0.05)


async def not_http_at_all(exchange: Exchange) -> None:
    await exchange.raw(b"220 mail.example ESMTP\r\n\r\n")


async def html_with_200(exchange: Exchange) -> None:
    page = b"<html><body>Please sign in to the hotel's network</body></html>"
    await exchange.answer(200, page, {"Content-Type": "text/html"})


async def another_order(exchange: Exchange) -> None:
    await exchange.answer(200, order_json(an_order("999")))


async def half_an_order(exchange: Exchange) -> None:
    await exchange.answer(200, b'{"id": "b-0001", "client_order_id"')


async def nothing_in_json(exchange: Exchange) -> None:
    await exchange.answer(200, b"null")


async def a_redirect(exchange: Exchange) -> None:
    await exchange.answer(307, b"", {"Location": "/elsewhere"})


async def gateway_timeout(exchange: Exchange) -> None:
    await exchange.answer(504, b"<html>504</html>")


async def overloaded_in_json(exchange: Exchange) -> None:
    await exchange.answer(503, {"code": 50310000, "message": "overloaded"})


async def refused_by_a_gateway(exchange: Exchange) -> None:
    await exchange.answer(403, b"<html>Access denied</html>")


async def a_swollen_reply(exchange: Exchange) -> None:
    await exchange.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await exchange.raw(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


SLOW = [accept_and_never_answer, drip_for_ever]
QUICK = [
    reset_without_a_word, reset_inside_the_head, reset_inside_the_body, not_http_at_all,
    html_with_200, another_order, half_an_order, nothing_in_json, a_redirect, gateway_timeout,
    overloaded_in_json, refused_by_a_gateway, a_swollen_reply,
]  # fmt: skip


@WRITES
@pytest.mark.parametrize("behaviour", QUICK + SLOW)
async def test_what_was_sent_and_not_answered_in_the_venues_words_is_unknown(
    write: Write, behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alpaca_http, "BODY_BYTES_MAX", 300_000)
    async with Hostile(behaviour) as server, open_alpaca(settings(server.url)) as broker:
        answer = await write(broker)

        assert isinstance(answer, Unknown)
        assert len(server.lines) == 1  # and it was sent once


@WRITES
async def test_a_dead_reused_connection_never_makes_the_client_send_twice(write: Write) -> None:
    async def answer_once_then_die(exchange: Exchange) -> None:
        if exchange.number == 1:
            await exchange.answer(200, {})
        else:
            exchange.cut()

    async with (
        Hostile(answer_once_then_die) as server,
        open_alpaca(settings(server.url)) as broker,
    ):
        await broker.account.balance()  # leaves a connection to be used again
        answer = await write(broker)

        assert isinstance(answer, Unknown)
        assert len([line for line in server.lines if "orders" in line]) == 1
        assert server.connections_count == 1


@WRITES
async def test_giving_up_on_what_was_sent_leaves_it_unknown(write: Write) -> None:
    arrived = asyncio.Event()

    async def swallow(exchange: Exchange) -> None:
        arrived.set()
        await exchange.never()

    async with Hostile(swallow) as server, open_alpaca(settings(server.url)) as broker:
        task = asyncio.ensure_future(write(broker))
        await arrived.wait()
        task.cancel()

        assert await task == Unknown("canceled")


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://127.0.0.1:1", id="refused"),
        pytest.param("http://nowhere.invalid", id="no such host"),
    ],
)
@WRITES
async def test_without_a_connection_nothing_was_sent(
    write: Write, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = settings("http://127.0.0.1:1")
    object.__setattr__(told, "url", url)  # a name in the clear is refused by the settings
    async with open_alpaca(told) as broker:
        answer = await write(broker)

    assert isinstance(answer, NotSent)
    assert answer.reason_code == "unreachable"


@WRITES
async def test_a_broken_tls_handshake_means_that_nothing_was_sent(write: Write) -> None:
    async def never_called(exchange: Exchange) -> None:
        raise AssertionError("a request came through")

    async with Hostile(never_called) as server:
        url = server.url.replace("http", "https")
        async with open_alpaca(settings(url)) as broker:
            answer = await write(broker)

    assert isinstance(answer, NotSent)
    assert answer.reason_code == "unreachable"


def says(status: int, code: int | None, message: str = "no", **extra: Any) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        named = {} if code is None else {"code": code}
        await exchange.answer(status, named | {"message": message} | extra)

    return behave


FUNDS = {"buying_power": "1", "cost_basis": "2"}
SHARES = {"available": "0", "existing_qty": "5", "held_for_orders": "5", "symbol": "AAPL"}
WASH = {"existing_order_id": "b-9", "reject_reason": "opposite side limit order exists"}


@pytest.mark.parametrize(
    ("write", "behaviour", "code"),
    [
        pytest.param(submit, says(403, 40310000, **FUNDS), "insufficient_funds", id="funds"),
        pytest.param(submit, says(403, 40310000, **SHARES), "insufficient_shares", id="shares"),
        pytest.param(submit, says(403, 40310000, **WASH), "wash_trade", id="wash trade"),
        pytest.param(submit, says(403, 40310000), "forbidden", id="suspended"),
        pytest.param(submit, says(422, 42210000), "invalid", id="sub-penny"),
        pytest.param(submit, says(400, 40010000), "invalid", id="bad request"),
        pytest.param(submit, says(401, 40110000), "auth_failed", id="bad keys"),
        pytest.param(submit, says(403, None, "forbidden."), "auth_failed", id="bad keys, bare"),
        pytest.param(replace, says(422, 42210000), "not_replaceable", id="too late to replace"),
        pytest.param(replace, says(404, 40410000), "not_found", id="nothing to replace"),
        pytest.param(cancel, says(422, 42210000), "not_cancelable", id="too late to cancel"),
        pytest.param(cancel, says(404, 40410000), "not_found", id="nothing to cancel"),
    ],
)
async def test_a_refusal_in_the_venues_own_words_is_final(
    write: Write, behaviour: Behaviour, code: str
) -> None:
    async with Hostile(behaviour) as server, open_alpaca(settings(server.url)) as broker:
        answer = await write(broker)

        assert isinstance(answer, Rejected)
        assert answer.code == code
        assert len(server.lines) == 1


@pytest.mark.parametrize("write", [submit, replace])
async def test_a_duplicate_id_is_not_a_refusal_because_the_first_may_exist(write: Write) -> None:
    behaviour = says(422, 40010001, "client_order_id must be unique")
    async with Hostile(behaviour) as server, open_alpaca(settings(server.url)) as broker:
        assert await write(broker) == Unknown("duplicate_or_malformed")


@WRITES
async def test_a_rate_limit_in_the_venues_words_means_not_accepted(write: Write) -> None:
    behaviour = says(429, 42910000, "too many requests")
    async with Hostile(behaviour) as server, open_alpaca(settings(server.url)) as broker:
        answer = await write(broker)

        assert isinstance(answer, Rejected)
        assert answer.code == "rate_limited"


async def test_refused_keys_ring_the_alarm_for_writes_and_for_questions() -> None:
    async with (
        Hostile(says(401, 40110000)) as server,
        open_alpaca(settings(server.url)) as broker,
    ):
        ears: Ears[AccountEvent] = Ears()
        await broker.account.start(ears)
        ears.heard.clear()

        await submit(broker)
        await ears.until_a(AccountAuthFailed)
        ears.heard.clear()
        answer = await broker.account.positions()

        await ears.until_a(AccountAuthFailed)
        assert isinstance(answer, QueryFailed)
        assert answer.reason.startswith("auth_failed")


Question = Callable[[AlpacaVenue], Awaitable[object]]
QUESTIONS = pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda broker: broker.account.find(ORDER.id), id="find"),
        pytest.param(lambda broker: broker.account.open_orders(), id="open_orders"),
        pytest.param(lambda broker: broker.account.positions(), id="positions"),
        pytest.param(lambda broker: broker.account.executions(None), id="executions"),
        pytest.param(
            lambda broker: broker.account.executions("2026-03-02T15:00:00+00:00"),
            id="executions from a cursor",
        ),
        pytest.param(lambda broker: broker.account.balance(), id="balance"),
        pytest.param(lambda broker: broker.venue.clock(), id="clock"),
        pytest.param(lambda broker: broker.venue.instruments([ORDER.instrument]), id="instruments"),
        pytest.param(
            lambda broker: broker.history.bars(ORDER.instrument, Timeframe.M1, limit=5), id="bars"
        ),
    ],
)


@QUESTIONS
@pytest.mark.parametrize("behaviour", QUICK)
async def test_a_failed_question_is_never_an_empty_answer(
    ask: Question, behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alpaca_http, "BODY_BYTES_MAX", 300_000)
    monkeypatch.setattr("adapters.retry.READ_ATTEMPTS_MAX", 1)
    async with Hostile(behaviour) as server, open_alpaca(settings(server.url)) as broker:
        answer = await ask(broker)

        assert isinstance(answer, QueryFailed)
        assert answer.reason


@pytest.mark.parametrize("behaviour", SLOW)
async def test_a_question_does_not_wait_for_ever(
    behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.retry.READ_ATTEMPTS_MAX", 1)
    async with Hostile(behaviour) as server, open_alpaca(settings(server.url)) as broker:
        answer = await broker.account.find(ORDER.id)

        assert isinstance(answer, QueryFailed)
        assert answer.reason.startswith("timeout")


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
async def test_an_empty_list_is_flat_only_with_a_200(status: int) -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.answer(status, [])

    impatient = {"queue_wait_s_max": 0.05}  # with the pause that a 429 brings
    async with Hostile(behave) as server, open_alpaca(settings(server.url, **impatient)) as broker:
        assert isinstance(await broker.account.positions(), QueryFailed)
        assert isinstance(await broker.account.find(ORDER.id), QueryFailed)


@pytest.mark.parametrize(
    ("long_value", "is_flat"),
    [pytest.param("0", True, id="and no worth"), pytest.param("950.5", False, id="but some worth")],
)
async def test_an_empty_list_is_believed_only_if_the_account_holds_nothing(
    long_value: str, is_flat: bool
) -> None:
    async def behave(exchange: Exchange) -> None:
        worth = {"long_market_value": long_value, "short_market_value": "0"}
        await exchange.answer(200, [] if "positions" in exchange.line else worth)

    async with Hostile(behave) as server, open_alpaca(settings(server.url)) as broker:
        answer = await broker.account.positions()

        assert isinstance(answer, QueryFailed) is not is_flat


async def test_a_question_is_asked_again_after_a_hiccup() -> None:
    async def stumble_once(exchange: Exchange) -> None:
        if exchange.number == 1:
            await exchange.answer(503)
        else:
            await exchange.answer(404, {"code": 40410000, "message": "order not found"})

    async with Hostile(stumble_once) as server, open_alpaca(settings(server.url)) as broker:
        assert isinstance(await broker.account.find(ORDER.id), OrderAbsent)
        assert len(server.lines) == 2


async def test_a_listing_cut_after_its_first_page_is_a_failure() -> None:
    page = [
        order_json(an_order(str(n)), submitted_at=f"2026-03-02T15:00:00.{n:06}Z")
        for n in range(500)
    ]

    async def cut_the_second_page(exchange: Exchange) -> None:
        if "after" in exchange.line:
            exchange.cut()
        else:
            await exchange.answer(200, page)

    async with (
        Hostile(cut_the_second_page) as server,
        open_alpaca(settings(server.url)) as broker,
    ):
        assert isinstance(await broker.account.open_orders(), QueryFailed)


async def test_orders_of_one_instant_are_all_listed_where_a_page_ends_between_them() -> None:
    orders = [
        order_json(an_order(str(n)), submitted_at=f"2026-03-02T15:00:00.{n // 130:06}Z")
        for n in range(1300)
    ]

    async def list_pages(exchange: Exchange) -> None:
        query = URL(exchange.line.split(" ")[1]).query
        after = datetime.fromisoformat(query.get("after", "1970-01-01T00:00:00Z"))
        found = [o for o in orders if datetime.fromisoformat(o["submitted_at"]) > after]
        await exchange.answer(200, found[: int(query["limit"])])

    async with Hostile(list_pages) as server, open_alpaca(settings(server.url)) as broker:
        answer = await broker.account.open_orders()

        assert isinstance(answer, OrdersReported)
        assert [r.client_order_id for r in answer.reports] == [o["client_order_id"] for o in orders]


async def test_a_listing_that_does_not_move_on_is_a_failure() -> None:
    page = [order_json(an_order(str(n))) for n in range(500)]

    async def stand_still(exchange: Exchange) -> None:
        await exchange.answer(200, page)

    async with Hostile(stand_still) as server, open_alpaca(settings(server.url)) as broker:
        assert isinstance(await broker.account.open_orders(), QueryFailed)
        assert len(server.lines) == 2


async def test_executions_are_asked_for_with_an_overlap_because_some_are_listed_late() -> None:
    async def nothing_new(exchange: Exchange) -> None:
        await exchange.answer(200, [])

    cursor = "2026-03-02T15:00:00+00:00"
    async with Hostile(nothing_new) as server, open_alpaca(settings(server.url)) as broker:
        answer = await broker.account.executions(cursor)

        assert isinstance(answer, ExecutionsReported)
        assert answer.cursor == cursor  # nothing seen: it stays where it was
        query = URL(server.lines[0].split(" ")[1]).query
        assert datetime.fromisoformat(query["after"]) == AT - timedelta(minutes=2)


async def test_the_keys_do_not_follow_a_redirect() -> None:
    async with Hostile(a_redirect) as server, open_alpaca(settings(server.url)) as broker:
        assert isinstance(await broker.account.find(ORDER.id), QueryFailed)
        assert len(server.lines) == 1


async def test_no_secret_is_shown_whatever_goes_wrong(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[object] = []
    behaviours = (
        reset_without_a_word, html_with_200, not_http_at_all, gateway_timeout, a_redirect,
        says(401, 40110000),
    )  # fmt: skip
    for behaviour in behaviours:
        async with Hostile(behaviour) as server, open_alpaca(settings(server.url)) as broker:
            ears: Ears[AccountEvent] = Ears()
            await broker.account.start(ears)
            shown += [await submit(broker), await cancel(broker), await broker.account.positions()]
            shown += [settings(server.url), broker, ears.heard]

    text = repr(shown) + caplog.text
    assert SECRET not in text
    assert KEY not in text


async def test_a_good_reply_is_accepted_despite_fields_of_the_future() -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.answer(200, order_json(ORDER))

    async with Hostile(behave) as server, open_alpaca(settings(server.url)) as broker:
        assert await submit(broker) == Accepted(BROKER_ID)
