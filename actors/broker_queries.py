"""Questions to the broker: positions, open orders, single orders, the account's money.

Simultaneous askers are answered from one call; an asker joins only a call that has not been sent,
else it gets the next one. A failed question is never an empty answer: everyone who asked hears that
it failed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from actors.account_book import AccountBook
from actors.account_messages import FindOrder, QueryOrders, QueryPosition
from actors.runtime import Actor, Address
from trader.accounts.events import BalanceReported
from trader.ids import AccountId, ClientOrderId, InstrumentId, SessionId
from trader.money import NO_QTY, Quantity
from trader.orders.events import OpenOrdersReported, OrderAbsent, OrderReported, QueryFailed
from trader.orders.order import Status
from trader.ports import Account, Ledger, OrdersReported
from trader.positions.events import BrokerPosition, PositionReported, PositionsReported

QUERY_DEADLINE_S = 10.0
DATABASE_DEADLINE_S = 1.0  # the broker's word does not wait for the third column
POSITIONS, ORDERS, ACCOUNT = "positions", "orders", "account"

Rows = Mapping[SessionId, Quantity]


@dataclass(frozen=True, slots=True)
class CallPositions:
    """Whoever has asked by now joins the call."""


@dataclass(frozen=True, slots=True)
class CallOrders:
    """Whoever has asked by now joins the call."""


@dataclass(frozen=True, slots=True)
class PositionsAnswered:
    """The broker's answer; the database's column is read after it."""

    answer: PositionsReported | QueryFailed


@dataclass(frozen=True, slots=True)
class PositionRowsRead:
    """The broker's answer and the position rows; None: the database did not answer."""

    answer: PositionsReported
    rows: Rows | None


@dataclass(frozen=True, slots=True)
class OrderRowsRead:
    """The broker's answer and the rows of open orders; None: the database did not answer."""

    answer: OrdersReported
    rows: Mapping[SessionId, Mapping[ClientOrderId, Status]] | None


@dataclass(frozen=True, slots=True)
class OrdersAnswered:
    """The broker's answer."""

    answer: OrdersReported | QueryFailed


@dataclass(frozen=True, slots=True)
class BalanceAnswered:
    """The broker's answer."""

    answer: BalanceReported | QueryFailed


class Askers:
    """Who waits for one kind of answer: those of the call under way, and those of the next one."""

    def __init__(self) -> None:
        self.asked: dict[Address, InstrumentId] = {}
        self._waiting: dict[Address, InstrumentId] = {}
        self._is_called = False  # a call is due or under way

    def join(self, asker: Address, instrument: InstrumentId) -> bool:
        """Whether this asker is the one for whom a call must be made."""
        self._waiting[asker] = instrument
        is_first, self._is_called = not self._is_called, True
        return is_first

    def begin(self) -> None:
        """The call is being sent: whoever asks from now on gets the next one."""
        self.asked, self._waiting = self._waiting, {}

    def end(self) -> bool:
        """It was answered; whether another one is due at once."""
        self.asked = {}
        self._is_called = bool(self._waiting)
        return self._is_called


