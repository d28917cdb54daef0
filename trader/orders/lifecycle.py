"""The life of an order: what may happen in which state, and what comes of it. One table.

The venue's word always wins, with three exceptions that are illegal rather than believed: nothing
un-fills, a canceled order does not work again, and a filled part is not rejected. Illegal is an
outcome, not an error: venues are odd, so the reader flags it and asks the venue.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from typing import assert_never

from trader.money import ZERO
from trader.orders.order import OrderReport, Status


class Happening(StrEnum):
    """What can happen to an order."""

    RECORDED = "RECORDED"  # its row is durable
    RECORD_REFUSED = "RECORD_REFUSED"  # it has no row, so it never leaves
    SUBMITTED = "SUBMITTED"  # written to the socket
    ACCEPTED = "ACCEPTED"  # the venue has it
    REJECTED = "REJECTED"  # the venue refused it
    UNANSWERED = "UNANSWERED"  # sent, and no usable answer came
    DENIED = "DENIED"  # we refused it: provably not sent by that attempt
    FILLED_PART = "FILLED_PART"
    FILLED_ALL = "FILLED_ALL"
    CANCEL_ASKED = "CANCEL_ASKED"
    CANCEL_REFUSED = "CANCEL_REFUSED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REPLACE_ASKED = "REPLACE_ASKED"
    REPLACE_REFUSED = "REPLACE_REFUSED"
    REPLACED = "REPLACED"  # a successor works in its place
    NEVER_ARRIVED = "NEVER_ARRIVED"  # absent twice and past the in-flight bound
    LOADED = "LOADED"  # read from its row after a restart


@dataclass(frozen=True, slots=True)
class Illegal:
    """It cannot happen in this state: flag it and ask the venue."""

    status: Status
    happening: Happening
    why: str


class _To(Enum):
    """A next status that depends on the order itself."""

    SAME = "stays as it is: older news, or news of something else"
    WORKING = "accepted, or partially filled if anything was"
    BACK = "as it stood before the request"


_S, _H = Status, Happening
_SAME, _WORKING, _BACK = _To.SAME, _To.WORKING, _To.BACK
_Row = dict[Happening, Status | _To]

_VENUE: _Row = {  # the venue's word on an order of which we only know that it may be there
    _H.ACCEPTED: _WORKING,
    _H.REJECTED: _S.REJECTED,
    _H.FILLED_PART: _S.PARTIALLY_FILLED,
    _H.FILLED_ALL: _S.FILLED,
    _H.CANCELED: _S.CANCELED,
    _H.EXPIRED: _S.EXPIRED,
    _H.REPLACED: _S.CANCELED,
}
_LATE: _Row = {  # news that came after better news: legal, and moves nothing
    _H.RECORDED: _SAME,
    _H.SUBMITTED: _SAME,
    _H.UNANSWERED: _SAME,  # a late timeout makes nothing unknown that the venue has told of
    _H.DENIED: _SAME,  # a second sending was refused; that says nothing of the first
    _H.CANCEL_REFUSED: _SAME,
    _H.REPLACE_REFUSED: _SAME,
    _H.LOADED: _SAME,
}
_WORKS: _Row = {**_VENUE, **_LATE}
_ASKABLE: _Row = {_H.CANCEL_ASKED: _S.PENDING_CANCEL, _H.REPLACE_ASKED: _S.PENDING_UPDATE}
_ASKED: _Row = {**_WORKS, _H.ACCEPTED: _SAME, _H.FILLED_PART: _SAME}

TABLE: dict[Status, _Row] = {
    _S.PENDING_RECORD: {  # evidence may come first: a predecessor may have sent the same id
        **_VENUE,
        _H.RECORDED: _S.INITIALIZED,
        _H.RECORD_REFUSED: _S.DENIED,
        _H.DENIED: _S.DENIED,
    },
    _S.INITIALIZED: {
        **_VENUE,
        _H.RECORDED: _SAME,
        _H.SUBMITTED: _S.SUBMITTED,
        _H.UNANSWERED: _S.UNKNOWN,
        _H.DENIED: _S.DENIED,
        _H.LOADED: _S.UNKNOWN,  # no second commit stands between gate and write
    },
    _S.SUBMITTED: {
        **_VENUE,
        _H.RECORDED: _SAME,
        _H.SUBMITTED: _SAME,
        _H.UNANSWERED: _S.UNKNOWN,
        _H.LOADED: _S.UNKNOWN,
    },
    _S.UNKNOWN: {**_WORKS, _H.NEVER_ARRIVED: _S.EXPIRED},  # else only the venue ends it
    _S.ACCEPTED: {**_WORKS, **_ASKABLE},
    _S.PARTIALLY_FILLED: {
        **{what: to for what, to in _WORKS.items() if what is not _H.REJECTED},
        **_ASKABLE,
        _H.ACCEPTED: _SAME,
    },
    _S.PENDING_UPDATE: {
        **_ASKED,
        _H.REPLACE_REFUSED: _BACK,
        _H.CANCEL_ASKED: _S.PENDING_CANCEL,  # a halt does not wait for a replace
    },
    _S.PENDING_CANCEL: {**_ASKED, _H.CANCEL_ASKED: _SAME, _H.CANCEL_REFUSED: _BACK},
    _S.FILLED: {**_LATE, _H.ACCEPTED: _SAME, _H.FILLED_PART: _SAME, _H.FILLED_ALL: _SAME},
    _S.CANCELED: {
        **_LATE,
        _H.FILLED_PART: _SAME,  # a late fill counts; it does not make the order work again
        _H.FILLED_ALL: _S.FILLED,
        _H.CANCELED: _SAME,
        _H.REPLACED: _SAME,
        _H.EXPIRED: _SAME,
    },
    _S.EXPIRED: {**_WORKS},  # any evidence revives it: `never_arrived` was a judgment, not a fact
    _S.REJECTED: {**_WORKS},
    _S.DENIED: {
        **_VENUE,
        _H.RECORDED: _SAME,  # its row came after the deadline: it stays denied and is not sent
        _H.RECORD_REFUSED: _SAME,
        _H.DENIED: _SAME,
        _H.LOADED: _SAME,
    },
}
"""What is not listed in a state's row is illegal there."""

