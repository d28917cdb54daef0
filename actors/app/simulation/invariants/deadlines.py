"""Deadlines: an entry that waited too long is not the one that was decided."""

from datetime import datetime

from actors.app.simulation.invariants.checker import Checker
from actors.app.simulation.settings import settings_of
from adapters.simulated.history import StrategyAsked, WriteLeft
from trader.ids import ClientOrderId, SessionId
from trader.orders.order import Purpose

SLACK_S = 2.0  # a strategy thinks, and lines take their time


class EntriesLeaveInTime(Checker):
    """I14, of time itself."""

    invariant = "I14"
    promise = "an entry leaves within its deadline after the decision, or never"

    def watch(self) -> None:
        """Every question to a strategy, and every order that leaves."""
        self._bound_s = settings_of(self.world.plan).risk.entry_deadline_s + SLACK_S
        self._asked_s: dict[tuple[SessionId, datetime], float] = {}
        self.world.history.listen(StrategyAsked, self._asked)
        self.world.history.listen(WriteLeft, self._left)

    def _asked(self, asked: StrategyAsked) -> None:
        self._asked_s[asked.session_id, asked.candle.closes_at] = asked.at_s

    def _left(self, left: WriteLeft) -> None:
        row = self.world.rows.orders.get(ClientOrderId(left.client_order_id))
        if left.method != "POST" or row is None or row.order.purpose is not Purpose.ENTRY:
            return
        if row.order.decided_at is None:
            return
        asked_s = self._asked_s.get((row.order.session_id, row.order.decided_at))
        if asked_s is not None and left.at_s - asked_s > self._bound_s:
            self.broken(f"{row.order.id} left {left.at_s - asked_s:.1f} s after it was decided")
