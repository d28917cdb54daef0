"""What a host hears is what was asked, and what it says is believed only where it makes sense."""

from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies.strategy_parts import a_bar, a_spec, bars

from adapters.strategies.wire import (
    Answer,
    Close,
    Decide,
    Open,
    OutOfStep,
    Request,
    decode_answer,
    decode_requests,
    encode_answer,
    encode_requests,
)
from trader.ids import ClientOrderId, SessionId
from trader.money import Price, Quantity
from trader.orders.order import OrderType, Side, TimeInForce
from trader.session.events import StrategyDecided, StrategyFailed, StrategyReady
from trader.session.strategy import (
    FLAT_VIEW,
    CancelOrders,
    ModifyOrder,
    ModifyOrders,
    Nothing,
    SubmitOrder,
    View,
    WorkingView,
)

S = SessionId("s")
NUMBERS = st.decimals(min_value="0.00000001", max_value=10**14, allow_nan=False, places=8)
PRICES = st.none() | NUMBERS
REASONS = st.text(min_size=1, max_size=50).filter(str.strip)
IDS = st.text(min_size=1, max_size=22).map(ClientOrderId)
DECISIONS = st.one_of(
    st.builds(Nothing, REASONS),
    st.builds(
        SubmitOrder,
        st.sampled_from(Side),
        NUMBERS,
        REASONS,
        tif=st.sampled_from(TimeInForce),
        protective_stop=PRICES,
        is_exit=st.booleans(),
        symbol=st.none() | st.text(),
    ),
    st.builds(
        ModifyOrders,
        st.lists(st.builds(ModifyOrder, IDS, NUMBERS, PRICES, PRICES), min_size=1).map(tuple),
        REASONS,
    ),
    st.builds(CancelOrders, st.lists(IDS).map(tuple), REASONS),
)
WORKING = st.builds(
    WorkingView,
    IDS,
    st.sampled_from(Side),
    st.sampled_from(OrderType),
    NUMBERS.map(Quantity),
    NUMBERS.map(Quantity),
    PRICES,
    PRICES,
    st.booleans(),
)
VIEWS = st.builds(View, NUMBERS.map(Quantity), PRICES, st.lists(WORKING).map(tuple))
ASKED = Decide(S, a_bar(100), FLAT_VIEW, 3)


@given(DECISIONS)
def test_every_decision_arrives_as_it_was_made(decision: object) -> None:
    said = StrategyDecided(S, ASKED.candle.opened_at, decision, 3)  # type: ignore[arg-type]
    assert decode_answer(encode_answer(7, said), 7, ASKED) == said


@given(st.lists(VIEWS, max_size=4), st.lists(NUMBERS.map(Price), min_size=1, max_size=4))
def test_every_question_arrives_as_it_was_asked(views: list[View], closes: list[Price]) -> None:
    candles = bars(closes)
    asked: list[tuple[int, Request]] = [
        (number, Decide(S, candles[number % len(candles)], view, number))
        for number, view in enumerate(views)
    ]
    spec = a_spec("x.py:Class", number=1, share=0.1, flag=True, word="1")
    asked += [(8, Open(S, spec, candles, 2)), (9, Close(S))]
    assert decode_requests(encode_requests(asked)) == asked


def test_the_types_of_parameters_survive() -> None:
    spec = a_spec("x", number=1, share=1.0, flag=True, word="1")
    ((_, request),) = decode_requests(encode_requests([(1, Open(S, spec, (), 1))]))
    assert isinstance(request, Open)
    assert [type(value) for _, value in request.spec.params] == [int, float, bool, str]


def test_a_candle_of_a_thousand_sessions_is_written_once() -> None:
    candle = a_bar(100)
    asked: list[tuple[int, Request]] = [
        (number, Decide(SessionId(str(number)), candle, FLAT_VIEW, 1)) for number in range(1_000)
    ]
    assert encode_requests(asked).count(candle.opened_at.isoformat().encode()) == 1


@pytest.mark.parametrize(
    ("said", "request_"),
    [
        pytest.param([6, "Nothing", {"reason": "r"}], ASKED, id="an answer to another question"),
        pytest.param([7], ASKED, id="done, where a decision was asked"),
        pytest.param([7, "Nothing", {"reason": "r"}], Open(S, a_spec("x"), (), 1), id="a decision"),
        pytest.param({"number": 7}, ASKED, id="another shape"),
        pytest.param(["7", "Nothing", {}], ASKED, id="a number in words"),
    ],
)
def test_a_host_out_of_step_is_not_believed(said: object, request_: Request) -> None:
    with pytest.raises(OutOfStep):
        decode_answer(orjson.dumps(said), 7, request_)


def test_noise_is_not_believed() -> None:
    with pytest.raises(OutOfStep):
        decode_answer(b"\x80\x04N.", 7, ASKED)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param([7, "Shutdown", {}], id="a verb that is none"),
        pytest.param([7, "SubmitOrder", {"side": "BUY"}], id="half an order"),
        pytest.param(
            [7, "SubmitOrder", {"side": "BUY", "qty": "NaN", "reason": "r"}], id="a NaN quantity"
        ),
        pytest.param(
            [7, "SubmitOrder", {"side": "BUY", "qty": "-1", "reason": "r"}], id="a negative one"
        ),
        pytest.param([7, "Nothing", {"reason": ""}], id="no reason"),
    ],
)
def test_a_bad_decision_is_its_sessions_own_failure(said: object) -> None:
    answer = decode_answer(orjson.dumps(said), 7, ASKED)
    assert isinstance(answer, StrategyFailed)
    assert (answer.reason_code, answer.session_id, answer.rebuild) == ("bad_decision", S, 3)


@pytest.mark.parametrize(
    ("answer", "request_"),
    [
        (StrategyReady(S, 1), Open(S, a_spec("x"), (), 1)),
        (StrategyFailed(S, None, "code", "detail", 1, True), Open(S, a_spec("x"), (), 1)),
        (StrategyFailed(S, ASKED.candle.opened_at, "code", "detail", 3, False), ASKED),
    ],
)
def test_ready_and_failed_arrive_as_they_were_said(answer: Answer, request_: Request) -> None:
    assert decode_answer(encode_answer(7, answer), 7, request_) == answer


def test_decimals_keep_every_digit() -> None:
    price = Price(Decimal("0.10000000000000000055"))
    ((_, asked),) = decode_requests(encode_requests([(1, Decide(S, a_bar(price), FLAT_VIEW, 1))]))
    assert isinstance(asked, Decide)
    assert str(asked.candle.close) == "0.10000000000000000055"
