"""Exits: never refused for what stops an entry, and never more than there is."""

from collections import Counter

from actors.app.simulation.invariants.checker import Checker
from adapters.sandbox.events import Happening, OrderChanged
from adapters.simulated.account_faults import POSITIONS
from adapters.simulated.history import QuestionAnswered
from adapters.simulated.rows import Committed
from trader.ids import ClientOrderId
from trader.orders.order import Purpose, Status
from trader.records import ProgressEntry

# What the last gate may say to any order, and what the facts say to an exit.
FAIR = frozenset(
    {
        "already_over",
        "already_sent",
        "canceled",
        "deadline_passed",
        "live_account_not_verified",
        "not_changeable",
        "not_reducible",
        "not_the_owner",
        "old_incarnation",
        "rate_limited",
        "replace_refused",
        "unreachable",
    }
)
ELSEWHERE_S = 90.0  # the position was moved behind our back so lately: nobody could know
KNOWN_S = 15.0  # until what the broker said of it is believed: it may lag, and is asked twice


class ExitsNeverBlocked(Checker):
    """I4."""

    invariant = "I4"
    promise = "an exit is never refused for what stops entries, and never overshoots"

    def watch(self) -> None:
        """Refusals in the rows, fills at the venue."""
        self._adjustments_count: Counter[tuple[str, str]] = Counter()
        self._moved_s: dict[tuple[str, str], float] = {}
        self._told_s: dict[tuple[str, str], float] = {}  # the first answer asked after the move
        self.world.history.listen(Committed, self._committed)
        self.world.history.listen(QuestionAnswered, self._answered)
        self.world.venue.listen(self._happened)

    def _committed(self, committed: Committed) -> None:
        entry = committed.what
        if not isinstance(entry, ProgressEntry) or entry.status is not Status.DENIED:
            return
        row = self.world.rows.orders[entry.order_id]
        if row.order.purpose is not Purpose.ENTRY and entry.reason_code not in FAIR:
            self.broken(f"{entry.order_id}, an exit, was refused: {entry.reason_code}")

    def _answered(self, answer: QuestionAnswered) -> None:
        if answer.path != POSITIONS or not answer.is_ok:
            return
        for key, moved_s in self._moved_s.items():
            if key[0] == answer.number and moved_s < answer.asked_s:
                self._told_s.setdefault(key, answer.at_s)

    def _moved(self, key: tuple[str, str]) -> None:
        """Behind the daemon's back."""
        self._moved_s[key] = self.world.loop.time()
        self._told_s.pop(key, None)

    def _may_be_known(self, key: tuple[str, str]) -> bool:
        """Whether the daemon can know what is held there."""
        now_s = self.world.loop.time()
        if key not in self._moved_s:
            return True
        is_told = key in self._told_s and now_s > self._told_s[key] + KNOWN_S
        return is_told and now_s > self._moved_s[key] + ELSEWHERE_S

    def _happened(self, happenings: list[Happening]) -> None:
        for each in happenings:
            if isinstance(each, OrderChanged) and each.execution is not None:
                self._traded(each)

    def _traded(self, change: OrderChanged) -> None:
        trade = change.execution
        assert trade is not None
        key = (trade.account, trade.symbol)
        if change.event not in ("fill", "partial_fill"):  # a bust
            self._moved(key)
            return
        after = trade.position_qty
        before = after - trade.side.sign * trade.qty
        adjustments = self.world.venue.host.venue.ledger.account(trade.account).adjustments
        count = sum(each.symbol == trade.symbol for each in adjustments)
        if count != self._adjustments_count[key]:  # the desk moved shares, perhaps to and fro
            self._moved(key)
        self._adjustments_count[key] = count
        row = self.world.rows.orders.get(ClientOrderId(trade.client_order_id))
        if row is None:  # somebody else's
            self._moved(key)
            return
        if row.order.purpose is Purpose.ENTRY:
            return
        is_less = abs(after) < abs(before) and after * before >= 0
        if not is_less and self._may_be_known(key):
            self.broken(
                f"{trade.client_order_id}, {row.order.purpose}, brought {trade.symbol} from"
                f" {before} to {after}"
            )

    async def after_order_period(self) -> list[str]:
        """What protects a position lies on its other side, and is no larger."""
        found = []
        for plan in self.world.plan.sessions:
            books = self.world.books(plan.account)
            held = books.position_qty(plan.symbol)
            for order in books.all_open():
                asked = order.request
                row = self.world.rows.orders.get(ClientOrderId(asked.client_order_id))
                if asked.symbol != plan.symbol or row is None:
                    continue
                if row.order.purpose is not Purpose.PROTECT:
                    continue
                if row.order.side.sign * held >= 0 or order.leaves > abs(held):
                    found.append(f"{row.order.id} protects {order.leaves}, and {held} are held")
        return found
