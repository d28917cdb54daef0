"""The sum of the portfolio is no sum where a position is priced by an old price."""

from actors.app.simulation.invariants.checker import Checker
from actors.app.simulation.invariants.freshness import ENTRY_S, entry_of
from actors.app.simulation.settings import settings_of
from adapters.simulated.history import FeedHeard, WriteLeft
from adapters.simulated.rows import Committed, SessionRow
from trader.ids import InstrumentId, SessionId, symbol_of
from trader.ports import BarReceived, TickReceived

SLACK_S = 10.0  # a report tells of the mark that it was made with


class HeatIsPriced(Checker):
    """I6, its certificate."""

    invariant = "I6"
    promise = "while a position has no fresh price the heat is incomplete, and no entry leaves"

    def watch(self) -> None:
        """Every price that reaches a daemon, every load, every entry."""
        age_s_max = settings_of(self.world.plan).portfolio.mark_age_s_max
        self._age_s_max = age_s_max + ENTRY_S + SLACK_S
        self._priced_s: dict[tuple[str, InstrumentId], float] = {}
        self._loaded_s: dict[SessionId, float] = {}  # the broker's own mark serves to begin with
        self.world.history.listen(FeedHeard, self._heard)
        self.world.history.listen(Committed, self._committed)
        self.world.history.listen(WriteLeft, self._left)

    def _heard(self, heard: FeedHeard) -> None:
        for event in heard.events:
            if isinstance(event, TickReceived):
                self._priced_s[heard.daemon, event.tick.instrument] = heard.at_s
            elif isinstance(event, BarReceived):
                self._priced_s[heard.daemon, event.candle.instrument] = heard.at_s

    def _committed(self, committed: Committed) -> None:
        if isinstance(committed.what, SessionRow):
            self._loaded_s[committed.what.session_id] = committed.at_s

    def _left(self, left: WriteLeft) -> None:
        entry = entry_of(self.world, left)
        if entry is None:
            return
        for session in self.world.rows.sessions.values():
            symbol = symbol_of(session.instrument)
            priced_s = max(
                self._priced_s.get((left.who, session.instrument), 0.0),
                self._loaded_s.get(session.session_id, 0.0),
            )
            is_held = self.world.books(session.account_id).position_qty(symbol) != 0
            if is_held and left.at_s - priced_s > self._age_s_max:
                self.broken(
                    f"{left.who} sent the entry {entry.id}; {symbol} is held, and was priced"
                    f" {left.at_s - priced_s:.0f} s before"
                )
