"""What the desk says of itself: never OK about what is not known."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from actors.app.simulation.house import Noticed
from actors.app.simulation.invariants.checker import Checker
from actors.app.simulation.invariants.truth import Holdings
from actors.app.simulation.names import number_of
from actors.app.simulation.settings import settings_of
from actors.desk import HouseDesk
from actors.runtime import DeadLetter
from adapters.simulated.history import EventHeard, FeedDown, FeedUp, QuestionAnswered
from adapters.simulated.rows import Restored
from trader.ids import AccountId
from trader.session.events import TradingState
from trader.views import PositionView

FIRST_LOOK_S = 47.0
LOOK_S = 97.0  # at other seconds of the minute each time
TOLD_S = 1.0  # until the actor has heard of it that answers the desk
HELD_S = 120.0  # a broker's word may be so old: two periods, a listing that lags, a retry

Login = tuple[str, str]  # a boot of a daemon, and the venue's number of the account


class HonestStatus(Checker):
    """I26."""

    invariant = "I26"
    promise = "ready, status and positions never say OK about what is not known"

    def watch(self) -> None:
        """What is known, and what the desk says, now and then."""
        self._holdings = Holdings(self.world)
        self._settings = settings_of(self.world.plan)
        self._numbers = [number_of(AccountId(name)) for name in self.world.plan.accounts]
        self._confirmed_s: dict[Login, float] = {}
        self._line_down_s: dict[Login, float] = {}  # since when; not in it: up
        self._feed_down_s: dict[Login, float] = {}
        self._dead_letters: Counter[str] = Counter()
        self._restored_s = float("-inf")
        self.world.history.listen(QuestionAnswered, self._answered)
        self.world.history.listen(EventHeard, self._heard)
        self.world.history.listen(FeedUp, self._feed_up)
        self.world.history.listen(FeedDown, self._feed_down)
        self.world.history.listen(Noticed, self._noticed)
        self.world.history.listen(Restored, self._restored)
        self.world.later(FIRST_LOOK_S, self._look)

    # What is known

    def _answered(self, answered: QuestionAnswered) -> None:
        if answered.is_ok and answered.path == "/v2/positions":
            self._confirmed_s[answered.who, answered.number] = answered.at_s

    def _heard(self, heard: EventHeard) -> None:
        login = (heard.who, heard.number)
        if heard.event == "lost":
            self._line_down_s.setdefault(login, heard.at_s)
        elif heard.event == "connected":
            self._line_down_s.pop(login, None)

    def _feed_up(self, up: FeedUp) -> None:
        self._feed_down_s.pop((up.daemon, up.number), None)

    def _feed_down(self, down: FeedDown) -> None:
        self._feed_down_s.setdefault((down.daemon, down.number), down.at_s)

    def _noticed(self, noticed: Noticed) -> None:
        if isinstance(noticed.notice, DeadLetter):
            self._dead_letters[noticed.who] += 1

    def _restored(self, restored: Restored) -> None:
        self._restored_s = restored.at_s

    # What is said

    def _look(self) -> None:
        self.world.later(LOOK_S, self._look)
        daemon, desk = self.world.daemon, self.world.daemon.desk
        if desk is not None:
            daemon.inside(self._judge(desk, f"{daemon.name}#{daemon.boots_count}"))

    async def _judge(self, desk: HouseDesk, who: str) -> None:
        began_s = self.world.loop.time()
        was_away, was_halted = self._is_away(), self._is_halted()
        dead_letters_count = self._dead_letters[who]
        status = await desk.status()
        if status.ready.is_ready:
            if was_away and self._is_away():
                self.broken(f"{who} is ready, and its database does not answer")
            for what in self._unknown(who, began_s):
                self.broken(f"{who} is ready, and {what}")
        if status.trading_state is TradingState.ACTIVE and was_halted and self._is_halted():
            self.broken(f"{who} lets entries through, it says, and the HALT file is there")
        if status.dead_letters_count < dead_letters_count:
            self.broken(f"{who} shows {status.dead_letters_count} of {dead_letters_count} letters")
        self._judge_positions(who, await desk.positions())

    def _unknown(self, who: str, began_s: float) -> Iterator[str]:
        """What nobody could know from `began_s` until now."""
        now_s = self.world.loop.time()
        age_s_max = 2 * self._settings.reconcile.position_period_s + TOLD_S + now_s - began_s
        for number in self._numbers:
            confirmed_s = self._confirmed_s.get((who, number))
            if confirmed_s is None or now_s - confirmed_s > age_s_max:
                yield f"the positions of {number} were confirmed at {confirmed_s} s"
            line_s = self._line_down_s.get((who, number), now_s)
            if line_s < began_s - TOLD_S:
                yield f"the orders stream of {number} is lost since {line_s} s"
            feed_s = self._feed_down_s.get((who, number), now_s)
            if feed_s < began_s - TOLD_S:
                yield f"the feed of {number} is lost since {feed_s} s"
        if began_s > self._restored_s + self._settings.store.lease_ttl_s:
            for account_id, lease in self.world.rows.leases.items():
                if not who.startswith(f"{lease.holder}#"):
                    yield f"{lease.holder} holds {account_id}"

    def _judge_positions(self, who: str, views: tuple[PositionView, ...]) -> None:
        since_s = self.world.loop.time() - HELD_S
        for view in views:
            if view.agrees and view.session_id is not None:
                said = view.memory_qty
                held: tuple[Decimal, ...] = tuple(self._holdings.since(view.session_id, since_s))
                if said not in held:
                    self.broken(
                        f"{who} says that broker and rows agree on {said} of {view.session_id}, "
                        f"and the venue has not held that for {HELD_S:.0f} s"
                    )

    def _is_away(self) -> bool:
        return self.world.database.is_away

    def _is_halted(self) -> bool:
        return self.world.daemon.disk.halt_file.exists()
