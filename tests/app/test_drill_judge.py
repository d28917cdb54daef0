"""The drill's judge: it must see every kind of lie, or a drill that holds means nothing."""

from dataclasses import replace
from decimal import Decimal

import pytest

from actors.app.drill_judge import Books, Execution, OrderFact, OrderRow, Truth, judge, truth_of
from trader.ids import CauseKind, SessionId, client_order_id

ONE = Decimal(1)
ID, OTHER = (
    client_order_id(SessionId("aapl"), CauseKind.CANDLE, key, "order", 0) for key in ("1", "2")
)
TRADE = Execution("x-1", "AAPL.ALPACA", "BUY", ONE, Decimal(100))
ROW = OrderRow(ID, "FILLED", ONE, "aapl", "the bar of 12:00", "")
HELD = {"AAPL.ALPACA": ONE}
TRUTH = Truth((OrderFact(ID, "filled", ONE),), frozenset({TRADE}), HELD)
BOOKS = Books((ROW,), frozenset({TRADE}), HELD)


def test_what_agrees_in_everything_holds() -> None:
    assert judge(TRUTH, BOOKS, HELD) == ()


@pytest.mark.parametrize(
    ("truth", "books", "memory", "invariant"),
    [
        pytest.param(TRUTH, replace(BOOKS, orders=()), HELD, "I1 durable first", id="no row"),
        pytest.param(
            replace(TRUTH, orders=(*TRUTH.orders, *TRUTH.orders)),
            BOOKS,
            HELD,
            "I2 once",
            id="the venue took it twice",
        ),
        pytest.param(
            replace(TRUTH, orders=(*TRUTH.orders, OrderFact(OTHER, "filled", ONE))),
            replace(BOOKS, orders=(ROW, replace(ROW, id=OTHER))),
            HELD,
            "I2 once",
            id="one bar, two entries",
        ),
        pytest.param(
            replace(TRUTH, orders=()), BOOKS, HELD, "I3 none lost", id="the venue never had it"
        ),
        pytest.param(
            TRUTH,
            replace(BOOKS, orders=(replace(ROW, status="UNKNOWN"),)),
            HELD,
            "I3 none lost",
            id="unknown to us, known to the venue",
        ),
        pytest.param(
            replace(TRUTH, orders=(OrderFact(ID, "canceled", ONE),)),
            BOOKS,
            HELD,
            "I3 none lost",
            id="ended otherwise",
        ),
        pytest.param(
            TRUTH,
            replace(BOOKS, orders=(replace(ROW, cum_qty=Decimal(0)),)),
            HELD,
            "I3 none lost",
            id="filled by another quantity",
        ),
        pytest.param(
            TRUTH, replace(BOOKS, executions=frozenset()), HELD, "I7 fills", id="a fill unbooked"
        ),
        pytest.param(
            replace(TRUTH, executions=frozenset()), BOOKS, HELD, "I7 fills", id="a fill invented"
        ),
        pytest.param(
            TRUTH,
            replace(BOOKS, executions=frozenset({replace(TRADE, price=Decimal(99))})),
            HELD,
            "I7 fills",
            id="a fill at another price",
        ),
        pytest.param(
            replace(TRUTH, positions={}), BOOKS, HELD, "I3 positions", id="flat at the venue only"
        ),
        pytest.param(
            TRUTH, replace(BOOKS, positions={}), HELD, "I3 positions", id="flat in our rows only"
        ),
        pytest.param(TRUTH, BOOKS, {}, "I3 positions", id="flat in memory only"),
    ],
)
def test_every_lie_is_seen(truth: Truth, books: Books, memory: dict, invariant: str) -> None:
    assert invariant in {each.invariant for each in judge(truth, books, memory)}


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(replace(ROW, status="UNKNOWN"), id="it may still be on its way"),
        pytest.param(replace(ROW, status="DENIED"), id="we refused it ourselves"),
        pytest.param(replace(ROW, status="REJECTED"), id="the venue refused it at the door"),
        pytest.param(replace(ROW, status="EXPIRED", reason_code="never_arrived"), id="waited out"),
    ],
)
def test_some_rows_rightly_have_no_order_at_the_venue(row: OrderRow) -> None:
    truth = Truth((), frozenset(), {})

    assert judge(truth, Books((row,), frozenset(), {}), {}) == ()


def test_two_exits_for_one_reason_are_not_one_decision_twice() -> None:
    exits = (replace(ROW, cause=""), replace(ROW, id=OTHER, cause=""))
    orders = (*TRUTH.orders, OrderFact(OTHER, "filled", ONE))

    assert judge(replace(TRUTH, orders=orders), replace(BOOKS, orders=exits), HELD) == ()


def test_the_venue_s_json_is_read_and_other_people_s_orders_are_left_out() -> None:
    account = {
        "orders": [
            {"client_order_id": ID, "status": "filled", "filled_qty": "1"},
            {"client_order_id": "a-human", "status": "filled", "filled_qty": "5"},
        ],
        "executions": [
            {"execution_id": "x-1", "symbol": "AAPL", "side": "buy", "qty": "1", "price": "100"}
        ],
        "positions": {"AAPL": {"qty": "1"}},
    }

    assert truth_of(account) == TRUTH
