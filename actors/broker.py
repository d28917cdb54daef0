"""The account manager: one per account, everything that goes to its broker or comes from it.

Owns: the line to the broker, the account's lease, the last gate, the queries' phase. The traders
own their reconcile duty and its verdict; simultaneous askers are answered from one call, and an
asker joins only a call that has not been sent.

Edge cases: answers go to `reply_to` from the wait itself, so a dead incarnation's Accepted still
arrives. A lost connection is an event. A lease that cannot be renewed stops entries at its
deadline; another holder that was *seen* stops everything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from actors.account_messages import (
    AccountState,
    AttachSession,
    DescribeAccount,
    EquityAsked,
    EquityReported,
    FindOrder,
    QueryOrders,
    QueryPosition,
    ReadExecutions,
    SubmitOrder,
    SubmitRequest,
    UnownedPosition,
)
from actors.journal import KeepEntry
from actors.last_gate import LastGate
from actors.runtime import Actor, Address
from trader.accounts.account import Balance
from trader.accounts.events import (
    AccountAuthFailed,
    BalanceReported,
    FrameRefused,
    StreamConnected,
    StreamLost,
)
from trader.ids import AccountId, InstrumentId, SessionId
from trader.money import NO_QTY, Quantity
from trader.orders.events import (
    ChangeAnswered,
    OpenOrdersReported,
    OrderAbsent,
    OrderAccepted,
    OrderDenied,
    OrderFilled,
    OrderRejected,
    OrderReported,
    OrderSubmitted,
    OrderUnanswered,
    QueryFailed,
)
from trader.orders.order import Order, Replace
from trader.ports import (
    Accepted,
    Account,
    AccountEvent,
    Answer,
    ExecutionsReported,
    Ledger,
    NotSent,
    OrdersReported,
    Rejected,
    Unknown,
)
from trader.positions.events import BrokerPosition, PositionReported, PositionsReported
from trader.records import BalanceEntry, CursorEntry, Fence, HeldByAnother, Lease
from trader.session.events import ClockSuspected, LeaseChanged

HOUSE = "house"  # topic: notices of general interest
QUERY_DEADLINE_S = 10.0
DATABASE_DEADLINE_S = 1.0  # the broker's word does not wait for the third column
LEASE_PARTS = 4  # renewals per ttl


@dataclass(frozen=True, slots=True)
class _Streamed:
    event: AccountEvent


@dataclass(frozen=True, slots=True)
class _PositionsAnswered:
    answer: PositionsReported | QueryFailed
    database: dict[SessionId, Quantity] | None


@dataclass(frozen=True, slots=True)
class _OrdersAnswered:
    answer: OrdersReported | QueryFailed


@dataclass(frozen=True, slots=True)
class _ExecutionsAnswered:
    answer: ExecutionsReported | QueryFailed


@dataclass(frozen=True, slots=True)
class _BalanceAnswered:
    answer: BalanceReported | QueryFailed


@dataclass(frozen=True, slots=True)
class _DatabaseRead:
    answer: PositionsReported
    rows: dict[SessionId, Quantity] | None


@dataclass(frozen=True, slots=True)
class _LeaseAnswered:
    answer: Lease | HeldByAnother | None


@dataclass(frozen=True, slots=True)
class _RenewLease:
    pass


@dataclass(frozen=True, slots=True)
class _AskNow:
    what: str


@dataclass(frozen=True, slots=True)
class _Started:
    cursor: str | None
    balance: Balance | None


@dataclass(frozen=True, slots=True)
class _LoadAgain:
    pass


@dataclass(slots=True)
class _Query:
    """Askers of one kind of question: those of the call under way, and those of the next one."""

    waiting: list[Address]
    asked: list[Address]
    is_scheduled: bool = False


@dataclass(frozen=True, slots=True)
class AccountRules:
    """What an account manager is told once."""

    account_id: AccountId
    lease: Lease
    lease_ttl_s: float
    clock_jump_max_s: float = 2.0


class Owners:
    """Which session owns which instrument of the account, and in which incarnation.

    Owned by the house, not by an incarnation: names outlive actors, and so does what they own.
    """

    def __init__(self) -> None:
        self.by_instrument: dict[InstrumentId, AttachSession] = {}


class AccountManager(Actor):
    """See the module."""

    def __init__(
        self,
        rules: AccountRules,
        account: Account,
        ledger: Ledger,
        journal: Address,
        portfolio: Address,
        sessions: Address,
        halted: Callable[[], str],
        owners: Owners,
    ) -> None:
        super().__init__()
        self._rules = rules
        self._account = account
        self._ledger = ledger
        self._journal = journal
        self._portfolio = portfolio
        self._sessions = sessions
        self._halted = halted  # "" or why no entry may leave: the HALT row or file
        self._lease = rules.lease
        self._owners = owners.by_instrument
        self._positions = _Query([], [])
        self._orders = _Query([], [])
        self._instrument_of: dict[str, InstrumentId] = {}
        self._is_reading = False
        self._read_again = False
        self._cursor: str | None = None
        self._cursor_kept: str | None = None
        self._balance: Balance | None = None
        self._is_line_up = False
        self._line_cause = "not connected yet"
        self._last: PositionsReported | None = None
        self._frames_refused_count = 0
        self._newest_fill_s: dict[InstrumentId, float] = {}
        self._wall_less_elapsed_s = 0.0
        self._is_loaded = False

    def on_start(self) -> None:
        """Open the line; what lies in the database is read beside it."""
        host = self.runtime.host
        self._gate = LastGate(host.elapsed, self._entry_bar)
        for owner in self._owners.values():
            self._gate.attach(owner.instrument, owner.incarnation)
        self._wall_less_elapsed_s = host.now().timestamp() - host.elapsed()
        self._load()
        address = self.address
        self.pipe(
            self._account.start(lambda event: _tell(address, _Streamed(event))),
            done=lambda _: None,
            failed=lambda error: _Streamed(StreamLost(self._rules.account_id, repr(error))),
        )
        self.remind(self._rules.lease_ttl_s / LEASE_PARTS, _RenewLease())

    async def on_stop(self) -> None:
        """Close the line; the lease is given back by the house, after the last write."""
        await self._account.stop()

    def on_receive(self, message: object) -> AccountState | None:
        """One line a message."""
        match message:
            case _Streamed():
                self._streamed(message.event)
            case SubmitOrder():
                self._submit(message)
            case SubmitRequest():
                self._request(message)
            case FindOrder():
                self._find(message)
            case QueryPosition():
                self._ask(self._positions, "positions", message)
            case QueryOrders():
                self._ask(self._orders, "orders", message)
            case _AskNow():
                self._call(message.what)
            case _PositionsAnswered():
                self._positions_answered(message)
            case _DatabaseRead():
                self._report_positions(message.answer, message.rows)
            case _OrdersAnswered():
                self._orders_answered(message)
            case ReadExecutions():
                self._read_executions()
            case _ExecutionsAnswered():
                self._executions_answered(message)
            case _BalanceAnswered():
                self._balance_answered(message)
            case AttachSession():
                self._attach(message)
            case EquityAsked():
                if self._balance is not None:
                    self._portfolio.tell(EquityReported(self._balance))
                else:
                    self._ask_balance()
            case _RenewLease():
                self._renew()
            case _LeaseAnswered():
                self._lease_answered(message)
            case _Started():
                self._started(message)
            case _LoadAgain():
                self._load()
            case DescribeAccount():
                return self._describe()
            case _:
                raise AssertionError(f"{self.name} does not understand {message!r}")
        return None

    # What lies in the database

    def _load(self) -> None:
        async def read() -> _Started:
            cursor = await self._ledger.executions_cursor(self._rules.account_id)
            return _Started(cursor, await self._ledger.last_balance(self._rules.account_id))

        self.pipe(read(), done=lambda started: started, failed=lambda _: _LoadAgain())

    def _started(self, message: _Started) -> None:
        self._is_loaded = True
        self._cursor = self._cursor_kept = message.cursor
        if self._balance is None:
            self._balance = message.balance
        self._ask_balance()
        self._read_executions()

    # The lease

    def _renew(self) -> None:
        host = self.runtime.host
        drift = host.now().timestamp() - host.elapsed()
        jump_s, self._wall_less_elapsed_s = drift - self._wall_less_elapsed_s, drift
        if abs(jump_s) > self._rules.clock_jump_max_s:
            self._tell_all(ClockSuspected(jump_s))
        self.pipe(
            self._ledger.renew(self._lease, self._rules.lease_ttl_s),
            done=_LeaseAnswered,
            failed=lambda _: _LeaseAnswered(None),
            deadline_s=self._rules.lease_ttl_s,
        )

    def _lease_answered(self, message: _LeaseAnswered) -> None:
        match message.answer:
            case Lease():
                was_held = self._is_lease_held()
                self._lease = message.answer
                if not was_held:
                    self._tell_all(LeaseChanged(True, ""))
            case HeldByAnother():
                who = f"{message.answer.holder} holds epoch {message.answer.epoch}"
                if not self._gate.stopped_because:
                    self._gate.stopped_because = who
                    self._tell_all(LeaseChanged(False, who))
                    self.publish(HOUSE, LeaseChanged(False, who))
            case None:
                if not self._is_lease_held():
                    why = "the lease ran out and the database does not answer"
                    self._tell_all(LeaseChanged(False, why))
            case _:
                assert_never(message.answer)
        self.remind(self._rules.lease_ttl_s / LEASE_PARTS, _RenewLease())

    def _is_lease_held(self) -> bool:
        return self.runtime.host.elapsed() < self._lease.deadline_s

    def _entry_bar(self) -> NotSent | None:
        """Asked at the socket: why no entry may leave now."""
        if not self._is_lease_held():
            return NotSent("lease_expired", "this daemon may no longer own the account")
        why = self._halted()
        return NotSent("halted", why) if why else None

    # Out

    def _submit(self, message: SubmitOrder) -> None:
        order, reply_to = message.order.item, message.reply_to

        def gate() -> NotSent | None:
            refusal = self._gate.may_submit(
                order,
                is_exit=message.is_exit,
                deadline_s=message.deadline_s,
                attempt=message.attempt,
            )
            if refusal is None:
                reply_to.tell(OrderSubmitted(order.id))
            return refusal

        self.pipe(
            self._account.submit(message.order, gate),
            done=lambda answer: self._answered(order, answer),
            failed=lambda error: OrderUnanswered(order.id, repr(error)),
            to=reply_to,
        )

    def _answered(
        self, order: Order, answer: Answer
    ) -> OrderAccepted | OrderRejected | OrderUnanswered | OrderDenied:
        match answer:
            case Accepted():
                return OrderAccepted(order.id, answer.broker_order_id)
            case Rejected():
                self._gate.over(order.instrument, order.id, NO_QTY)
                return OrderRejected(order.id, answer.code, answer.text)
            case Unknown():
                return OrderUnanswered(order.id, answer.cause)
            case NotSent():
                if answer.reason_code != "already_sent":
                    self._gate.over(order.instrument, order.id, NO_QTY)
                return OrderDenied(order.id, answer.reason_code, answer.detail)
            case _:
                assert_never(answer)

    def _request(self, message: SubmitRequest) -> None:
        change = message.change.item
        request_id = change.successor.id if isinstance(change, Replace) else change.id
        target = change.target

        def gate() -> NotSent | None:
            return self._gate.may_change(
                raises_risk=not message.is_exit, deadline_s=message.deadline_s
            )

        def answered(answer: Answer) -> ChangeAnswered:
            match answer:
                case Accepted():
                    broker_id = answer.broker_order_id if isinstance(change, Replace) else None
                    return ChangeAnswered(request_id, target, "accepted", broker_id)
                case Rejected():
                    return ChangeAnswered(
                        request_id, target, "rejected", None, answer.code, answer.text
                    )
                case Unknown():
                    return ChangeAnswered(request_id, target, "unknown", None, "", answer.cause)
                case NotSent():
                    return ChangeAnswered(
                        request_id, target, "not_sent", None, answer.reason_code, answer.detail
                    )
                case _:
                    assert_never(answer)

        call = (
            self._account.replace(message.change, gate)  # type: ignore[arg-type]
            if isinstance(change, Replace)
            else self._account.cancel(message.change, gate)  # type: ignore[arg-type]
        )
        self.pipe(
            call,
            done=answered,
            failed=lambda error: ChangeAnswered(
                request_id, target, "unknown", None, "", repr(error)
            ),
            to=message.reply_to,
        )

    def _find(self, message: FindOrder) -> None:
        asked_s = self.runtime.host.elapsed()
        what = f"order {message.order_id}"

        def found(
            answer: OrderReported | OrderAbsent | QueryFailed,
        ) -> OrderReported | OrderAbsent | QueryFailed:
            if isinstance(answer, OrderReported):
                self._note(answer)
            return answer

        self.pipe(
            self._account.find(message.order_id),
            done=found,
            failed=lambda error: QueryFailed(what, repr(error), asked_s),
            to=message.reply_to,
            deadline_s=QUERY_DEADLINE_S,
        )

    # In

    def _streamed(self, event: AccountEvent) -> None:
        match event:
            case OrderReported():
                self._note(event)
                self._to_owner(event.report.instrument, event)
            case OrderFilled():
                self._filled(event)
            case StreamConnected():
                self._is_line_up, self._line_cause = True, ""
                self._tell_all(event)
                self._read_executions()
            case StreamLost():
                self._is_line_up, self._line_cause = False, event.cause
                self._tell_all(event)
            case FrameRefused():
                self._frames_refused_count += 1
                self.publish(HOUSE, event)
            case AccountAuthFailed():
                self._line_cause = event.detail
                self.publish(HOUSE, event)
            case _:
                assert_never(event)

    def _note(self, event: OrderReported) -> None:
        report = event.report
        if report.status.is_terminal:
            self._gate.over(report.instrument, report.client_order_id, report.cum_qty)

    def _filled(self, event: OrderFilled) -> None:
        if self._gate.filled(event.fill):
            self._newest_fill_s[event.fill.instrument] = self.runtime.host.elapsed()
        self._to_owner(event.fill.instrument, event)

    def _to_owner(self, instrument: InstrumentId, event: object) -> None:
        owner = self._owners.get(instrument)
        if owner is not None:
            owner.reply_to.tell(event)

    def _tell_all(self, event: object) -> None:
        for owner in self._owners.values():
            owner.reply_to.tell(event)

    # Questions

    def _attach(self, message: AttachSession) -> None:
        self._owners[message.instrument] = message
        self._instrument_of[message.reply_to.name] = message.instrument
        self._gate.attach(message.instrument, message.incarnation)
        if self._is_line_up:
            message.reply_to.tell(StreamConnected(self._rules.account_id))
        if not self._is_lease_held() or self._gate.stopped_because:
            message.reply_to.tell(LeaseChanged(False, self._gate.stopped_because or "expired"))

    def _ask(self, query: _Query, what: str, message: QueryPosition | QueryOrders) -> None:
        self._instrument_of[message.reply_to.name] = message.instrument
        if message.reply_to not in query.waiting:
            query.waiting.append(message.reply_to)
        if not query.asked and not query.is_scheduled:
            query.is_scheduled = True
            self.address.tell(_AskNow(what))  # whoever asks in the same breath joins the call

    def _call(self, what: str) -> None:
        query = self._positions if what == "positions" else self._orders
        query.is_scheduled = False
        query.asked, query.waiting = query.waiting, []
        asked_s = self.runtime.host.elapsed()
        if what == "positions":
            self.pipe(
                self._account.positions(),
                done=lambda answer: _PositionsAnswered(answer, None),
                failed=lambda e: _PositionsAnswered(QueryFailed(what, repr(e), asked_s), None),
                deadline_s=QUERY_DEADLINE_S,
            )
            self._read_executions()  # a fill that the stream lost is found within a period
            self._ask_balance()
        else:
            self.pipe(
                self._account.open_orders(),
                done=_OrdersAnswered,
                failed=lambda e: _OrdersAnswered(QueryFailed(what, repr(e), asked_s)),
                deadline_s=QUERY_DEADLINE_S,
            )

    def _positions_answered(self, message: _PositionsAnswered) -> None:
        answer = message.answer
        if isinstance(answer, QueryFailed):
            self._fail(self._positions, "positions", answer)
            return
        self.pipe(
            self._ledger.position_qtys(self._rules.account_id),
            done=lambda rows: _DatabaseRead(answer, dict(rows)),
            failed=lambda _: _DatabaseRead(answer, None),
            deadline_s=DATABASE_DEADLINE_S,
        )

    def _report_positions(
        self, answer: PositionsReported, rows: dict[SessionId, Quantity] | None
    ) -> None:
        self._last = answer
        by_instrument = {each.instrument: each for each in answer.positions}
        for instrument, position in by_instrument.items():
            if instrument not in self._owners:
                self._sessions.tell(UnownedPosition(self._rules.account_id, position))
        for instrument, owner in self._owners.items():
            held = by_instrument.get(instrument)
            report = self._one(answer, held, instrument, owner.session_id, rows)
            self._gate.snapshot(report, self._newest_fill_s.get(instrument))
            if owner.reply_to in self._positions.asked:
                owner.reply_to.tell(report)
        self._done(self._positions, "positions")

    def _one(
        self,
        answer: PositionsReported,
        held: BrokerPosition | None,
        instrument: InstrumentId,
        session_id: SessionId,
        rows: dict[SessionId, Quantity] | None,
    ) -> PositionReported:
        return PositionReported(
            account_id=self._rules.account_id,
            instrument=instrument,
            qty=held.qty if held else NO_QTY,
            avg_px=held.avg_px if held else None,
            mark=held.mark if held else None,
            asked_s=answer.asked_s,
            reported_at=answer.reported_at,
            database_qty=None if rows is None else rows.get(session_id, NO_QTY),
        )

    def _orders_answered(self, message: _OrdersAnswered) -> None:
        answer = message.answer
        if isinstance(answer, QueryFailed):
            self._fail(self._orders, "orders", answer)
            return
        for address in self._orders.asked:
            instrument = self._instrument_of[address.name]
            reports = tuple(r for r in answer.reports if r.instrument == instrument)
            address.tell(OpenOrdersReported(reports, answer.asked_s))
        self._done(self._orders, "orders")

    def _fail(self, query: _Query, what: str, failure: QueryFailed) -> None:
        for address in query.asked:
            address.tell(QueryFailed(what, failure.reason, failure.asked_s))
        self._done(query, what)

    def _done(self, query: _Query, what: str) -> None:
        query.asked = []
        if query.waiting and not query.is_scheduled:
            query.is_scheduled = True
            self.address.tell(_AskNow(what))

    def _read_executions(self) -> None:
        if not self._is_loaded:
            return  # without the cursor nobody knows from where
        if self._is_reading:
            self._read_again = True
            return
        self._is_reading = True
        self._keep_cursor()
        asked_s = self.runtime.host.elapsed()
        self.pipe(
            self._account.executions(self._cursor),
            done=_ExecutionsAnswered,
            failed=lambda e: _ExecutionsAnswered(QueryFailed("executions", repr(e), asked_s)),
            deadline_s=QUERY_DEADLINE_S,
        )

    def _executions_answered(self, message: _ExecutionsAnswered) -> None:
        self._is_reading = False
        answer = message.answer
        if isinstance(answer, QueryFailed):
            self._read_again = False
            self.remind(2.0, ReadExecutions())
            return
        for fill in answer.fills:
            self._filled(OrderFilled(fill))
        self._cursor = answer.cursor
        if answer.has_more or self._read_again:
            self._read_again = False
            self._read_executions()

    def _keep_cursor(self) -> None:
        """The cursor of the read before: its fills were told, and so written, before it."""
        if self._cursor is not None and self._cursor != self._cursor_kept:
            self._cursor_kept = self._cursor
            self._journal.tell(KeepEntry(CursorEntry(self._cursor, self._fence())))

    def _ask_balance(self) -> None:
        asked_s = self.runtime.host.elapsed()
        self.pipe(
            self._account.balance(),
            done=_BalanceAnswered,
            failed=lambda e: _BalanceAnswered(QueryFailed("account", repr(e), asked_s)),
            deadline_s=QUERY_DEADLINE_S,
        )

    def _balance_answered(self, message: _BalanceAnswered) -> None:
        if isinstance(message.answer, QueryFailed):
            return
        balance = message.answer.balance
        before, self._balance = self._balance, balance
        self._portfolio.tell(EquityReported(balance))
        if before is None or not balance.says_the_same_as(before):
            self._journal.tell(KeepEntry(BalanceEntry(balance, self._fence())))

    def _fence(self) -> Fence:
        """Entries of the account itself belong to no session: only the epoch is checked."""
        return Fence(self._rules.account_id, self._lease.epoch, SessionId(""), 0)

    def _describe(self) -> AccountState:
        now_s = self.runtime.host.elapsed()
        held = self._is_lease_held() and not self._gate.stopped_because
        last = self._last
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


def _tell(address: Address, message: object) -> None:
    address.tell(message)


def lost(message: object, error: BaseException) -> None:
    """A submit whose handler crashed is never served again: its sender hears that nobody knows."""
    cause = f"the account manager failed: {error!r}"
    if isinstance(message, SubmitOrder):
        message.reply_to.tell(OrderUnanswered(message.order.item.id, cause))
    elif isinstance(message, SubmitRequest):
        change = message.change.item
        request_id = change.successor.id if isinstance(change, Replace) else change.id
        message.reply_to.tell(ChangeAnswered(request_id, change.target, "unknown", None, "", cause))
