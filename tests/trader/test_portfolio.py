"""Everybody's heat in one sum: who is missing, what is reserved, and who gets the last of it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from order_parts import NOON

from trader.ids import AccountId, ClientOrderId, SessionId
from trader.risk.events import HeatRefused, ReserveHeat
from trader.risk.heat import Contribution, Grant, HeatLevel
from trader.risk.portfolio import Portfolio, PortfolioLimits

A, B = SessionId("a"), SessionId("b")
BROKER = AccountId("paper")
LIMITS = PortfolioLimits(
    warn_ratio=Decimal("0.04"),
    block_ratio=Decimal("0.06"),
    group_caps={"tech": Decimal("0.03")},
    mark_age_max_s=120.0,
    report_age_max_s=10.0,
)


def a_share(
    session: SessionId,
    high: int,
    *,
    sequence: int = 1,
    incarnation: int = 1,
    low: int = 0,
    grants: tuple[str, ...] = (),
    group: str = "",
    marked_s: float | None = 0.0,
    is_complete: bool = True,
) -> Contribution:
    return Contribution(
        session_id=session,
        incarnation=incarnation,
        sequence=sequence,
        low=Decimal(low),
        high=Decimal(high),
        grants=tuple(ClientOrderId(each) for each in grants),
        group=group,
        marked_s=marked_s,
        is_complete=is_complete,
    )


def a_portfolio(*shares: Contribution, equity: int = 10_000) -> Portfolio:
    """Expects `a` and `b`, with the money known: 400 warns, 600 blocks."""
    portfolio = Portfolio(LIMITS)
    portfolio.expect([A, B], [BROKER])
    portfolio.take_equity(BROKER, Decimal(equity), NOON)
    for share in shares:
        assert portfolio.take(share, 0.0)
    return portfolio


def ask(
    portfolio: Portfolio,
    order: str,
    amount: int | str,
    *,
    session: SessionId = A,
    incarnation: int = 1,
    group: str = "",
    now_s: float = 0.0,
) -> Grant | HeatRefused:
    request = ReserveHeat(session, incarnation, ClientOrderId(order), Decimal(amount), group)
    return portfolio.reserve(request, now_s)


def code(answer: Grant | HeatRefused) -> str:
    assert isinstance(answer, HeatRefused)
    return answer.reason_code


def test_a_total_with_one_session_missing_is_unknown_not_small() -> None:
    heat = a_portfolio(a_share(A, 10)).heat(0.0)

    assert (heat.level, heat.missing, heat.high) == (HeatLevel.UNKNOWN, (B,), 10)


@pytest.mark.parametrize(
    ("high", "level"),
    [(399, HeatLevel.CALM), (400, HeatLevel.WARN), (599, HeatLevel.WARN), (600, HeatLevel.BLOCK)],
)
def test_the_ladder(high: int, level: HeatLevel) -> None:
    heat = a_portfolio(a_share(A, high, low=high - 9), a_share(B, 0)).heat(0.0)

    assert (heat.level, heat.ratio) == (level, Decimal(high) / 10_000)
    assert heat.low == high - 9


def test_a_session_that_falls_silent_counts_at_its_last_known_worst() -> None:
    portfolio = a_portfolio(a_share(A, 300), a_share(B, 20))
    portfolio.take(a_share(B, 20, sequence=2), 10.0)

    assert portfolio.heat(10.0).level is HeatLevel.CALM
    heat = portfolio.heat(10.1)

    assert (heat.level, heat.missing, heat.high) == (HeatLevel.UNKNOWN, (A,), 320)


def test_a_stale_mark_makes_the_sum_unknown() -> None:
    portfolio = a_portfolio(a_share(A, 300), a_share(B, 20))
    for session, marked_s in ((A, 0.0), (B, 120.0)):
        portfolio.take(a_share(session, 20, sequence=2, marked_s=marked_s), 120.5)

    assert portfolio.heat(120.5).missing == (A,)


def test_an_incomplete_report_lowers_nothing() -> None:
    portfolio = a_portfolio(a_share(A, 300), a_share(B, 20))

    portfolio.take(a_share(A, 0, incarnation=2, is_complete=False), 1.0)
    assert portfolio.heat(1.0).high == 320
    portfolio.take(a_share(A, 0, incarnation=2, sequence=2, marked_s=None), 1.0)
    assert portfolio.heat(1.0).high == 320
    assert portfolio.heat(1.0).missing == (A,)
    portfolio.take(a_share(A, 0, incarnation=2, sequence=3), 1.0)

    assert portfolio.heat(1.0).high == 20


def test_a_dead_incarnations_report_is_not_taken() -> None:
    portfolio = a_portfolio(a_share(A, 300, incarnation=2), a_share(B, 0))

    assert portfolio.take(a_share(A, 0, incarnation=1, sequence=99), 0.0) is False
    assert portfolio.take(a_share(A, 0, incarnation=2, sequence=1), 0.0) is False
    assert portfolio.heat(0.0).high == 300


def test_equity_is_the_smaller_of_the_last_and_the_first_of_the_day() -> None:
    portfolio = a_portfolio(a_share(A, 0), a_share(B, 0), equity=10_000)

    portfolio.take_equity(BROKER, Decimal(12_000), NOON + timedelta(hours=1))
    assert portfolio.heat(0.0).equity == 10_000
    portfolio.take_equity(BROKER, Decimal(9_000), NOON + timedelta(hours=2))
    assert portfolio.heat(0.0).equity == 9_000
    portfolio.take_equity(BROKER, Decimal(12_000), NOON + timedelta(hours=13))
    assert portfolio.heat(0.0).equity == 12_000


def test_an_older_word_on_equity_does_not_replace_a_newer_one() -> None:
    portfolio = a_portfolio(a_share(A, 0), a_share(B, 0), equity=9_000)

    portfolio.take_equity(BROKER, Decimal(1), NOON - timedelta(seconds=1))

    assert portfolio.heat(0.0).equity == 9_000


def test_equity_that_an_account_has_not_told_is_unknown_not_zero() -> None:
    portfolio = a_portfolio(a_share(A, 0), a_share(B, 0))
    portfolio.expect([A, B], [BROKER, AccountId("second")])

    heat = portfolio.heat(0.0)

    assert (heat.level, heat.equity, heat.ratio) == (HeatLevel.UNKNOWN, None, None)
    assert code(ask(portfolio, "t1x", 1)) == "heat_unknown"


@pytest.mark.parametrize("equity", [0, -5])
def test_no_equity_left_is_unknown_and_grants_nothing(equity: int) -> None:
    portfolio = a_portfolio(a_share(A, 0), a_share(B, 0), equity=equity)

    assert portfolio.heat(0.0).level is HeatLevel.UNKNOWN
    assert code(ask(portfolio, "t1x", 0)) == "heat_unknown"


def test_of_two_sessions_racing_for_the_last_heat_one_gets_it() -> None:
    portfolio = a_portfolio(a_share(A, 200), a_share(B, 200))

    first = ask(portfolio, "t1a", 150, session=A)
    second = ask(portfolio, "t1b", 150, session=B)

    assert isinstance(first, Grant)
    assert code(second) == "heat_over_block"
    assert portfolio.heat(0.0).high == 550


def test_asking_again_for_the_same_order_reserves_once() -> None:
    portfolio = a_portfolio(a_share(A, 0), a_share(B, 0))

    assert ask(portfolio, "t1a", 150) == ask(portfolio, "t1a", 150)
    assert portfolio.heat(0.0).high == 150


def test_asking_again_for_more_is_a_new_question() -> None:
    portfolio = a_portfolio(a_share(A, 0), a_share(B, 0))
    ask(portfolio, "t1a", 100)

    more = ask(portfolio, "t1a", 200)

    assert isinstance(more, Grant)
    assert portfolio.heat(0.0).high == 200


def test_a_grant_stops_counting_when_the_report_names_its_order() -> None:
    portfolio = a_portfolio(a_share(A, 0), a_share(B, 0))
    ask(portfolio, "t1a", 150)

    portfolio.take(a_share(A, 140, sequence=2), 1.0)
    assert portfolio.heat(1.0).high == 290
    portfolio.take(a_share(A, 140, sequence=3, grants=("t1a",)), 1.0)

    assert portfolio.heat(1.0).high == 140


def test_a_grant_without_a_row_lasts_thirty_seconds() -> None:
    portfolio = a_portfolio(a_share(A, 0), a_share(B, 0))
    ask(portfolio, "t1a", 150)

    assert portfolio.heat(29.9).high == 150
    assert portfolio.heat(30.0).high == 0


def test_a_released_grant_is_free_at_once() -> None:
    portfolio = a_portfolio(a_share(A, 0), a_share(B, 0))
    ask(portfolio, "t1a", 600)
    assert portfolio.heat(0.0).level is HeatLevel.BLOCK

    portfolio.release(ClientOrderId("t1a"))

    assert portfolio.heat(0.0).level is HeatLevel.CALM


def test_a_group_of_correlated_instruments_has_its_own_cap() -> None:
    portfolio = a_portfolio(a_share(A, 200, group="tech"), a_share(B, 0))

    assert code(ask(portfolio, "t1b", 101, session=B, group="tech")) == "group_cap"
    assert isinstance(ask(portfolio, "t1b", 100, session=B, group="tech"), Grant)
    assert portfolio.heat(0.0).groups == {"tech": 300, "": 0}
    assert isinstance(ask(portfolio, "t1c", 101, session=B), Grant)


def test_no_heat_for_strangers_the_dead_or_nonsense() -> None:
    portfolio = a_portfolio(a_share(A, 0, incarnation=2), a_share(B, 0))

    assert code(ask(portfolio, "t1a", 1, session=SessionId("c"))) == "not_expected"
    assert code(ask(portfolio, "t1a", 1, incarnation=1)) == "old_incarnation"
    for amount in ("-1", "NaN", "Infinity"):
        assert code(ask(portfolio, "t1a", amount, incarnation=2)) == "bad_amount"
    assert portfolio.heat(0.0).high == 0


def test_at_the_limit_not_even_nothing_is_granted() -> None:
    portfolio = a_portfolio(a_share(A, 600), a_share(B, 0))

    assert code(ask(portfolio, "t1a", 0)) == "heat_block"


def test_a_session_taken_off_the_roster_is_forgotten() -> None:
    portfolio = a_portfolio(a_share(A, 300), a_share(B, 20))

    portfolio.expect([A], [BROKER])

    assert portfolio.heat(0.0).high == 300


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "report", "release"]),
        st.sampled_from([A, B]),
        st.integers(0, 4),  # which order of the session
        st.integers(0, 400),
    ),
    max_size=40,
)


@given(ACTIONS)
def test_no_order_is_counted_twice_and_none_is_granted_past_the_limit(
    actions: list[tuple[str, SessionId, int, int]],
) -> None:
    """A model with one entry an order: asked for, then in its session's report, then gone."""
    portfolio = a_portfolio(a_share(A, 0), a_share(B, 0))
    granted: dict[str, tuple[SessionId, int]] = {}
    reported: dict[SessionId, dict[str, int]] = {A: {}, B: {}}
    sequence = 1
    for action, session, number, amount in actions:
        order = f"{session}{number}"
        if action == "reserve" and order not in reported[session]:
            before = portfolio.heat(0.0)
            known = granted.get(order, (session, -1))[1]
            answer = ask(portfolio, order, amount, session=session)
            if isinstance(answer, Grant):
                assert amount == known or before.high + amount <= 600
                granted[order] = (session, amount)
        elif action == "report" and order in granted:
            sequence += 1
            reported[session][order] = granted.pop(order)[1]
            mine = reported[session]
            share = a_share(session, sum(mine.values()), sequence=sequence, grants=tuple(mine))
            assert portfolio.take(share, 0.0)
        elif action == "release":
            granted.pop(order, None)
            portfolio.release(ClientOrderId(order))

        expected = sum(amount for _, amount in granted.values())
        expected += sum(sum(mine.values()) for mine in reported.values())
        heat = portfolio.heat(0.0)
        assert heat.high == expected == sum(heat.groups.values())
        assert heat.high <= 600


HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "report", "age", "release", "equity"]),
        st.sampled_from([A, B]),
        st.sampled_from([0, 100, 250]),
        st.sampled_from([0.0, 0.5, 4.0, 10.0, 30.0]),
    ),
    max_size=30,
)


@given(HAPPENINGS)
def test_the_sum_is_what_it_would_be_if_it_were_made_anew_at_every_moment(
    happenings: list[tuple[str, SessionId, int, float]],
) -> None:
    kept = a_portfolio(a_share(A, 0), a_share(B, 0))
    anew = a_portfolio(a_share(A, 0), a_share(B, 0))
    now_s = 0.0
    for sequence, (what, session, amount, wait_s) in enumerate(happenings, start=2):
        due_s = kept.due_s(now_s)
        before = kept.heat(now_s)
        now_s += wait_s
        if now_s < due_s:
            assert kept.heat(now_s) is before
        for portfolio in (kept, anew):
            anew.take_limits(anew.limits)
            match what:
                case "reserve":
                    ask(portfolio, f"t1{session}{amount}", amount, session=session, now_s=now_s)
                case "release":
                    portfolio.release(ClientOrderId(f"t1{session}{amount}"))
                case "equity":
                    at = NOON + timedelta(seconds=now_s)
                    portfolio.take_equity(BROKER, Decimal(10_000 - amount), at)
                case "report":
                    grants = (f"t1{session}{amount}",) if amount else ()
                    marked_s = now_s - (110.0 if amount == 100 else 0.0)
                    share = a_share(
                        session, amount, sequence=sequence, grants=grants, marked_s=marked_s
                    )
                    portfolio.take(share, now_s)
        anew.take_limits(anew.limits)

        assert replace(kept.heat(now_s), as_of_s=now_s) == anew.heat(now_s)