class Questions:
    """See the module. One account manager's; its waits are that actor's."""

    def __init__(
        self,
        actor: Actor,
        account_id: AccountId,
        account: Account,
        ledger: Ledger,
        book: AccountBook,
    ) -> None:
        self._actor = actor
        self._account_id = account_id
        self._account = account
        self._ledger = ledger
        self._book = book
        self._positions = Askers()
        self._orders = Askers()
        self.last: PositionsReported | None = None  # the newest answer, for the desk

    # Positions

    def position(self, asked: QueryPosition) -> None:
        """Answered with everybody who asks in the same breath."""
        if self._positions.join(asked.reply_to, asked.instrument):
            self._actor.remind(0.0, CallPositions())

    def call_positions(self) -> None:
        """One call for all."""
        self._positions.begin()
        asked_s = self._actor.runtime.host.elapsed()
        self._actor.pipe(
            self._account.positions(),
            done=PositionsAnswered,
            failed=lambda e: PositionsAnswered(QueryFailed(POSITIONS, repr(e), asked_s)),
            deadline_s=QUERY_DEADLINE_S,
        )

    def positions_answered(self, answer: PositionsReported | QueryFailed) -> None:
        """Beside the broker's word the database's is read."""
        if isinstance(answer, QueryFailed):
            self._fail(self._positions, POSITIONS, answer)
            self._after(self._positions, CallPositions())
            return
        self._actor.pipe(
            self._ledger.position_qtys(self._account_id),
            done=lambda rows: PositionRowsRead(answer, rows),
            failed=lambda _: PositionRowsRead(answer, None),
            deadline_s=DATABASE_DEADLINE_S,
        )

    def position_rows_read(self, message: PositionRowsRead) -> tuple[BrokerPosition, ...]:
        """Every asker gets its instrument's report; what nobody owns is returned."""
        answer = self.last = message.answer
        held = {each.instrument: each for each in answer.positions}
        owners = self._book.owners
        reports = {
            instrument: self._report(answer, instrument, held.get(instrument), message.rows)
            for instrument in dict.fromkeys((*owners, *self._positions.asked.values()))
        }
        for report in reports.values():
            self._book.gate.snapshot(report)
        for asker, instrument in self._positions.asked.items():
            asker.tell(reports[instrument])
        self._after(self._positions, CallPositions())
        return tuple(each for each in answer.positions if each.instrument not in owners)

    def _report(
        self,
        answer: PositionsReported,
        instrument: InstrumentId,
        held: BrokerPosition | None,
        rows: Rows | None,
    ) -> PositionReported:
        owner = self._book.owners.get(instrument)
        return PositionReported(
            account_id=self._account_id,
            instrument=instrument,
            qty=held.qty if held else NO_QTY,
            avg_px=held.avg_px if held else None,
            mark=held.mark if held else None,
            asked_s=answer.asked_s,
            reported_at=answer.reported_at,
            database_qty=None
            if rows is None or owner is None
            else rows.get(owner.session_id, NO_QTY),
        )

    # Open orders, and one order

    def orders(self, asked: QueryOrders) -> None:
        """Answered with everybody who asks in the same breath."""
        if self._orders.join(asked.reply_to, asked.instrument):
            self._actor.remind(0.0, CallOrders())

    def call_orders(self) -> None:
        """One call for all."""
        self._orders.begin()
        asked_s = self._actor.runtime.host.elapsed()
        self._actor.pipe(
            self._account.open_orders(),
            done=OrdersAnswered,
            failed=lambda e: OrdersAnswered(QueryFailed(ORDERS, repr(e), asked_s)),
            deadline_s=QUERY_DEADLINE_S,
        )

    def orders_answered(self, answer: OrdersReported | QueryFailed) -> None:
        """Beside the broker's word the database's is read."""
        if isinstance(answer, QueryFailed):
            self._fail(self._orders, ORDERS, answer)
            self._after(self._orders, CallOrders())
            return
        self._actor.pipe(
            self._ledger.open_orders(self._account_id),
            done=lambda rows: OrderRowsRead(answer, rows),
            failed=lambda _: OrderRowsRead(answer, None),
            deadline_s=DATABASE_DEADLINE_S,
        )

    def order_rows_read(self, message: OrderRowsRead) -> None:
        """Every asker gets its instrument's orders."""
        answer = message.answer
        for asker, instrument in self._orders.asked.items():
            reports = tuple(each for each in answer.reports if each.instrument == instrument)
            rows = self._rows_of(instrument, message)
            asker.tell(OpenOrdersReported(reports, answer.asked_s, rows))
        self._after(self._orders, CallOrders())

    def _rows_of(
        self, instrument: InstrumentId, read: OrderRowsRead
    ) -> Mapping[ClientOrderId, Status] | None:
        owner = self._book.owners.get(instrument)
        if read.rows is None or owner is None:
            return None
        return read.rows.get(owner.session_id, {})

    def find(self, asked: FindOrder) -> None:
        """`OrderReported`, `OrderAbsent` or `QueryFailed`."""
        asked_s = self._actor.runtime.host.elapsed()
        what = f"order {asked.order_id}"

        def found(
            answer: OrderReported | OrderAbsent | QueryFailed,
        ) -> OrderReported | OrderAbsent | QueryFailed:
            if isinstance(answer, OrderReported):
                self._book.reported(answer.report)
            return answer

        self._actor.pipe(
            self._account.find(asked.order_id),
            done=found,
            failed=lambda error: QueryFailed(what, repr(error), asked_s),
            to=asked.reply_to,
            deadline_s=QUERY_DEADLINE_S,
        )

    # The account's money

    def balance(self) -> None:
        """`BalanceAnswered`."""
        asked_s = self._actor.runtime.host.elapsed()
        self._actor.pipe(
            self._account.balance(),
            done=BalanceAnswered,
            failed=lambda e: BalanceAnswered(QueryFailed(ACCOUNT, repr(e), asked_s)),
            deadline_s=QUERY_DEADLINE_S,
        )

    def _fail(self, askers: Askers, what: str, failure: QueryFailed) -> None:
        for asker in askers.asked:
            asker.tell(QueryFailed(what, failure.reason, failure.asked_s))

    def _after(self, askers: Askers, call: CallPositions | CallOrders) -> None:
        if askers.end():
            self._actor.remind(0.0, call)
