"""Reading and writing Alpaca's words: exact, and never surprised."""

from decimal import Decimal
from typing import Any

import orjson
import pytest
from brokers.alpaca_parts import no_floats, order_json
from contracts.broker_parts import (
    AAPL,
    ACCOUNT,
    AT,
    a_limit,
    a_replace,
    an_order,
)
from hypothesis import given
from hypothesis import strategies as st

from adapters.brokers import alpaca_json as read
from adapters.brokers.alpaca_answers import Reply, Write, cancel_answer, order_answer
from adapters.brokers.alpaca_market_wire import candle_of, instrument_of, tick_of, venue_clock
from adapters.brokers.alpaca_wire import Wire, order_body, replace_body
from trader.accounts.events import FrameRefused
from trader.errors import BrokerProtocolError
from trader.ids import BrokerOrderId
from trader.instants import Timeframe
from trader.money import price_of, quantity_of
from trader.orders.events import OrderFilled, OrderReported
from trader.orders.order import OrderType, Side, Status, TimeInForce
from trader.ports import Accepted, NotSent, Rejected, Unknown

WIRE = Wire(ACCOUNT, "ALPACA")
ORDER = an_order("1")
NOT_AMOUNTS = [
    "NaN", "Infinity", "-Infinity", "sNaN", "1e400", "1e99", "", "ten", "0x10", None, True, 10,
    Decimal("10.5"), [], {},
]  # fmt: skip


@pytest.mark.parametrize("value", NOT_AMOUNTS, ids=repr)
@pytest.mark.parametrize("field", ["qty", "filled_qty"])
def test_what_is_not_a_decimal_text_is_no_quantity(field: str, value: object) -> None:
    with pytest.raises(BrokerProtocolError, match=field):
        WIRE.report(order_json(ORDER) | {field: value})


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-1", "0", 1, Decimal("1.5"), "1e400"])
@pytest.mark.parametrize("field", ["limit_price", "stop_price", "filled_avg_price"])
def test_what_is_not_a_decimal_text_above_zero_is_no_price(field: str, value: object) -> None:
    with pytest.raises(BrokerProtocolError, match=field):
        WIRE.report(order_json(ORDER) | {field: value})


@pytest.mark.parametrize(
    "body",
    [b"NaN", b'{"p": Infinity}', b"[-Infinity]", b"[" * 100_000, b"\xff\xfe", b"", b"<html>",
     b'{"p": 1e9999999999999999999999}', b"1" * 5000],
    ids=["NaN", "Infinity", "-Infinity", "deep", "not UTF-8", "empty", "HTML", "exponent", "long"],
)  # fmt: skip
def test_what_is_not_json_is_refused_and_nothing_else_happens(body: bytes) -> None:
    with pytest.raises(BrokerProtocolError):
        read.exact_json(body)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value="0.0001", max_value="100000"))
def test_a_number_on_the_tape_keeps_its_own_digits(price: Decimal) -> None:
    data = read.exact_json(b'{"p": %s}' % format(price, "f").encode())

    assert read.market_price(data, "p") == price
    assert no_floats(data)


@given(st.binary(max_size=300), st.integers(100, 599))
def test_garbage_never_becomes_an_answer_with_a_meaning(body: bytes, status: int) -> None:
    reply = Reply(status, body)

    for write in (Write.SUBMIT, Write.REPLACE):
        assert isinstance(order_answer(reply, write, ORDER.id), Unknown)
    if status != 204:
        assert isinstance(cancel_answer(reply, BrokerOrderId("b")), Unknown)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*order_json(ORDER), "code", "message", "event", "order"]), inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON, st.integers(100, 599))
