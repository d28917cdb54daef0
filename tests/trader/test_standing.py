"""`why` and the gate: the same questions, so the same answers."""

from hypothesis import given
from hypothesis import strategies as st

from tests.trader.order_parts import LIMITS, SESSION, an_order, px
from tests.trader.test_gate import STANDINGS, judged
from trader.ids import ClientOrderId
from trader.money import Price
from trader.proofs import Cleared
from trader.risk.gate import Refused
from trader.risk.heat import Grant
from trader.risk.standing import Standing, entry_checks


@given(STANDINGS, st.none() | st.just(px(100)))
def test_why_shows_first_what_the_gate_refuses_for(standing: Standing, mark: Price | None) -> None:
    grant = Grant(ClientOrderId("t1entry"), SESSION, px(1), 0.0)
    outcome = judged(an_order(size=1), grant=grant, standing=standing, mark=mark)
    failed = [one for one in entry_checks(standing, LIMITS, mark) if not one.is_ok]

    match outcome:
        case Cleared():
            assert failed == []
        case Refused() if outcome.reason_code == "position_over_max":
            pass  # about the order itself: no session is asked it before there is one
        case Refused():
            assert (failed[0].reason_code, failed[0].answer) == (
                outcome.reason_code,
                outcome.detail,
            )


@given(STANDINGS)
def test_every_question_has_its_answer_whether_it_holds_or_not(standing: Standing) -> None:
    checks = entry_checks(standing, LIMITS, None)

    assert all(one.question.endswith("?") and one.answer for one in checks)
    assert len({one.question for one in checks}) == len(checks)
