"""No bar is left out: while nothing is wrong, the strategy is asked about each."""

from collections.abc import Iterator
from datetime import datetime

from actors.app.simulation.invariants.bars import LATE_S, BarsOfTheVenue
from adapters.simulated.history import StrategyAsked, StrategyOpened
from adapters.simulated.venue import VENUE
from trader.ids import SessionId, instrument_id

EXITS_ONLY = "exits_only"
WARMING_UP = "strategy_warming_up"


class OnEveryBar(BarsOfTheVenue):
    """I5, its liveness: from the start where nothing goes wrong, else once all is calm."""

    invariant = "I5"
    promise = "while nothing is wrong the strategy runs on every finished bar"
    harmless: tuple[str, ...] = ()  # kinds of faults that are no excuse

    def watch(self) -> None:
        """Every bar, every warm-up and every question."""
        super().watch()
        self._since_s: dict[SessionId, float] = {}  # it was warm then
        self._asked_on: dict[tuple[SessionId, datetime], None] = {}
        self._is_strict = self._judges_all()
        self.world.history.listen(StrategyOpened, self._opened)
        self.world.history.listen(StrategyAsked, self._asked)

    def after_position_period(self) -> Iterator[str]:
        """From here on there is no excuse."""
        if not self._is_strict:
            now_s = self.world.loop.time()
            self._since_s = {SessionId(each.name): now_s for each in self.world.plan.sessions}
        return iter(())

    async def after_order_period(self) -> list[str]:
        """The bars that nobody was asked about."""
        return list(self._missed())

    def _judges_all(self) -> bool:
        return set(self.world.plan.kinds) <= set(self.harmless)

    def _opened(self, opened: StrategyOpened) -> None:
        if self._is_strict:
            self._since_s.setdefault(opened.session_id, opened.at_s)

    def _asked(self, asked: StrategyAsked) -> None:
        self._asked_on[asked.session_id, asked.candle.opened_at] = None

    def _missed(self) -> Iterator[str]:
        until_s = self.world.loop.time() - LATE_S
        said = {
            (each.session_id, each.bar_opened_at): each.reason_code
            for each in self.world.rows.decisions
        }
        traders = {f"trader:{each.name}" for each in self.world.plan.sessions}
        running = traders.intersection(self.world.running())
        for plan in self.world.plan.sessions:
            session_id = SessionId(plan.name)
            since_s = self._since_s.get(session_id)
            if since_s is None:
                yield f"{session_id} was never warm"
                continue
            if f"trader:{session_id}" not in running:
                continue  # quarantined: a guardian stands in for it
            # History may correct what went before the first bar after a hole: that one is lost.
            excused = [EXITS_ONLY] if self._is_strict else [EXITS_ONLY, WARMING_UP]
            for (instrument, opened_at), at_s in self._finished_s.items():
                is_its = instrument == instrument_id(plan.symbol, VENUE)
                if not is_its or not since_s < at_s < until_s:
                    continue
                why = said.get((session_id, opened_at), "no row")
                if (session_id, opened_at) in self._asked_on:
                    continue
                if why not in excused:
                    yield f"{session_id} was not asked about {opened_at:%H:%M} ({why})"
                elif why == WARMING_UP:
                    excused.remove(WARMING_UP)


class WallClockIsIgnored(OnEveryBar):
    """I21."""

    invariant = "I21"
    promise = "a jump of the wall clock changes nothing about bars: every one is decided on, once"
    harmless = ("wall_clock_jumps",)

    def _judges_all(self) -> bool:
        return set(self.world.plan.kinds) == set(self.harmless)

    async def after_order_period(self) -> list[str]:
        """Only where nothing else went wrong."""
        return list(self._missed()) if self._is_strict else []
