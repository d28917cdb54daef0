"""Whatever user code answers, what leaves is one of four decisions, sane and with a reason."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trader.ids import ClientOrderId
from trader.orders.order import OrderType, Side, TimeInForce
from trader.session.strategy import CancelOrders, ModifyOrder, ModifyOrders, Nothing, SubmitOrder
from trader.session.valid import REASON_LENGTH_MAX, BadDecision, number_of, valid_decision

ID = ClientOrderId("t1aaaaaaaaaaaaaaaaaaaa")


def a_submit(**fields: Any) -> SubmitOrder:
    return SubmitOrder(**{"side": Side.BUY, "qty": Decimal(1), "reason": "r", **fields})


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(None, "no decision", id="None"),
        pytest.param("buy", "no decision", id="a word"),
        pytest.param(Nothing, "no decision", id="the class instead of a decision"),
        pytest.param(Nothing(""), "reason", id="no reason"),
        pytest.param(Nothing("\n "), "reason", id="a blank reason"),
        pytest.param(Nothing(7), "reason", id="a number as reason"),  # type: ignore[arg-type]
        pytest.param(a_submit(reason=""), "reason", id="an order without a reason"),
        pytest.param(a_submit(qty=Decimal(0)), "above zero", id="a quantity of zero"),
        pytest.param(a_submit(qty=-1), "above zero", id="a negative quantity"),
        pytest.param(a_submit(qty=float("nan")), "finite", id="a NaN quantity"),
        pytest.param(a_submit(qty=Decimal("Infinity")), "finite", id="an infinite quantity"),
        pytest.param(a_submit(qty=Decimal("sNaN")), "finite", id="a signalling NaN quantity"),
        pytest.param(a_submit(qty=True), "finite", id="True as quantity"),
        pytest.param(a_submit(qty="ten"), "finite", id="a word as quantity"),
        pytest.param(a_submit(qty=10**16), "finite", id="a quantity past any sane range"),
        pytest.param(a_submit(side="HOLD"), "side", id="no side"),
        pytest.param(a_submit(type="ICEBERG"), "type", id="an unknown order type"),
        pytest.param(a_submit(tif="FOREVER"), "tif", id="an unknown time in force"),
        pytest.param(a_submit(price=Decimal(9)), "MARKET", id="a market order with a limit"),
        pytest.param(a_submit(type=OrderType.LIMIT), "LIMIT", id="a limit order without a limit"),
        pytest.param(a_submit(type=OrderType.STOP_MARKET), "STOP", id="a stop without its price"),
        pytest.param(a_submit(protective_stop=-5), "above zero", id="a negative stop"),
        pytest.param(a_submit(is_exit="yes"), "is_exit", id="an exit flag in words"),
        pytest.param(a_submit(symbol=5), "symbol", id="a number as symbol"),
        pytest.param(ModifyOrders((), "r"), "no order", id="nothing to modify"),
        pytest.param(ModifyOrders((ModifyOrder(ID),), "r"), "nothing to modify", id="no change"),
        pytest.param(ModifyOrders((ID,), "r"), "how to modify", id="an id is no change"),  # type: ignore[arg-type]
        pytest.param(
            ModifyOrders((ModifyOrder(ID, qty=Decimal("NaN")),), "r"), "finite", id="modify to NaN"
        ),
        pytest.param(CancelOrders((5,), "r"), "order id", id="a number as order id"),  # type: ignore[arg-type]
        pytest.param(CancelOrders(ID, "r"), "tuple", id="an id instead of ids"),  # type: ignore[arg-type]
        pytest.param(CancelOrders((ID,) * 101, "r"), "at most", id="too many orders at once"),
    ],
)
def test_nonsense_is_refused_with_words_that_help(answer: object, says: str) -> None:
    with pytest.raises(BadDecision, match=says):
        valid_decision(answer)


def test_floats_become_the_decimals_a_person_would_write() -> None:
    order = valid_decision(a_submit(qty=0.1, type=OrderType.LIMIT, price=100.05))
    assert isinstance(order, SubmitOrder)
    assert (str(order.qty), str(order.price)) == ("0.1", "100.05")


def test_words_of_the_wire_are_taken_for_what_they_name() -> None:
    order = valid_decision(a_submit(side="SELL", tif="GTC"))
    assert isinstance(order, SubmitOrder)
    assert order.side is Side.SELL
    assert order.tif is TimeInForce.GTC


def test_an_exit_may_leave_its_quantity_to_the_broker() -> None:
    decision = valid_decision(a_submit(qty=0, is_exit=True))
    assert decision == a_submit(qty=Decimal(0), is_exit=True)


def test_an_endless_reason_is_cut() -> None:
    assert len(valid_decision(Nothing("x" * 10_000)).reason) == REASON_LENGTH_MAX


def test_a_good_decision_is_left_as_it_is() -> None:
    for decision in (
        Nothing("r"),
        a_submit(protective_stop=Decimal(90)),
        ModifyOrders((ModifyOrder(ID, qty=Decimal(2)),), "r"),
        CancelOrders((), "r"),
    ):
        assert valid_decision(decision) == decision


@given(st.floats())
def test_any_float_is_a_finite_decimal_or_refused(number: float) -> None:
    try:
        assert float(number_of(number, "qty")) == number
    except BadDecision:
        assert not abs(number) <= 1e15


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.builds(Nothing, inner) | st.builds(a_submit, qty=inner),
        max_leaves=5,
    )
)
def test_no_answer_whatever_gets_through_unjudged(answer: Any) -> None:
    try:
        decision = valid_decision(answer)
    except BadDecision:
        return
    assert decision.reason.strip()
    if isinstance(decision, SubmitOrder):
        assert decision.qty.is_finite()
        assert decision.qty > 0
