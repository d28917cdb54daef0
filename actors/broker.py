"""The account manager: one per account, everything that goes to its broker or comes from it.

Owns: the line to the broker and the account's lease. What leaves is in `broker_out`, questions are
in `broker_queries`, executions in `broker_executions`; who owns which instrument, and what has left
already, is in the account's book, which outlives this actor. The traders own their reconcile duty
and its verdict.

Edge cases: a lost connection is an event. A lease that cannot be renewed stops entries at its
deadline; another holder that was *seen* stops everything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from actors.account_book import AccountBook
from actors.account_messages import (
    AccountState,
    AttachSession,
    DescribeAccount,
    EquityAsked,
    EquityReported,
    FindOrder,
    ForgetOrder,
    QueryOrders,
    QueryPosition,
    ReadExecutions,
    SubmitOrder,
    SubmitRequest,
    UnownedPosition,
)
from actors.broker_executions import Executions, ExecutionsAnswered
from actors.broker_out import Outgoing
from actors.broker_queries import (
    BalanceAnswered,
    CallOrders,
    CallPositions,
    OrderRowsRead,
    OrdersAnswered,
    PositionRowsRead,
    PositionsAnswered,
    Questions,
)
from actors.journal import TOPIC as STORE
from actors.journal import KeepEntry
from actors.runtime import Actor, Address
from trader.accounts.account import Balance
from trader.accounts.events import (
    AccountAuthFailed,
    BalanceReported,
    FrameRefused,
    StreamConnected,
    StreamLost,
)
from trader.ids import AccountId, SessionId
from trader.money import NO_QTY
from trader.orders.events import OrderFilled, OrderReported, QueryFailed
from trader.ports import Account, AccountEvent, Ledger, NotSent
from trader.records import BalanceEntry, CursorEntry, Fence, HeldByAnother, Lease
from trader.session.events import ClockSuspected, LeaseChanged, StoreChanged

HOUSE = "house"  # topic: notices of general interest
LEASE_PARTS = 4  # renewals per ttl
RETRY_S = 1.0  # the database did not give the account's rows


@dataclass(frozen=True, slots=True)
class _Streamed:
    event: AccountEvent


@dataclass(frozen=True, slots=True)
class _Loaded:
    cursor: str | None
    balance: Balance | None


@dataclass(frozen=True, slots=True)
class _LoadFailed:
    pass


@dataclass(frozen=True, slots=True)
class _LoadAgain:
    pass


@dataclass(frozen=True, slots=True)
class _RenewLease:
    pass


@dataclass(frozen=True, slots=True)
class _LeaseAnswered:
    answer: Lease | HeldByAnother | None  # None: the database did not answer


AccountMessage = (
    SubmitOrder
    | SubmitRequest
    | FindOrder
    | ForgetOrder
    | QueryPosition
    | QueryOrders
    | ReadExecutions
    | AttachSession
    | EquityAsked
    | DescribeAccount
    | StoreChanged
    | CallPositions
    | CallOrders
    | PositionsAnswered
    | PositionRowsRead
    | OrderRowsRead
    | OrdersAnswered
    | ExecutionsAnswered
    | BalanceAnswered
    | _Streamed
    | _Loaded
    | _LoadFailed
    | _LoadAgain
    | _RenewLease
    | _LeaseAnswered
)


@dataclass(frozen=True, slots=True)
class AccountRules:
    """What an account manager is told once."""

    account_id: AccountId
    lease: Lease
    lease_ttl_s: float
    clock_jump_max_s: float = 2.0


@dataclass(frozen=True, slots=True)
class AccountNeighbours:
    """Whom an account manager talks to, by name."""

    journal: Address
    portfolio: Address
    sessions: Address


class AccountManager(Actor):
    """See the module."""

    def __init__(
        self,
        rules: AccountRules,
        account: Account,
        ledger: Ledger,
        book: AccountBook,
        neighbours: AccountNeighbours,
        halted: Callable[[], str],
        acknowledged: Callable[[float], None] = lambda _: None,
        ousted: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`ousted` hears that another daemon owns the account: this one's work is over."""
        super().__init__()
        self._rules = rules
        self._account = account
        self._ledger = ledger
        self._book = book
        self._to = neighbours
        self._ousted = ousted
        self._halted = halted  # "" or why no entry may leave: the HALT row or file
        self._out = Outgoing(self, account, book.gate, self._entry_bar, acknowledged)
        self._questions = Questions(self, rules.account_id, account, ledger, book)
        self._executions = Executions(self, account, book, self._keep_cursor)
        self._lease = rules.lease
        self._is_lease_told = False  # that it ran out; once is enough
        self._wall_less_elapsed_s = 0.0
        self._balance: Balance | None = None
        self._is_line_up = False
        self._line_cause = "not connected yet"
        self._frames_refused_count = 0

    def on_start(self) -> None:
        """Open the line; what lies in the database is read beside it."""
        self.runtime.subscribe(STORE, self.address)
        self._wall_less_elapsed_s = self._wall_drift_s()
        address = self.address  # the name: whoever bears it hears the stream

        def hear(event: AccountEvent) -> None:
            address.tell(_Streamed(event))

        self.pipe(
            self._account.start(hear),
            done=lambda _: None,
            failed=lambda error: _Streamed(StreamLost(self._rules.account_id, repr(error))),
        )
        self._load()
        self._renew()

    async def on_stop(self) -> None:
        """Close the line; the lease is given back by the house, after the last write."""
        self.runtime.unsubscribe(STORE, self.address)
        await self._account.stop()

    def on_receive(self, message: AccountMessage) -> AccountState | None:
        """One line a message."""
        match message:
            case _Streamed():
                self._streamed(message.event)
            case SubmitOrder():
                self._out.submit(message)
            case SubmitRequest():
                self._out.request(message)
            case FindOrder():
                self._questions.find(message)
            case ForgetOrder():
                self._book.gate.over(message.instrument, message.order_id, NO_QTY)
            case QueryPosition():
                self._questions.position(message)
            case QueryOrders():
                self._questions.orders(message)
            case CallPositions():
                self._sweep()
            case CallOrders():
                self._questions.call_orders()
            case PositionsAnswered():
                self._questions.positions_answered(message.answer)
            case PositionRowsRead():
                self._position_rows_read(message)
            case OrderRowsRead():
                self._questions.order_rows_read(message)
            case OrdersAnswered():
                self._questions.orders_answered(message.answer)
            case ReadExecutions():
                self._executions.read()
            case ExecutionsAnswered():
                self._executions.answered(message.answer)
            case BalanceAnswered():
                self._balance_answered(message.answer)
            case EquityAsked():
                self._equity_asked()
            case AttachSession():
                self._attach(message)
            case StoreChanged():
                self._store_changed(message)
            case _Loaded():
                self._loaded(message)
            case _LoadFailed():
                self.remind(RETRY_S, _LoadAgain())
            case _LoadAgain():
                self._load()
            case _RenewLease():
                self._renew()
            case _LeaseAnswered():
                self._lease_answered(message)
            case DescribeAccount():
                return self._describe()
            case _:
                assert_never(message)
        return None

    # What lies in the database

    def _load(self) -> None:
        async def read() -> _Loaded:
            cursor = await self._ledger.executions_cursor(self._rules.account_id)
            return _Loaded(cursor, await self._ledger.last_balance(self._rules.account_id))

        self.pipe(read(), done=lambda loaded: loaded, failed=lambda _: _LoadFailed())

    def _loaded(self, message: _Loaded) -> None:
        if self._balance is None:
            self._balance = message.balance
        self._questions.balance()
        self._executions.begin(message.cursor)

    def _store_changed(self, message: StoreChanged) -> None:
        if message.lost_count:
            self._load()  # fills among them are read again from the durable cursor

    def _keep_cursor(self, cursor: str) -> None:
        self._to.journal.tell(KeepEntry(CursorEntry(cursor, self._fence())))

    def _fence(self) -> Fence:
        """Entries of the account itself belong to no session: only the epoch is checked."""
        return Fence(self._rules.account_id, self._lease.epoch, SessionId(""), 0)

    # The lease

    def _renew(self) -> None:
        drift_s = self._wall_drift_s()
        jump_s, self._wall_less_elapsed_s = drift_s - self._wall_less_elapsed_s, drift_s
        if abs(jump_s) > self._rules.clock_jump_max_s:
            self._book.tell_all(ClockSuspected(jump_s))
        self.pipe(
            self._ledger.renew(self._lease, self._rules.lease_ttl_s),
            done=_LeaseAnswered,
            failed=lambda _: _LeaseAnswered(None),
            deadline_s=self._rules.lease_ttl_s,
        )

    def _wall_drift_s(self) -> float:
        host = self.runtime.host
        return host.now().timestamp() - host.elapsed()

    def _lease_answered(self, message: _LeaseAnswered) -> None:
        match message.answer:
            case Lease():
                was_held = self._is_lease_held()
                self._lease = message.answer
                if not was_held and self._is_lease_held():
                    self._is_lease_told = False
                    self._book.tell_all(LeaseChanged(True, ""))
                    self.publish(HOUSE, LeaseChanged(True, ""))
            case HeldByAnother():
                self._stop_for_good(message.answer)
            case None:
                if not self._is_lease_held():
                    lost = LeaseChanged(False, "it ran out and the database does not answer")
                    self._book.tell_all(lost)
                    if not self._is_lease_told:
                        self._is_lease_told = True
                        self.publish(HOUSE, lost)
            case _:
                assert_never(message.answer)
        self.remind(self._rules.lease_ttl_s / LEASE_PARTS, _RenewLease())

    def _stop_for_good(self, seen: HeldByAnother) -> None:
        """Two daemons that act on one account are worse than none."""
        if self._book.gate.stopped_because:
            return
        who = f"{seen.holder} holds epoch {seen.epoch}"
        self._book.gate.stopped_because = who
        self._book.tell_all(LeaseChanged(False, who))
        self.publish(HOUSE, LeaseChanged(False, who))
        self._ousted(f"account {self._rules.account_id} belongs to another daemon: {who}")

    def _is_lease_held(self) -> bool:
        return (
            not self._book.gate.stopped_because
            and self.runtime.host.elapsed() < self._lease.deadline_s
        )

    def _entry_bar(self) -> NotSent | None:
        """Asked at the socket: why no entry may leave now."""
        if not self._is_lease_held():
            return NotSent("lease_expired", "this daemon may no longer own the account")
        why = self._halted()
        return NotSent("halted", why) if why else None

    # In

    def _streamed(self, event: AccountEvent) -> None:
        match event:
            case OrderReported():
                self._book.reported(event.report)
                self._book.tell_owner(event.report.instrument, event)
            case OrderFilled():
                self._book.filled(event.fill)
            case StreamConnected():
                self._is_line_up, self._line_cause = True, ""
                self._book.tell_all(event)
                self._executions.read()
            case StreamLost():
                self._is_line_up, self._line_cause = False, event.cause
                self._book.tell_all(event)
            case FrameRefused():
                self._frames_refused_count += 1
                self.publish(HOUSE, event)
            case AccountAuthFailed():
                self._line_cause = event.detail
                self.publish(HOUSE, event)
            case _:
                assert_never(event)

    def _attach(self, message: AttachSession) -> None:
        self._book.attach(message)
        if self._is_line_up:
            message.reply_to.tell(StreamConnected(self._rules.account_id))
        if not self._is_lease_held():
            why = self._book.gate.stopped_because or "the lease ran out"
            message.reply_to.tell(LeaseChanged(False, why))

    def _sweep(self) -> None:
        """Positions; beside them what the stream may have lost, and the account's money."""
        self._questions.call_positions()
        self._executions.read()
        self._questions.balance()

    def _position_rows_read(self, message: PositionRowsRead) -> None:
        for unowned in self._questions.position_rows_read(message):
            self._to.sessions.tell(UnownedPosition(self._rules.account_id, unowned))

    # The account's money

    def _equity_asked(self) -> None:
        if self._balance is not None:
            self._to.portfolio.tell(EquityReported(self._balance))
        else:
            self._questions.balance()

    def _balance_answered(self, answer: BalanceReported | QueryFailed) -> None:
        if isinstance(answer, QueryFailed):
            return  # the next sweep asks again
        before, self._balance = self._balance, answer.balance
        self._to.portfolio.tell(EquityReported(answer.balance))
        if before is None or not answer.balance.says_the_same_as(before):
            self._to.journal.tell(KeepEntry(BalanceEntry(answer.balance, self._fence())))

    def _describe(self) -> AccountState:
        now_s = self.runtime.host.elapsed()
        held, last = self._is_lease_held(), self._questions.last
        return AccountState(
            account_id=self._rules.account_id,
            balance=self._balance,
            is_line_up=self._is_line_up,
            line_cause=self._line_cause,
            epoch=self._lease.epoch if held else None,
            lease_left_s=self._lease.deadline_s - now_s if held else None,
            positions=None if last is None else {p.instrument: p.qty for p in last.positions},
            positions_age_s=None if last is None else now_s - last.asked_s,
            refused_frames_count=self._frames_refused_count,
        )