def test_any_json_is_read_or_refused_but_never_crashes(value: Any, status: int) -> None:
    reply = Reply(status, orjson.dumps(value))
    answer = order_answer(reply, Write.SUBMIT, ORDER.id)

    assert isinstance(answer, Accepted | Rejected | Unknown | NotSent)
    assert not isinstance(answer, Accepted) or status < 300
    assert not isinstance(answer, Rejected) or 400 <= status < 500
    for reader in (
        WIRE.report,
        WIRE.position,
        lambda v: WIRE.balance(v, AT),
        lambda v: WIRE.trade_update(v, AT),
        lambda v: WIRE.activity(v, "", AT),
        venue_clock,
        lambda v: instrument_of(v, AAPL),
        lambda v: tick_of(read.an_object(v), AAPL, AT),
        lambda v: candle_of(read.an_object(v), AAPL, Timeframe.M1, 0),
    ):
        try:
            reader(value)
        except BrokerProtocolError:
            continue


@given(st.dictionaries(st.sampled_from(list(order_json(ORDER))), JSON, max_size=4))
def test_an_order_with_broken_fields_is_read_or_refused_but_never_crashes(
    broken: dict[str, Any],
) -> None:
    try:
        report = WIRE.report(order_json(ORDER) | broken)
    except BrokerProtocolError:
        return
    assert report.qty.is_finite()
    assert report.cum_qty.is_finite()


@pytest.mark.parametrize(
    ("word", "filled", "status"),
    [
        ("new", "0", Status.ACCEPTED),
        ("pending_new", "0", Status.ACCEPTED),
        ("accepted", "0", Status.ACCEPTED),
        ("held", "0", Status.ACCEPTED),
        ("suspended", "3", Status.PARTIALLY_FILLED),
        ("done_for_day", "3", Status.PARTIALLY_FILLED),
        ("partially_filled", "3", Status.PARTIALLY_FILLED),
        ("filled", "10", Status.FILLED),
        ("canceled", "3", Status.CANCELED),
        ("replaced", "0", Status.CANCELED),
        ("expired", "0", Status.EXPIRED),
        ("rejected", "0", Status.REJECTED),
        ("pending_cancel", "0", Status.PENDING_CANCEL),
        ("pending_replace", "0", Status.PENDING_UPDATE),
        ("liquidated_by_aliens", "0", Status.ACCEPTED),
        ("liquidated_by_aliens", "3", Status.PARTIALLY_FILLED),
    ],
)
def test_each_status_word_has_one_meaning_and_a_new_one_counts_as_working(
    word: str, filled: str, status: Status
) -> None:
    report = WIRE.report(order_json(ORDER, status=word, filled_qty=filled))

    assert report.status is status
    assert (word == "liquidated_by_aliens") == ("unknown to us" in report.text)
    assert (report.text == "replaced") == (word == "replaced")


@pytest.mark.parametrize(
    ("prices", "kind"),
    [
        ({}, OrderType.MARKET),
        ({"limit_price": "1"}, OrderType.LIMIT),
        ({"stop_price": "1"}, OrderType.STOP_MARKET),
        ({"limit_price": "1", "stop_price": "1"}, OrderType.STOP_LIMIT),
    ],
)
def test_an_order_type_of_the_future_is_known_by_its_prices(
    prices: dict[str, str], kind: OrderType
) -> None:
    data = order_json(ORDER, type="quantum", time_in_force="until_noon") | prices

    report = WIRE.report(data)

    assert report.type is kind
    assert report.tif is TimeInForce.DAY


def test_a_fill_is_told_before_the_order_that_it_changed() -> None:
    order = order_json(ORDER, status="partially_filled", filled_qty="4", filled_avg_price="99.5")
    frame = {
        "event": "partial_fill", "execution_id": "e-1", "timestamp": "2026-03-02T15:00:01.5Z",
        "order": order, "price": "99.5", "qty": "4", "position_qty": "4",
    }  # fmt: skip

    filled, reported = WIRE.trade_update(frame, AT)

    assert isinstance(filled, OrderFilled)
    assert isinstance(reported, OrderReported)
    fill = filled.fill
    assert (fill.execution_id, fill.client_order_id, fill.qty, fill.price, fill.cum_qty) == (
        "e-1", ORDER.id, 4, Decimal("99.5"), 4,
    )  # fmt: skip
    assert (reported.report.cum_qty, reported.report.avg_px) == (4, Decimal("99.5"))


