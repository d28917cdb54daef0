"""A journal that is counted: what was kept and how long a commit took, for the metrics.

Counted after the commit and beside the actors, so that the road of an order knows nothing of it.
"""

from collections.abc import Callable, Sequence

from adapters.gateway.metrics import Metrics
from trader.orders.order import Change, Order, Status
from trader.ports import Journal
from trader.records import (
    AdjustmentEntry,
    Entry,
    Fence,
    Kept,
    OrderEntry,
    Outcome,
    ProgressEntry,
)


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
        self._metrics.journal_wrote(self._elapsed() - began_s)
        for entry, outcome in zip(entries, outcomes, strict=True):
            if isinstance(outcome, Kept):
                self._count(entry, outcome)
        return outcomes

    async def adopt(self, records: Sequence[tuple[Order | Change, Fence]]) -> tuple[Outcome, ...]:
        """As the other one does."""
        return await self._journal.adopt(records)

    def _count(self, entry: Entry, outcome: Kept) -> None:
        match entry:
            case OrderEntry() if not outcome.was_stored:
                self._metrics.order_reached(Status.INITIALIZED)
            case ProgressEntry():
                self._metrics.order_reached(entry.status)
            case AdjustmentEntry():
                self._metrics.reconcile_broke(entry.cause)
            case _:
                pass
