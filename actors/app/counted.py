"""A journal that is counted and told of: metrics, and a log line for each step of an order's life.

In the loop's next turn, so that the road of an order does not wait for it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import assert_never

import structlog

from adapters.gateway.metrics import Metrics
from trader.money import plain
from trader.orders.order import Change, Order, Status
from trader.ports import Journal
from trader.records import (
    AdjustmentEntry,
    BalanceEntry,
    ChangeEntry,
    CursorEntry,
    DecisionEntry,
    Entry,
    Fence,
    FillEntry,
    Kept,
    NotKept,
    OrderEntry,
    Outcome,
    ProgressEntry,
)

_log = structlog.get_logger()


class CountedJournal:
    """Fulfils `trader.ports.Journal` over another one."""

    def __init__(self, journal: Journal, metrics: Metrics, elapsed: Callable[[], float]) -> None:
        self._journal = journal
        self._metrics = metrics
        self._elapsed = elapsed

    async def write(self, entries: Sequence[Entry]) -> tuple[Outcome, ...]:
        """As the other one does."""
        began_s = self._elapsed()
        outcomes = await self._journal.write(entries)
        took_s = self._elapsed() - began_s
        asyncio.get_running_loop().call_soon(self._tell, entries, outcomes, took_s)
        return outcomes

    async def adopt(self, records: Sequence[tuple[Order | Change, Fence]]) -> tuple[Outcome, ...]:
        """As the other one does."""
        return await self._journal.adopt(records)

    def _tell(self, entries: Sequence[Entry], outcomes: tuple[Outcome, ...], took_s: float) -> None:
        self._metrics.journal_wrote(took_s)
        for entry, outcome in zip(entries, outcomes, strict=True):
            if isinstance(outcome, Kept):
                self._kept(entry, outcome)
            else:
                _log.warning("entry_not_kept", entry=type(entry).__name__, **_plain(outcome))

    def _kept(self, entry: Entry, outcome: Kept) -> None:
        match entry:
            case OrderEntry():
                if outcome.was_stored:
                    return
                self._metrics.order_reached(Status.INITIALIZED)
                order = entry.order.item
                _log.info(
                    "order_recorded",
                    order_id=order.id,
                    session=order.session_id,
                    instrument=order.instrument,
                    purpose=order.purpose,
                    side=order.side,
                    qty=plain(order.qty),
                    type=order.type,
                    reason=order.reason,
                )
            case ProgressEntry():
                self._metrics.order_reached(entry.status)
                _log.info(
                    entry.event,
                    order_id=entry.order_id,
                    session=entry.fence.session_id,
                    status=entry.status,
                    cum_qty=plain(entry.cum_qty),
                    reason_code=entry.reason_code,
                    detail=entry.detail,
                )
            case FillEntry():
                fill = entry.fill
                _log.info(
                    "fill",
                    order_id=entry.order_id,
                    session=entry.fence.session_id,
                    instrument=fill.instrument,
                    side=fill.side,
                    qty=plain(fill.qty),
                    price=plain(fill.price),
                    position=plain(entry.position_qty),
                )
            case AdjustmentEntry():
                self._metrics.reconcile_broke(entry.cause)
            case ChangeEntry() | BalanceEntry() | DecisionEntry() | CursorEntry():
                pass
            case _:
                assert_never(entry)


def _plain(outcome: NotKept) -> dict[str, str]:
    return {"reason_code": outcome.reason_code, "detail": outcome.detail}
