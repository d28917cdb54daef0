"""The broker wins, loudly: what it holds is assigned, in one row, and somebody hears of it."""

from decimal import Decimal

from actors.app.simulation.house import Alarmed
from actors.app.simulation.invariants.checker import Checker
from actors.app.simulation.invariants.truth import Holdings
from adapters.simulated.rows import Committed, Restored
from trader.ids import SessionId
from trader.money import ZERO
from trader.records import AdjustmentEntry, FillEntry

KNOWN_S = 120.0  # a listing that lags, a retry, and a database that is away meanwhile
ALARM = "position_adjusted"


class BrokerWins(Checker):
    """I25."""

    invariant = "I25"
    promise = "an adjustment is one absolute row of what the broker held, once, and an alarm"

    def watch(self) -> None:
        """Every adjustment, and what the rows said before it."""
        self._holdings = Holdings(self.world)
        self._rows: dict[SessionId, Decimal] = {}
        self._has_lost_rows = False
        self._alarms_count = 0
        self._adjustments_count = 0
        self.world.history.listen(Committed, self._committed)
        self.world.history.listen(Restored, self._restored)
        self.world.history.listen(Alarmed, self._alarmed)

    def _alarmed(self, alarmed: Alarmed) -> None:
        if alarmed.kind == ALARM:
            self._alarms_count += 1

    def _restored(self, _: Restored) -> None:
        self._has_lost_rows = True
        self._rows = {each: row.qty for each, row in self.world.rows.positions.items()}

    def _committed(self, committed: Committed) -> None:
        what = committed.what
        if isinstance(what, AdjustmentEntry):
            self._adjusted(what)
            self._rows[what.fence.session_id] = what.to_qty
        elif isinstance(what, FillEntry):
            self._rows[what.fence.session_id] = what.position_qty

    def _adjusted(self, entry: AdjustmentEntry) -> None:
        session_id = entry.fence.session_id
        said = f"{session_id} was adjusted from {entry.from_qty} to {entry.to_qty}"
        before = self._rows.get(session_id, ZERO)
        is_repair = self._has_lost_rows and entry.from_qty == entry.to_qty
        if entry.from_qty != before and not is_repair:
            self.broken(f"{said}, and its rows said {before}")
        since_s = self.world.loop.time() - KNOWN_S
        if entry.to_qty not in tuple(self._holdings.since(session_id, since_s)):
            self.broken(f"{said}, which the venue has not held for {KNOWN_S:.0f} s")
        self._adjustments_count += 1
        if self._adjustments_count > self._alarms_count:
            self.broken(f"{said}, and nobody was alarmed")
            self._alarms_count += 1
