"""Entries fail closed: none leaves on a market, a feed or a position that is not known to be so."""

from typing import TYPE_CHECKING

from actors.app.simulation.invariants.checker import Checker
from actors.app.simulation.names import number_of
from adapters.simulated.history import ClockAnswered, FeedHeard, QuestionAnswered, WriteLeft
from trader.ids import AccountId, ClientOrderId, InstrumentId
from trader.orders.order import Order, Purpose
from trader.ports import BarReceived, TickReceived

if TYPE_CHECKING:
    from actors.app.simulation.world import World

ENTRY_S = 11.0  # an entry that was cleared in time may be this long on its way to the gate
FRAME_AGE_S_MAX = 10.0
DATA_AGE_S_MAX = 125.0  # two bars and a little
RECONCILE_PERIOD_S = 30.0

Login = tuple[str, str]  # a daemon, and the venue's number of the account


class OnlyInAnOpenMarket(Checker):
    """I14, the venue's clock."""

    invariant = "I14"
    promise = "no entry while the venue says that its market is closed, or says nothing"

    def watch(self) -> None:
        """Every answer of the venue's clock, and every entry."""
        self._closed_since_s: dict[Login, float | None] = {}
        self.world.history.listen(ClockAnswered, self._answered)
        self.world.history.listen(WriteLeft, self._left)

    def _answered(self, answered: ClockAnswered) -> None:
        login = (answered.daemon, answered.number)
        if answered.is_open:
            self._closed_since_s[login] = None
        elif self._closed_since_s.get(login) is None:
            self._closed_since_s[login] = answered.at_s

    def _left(self, left: WriteLeft) -> None:
        since_s = self._closed_since_s.get((left.who, left.number), 0.0)
        entry = entry_of(self.world, left)
        if entry is not None and since_s is not None and left.at_s - since_s > ENTRY_S:
            self.broken(f"{left.who} sent the entry {entry.id}; not known to be open: {since_s} s")


class OnlyOnAFreshFeed(Checker):
    """I14, the feed."""

    invariant = "I14"
    promise = "no entry while the feed is silent, or has no data of the instrument"

    def watch(self) -> None:
        """Every frame, and every entry."""
        self._frame_s: dict[Login, float] = {}
        self._data_s: dict[tuple[str, InstrumentId], float] = {}
        self.world.history.listen(FeedHeard, self._heard)
        self.world.history.listen(WriteLeft, self._left)

    def _heard(self, heard: FeedHeard) -> None:
        self._frame_s[heard.daemon, heard.number] = heard.at_s
        for event in heard.events:
            if isinstance(event, TickReceived):
                self._data_s[heard.daemon, event.tick.instrument] = heard.at_s
            elif isinstance(event, BarReceived):
                self._data_s[heard.daemon, event.candle.instrument] = heard.at_s

    def _left(self, left: WriteLeft) -> None:
        entry = entry_of(self.world, left)
        if entry is None:
            return
        frame_s = self._frame_s.get((left.who, left.number))
        if frame_s is None or left.at_s - frame_s > FRAME_AGE_S_MAX + ENTRY_S:
            self.broken(f"{left.who} sent the entry {entry.id}; last frame at {frame_s} s")
        data_s = self._data_s.get((left.who, entry.instrument))
        if data_s is None or left.at_s - data_s > DATA_AGE_S_MAX + ENTRY_S:
            self.broken(f"{left.who} sent the entry {entry.id}; last data at {data_s} s")


class ReconcileIsAlive(Checker):
    """I15, by the age of the last success."""

    invariant = "I15"
    promise = "positions are confirmed every two periods, or no entry leaves"

    def watch(self) -> None:
        """Every answer about positions, and every entry."""
        self._confirmed_s: dict[Login, float] = {}
        self.world.history.listen(QuestionAnswered, self._answered)
        self.world.history.listen(WriteLeft, self._left)

    def _answered(self, answered: QuestionAnswered) -> None:
        if answered.is_ok and answered.path == "/v2/positions":
            self._confirmed_s[answered.who, answered.number] = answered.at_s

    def _left(self, left: WriteLeft) -> None:
        entry = entry_of(self.world, left)
        age_s = self._age_s(left.who, left.number)
        if entry is not None and (age_s is None or age_s > 2 * RECONCILE_PERIOD_S + ENTRY_S):
            self.broken(f"{left.who} sent the entry {entry.id}; positions confirmed {age_s} s ago")

    async def after_order_period(self) -> list[str]:
        """In calm they are confirmed in time."""
        daemon = self.world.daemon
        label = f"{daemon.name}#{daemon.boots_count}"
        found = []
        for name in self.world.plan.accounts:
            age_s = self._age_s(label, number_of(AccountId(name)))
            if age_s is None or age_s > 2 * RECONCILE_PERIOD_S:
                found.append(f"positions of {name} were confirmed {age_s} s ago")
        return found

    def _age_s(self, who: str, number: str) -> float | None:
        confirmed_s = self._confirmed_s.get((who, number))
        return None if confirmed_s is None else self.world.loop.time() - confirmed_s


def entry_of(world: "World", left: WriteLeft) -> Order | None:
    """The order that leaves, if it is an entry."""
    row = world.rows.orders.get(ClientOrderId(left.client_order_id))
    is_entry = left.method == "POST" and row is not None and row.order.purpose is Purpose.ENTRY
    return row.order if row is not None and is_entry else None
