"""What the operator was told: nothing acknowledged is lost, and a halt holds."""

from datetime import datetime, timedelta
from decimal import Decimal

from actors.app.simulation.invariants.checker import Checker
from adapters.sandbox.orders import Execution, Side
from adapters.simulated.history import CommandAnswered, CommandAsked, WriteLeft
from adapters.simulated.rows import Committed
from trader.ids import ClientOrderId, SessionId
from trader.operator import CommandOutcome, CommandRow, TradingStanding
from trader.orders.order import Purpose
from trader.session.events import TradingState
from trader.views import CommandResult, CommandView

HEARD_S = 30.0  # by every daemon: it looks each 15 s, and again where it got no answer
ROW_IS_MISSING = ("row is missing", "the database does not answer")  # said, so it may be


class AcknowledgedIsKept(Checker):
    """I8."""

    invariant = "I8"
    promise = "what the desk acknowledged is committed, and has its effect or a recorded failure"

    def watch(self) -> None:
        """Every answer, every row."""
        self._recorded: dict[str, CommandRow] = {}
        self._standings: list[TradingState] = []
        self.world.history.listen(Committed, self._committed)
        self.world.history.listen(CommandAnswered, self._answered)

    def _committed(self, committed: Committed) -> None:
        what = committed.what
        if isinstance(what, TradingStanding):
            self._standings.append(what.state)
        if isinstance(what, CommandRow):
            self._recorded[what.id] = what
            if what.kind == "close" and what.outcome is CommandOutcome.DONE:
                self._closed(what)

    def _answered(self, answered: CommandAnswered) -> None:
        view = answered.answer
        if view is None or view.result not in (CommandResult.DONE, CommandResult.ACCEPTED):
            return
        if view.verb == "reconcile" or any(each in view.detail for each in ROW_IS_MISSING):
            return  # asks, and keeps nothing; or says itself that nothing is kept
        if view.id not in self._recorded:
            self.broken(f"{view.verb} was acknowledged and has no row: {view.detail}")
        elif view.verb in _LATCHED and not self._is_latched(_LATCHED[view.verb]):
            self.broken(f"{view.verb} was acknowledged and is not latched: {view.detail}")

    def _is_latched(self, state: TradingState) -> bool:
        """The file counts as the row."""
        is_halted = self.world.daemon.disk.halt_file.exists()
        return state in self._standings[-1:] or (is_halted and state is TradingState.HALTED)

    def _closed(self, row: CommandRow) -> None:
        assert row.session_id is not None
        if not self._was_flat_since(row.session_id, row.asked_at):
            self.broken(f"the close {row.id} of {row.session_id} is done, and it was never flat")

    def _was_flat_since(self, session_id: SessionId, since: datetime) -> bool:
        """By the venue's own books, read from now backwards."""
        (plan,) = [each for each in self.world.plan.sessions if each.name == session_id]
        books = self.world.books(plan.account)
        moves = [
            *((e.at, _signed(e)) for e in books.executions if e.symbol == plan.symbol),
            *((a.at, a.signed_qty) for a in books.adjustments if a.symbol == plan.symbol),
        ]
        qty = books.position_qty(plan.symbol)
        for at, moved in sorted(moves, reverse=True):
            if not qty:
                return True
            if at < since:
                return False
            qty -= moved
        return not qty

    async def after_order_period(self) -> list[str]:
        """Every close has ended."""
        late = self.world.clock.now() - timedelta(seconds=self.world.plan.calm_s / 2)
        return [
            f"the close {row.id} of {row.session_id}, asked at {row.asked_at:%H:%M:%S}, never ended"
            for row in self.world.rows.commands.values()
            if row.kind == "close" and row.outcome is None and row.asked_at < late
        ]


class HaltHolds(Checker):
    """I11."""

    invariant = "I11"
    promise = "after a halt is acknowledged no entry leaves, over restarts and without a database"

    def watch(self) -> None:
        """Every order that leaves."""
        self._halted: CommandView | None = None
        self._row_s: float | None = None  # since when the row stops entries
        self.world.history.listen(CommandAsked, self._asked)
        self.world.history.listen(CommandAnswered, self._answered)
        self.world.history.listen(Committed, self._committed)
        self.world.history.listen(WriteLeft, self._left)

    def _asked(self, asked: CommandAsked) -> None:
        if asked.kind == "resume":
            self._halted = None

    def _answered(self, answered: CommandAnswered) -> None:
        view = answered.answer
        if view is not None and view.verb == "halt" and view.result is CommandResult.DONE:
            self._halted = view

    def _committed(self, committed: Committed) -> None:
        if isinstance(committed.what, TradingStanding):
            if committed.what.state is TradingState.ACTIVE:
                self._row_s = None
            elif self._row_s is None:
                self._row_s = committed.at_s

    def _left(self, left: WriteLeft) -> None:
        row = self.world.rows.orders.get(ClientOrderId(left.client_order_id))
        if self._halted is None or left.method != "POST" or row is None:
            return
        if row.order.purpose is Purpose.ENTRY and self._is_bound(left):
            self.broken(f"{left.who} sent the entry {row.order.id} after {self._halted.detail}")

    def _is_bound(self, left: WriteLeft) -> bool:
        """Whoever acknowledged it at once; another daemon once it has looked at the row."""
        if left.who.startswith(f"{self.world.daemon.name}#"):
            return True
        return self._row_s is not None and left.at_s > self._row_s + HEARD_S


def _signed(execution: Execution) -> Decimal:
    return execution.qty if execution.side is Side.BUY else -execution.qty


_LATCHED = {"halt": TradingState.HALTED, "resume": TradingState.ACTIVE}
