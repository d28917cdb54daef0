"""Ours against theirs: what a report or a listing of the venue says that we do not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from trader.ids import ClientOrderId, is_ours
from trader.orders.lifecycle import Illegal, after, happening_of
from trader.orders.order import OrderReport, Status
from trader.orders.working import WorkingOrder


class FindingKind(StrEnum):
    """What differs."""

    STATUS = "STATUS"  # the venue is further than we are
    ILLEGAL = "ILLEGAL"  # the venue says what cannot be
    MISSED_FILL = "MISSED_FILL"  # it has filled more than we have taken in
    FEWER_FILLS = "FEWER_FILLS"  # it says less than it said before: an old report, or a bust
    OVERFILL = "OVERFILL"  # more filled than was ordered
    PARAMETERS = "PARAMETERS"  # side, type, quantity or price are not those of our row
    OUT_OF_BAND_CANCEL = "OUT_OF_BAND_CANCEL"  # ended at the venue, and we did not ask
    OUT_OF_BAND_REPLACE = "OUT_OF_BAND_REPLACE"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference, in words that a person can read."""

    kind: FindingKind
    detail: str


def judge_report(working: WorkingOrder, report: OrderReport) -> tuple[Finding, ...]:
    """Everything in which the venue's word differs from ours; empty: they agree."""
    return (
        *_judge_status(working, report),
        *_judge_fills(working, report),
        *_judge_parameters(working, report),
    )


def _judge_status(working: WorkingOrder, report: OrderReport) -> Iterable[Finding]:
    cum_qty = max(working.cum_qty, report.cum_qty)
    moved = after(
        working.status,
        happening_of(report),
        before_pending=working.before_pending,
        cum_qty=cum_qty,
    )
    if isinstance(moved, Illegal):
        yield Finding(FindingKind.ILLEGAL, f"{report.status} while {working.status}: {moved.why}")
        return
    if moved is working.status:
        return
    asked = working.status in (Status.PENDING_CANCEL, Status.PENDING_UPDATE)
    kind = FindingKind.STATUS
    if moved is Status.CANCELED and not asked:
        is_replaced = report.replaced_by is not None
        kind = FindingKind.OUT_OF_BAND_CANCEL
        kind = FindingKind.OUT_OF_BAND_REPLACE if is_replaced else kind
    yield Finding(kind, f"{working.status} here, {report.status} at the venue")


def _judge_fills(working: WorkingOrder, report: OrderReport) -> Iterable[Finding]:
    if report.cum_qty > working.applied_qty:
        detail = f"{report.cum_qty} filled at the venue, {working.applied_qty} taken in"
        yield Finding(FindingKind.MISSED_FILL, detail)
    if report.cum_qty < working.cum_qty:
        detail = f"{report.cum_qty} filled at the venue, {working.cum_qty} told before"
        yield Finding(FindingKind.FEWER_FILLS, detail)
    if report.cum_qty > working.order.qty:
        detail = f"{report.cum_qty} filled of {working.order.qty} ordered"
        yield Finding(FindingKind.OVERFILL, detail)


def _judge_parameters(working: WorkingOrder, report: OrderReport) -> Iterable[Finding]:
    order = working.order
    columns = (
        ("instrument", order.instrument, report.instrument),
        ("side", order.side, report.side),
        ("type", order.type, report.type),
        ("tif", order.tif, report.tif),
        ("qty", order.qty, report.qty),
        ("price", order.price, report.price),
        ("stop_price", order.stop_price, report.stop_price),
    )
    for name, ours, theirs in columns:
        if ours != theirs:
            detail = f"{name} {ours} in our row, {theirs} at the venue"
            yield Finding(FindingKind.PARAMETERS, detail)


@dataclass(frozen=True, slots=True)
class OpenOrdersVerdict:
    """How a complete listing of open orders fits ours, each in the order given."""

    absent: tuple[ClientOrderId, ...]  # open here, sent before the question, not listed: look it up
    adoptable: tuple[OrderReport, ...]  # bear our mark and are unknown to memory
    foreign: tuple[OrderReport, ...]  # nobody of us knows them


_NOT_SENT = (Status.PENDING_RECORD, Status.INITIALIZED)


def judge_open_orders(
    ours: Iterable[WorkingOrder], theirs: Sequence[OrderReport], asked_s: float
) -> OpenOrdersVerdict:
    """Compare every order we remember, ended ones too, with the venue's complete listing.

    Absence is a question, not an answer: the listing may be older than the order, so only orders
    sent before it was asked for count, and each must then be looked up by its own id.
    """
    listed_ids = {report.client_order_id for report in theirs if report.client_order_id}
    listed_broker_ids = {report.broker_order_id for report in theirs}
    known_ids: set[str] = set()
    known_broker_ids: set[str] = set()
    absent: list[ClientOrderId] = []
    for working in ours:
        known_ids.add(working.order.id)
        if working.broker_order_id is not None:
            known_broker_ids.add(working.broker_order_id)
        is_listed = working.order.id in listed_ids or working.broker_order_id in listed_broker_ids
        was_sent = working.status not in _NOT_SENT and (
            working.sent_s is None or working.sent_s < asked_s
        )
        if working.is_open and was_sent and not is_listed:
            absent.append(working.order.id)
    unknown = [
        report
        for report in theirs
        if report.client_order_id not in known_ids
        and report.broker_order_id not in known_broker_ids
    ]
    return OpenOrdersVerdict(
        absent=tuple(absent),
        adoptable=tuple(each for each in unknown if is_ours(each.client_order_id)),
        foreign=tuple(each for each in unknown if not is_ours(each.client_order_id)),
    )