def test_a_fill_has_one_id_on_the_stream_and_in_the_activities() -> None:
    uuid = "8efc7b9a-8b2b-4000-9955-d36e7db0df74"
    activity = {
        "id": f"20260302100001500::{uuid}", "activity_type": "FILL", "order_id": "b-0001",
        "transaction_time": "2026-03-02T15:00:01.5Z", "type": "fill", "price": "99.5",
        "qty": "10", "cum_qty": "10", "leaves_qty": "0", "side": "sell_short", "symbol": "AAPL",
    }  # fmt: skip

    fill = WIRE.activity(activity, ORDER.id, AT)

    assert fill.execution_id == uuid
    assert fill.side is Side.SELL


@pytest.mark.parametrize("event", ["trade_bust", "trade_correct"])
def test_a_busted_trade_is_counted_because_the_book_of_fills_is_no_longer_true(event: str) -> None:
    events = WIRE.trade_update({"event": event, "order": order_json(ORDER)}, AT)

    assert [type(e) for e in events] == [OrderReported, FrameRefused]


@pytest.mark.parametrize("event", ["order_cancel_rejected", "restated", "an_event_of_the_future"])
def test_an_event_without_a_fill_is_the_order_as_it_stands(event: str) -> None:
    events = WIRE.trade_update({"event": event, "order": order_json(ORDER)}, AT)

    assert [type(e) for e in events] == [OrderReported]


@pytest.mark.parametrize(
    ("side", "qty", "signed"), [("long", "5", 5), ("short", "-5", -5), ("short", "5", -5)]
)
def test_a_short_position_is_negative_however_it_is_written(
    side: str, qty: str, signed: int
) -> None:
    data = {
        "symbol": "AAPL", "side": side, "qty": qty, "avg_entry_price": "10", "current_price": None,
    }  # fmt: skip

    assert WIRE.position(data).qty == signed


def test_an_order_leaves_as_decimal_text_without_an_exponent() -> None:
    order = a_limit(
        "1", "1E+2", type=OrderType.STOP_LIMIT, stop_price=price_of("99.90"), side=Side.SELL,
        qty=quantity_of("1E+3"),
    )  # fmt: skip

    assert orjson.loads(order_body(order)) == {
        "symbol": "AAPL", "qty": "1000", "side": "sell", "type": "stop_limit",
        "time_in_force": "gtc", "client_order_id": order.id,
        "limit_price": "100", "stop_price": "99.90",
    }  # fmt: skip


def test_a_change_names_the_successor_and_its_prices() -> None:
    change = a_replace(ORDER, BrokerOrderId("b"), a_limit("2", "91")).item

    assert orjson.loads(replace_body(change)) == {
        "qty": "10", "client_order_id": change.successor.id, "limit_price": "91",
    }  # fmt: skip


def test_only_the_sandbox_speaks_of_a_speed() -> None:
    data = {
        "timestamp": "2026-03-02T10:00:00.5-05:00", "is_open": True,
        "next_open": "2026-03-03T09:30:00-05:00", "next_close": "2026-03-02T16:00:00-05:00",
    }  # fmt: skip

    assert venue_clock(data).speed == 1.0
    assert venue_clock(data | {"sandbox": {"speed": Decimal("60.0")}}).speed == 60.0
    assert venue_clock(data).now == AT.replace(microsecond=500_000)
    for speed in (0, -1, "fast", None, True):
        with pytest.raises(BrokerProtocolError):
            venue_clock(data | {"sandbox": {"speed": speed}})


def test_a_bar_whose_extremes_do_not_hold_its_prices_is_refused() -> None:
    bar = {"t": "2026-03-02T15:00:00Z", "o": 10, "h": 9, "l": 8, "c": 9, "v": 1}

    with pytest.raises(BrokerProtocolError, match="extremes"):
        candle_of(bar, AAPL, Timeframe.M1, 0)