_WHY: dict[Happening, str] = {
    _H.RECORD_REFUSED: "it was recorded, or the venue has it",
    _H.SUBMITTED: "it was denied, or has no durable row yet",
    _H.ACCEPTED: "it was canceled",
    _H.REJECTED: "it was filled or had ended",
    _H.UNANSWERED: "it was never sent",
    _H.DENIED: "it was written to the socket",
    _H.CANCEL_ASKED: "only an order that the venue has confirmed can be canceled",
    _H.CANCEL_REFUSED: "no cancel can have been asked",
    _H.CANCELED: "it was filled",
    _H.EXPIRED: "it was filled",
    _H.REPLACE_ASKED: "only a working order without a request under way can be replaced",
    _H.REPLACE_REFUSED: "no replace can have been asked",
    _H.REPLACED: "it was filled",
    _H.NEVER_ARRIVED: "only an order of which nobody knows can turn out never to have arrived",
    _H.LOADED: "it has no row",
}


def after(
    status: Status,
    happening: Happening,
    *,
    before_pending: Status = Status.ACCEPTED,
    cum_qty: Decimal = ZERO,
) -> Status | Illegal:
    """The next status. A terminal one that comes back to life is worth a flag of its own.

    `before_pending`: the status at the request to cancel or replace. `cum_qty`: filled so far, in
    the venue's word, this happening included.
    """
    to = TABLE[status].get(happening)
    working = Status.PARTIALLY_FILLED if cum_qty > 0 else Status.ACCEPTED
    match to:
        case None:
            return Illegal(status, happening, _WHY[happening])
        case _To.SAME:
            return status
        case _To.WORKING:
            return working
        case _To.BACK:
            return working if before_pending is Status.ACCEPTED else before_pending
        case Status():
            return to
        case _:
            assert_never(to)


def happening_of(report: OrderReport) -> Happening:
    """What a report says has happened. Requests under way at the venue leave the order working."""
    match report.status:
        case Status.CANCELED:
            return Happening.REPLACED if report.replaced_by is not None else Happening.CANCELED
        case Status.EXPIRED:
            return Happening.EXPIRED
        case Status.REJECTED:
            return Happening.REJECTED
        case Status.FILLED:
            return Happening.FILLED_ALL
        case Status.UNKNOWN:
            return Happening.UNANSWERED
        case _:
            return Happening.FILLED_PART if report.cum_qty > 0 else Happening.ACCEPTED
