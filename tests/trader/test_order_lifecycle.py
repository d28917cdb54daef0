"""The life of an order, cell by cell, and what holds on every walk through it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from order_parts import a_report, an_order

from trader.orders.lifecycle import Happening, Illegal, after, happening_of
from trader.orders.order import Status

# Every cell: the next status, "." where nothing moves, "x" where it cannot be. Read a row as "when
# this happens to an order that is ...". Nothing is filled, except where it is partially filled.
GRID = """
                PR IN SU UN AC PF PU PC FI CA EX RE DE
RECORDED        IN .  .  .  .  .  .  .  .  .  .  .  .
RECORD_REFUSED  DE x  x  x  x  x  x  x  x  x  x  x  .
SUBMITTED       x  SU .  .  .  .  .  .  .  .  .  .  x
ACCEPTED        AC AC AC AC .  .  .  .  .  x  AC AC AC
REJECTED        RE RE RE RE RE x  RE RE x  x  RE .  RE
UNANSWERED      x  UN UN .  .  .  .  .  .  .  .  .  x
DENIED          DE DE x  .  .  .  .  .  .  .  .  .  .
FILLED_PART     PF PF PF PF PF .  .  .  .  .  PF PF PF
FILLED_ALL      FI FI FI FI FI FI FI FI .  FI FI FI FI
CANCEL_ASKED    x  x  x  x  PC PC PC .  x  x  x  x  x
CANCEL_REFUSED  x  x  x  .  .  .  .  AC .  .  .  .  x
CANCELED        CA CA CA CA CA CA CA CA x  .  CA CA CA
EXPIRED         EX EX EX EX EX EX EX EX x  .  .  EX EX
REPLACE_ASKED   x  x  x  x  PU PU x  x  x  x  x  x  x
REPLACE_REFUSED x  x  x  .  .  .  AC .  .  .  .  .  x
REPLACED        CA CA CA CA CA CA CA CA x  .  CA CA CA
NEVER_ARRIVED   x  x  x  EX x  x  x  x  x  x  x  x  x
LOADED          x  UN UN .  .  .  .  .  .  .  .  .  .
"""
SHORT = {
    "PR": Status.PENDING_RECORD,
    "IN": Status.INITIALIZED,
    "SU": Status.SUBMITTED,
    "UN": Status.UNKNOWN,
    "AC": Status.ACCEPTED,
    "PF": Status.PARTIALLY_FILLED,
    "PU": Status.PENDING_UPDATE,
    "PC": Status.PENDING_CANCEL,
    "FI": Status.FILLED,
    "CA": Status.CANCELED,
    "EX": Status.EXPIRED,
    "RE": Status.REJECTED,
    "DE": Status.DENIED,
}


def words(value: Status | Happening) -> str:
    return value.lower().replace("_", " ")


def cells() -> list[object]:
    head, *rows = GRID.strip().splitlines()
    params: list[object] = []
    for row in rows:
        name, *codes = row.split()
        for column, code in zip(head.split(), codes, strict=True):
            status, happening = SHORT[column], Happening(name)
            expected = {"x": None, ".": status}.get(code) if code in "x." else SHORT[code]
            so = (
                "cannot be"
                if code == "x"
                else "stays"
                if code == "."
                else f"is {words(SHORT[code])}"
            )
            sentence = f"{words(status)}, then {words(happening)}: {so}"
            params.append(pytest.param(status, happening, expected, id=sentence))
    return params


@pytest.mark.parametrize(("status", "happening", "expected"), cells())
def test_the_whole_table(status: Status, happening: Happening, expected: Status | None) -> None:
    cum_qty = Decimal(4) if status is Status.PARTIALLY_FILLED else Decimal(0)

    moved = after(status, happening, cum_qty=cum_qty)

    if expected is None:
        assert isinstance(moved, Illegal)
        assert (moved.status, moved.happening) == (status, happening)
        assert moved.why
    else:
        assert moved is expected


def test_the_grid_has_every_cell() -> None:
    assert len(cells()) == len(Status) * len(Happening)


def test_a_refused_cancel_leaves_a_part_filled_order_part_filled() -> None:
    moved = after(
        Status.PENDING_CANCEL,
        Happening.CANCEL_REFUSED,
        before_pending=Status.ACCEPTED,
        cum_qty=Decimal(3),  # it filled while the cancel was on its way
    )

    assert moved is Status.PARTIALLY_FILLED


def test_a_refused_replace_gives_the_order_back_as_it_stood() -> None:
    moved = after(
        Status.PENDING_UPDATE, Happening.REPLACE_REFUSED, before_pending=Status.PARTIALLY_FILLED
    )

    assert moved is Status.PARTIALLY_FILLED


def test_an_unknown_order_found_with_fills_is_part_filled() -> None:
    assert after(Status.UNKNOWN, Happening.ACCEPTED, cum_qty=Decimal(2)) is Status.PARTIALLY_FILLED


@pytest.mark.parametrize(
    ("status", "cum_qty", "happening"),
    [
        (Status.ACCEPTED, 0, Happening.ACCEPTED),
        (Status.SUBMITTED, 0, Happening.ACCEPTED),
        (Status.PENDING_CANCEL, 0, Happening.ACCEPTED),
        (Status.PENDING_UPDATE, 3, Happening.FILLED_PART),
        (Status.PARTIALLY_FILLED, 3, Happening.FILLED_PART),
        (Status.FILLED, 10, Happening.FILLED_ALL),
        (Status.CANCELED, 3, Happening.CANCELED),
        (Status.EXPIRED, 0, Happening.EXPIRED),
        (Status.REJECTED, 0, Happening.REJECTED),
        (Status.UNKNOWN, 0, Happening.UNANSWERED),
    ],
)
def test_what_a_report_says_has_happened(
    status: Status, cum_qty: int, happening: Happening
) -> None:
    report = a_report(an_order(), status, cum_qty=Decimal(cum_qty))

    assert happening_of(report) is happening


def test_a_canceled_order_with_a_successor_was_replaced() -> None:
    report = a_report(an_order(), Status.CANCELED, replaced_by="venue-2")

    assert happening_of(report) is Happening.REPLACED


VENUE_EVIDENCE = {
    Happening.ACCEPTED,
    Happening.REJECTED,
    Happening.FILLED_PART,
    Happening.FILLED_ALL,
    Happening.CANCELED,
    Happening.EXPIRED,
    Happening.REPLACED,
}
UNSENT = {Status.PENDING_RECORD, Status.INITIALIZED}


@given(st.lists(st.sampled_from(Happening), max_size=40), st.data())
def test_no_walk_leaves_the_table_or_breaks_its_promises(
    happenings: list[Happening], data: st.DataObject
) -> None:
    status, cum_qty, before = Status.PENDING_RECORD, Decimal(0), Status.ACCEPTED
    for happening in happenings:
        if happening in (Happening.FILLED_PART, Happening.FILLED_ALL):
            cum_qty += data.draw(st.integers(1, 3))
        moved = after(status, happening, before_pending=before, cum_qty=cum_qty)
        if isinstance(moved, Illegal):
            assert moved.why
            continue
        if moved is not status:
            assert status is not Status.FILLED, "nothing un-fills"
            if status is Status.CANCELED:
                assert moved is Status.FILLED, "a canceled order does not work again"
            if status is Status.UNKNOWN:
                known = happening in VENUE_EVIDENCE or happening is Happening.NEVER_ARRIVED
                assert known, "only the venue ends doubt"
            if moved is Status.DENIED:
                assert status in UNSENT, "what may have been sent is never denied"
            elif moved.is_terminal and happening is not Happening.NEVER_ARRIVED:
                assert happening in VENUE_EVIDENCE, "only evidence ends an order"
            if moved is Status.UNKNOWN:
                assert status in (Status.INITIALIZED, Status.SUBMITTED), "the venue told of it"
            assert moved is not Status.PENDING_RECORD
            if moved is Status.INITIALIZED:
                assert status is Status.PENDING_RECORD
            if moved is Status.ACCEPTED:
                assert cum_qty == 0, "what has filled is not merely accepted"
        if happening in (Happening.CANCEL_ASKED, Happening.REPLACE_ASKED):
            before = status if status is not Status.PENDING_UPDATE else before
        status = moved


@given(st.sampled_from(Status), st.sampled_from(Happening))
def test_hearing_it_twice_changes_nothing_more(status: Status, happening: Happening) -> None:
    filled = Decimal(4) if status is Status.PARTIALLY_FILLED else Decimal(0)
    filled = Decimal(4) if happening is Happening.FILLED_PART else filled

    once = after(status, happening, cum_qty=filled)

    if not isinstance(once, Illegal):
        again = after(once, happening, cum_qty=filled)
        assert isinstance(again, Illegal) or again is once
