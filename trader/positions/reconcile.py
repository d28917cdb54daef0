"""Broker, memory, database: any two that differ are a finding, and the broker wins."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from trader.money import Price, Quantity, plain
from trader.positions.events import PositionReported
from trader.positions.position import Position

MISSED_FILL: Final = "missed_fill"
POSSIBLE_SPLIT: Final = "possible_split"
MANUAL_OR_MARGIN: Final = "manual_or_margin_trade"
MEMORY_DIFFERS: Final = "memory_differs"
DATABASE_DIFFERS: Final = "database_differs"

# A split leaves quantity times price as it was; venues round the average price to a cent.
_SPLIT_TOLERANCE = Decimal("0.01")
_SPLIT_RATIOS = tuple(
    Decimal(new) / Decimal(old)
    for new, old in (
        (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1), (10, 1), (15, 1), (20, 1),
        (25, 1), (30, 1), (50, 1), (100, 1), (3, 2), (4, 3), (5, 2), (5, 4),
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Agree:
    """All three say the same."""


@dataclass(frozen=True, slots=True)
class Wait:
    """They differ, and rightly may for a moment: ask again, change nothing."""

    reason: str


@dataclass(frozen=True, slots=True)
class Adjust:
    """They differ: assign this, absolutely. `cause` is a constant of this module."""

    to_qty: Quantity
    to_avg_px: Price | None
    cause: str
    detail: str


Verdict = Agree | Wait | Adjust


def judge(
    memory: Position,
    database_qty: Quantity | None,
    report: PositionReported,
    *,
    is_in_flight: bool,
    missed_qty: Decimal,
) -> Verdict:
    """One verdict on the three columns; a snapshot that may be older than a fill has no place here.

    `is_in_flight`: a fill may be on its way to any of the columns. `missed_qty`: what our orders
    have filled at the venue beyond what memory has taken in. `database_qty` None: not read.
    """
    is_memory_right = memory.qty == report.qty
    is_database_right = database_qty is None or database_qty == report.qty
    if is_memory_right and is_database_right:
        return Agree()
    detail = (
        f"broker {plain(report.qty)}, memory {plain(memory.qty)}, "
        f"database {'not read' if database_qty is None else plain(database_qty)}"
    )
    if is_in_flight:
        return Wait(f"orders are in flight: {detail}")
    if is_memory_right:
        return Adjust(memory.qty, memory.avg_px, DATABASE_DIFFERS, detail)
    cause = _explain(memory, database_qty, report, missed_qty)
    return Adjust(report.qty, report.avg_px, cause, detail)


def _explain(
    memory: Position,
    database_qty: Quantity | None,
    report: PositionReported,
    missed_qty: Decimal,
) -> str:
    if missed_qty != 0 and abs(report.qty - memory.qty) == abs(missed_qty):
        return MISSED_FILL
    if database_qty == report.qty:
        return MEMORY_DIFFERS  # the row has what memory lost
    if _looks_like_a_split(memory, report):
        return POSSIBLE_SPLIT
    return MANUAL_OR_MARGIN


def _looks_like_a_split(memory: Position, report: PositionReported) -> bool:
    if memory.avg_px is None or report.avg_px is None or memory.qty * report.qty <= 0:
        return False
    larger, smaller = sorted((abs(memory.qty), abs(report.qty)), reverse=True)
    if larger / smaller not in _SPLIT_RATIOS:
        return False
    cost_before = memory.qty * memory.avg_px
    cost_after = report.qty * report.avg_px
    return abs(cost_after - cost_before) <= abs(cost_before) * _SPLIT_TOLERANCE
