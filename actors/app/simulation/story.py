"""The story of a world, one line an event: what venue and rows did, and what the daemon logged."""

from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

from adapters.simulated.history import FeedHeard, History
from adapters.simulated.rows import Committed, LeaseRow
from trader.records import (
    AdjustmentEntry,
    BalanceEntry,
    ChangeEntry,
    CursorEntry,
    DecisionEntry,
    FillEntry,
    OrderEntry,
    ProgressEntry,
)

Line = Callable[[str], None]
INFO = 20
LENGTH_MAX = 300


def tell(history: History, line: Line) -> None:
    """Tell each event of the history."""
    history.on_event = lambda event: line(told(event)) if not _is_dull(event) else None


def tell_log(line: Line) -> None:
    """Tell what the daemons log."""

    def say(_: Any, level: str, event: MutableMapping[str, Any]) -> str:
        name = event.pop("event", "")
        line(f"log {level:<8} {name} " + " ".join(f"{k}={v}" for k, v in event.items()))
        raise structlog.DropEvent

    structlog.configure(
        processors=[say],
        wrapper_class=structlog.make_filtering_bound_logger(INFO),
        logger_factory=structlog.ReturnLoggerFactory(),
    )


def told(event: object) -> str:
    """One event in a line."""
    if isinstance(event, Committed):
        return f"rows  {event.by:<8} {_committed(event.what)}"
    fields = (
        f"{name}={_short(getattr(event, name))}"
        for name in type(event).__dataclass_fields__  # type: ignore[attr-defined]
        if name != "at_s"
    )
    return f"{type(event).__name__:<16} {' '.join(fields)}"[:LENGTH_MAX]


def _committed(what: object) -> str:
    match what:
        case OrderEntry():
            order = what.order.item
            return (
                f"order {order.id} {order.session_id} {order.purpose} {order.side} {order.qty}"
                f" {order.type} {order.price or order.stop_price or ''} {order.reason}"
            )
        case ProgressEntry():
            return (
                f"{what.event} {what.order_id} -> {what.status} cum {what.cum_qty}"
                f" {what.reason_code} {what.detail}"
            )
        case ChangeEntry():
            change = what.change.item
            return f"{type(change).__name__.lower()} of {change.target}"
        case FillEntry():
            fill = what.fill
            return (
                f"fill {fill.execution_id} of {what.order_id}: {fill.side} {fill.qty} at"
                f" {fill.price}; position {what.position_qty}"
            )
        case AdjustmentEntry():
            return f"adjustment {what.key}: to {what.to_qty} ({what.cause})"
        case DecisionEntry():
            return f"decision {what.session_id} {what.bar_opened_at:%H:%M} {what.action}"
        case _:
            return _short(what)


def _is_dull(event: object) -> bool:
    if isinstance(event, Committed):
        return isinstance(event.what, LeaseRow | BalanceEntry | CursorEntry)
    return isinstance(event, FeedHeard)


def _short(value: object) -> str:
    text = f"{value:.6f}" if isinstance(value, float) else str(value)
    return text if len(text) <= LENGTH_MAX else text[:LENGTH_MAX] + "..."
