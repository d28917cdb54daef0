"""Exits: never refused for what stops an entry, and never more than there is."""

from collections import defaultdict
from decimal import Decimal

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


class ExitsNeverBlocked(Checker):
    """I4."""

    invariant = "I4"
    promise = "an exit is never refused for what stops entries, and never overshoots"

    def watch(self) -> None:
        """Refusals in the rows, fills at the venue."""
        self._held: dict[tuple[str, str], Decimal] = {}
        self._moved_s: dict[tuple[str, str], float] = {}
        self._shown_s: dict[str, float] = {}  # of the newest question for positions with an answer
        self._stops: defaultdict[tuple[str, str], set[Decimal]] = defaultdict(set)  # of entries
        self.world.history.listen(Committed, self._committed)
        self.world.history.listen(QuestionAnswered, self._answered)
        self.world.venue.listen(self._happened)

    def _answered(self, answer: QuestionAnswered) -> None:
        if answer.is_ok and answer.path == POSITIONS:
            asked_s = max(answer.asked_s, self._shown_s.get(answer.number, 0.0))
            self._shown_s[answer.number] = asked_s

    def _committed(self, committed: Committed) -> None:
        entry = committed.what
        if not isinstance(entry, ProgressEntry) or entry.status is not Status.DENIED:
            return
        row = self.world.rows.orders[entry.order_id]
        if row.order.purpose is not Purpose.ENTRY and entry.reason_code not in FAIR:
            self.broken(f"{entry.order_id}, an exit, was refused: {entry.reason_code}")

    def _happened(self, happenings: list[Happening]) -> None:
        for each in happenings:
            if isinstance(each, OrderChanged) and each.execution is not None:
                self._traded(each)

    def _traded(self, change: OrderChanged) -> None:
        trade, now_s = change.execution, self.world.loop.time()
        assert trade is not None
        if change.event not in ("fill", "partial_fill"):  # a bust
            self._moved_s[trade.account, trade.symbol] = now_s
            return
        key = (trade.account, trade.symbol)
        after = trade.position_qty
        before = after - trade.side.sign * trade.qty
        if before != self._held.get(key, Decimal(0)):  # the desk moved shares
            self._moved_s[key] = now_s
        self._held[key] = after
        if before * after <= 0:
            self._stops[key].clear()
        row = self.world.rows.orders.get(ClientOrderId(trade.client_order_id))
        if row is None:  # somebody else's
            self._moved_s[key] = now_s
            return
        if row.order.purpose is Purpose.ENTRY:
            if row.order.protective_stop is not None:
                self._stops[key].add(row.order.protective_stop)
            return
        is_less = abs(after) < abs(before) and after * before >= 0
        if not is_less and not self._is_news(key, now_s):
            self.broken(
                f"{trade.client_order_id}, {row.order.purpose}, brought {trade.symbol} from"
                f" {before} to {after}"
            )

    def _is_news(self, key: tuple[str, str], now_s: float) -> bool:
        """Whether the position was moved behind our back so lately, or while nobody answered."""
        number, symbol = key
        adjustments = self.world.venue.host.venue.ledger.account(number).adjustments
        moved = [each.at for each in adjustments if each.symbol == symbol]
        moved_s = self._moved_s.get(key, -ELSEWHERE_S)
        if moved:
            ago_s = (self.world.clock.now() - moved[-1]).total_seconds()
            moved_s = max(moved_s, now_s - ago_s)
        if moved_s < 0:
            return False
        return now_s <= moved_s + ELSEWHERE_S or self._shown_s.get(number, 0.0) < moved_s

    async def after_order_period(self) -> list[str]:
        """What protects a position lies on its other side, is no larger, and is its own."""
        found = []
        for plan in self.world.plan.sessions:
            books = self.world.books(plan.account)
            held = books.position_qty(plan.symbol)
            key = (books.number, plan.symbol)
            for order in books.all_open():
                asked = order.request
                row = self.world.rows.orders.get(ClientOrderId(asked.client_order_id))
                if asked.symbol != plan.symbol or row is None:
                    continue
                if row.order.purpose is not Purpose.PROTECT:
                    continue
                if row.order.side.sign * held >= 0 or order.leaves > abs(held):
                    found.append(f"{row.order.id} protects {order.leaves}, and {held} are held")
                elif key not in self._moved_s and asked.stop_price not in self._stops[key]:
                    found.append(f"{row.order.id} is the stop of a position that is over")
        return found
