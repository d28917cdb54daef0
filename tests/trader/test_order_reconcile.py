"""Ours against theirs, order by order and listing by listing."""

import pytest
from order_parts import a_report, an_exit, an_order, px, qty, working

from trader.ids import BrokerOrderId, ClientOrderId
from trader.orders.order import Side, Status
from trader.orders.reconcile import FindingKind, judge_open_orders, judge_report
from trader.orders.working import WorkingOrder

OURS = ClientOrderId("t1" + "a" * 20)
OTHER = ClientOrderId("t1" + "b" * 20)


def kinds(one: WorkingOrder, **changes: object) -> list[FindingKind]:
    status = changes.pop("status", one.status)
    assert isinstance(status, Status)
    report = a_report(one.order, status, **changes)
    return [finding.kind for finding in judge_report(one, report)]


def test_an_order_that_stands_as_recorded_raises_no_finding() -> None:
    assert kinds(working(an_order(price=100))) == []


def test_a_fill_that_we_have_not_taken_in_is_missed() -> None:
    one = working(an_order())

    found = kinds(one, status=Status.PARTIALLY_FILLED, cum_qty=qty(4))

    assert found == [FindingKind.STATUS, FindingKind.MISSED_FILL]


def test_a_fill_told_but_not_applied_is_still_missed() -> None:
    one = working(an_order(), Status.PARTIALLY_FILLED, cum=4, applied=0)

    assert kinds(one, cum_qty=qty(4)) == [FindingKind.MISSED_FILL]


def test_a_venue_that_takes_a_fill_back_is_found() -> None:
    one = working(an_order(), Status.PARTIALLY_FILLED, cum=4)

    assert kinds(one, cum_qty=qty(1)) == [FindingKind.FEWER_FILLS]


def test_more_filled_than_ordered_is_found() -> None:
    one = working(an_order(size=10), Status.FILLED, cum=12)

    assert kinds(one, cum_qty=qty(12)) == [FindingKind.OVERFILL]


def test_a_cancel_that_nobody_of_us_asked_for_is_out_of_band() -> None:
    assert kinds(working(an_order()), status=Status.CANCELED) == [FindingKind.OUT_OF_BAND_CANCEL]


def test_the_cancel_that_we_asked_for_is_only_news() -> None:
    one = working(an_order(), Status.PENDING_CANCEL)

    assert kinds(one, status=Status.CANCELED) == [FindingKind.STATUS]


def test_a_replace_that_nobody_of_us_asked_for_is_out_of_band() -> None:
    found = kinds(working(an_order()), status=Status.CANCELED, replaced_by=BrokerOrderId("v2"))

    assert found == [FindingKind.OUT_OF_BAND_REPLACE]


def test_a_filled_order_reported_canceled_is_flagged_and_not_believed() -> None:
    one = working(an_order(), Status.FILLED, cum=10)

    found = judge_report(one, a_report(one.order, Status.CANCELED, cum_qty=qty(10)))

    assert [finding.kind for finding in found] == [FindingKind.ILLEGAL]
    assert "it was filled" in found[0].detail


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"qty": qty(11)}, "qty"),
        ({"side": Side.SELL}, "side"),
        ({"price": px(101)}, "price"),
        ({"price": None}, "price"),
        ({"stop_price": px(99)}, "stop_price"),
    ],
)
def test_an_order_that_differs_from_its_row_is_found(changes: dict[str, object], word: str) -> None:
    one = working(an_order(price=100))

    found = judge_report(one, a_report(one.order, **changes))  # type: ignore[arg-type]

    assert [finding.kind for finding in found] == [FindingKind.PARAMETERS]
    assert found[0].detail.startswith(word)


def test_an_open_order_missing_from_the_listing_is_looked_up() -> None:
    verdict = judge_open_orders([working(an_order(), sent_s=5.0)], [], asked_s=6.0)

    assert verdict.absent == ("t1entry",)


def test_an_order_sent_after_the_question_is_not_missed() -> None:
    verdict = judge_open_orders([working(an_order(), sent_s=6.0)], [], asked_s=6.0)

    assert verdict.absent == ()


@pytest.mark.parametrize("status", [Status.PENDING_RECORD, Status.INITIALIZED])
def test_an_order_that_was_never_sent_is_not_missed(status: Status) -> None:
    one = working(an_order(), status, sent_s=None)

    assert judge_open_orders([one], [], asked_s=6.0).absent == ()


def test_an_order_from_before_a_restart_is_missed_though_nobody_knows_when_it_was_sent() -> None:
    one = working(an_order(), Status.UNKNOWN, sent_s=None)

    assert judge_open_orders([one], [], asked_s=6.0).absent == ("t1entry",)


def test_an_ended_order_is_not_missed() -> None:
    one = working(an_order(), Status.CANCELED)

    assert judge_open_orders([one], [], asked_s=6.0).absent == ()


def test_orders_with_our_mark_are_adopted_and_others_are_foreign() -> None:
    mine = working(an_order(order_id=OURS))
    adoptable = a_report(an_exit(order_id=OTHER))
    foreign = a_report(an_exit(order_id="from-the-phone"))
    nameless = a_report(an_exit(order_id="x"), client_order_id="")

    verdict = judge_open_orders(
        [mine], [a_report(mine.order), adoptable, foreign, nameless], asked_s=6.0
    )

    assert verdict.absent == ()
    assert verdict.adoptable == (adoptable,)
    assert verdict.foreign == (foreign, nameless)


def test_an_order_listed_under_the_venues_id_alone_is_ours() -> None:
    mine = working(an_order(order_id=OURS))

    verdict = judge_open_orders([mine], [a_report(mine.order, client_order_id="")], asked_s=6.0)

    assert verdict == type(verdict)((), (), ())


def test_an_order_that_we_hold_for_ended_and_the_venue_lists_is_not_foreign() -> None:
    mine = working(an_order(order_id=OURS), Status.CANCELED)

    verdict = judge_open_orders([mine], [a_report(mine.order)], asked_s=6.0)

    assert verdict.adoptable == ()


def test_an_exit_counts_until_it_has_ended_and_its_fills_are_taken_in() -> None:
    open_one = working(an_exit(size=10), Status.PARTIALLY_FILLED, cum=4, applied=1)
    ended = working(an_exit(size=10), Status.CANCELED, cum=4, applied=1)
    settled = working(an_exit(size=10), Status.CANCELED, cum=4, applied=4)

    assert open_one.unapplied_qty == 9
    assert (ended.is_settled, ended.unapplied_qty) == (False, 9)
    assert (settled.is_settled, settled.unapplied_qty) == (True, 0)
    assert (open_one.leaves_qty, ended.leaves_qty) == (6, 0)
