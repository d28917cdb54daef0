"""What must hold between the venue's own truth, our rows and the daemon's memory. Pure.

Judged at rest: prices stand still, so that all three may be compared as if at one instant.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from trader.ids import instrument_id, is_ours
from trader.orders.order import TERMINAL, Status

VENUE = "ALPACA"
ENDINGS = {
    "filled": Status.FILLED,
    "canceled": Status.CANCELED,
    "replaced": Status.CANCELED,
    "expired": Status.EXPIRED,
    "rejected": Status.REJECTED,
}
# Rows that rightly have no order at the venue; an UNKNOWN one may still be on its way there.
NEVER_THERE = (Status.DENIED, Status.REJECTED, Status.UNKNOWN)

Position = Mapping[str, Decimal]  # instrument -> signed quantity; flat ones may be left out


@dataclass(frozen=True, slots=True)
class OrderFact:
    """One order, as one side has it."""

    id: str  # ours
    status: str
    cum_qty: Decimal


@dataclass(frozen=True, slots=True)
class OrderRow(OrderFact):
    """One row of ours."""

    session_id: str
    cause: str  # kind and key of the decision; "" where one cause may rightly order again
    reason_code: str


@dataclass(frozen=True, slots=True)
class Execution:
    """One trade; the venue's and ours must be equal in every field."""

    id: str
    instrument: str
    side: str
    qty: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class Truth:
    """What the venue has, from its control port."""

    orders: tuple[OrderFact, ...]
    executions: frozenset[Execution]
    positions: Position


@dataclass(frozen=True, slots=True)
class Books:
    """What our database has."""

    orders: tuple[OrderRow, ...]
    executions: frozenset[Execution]
    positions: Position


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that does not hold."""

    invariant: str
    text: str
    ids: tuple[str, ...]


def truth_of(account: Mapping[str, Any]) -> Truth:
    """An account of the control port, as JSON; orders without our mark are left out."""
    return Truth(
        orders=tuple(
            OrderFact(each["client_order_id"], each["status"], Decimal(each["filled_qty"]))
            for each in account["orders"]
            if is_ours(each["client_order_id"])
        ),
        executions=frozenset(
            Execution(
                each["execution_id"],
                instrument_id(each["symbol"], VENUE),
                each["side"].upper(),
                Decimal(each["qty"]),
                Decimal(each["price"]),
            )
            for each in account["executions"]
        ),
        positions={
            instrument_id(symbol, VENUE): Decimal(position["qty"])
            for symbol, position in account["positions"].items()
        },
    )


def doubted(books: Books) -> tuple[str, ...]:
    """Orders of which nobody knows whether they arrived: rightly so, but not for ever."""
    return tuple(row.id for row in books.orders if row.status == Status.UNKNOWN)


def judge(truth: Truth, books: Books, memory: Position) -> tuple[Violation, ...]:
    """Every promise that does not hold now, in the order of the promises."""
    return (
        *_durable_first(truth, books),
        *_once(truth, books),
        *_none_lost(truth, books),
        *_fills(truth, books),
        *_positions(truth.positions, books.positions, memory),
    )


def _durable_first(truth: Truth, books: Books) -> Iterator[Violation]:
    rows = {row.id for row in books.orders}
    without = [order.id for order in truth.orders if order.id not in rows]
    if without:
        yield Violation("I1 durable first", "orders at the venue without a row", tuple(without))


def _once(truth: Truth, books: Books) -> Iterator[Violation]:
    twice = [each for each, n in Counter(order.id for order in truth.orders).items() if n > 1]
    if twice:
        yield Violation("I2 once", "accepted more than once", tuple(twice))
    by_decision: dict[tuple[str, str], list[str]] = {}
    for row in books.orders:
        if row.cause:
            by_decision.setdefault((row.session_id, row.cause), []).append(row.id)
    for (session_id, cause), ids in by_decision.items():
        if len(ids) > 1:
            text = f"{session_id} ordered {len(ids)} times for {cause}"
            yield Violation("I2 once", text, tuple(ids))


def _none_lost(truth: Truth, books: Books) -> Iterator[Violation]:
    there = {order.id: order for order in truth.orders}
    for row in books.orders:
        status, order = Status(row.status), there.get(row.id)
        wrong = _absent(row, status) if order is None else _known(row, order)
        if wrong:
            yield Violation("I3 none lost", f"{row.session_id}: {wrong}", (row.id,))


def _absent(row: OrderRow, status: Status) -> str:
    """Why a row without an order at the venue is wrong; "" where it is right."""
    is_right = status in NEVER_THERE or row.reason_code == "never_arrived"
    return "" if is_right else f"{status} in our rows, the venue never had it"


def _known(row: OrderRow, order: OrderFact) -> str:
    """How a row and its order at the venue differ; "" where they do not."""
    ending = ENDINGS.get(order.status)
    is_same = row.status == ending if ending else Status(row.status) not in _NOT_OPEN
    if is_same and row.cum_qty == order.cum_qty:
        return ""
    return f"{row.status} {row.cum_qty} in our rows, {order.status} {order.cum_qty} at the venue"


_NOT_OPEN = TERMINAL | {Status.INITIALIZED, Status.SUBMITTED, Status.UNKNOWN}


def _fills(truth: Truth, books: Books) -> Iterator[Violation]:
    if missing := truth.executions - books.executions:
        yield Violation("I7 fills", "not in our rows", tuple(sorted(e.id for e in missing)))
    if invented := books.executions - truth.executions:
        yield Violation("I7 fills", "not at the venue", tuple(sorted(e.id for e in invented)))


def _positions(venue: Position, database: Position, memory: Position) -> Iterator[Violation]:
    for each in sorted({*venue, *database, *memory}):
        columns = [column.get(each, Decimal(0)) for column in (venue, database, memory)]
        if len(set(columns)) > 1:
            words = ", ".join(
                f"{qty} {where}"
                for qty, where in zip(columns, ("venue", "database", "memory"), strict=True)
            )
            yield Violation("I3 positions", f"{each}: {words}", ())
