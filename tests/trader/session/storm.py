"""A stormy world around one heart: every message on its own, late, lost, twice or out of order.

The store and the last gate are the real ones (in memory); the venue keeps the true history. What
leaves a heart becomes a letter; whoever drives the storm says which letter arrives next and how it
fares. What must hold at every step is asserted where it happens; `calm` ends the storm.
"""

from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from actors.last_gate import LastGate
from adapters.simulated.journal import MemoryJournal
from adapters.simulated.ledger import MemoryLedger
from adapters.simulated.rows import MemoryStore
from tests.trader.order_parts import AAPL, ACCOUNT, LIMITS, SESSION, px, qty
from tests.trader.session.session_world import RULES, START
from trader.accounts.events import StreamConnected, StreamLost
from trader.ids import BrokerOrderId, ClientOrderId
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.market.events import (
    CandleClosed,
    CandlesBackfilled,
    FeedFresh,
    MarketOpened,
    PriceMoved,
    SeriesOpened,
)
from trader.money import NO_QTY, ZERO, Quantity
from trader.orders.events import (
    ChangeAnswered,
    ChangeRecorded,
    OpenOrdersReported,
    OrderAbsent,
    OrderAccepted,
    OrderDenied,
    OrderFilled,
    OrderRecorded,
    OrderRejected,
    OrderReported,
    OrderSubmitted,
    OrderUnanswered,
    QueryFailed,
    RecordRefused,
)
from trader.orders.order import (
    Cancel,
    Change,
    Fill,
    Order,
    OrderReport,
    OrderType,
    Purpose,
    Replace,
    Side,
    Status,
    request_id,
)
from trader.ports import NotSent
from trader.positions.events import PositionReported
from trader.positions.position import reducible
from trader.proofs import Durability, Recorded
from trader.records import ChangeEntry, Entry, Kept, OrderEntry, Outcome
from trader.risk.events import HeatChanged, HeatGranted, HeatRefused
from trader.risk.heat import Grant, Heat, HeatLevel
from trader.session import effects as fx
from trader.session.events import (
    ClockSuspected,
    DutyDue,
    SessionLoaded,
    StoreChanged,
    StrategyDecided,
    StrategyFailed,
    StrategyReady,
    TradingState,
    TradingStateChanged,
)
from trader.session.state import SessionState
from trader.session.step import SessionEvent, step
from trader.session.strategy import Decision, Nothing

T = TypeVar("T")
KEPT_BARS = 12
IN_ORDER = ("record", "keep", "portfolio", "strategy", "recorded", "heat", "decided", "bars")
"""Lanes with one sender and one reader, so nothing overtakes; all others may be reordered."""
MAY_BE_LOST = ("stream", "heat", "decided", "answers", "wire", "portfolio")
MAY_COME_TWICE = ("stream", "answers", "bars", "recorded")


def done(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("it waits")


@dataclass(frozen=True)
class Letter:
    """Something on its way: an effect going out, or an event coming in."""

    lane: str
    body: fx.Effect | SessionEvent | tuple[object, ...]
    entry: Entry | None = None  # for the journal


@dataclass
class AtVenue:
    """One order as the venue truly has it."""

    order: Order
    broker_id: BrokerOrderId
    qty: Decimal
    status: Status = Status.ACCEPTED
    cum: Decimal = ZERO
    replaced_by: BrokerOrderId | None = None
    triggered: bool = False

    @property
    def leaves(self) -> Decimal:
        """What may still trade."""
        return ZERO if self.status.is_terminal else self.qty - self.cum


@dataclass
class Storm:
    """See the module."""

    reserves_shares: bool = True  # the venue holds the shares of resting exits
    is_resend_safe: bool = True
    refuses_wash_trades: bool = False

    now_s: float = 100.0
    price: Decimal = Decimal(100)
    position: Decimal = ZERO
    venue: dict[str, AtVenue] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    post: list[Letter] = field(default_factory=list)
    spool: list[tuple[Order | Change, Any]] = field(default_factory=list)
    is_store_up: bool = True
    is_line_up: bool = True
    is_refusing: bool = False  # the venue rejects whatever comes
    is_calm: bool = False
    is_excused: bool = False  # somebody else traded: overshoot and cover cannot be ours to promise
    heat: HeatLevel = HeatLevel.CALM
    trading: TradingState = TradingState.ACTIVE
    bars: list[Candle] = field(default_factory=list)
    untold: datetime | None = None
    late_bars: set[datetime] = field(default_factory=set)
    asked_bars: list[datetime] = field(default_factory=list)
    granted: set[str] = field(default_factory=set)
    decisions: list[Decision] = field(default_factory=list)
    foreign_count: int = 0
    notices: list[fx.Notice] = field(default_factory=list)
    last_report: fx.ReportHeat | None = None

    def __post_init__(self) -> None:
        able = replace(
            RULES.capabilities,
            reserves_shares=self.reserves_shares,
            resend_safe=self.is_resend_safe,
        )
        limits = replace(LIMITS, orders_per_minute_max=100)
        self.rules = replace(RULES, capabilities=able, limits=limits)
        self.store = MemoryStore(self._now, lambda: self.now_s)
        self.journal = MemoryJournal(self.store)
        self.ledger = MemoryLedger(self.store)
        self.lease = done(self.ledger.claim(ACCOUNT, "us", 1e9))
        self.gate = LastGate(lambda: self.now_s)
        for _ in range(5):
            self._grow_bar(self.price)
        self.begin()

    # The trader

    def begin(self) -> None:
        """A new body of the trader, rebuilt from truth."""
        self.state = SessionState(self.rules)
        self.early: list[SessionEvent] = []
        if not self.is_store_up:
            return  # it waits for its rows
        while any(letter.lane == "keep" for letter in self.post):
            self._pass("keep")  # the journal's backlog is written before anything is loaded
        rows = done(self.ledger.begin_session(SESSION, ACCOUNT, AAPL.id, self.lease.epoch))
        self.gate.attach(AAPL.id, rows.incarnation)
        self.fold(SessionLoaded(rows, self.lease.epoch))
        self.fold(TradingStateChanged(self.trading, "as it stands"))
        if self.is_line_up:
            self.fold(StreamConnected(ACCOUNT))
        early, self.early = self.early, []
        for event in early:
            self.fold(event)
        self.post = [letter for letter in self.post if letter.lane != "bars"]
        self.fold(SeriesOpened(AAPL.id, Timeframe.M1, tuple(self.bars[-KEPT_BARS:])))
        self.fold(FeedFresh(AAPL.id))
        self.fold(MarketOpened(START))
        self.say_heat(self.heat)

    def fold(self, event: SessionEvent) -> None:
        """One event into the heart; what it wants becomes letters."""
        if self.state.fence is None and not isinstance(event, SessionLoaded):
            self.early.append(event)
            return
        for effect in step(self.state, event, self.now_s):
            self._check(effect)
            self._send(effect)

    def crash(self) -> None:
        """The trader dies; what is under way elsewhere goes on and answers to its name."""
        self.begin()

    def kill(self) -> None:
        """The whole house dies; the rows and the venue stay."""
        self.post = [letter for letter in self.post if letter.lane == "late"]
        self.gate = LastGate(lambda: self.now_s)
        self.set_store(True)
        self.begin()

    # What a heart must never do

    def _check(self, effect: fx.Effect) -> None:
        state = self.state
        assert state.fence is not None, f"{effect} before the rows are loaded"
        match effect:
            case fx.Submit():
                self._check_submit(effect)
            case fx.AskStrategy():
                at = effect.candle.opened_at
                assert not self.asked_bars or at > self.asked_bars[-1], "asked twice, or backwards"
                assert at not in self.late_bars, "a late bar is never traded on"
                assert not state.is_exits_only
                self.asked_bars.append(at)
            case _:
                pass

    def _check_submit(self, effect: fx.Submit) -> None:
        state, order = self.state, effect.order.item
        held = state.broker.broker_qty
        if not effect.is_exit:
            assert state.trading_state is TradingState.ACTIVE, "an entry while halted"
            assert state.is_ready, "an entry before everything is reconciled"
            assert state.is_store_up, "an entry while the store is down"
            assert state.closing is None, "an entry while closing"
            assert not state.is_exits_only
            is_reduced = order.side.sign * held < 0 and order.qty <= abs(held)
            assert order.id in self.granted or is_reduced, "an entry without its heat"
            return
        if order.purpose is Purpose.PROTECT:
            assert effect.attempt > 1 or order.side.sign * held < 0, "a stop that adds"
            return
        others = [w for w in state.orders.values() if w.order.id != order.id]
        working = state.orders[order.id]
        free = reducible(held, others)
        assert working.leaves_qty <= free, f"{working.leaves_qty} of {free}: an exit overshoots"

    # Letters

    def _send(self, effect: fx.Effect) -> None:
        fence = self.state.fence
        assert fence is not None
        match effect:
            case fx.Record():
                entry = OrderEntry(effect.order, fence, effect.is_exit)
                self.post.append(Letter("record", effect, entry))
            case fx.RecordChange():
                change = ChangeEntry(effect.change, fence, effect.is_exit)
                self.post.append(Letter("record", effect, change))
            case fx.Keep():
                self.post.append(Letter("keep", effect, effect.entry))
            case fx.Reserve():
                self.post.append(Letter("portfolio", effect))
            case fx.AskStrategy() | fx.OpenStrategy():
                self.post.append(Letter("strategy", effect))
            case fx.Notice():
                self.notices.append(effect)
            case fx.ReportHeat():
                self.last_report = effect
            case fx.Forget():
                self.gate.over(AAPL.id, effect.order_id, NO_QTY)
            case fx.AuditNothing() | fx.AuditDecision() | fx.Release():
                pass
            case _:
                self.post.append(Letter("wire", effect))

    def come(self, lane: str, *events: SessionEvent) -> None:
        """Events on their way in."""
        self.post += [Letter(lane, event) for event in events]

    def deliverable(self) -> list[int]:
        """Places of the letters that may arrive next."""
        places, seen = [], set()
        for place, letter in enumerate(self.post):
            if letter.lane in IN_ORDER:
                if letter.lane in seen:
                    continue
                seen.add(letter.lane)
            if letter.lane == "keep" and not self.is_store_up:
                continue
            places.append(place)
        return places

    def deliver(self, place: int, fate: str = "") -> None:
        """That letter arrives; `fate` is how a request to the venue fares."""
        letter = self.post.pop(place)
        body: Any = letter.body
        match letter.lane:
            case "record":
                self._record(letter.entry)
            case "keep":
                done(self.journal.write([letter.entry]))  # type: ignore[list-item]
            case "portfolio":
                self._portfolio(body)
            case "strategy":
                self._strategy(body)
            case "wire":
                self._wire(body, fate)
                self.now_s += 0.001  # whoever hears the answer hears it later
            case "late":
                self._arrive_late(*body)
            case _:
                if letter.lane == "stream" and isinstance(body, OrderFilled):
                    self.gate.filled(body.fill)
                self._note_report(body)
                self.fold(body)

    def _note_report(self, body: object) -> None:
        """What the account's book hears beside the trader."""
        if isinstance(body, OrderReported) and body.report.status.is_terminal:
            report = body.report
            self.gate.over(report.instrument, report.client_order_id, report.cum_qty)
        if isinstance(body, PositionReported):
            self.gate.snapshot(body)

    def _pass(self, lane: str) -> None:
        self.deliver(next(i for i, letter in enumerate(self.post) if letter.lane == lane))

    def drain(self) -> None:
        """Everything arrives, in order, until nothing is under way."""
        for _ in range(20_000):
            places = self.deliverable()
            if not places:
                return
            self.deliver(places[0])
        raise AssertionError("it never rests")

    # The journal

    def _record(self, entry: Entry | None) -> None:
        assert isinstance(entry, OrderEntry | ChangeEntry)
        is_order = isinstance(entry, OrderEntry)
        item: Any = entry.order.item if is_order else entry.change.item  # type: ignore[union-attr]
        key = item.id if is_order else request_id(item)
        is_old = entry.fence.incarnation < self.store.sessions[SESSION].incarnation
        if not self.is_store_up and (is_old or not entry.is_exit):
            self.come("recorded", RecordRefused(key, "store_down", ""))
            return
        if not self.is_store_up:
            self.spool.append((item, entry.fence))
            outcome: Outcome = Kept(Recorded(item, self._now(), Durability.SPOOL))
        else:
            (outcome,) = done(self.journal.write([entry]))
        if not isinstance(outcome, Kept):
            self.come("recorded", RecordRefused(key, outcome.reason_code, outcome.detail))
            return
        recorded: Any = outcome.recorded
        if is_order:
            self.come("recorded", OrderRecorded(recorded, outcome.was_stored))
        else:
            self.come("recorded", ChangeRecorded(recorded))

    def set_store(self, is_up: bool) -> None:
        """The database goes, or is back: the spool is replayed first, then the backlog."""
        if is_up is self.is_store_up:
            return
        self.is_store_up = is_up
        if is_up:
            done(self.journal.adopt(self.spool))
            self.spool = []
            while any(letter.lane == "keep" for letter in self.post):
                self._pass("keep")
        if self.state.fence is None:
            self.begin()
        else:
            self.fold(StoreChanged(is_up, "toggled"))

    def is_durable(self, order_id: str) -> bool:
        """Whether the order stands in the database or in the spool."""
        if order_id in self.store.orders:
            return True
        ids = [request_id(i) if isinstance(i, Replace | Cancel) else i.id for i, _ in self.spool]
        return order_id in ids

    # Portfolio, strategy, bars

    def _portfolio(self, effect: fx.Reserve) -> None:
        request = effect.request
        if self.heat in (HeatLevel.CALM, HeatLevel.WARN):
            self.granted.add(request.order_id)
            grant = Grant(request.order_id, SESSION, request.amount, self.now_s)
            self.come("heat", HeatGranted(grant))
        else:
            self.come("heat", HeatRefused(request.order_id, "heat_block", ""))

    def say_heat(self, level: HeatLevel) -> None:
        """The portfolio's level."""
        self.heat = level
        heat = Heat(ZERO, ZERO, (), self.now_s, Decimal(1000), None, level, {})
        self.fold(HeatChanged(heat))

    def set_trading(self, trading: TradingState) -> None:
        """The operator's word."""
        self.trading = trading
        self.fold(TradingStateChanged(trading, "operator"))

    def set_line(self, is_up: bool) -> None:
        """The event stream is lost with all that is in it, or comes back."""
        self.is_line_up = is_up
        if is_up:
            self.fold(StreamConnected(ACCOUNT))
        else:
            self.post = [letter for letter in self.post if letter.lane != "stream"]
            self.fold(StreamLost(ACCOUNT, "gone"))

    def _strategy(self, effect: fx.AskStrategy | fx.OpenStrategy) -> None:
        if isinstance(effect, fx.OpenStrategy):
            self.come("decided", StrategyReady(SESSION, effect.rebuild))
            return
        at = effect.candle.opened_at
        decision = self.decisions.pop(0) if self.decisions else Nothing("quiet")
        self.come("decided", StrategyDecided(SESSION, at, decision, effect.rebuild))

    def fail_strategy(self) -> None:
        """It raises instead of answering the oldest question."""
        for place, letter in enumerate(self.post):
            if isinstance(letter.body, fx.AskStrategy):
                asked = letter.body
                failed = StrategyFailed(
                    SESSION, asked.candle.opened_at, "strategy_raised", "", asked.rebuild, True
                )
                self.post[place] = Letter("decided", failed)
                return

    def _grow_bar(self, close: Decimal) -> Candle:
        opened = START + timedelta(minutes=len(self.bars))
        price = px(close)
        self.bars.append(Candle(AAPL.id, Timeframe.M1, opened, price, price, price, price, qty(1)))
        return self.bars[-1]

    def bar(self, *, is_late: bool = False, is_told: bool = True) -> None:
        """The feed closes a bar."""
        before = self.bars[-1].opened_at
        candle = self._grow_bar(self.price)
        if is_late:
            self.late_bars.add(candle.opened_at)
        if is_told:
            self.come("bars", CandleClosed(candle, before, is_late))

    def correct_bar(self, back: int, close: Decimal) -> None:
        """The venue replaces a recent bar."""
        place = max(0, len(self.bars) - 1 - back)
        old, price = self.bars[place], px(close)
        new = replace(
            old, open=price, high=price, low=price, close=price, revision=old.revision + 1
        )
        self.bars[place] = new
        before = self.bars[place - 1].opened_at if place else None
        self.come("bars", CandleClosed(new, before))

    def move(self, price: Decimal) -> None:
        """The market trades there; resting stops at the venue fire, limits fill."""
        self.price = price
        at = START + timedelta(seconds=self.now_s)
        self.fold(PriceMoved(AAPL.id, px(price), px(price), px(price), at, at))
        for each in list(self.venue.values()):
            stop, sign = each.order.stop_price, each.order.side.sign
            if stop is not None and not each.status.is_terminal and sign * (price - stop) >= 0:
                each.triggered = True
                if self.is_calm:
                    self.fill(each, each.leaves)

    # The venue

    def open_at_venue(self) -> list[AtVenue]:
        """Orders of ours that can still trade."""
        return [each for each in self.venue.values() if not each.status.is_terminal]

    def fillable(self) -> list[AtVenue]:
        """Those that the market would fill now."""
        ready = []
        for each in self.open_at_venue():
            order, sign = each.order, each.order.side.sign
            is_limit_met = order.price is None or sign * (order.price - self.price) >= 0
            is_stop_met = order.stop_price is None or each.triggered
            if is_limit_met and is_stop_met:
                ready.append(each)
        return ready

    def fill(self, each: AtVenue, size: Decimal) -> None:
        """The venue executes it."""
        before = self.position
        each.cum += size
        if not each.status.is_terminal:
            each.status = Status.FILLED if each.cum >= each.qty else Status.PARTIALLY_FILLED
        self.position += each.order.side.sign * size
        if each.order.purpose is Purpose.ENTRY and each.order.side.sign * before < 0:
            self.is_excused = True  # a flip: what rested over the old position meets the new one
        if each.order.purpose is not Purpose.ENTRY and not self.is_excused:
            is_less = before * self.position >= 0 and abs(self.position) < abs(before)
            assert is_less, f"our exit took {before} to {self.position}"
        self._tell_fill(each.order.id, each.broker_id, each.order.side, size, each.cum)
        self._tell_report(each)

    def _tell_fill(
        self, order_id: str, broker_id: str, side: Side, size: Decimal, cum: Decimal
    ) -> None:
        fill = Fill(
            execution_id=f"x{len(self.fills)}",
            account_id=ACCOUNT,
            instrument=AAPL.id,
            client_order_id=order_id,
            broker_order_id=BrokerOrderId(broker_id),
            side=side,
            qty=qty(size),
            price=px(self.price),
            cum_qty=qty(cum),
            happened_at=self._now(),
            seen_at=self._now(),
        )
        self.fills.append(fill)
        if self.is_line_up:
            self.come("stream", OrderFilled(fill))

    def _tell_report(self, each: AtVenue) -> None:
        if self.is_line_up:
            self.come("stream", OrderReported(self.report(each)))

    def meddle(self, size: int, *, has_execution: bool) -> None:
        """Somebody trades in the account behind our back, or the margin desk just takes."""
        self.is_excused = True
        self.position += size
        if has_execution:
            self.foreign_count += 1
            broker_id = f"human{self.foreign_count}"
            side = Side.BUY if size > 0 else Side.SELL
            self._tell_fill("", broker_id, side, Decimal(abs(size)), Decimal(abs(size)))

    def cancel_behind(self, each: AtVenue) -> None:
        """Somebody cancels an order of ours at the venue."""
        each.status = Status.CANCELED
        self._tell_report(each)

    def _wire(self, effect: fx.Effect, fate: str) -> None:
        match effect:
            case fx.Submit():
                self._submit(effect, fate)
            case fx.SubmitChange():
                self._submit_change(effect, fate)
            case fx.Backfill():
                self._backfill(effect)
            case _ if fate == "fail":
                self._question_failed(effect)
            case fx.Find():
                found = self.venue.get(effect.order_id)
                answer: SessionEvent = OrderAbsent(effect.order_id, self.now_s)
                if found is not None:
                    answer = OrderReported(self.report(found), self.now_s)
                self.come("answers", answer)
            case fx.AskPosition():
                self.come("answers", self._position_answer())
            case fx.AskOrders():
                reports = tuple(self.report(each) for each in self.open_at_venue())
                rows = done(self.ledger.open_orders(ACCOUNT)) if self.is_store_up else None
                database = None if rows is None else rows.get(SESSION, {})
                self.come("answers", OpenOrdersReported(reports, self.now_s, database))
            case fx.AskExecutions():
                self.come("stream", *map(OrderFilled, self.fills))
            case _:
                raise AssertionError(f"nobody does {effect}")

    def _position_answer(self) -> PositionReported:
        rows = done(self.ledger.position_qtys(ACCOUNT)) if self.is_store_up else None
        return PositionReported(
            ACCOUNT,
            AAPL.id,
            qty(self.position),
            px(self.price) if self.position else None,
            px(self.price),
            self.now_s,
            self._now(),
            None if rows is None else rows.get(SESSION, NO_QTY),
        )

    def _question_failed(self, effect: fx.Effect) -> None:
        match effect:
            case fx.AskPosition():
                what = "positions"
            case fx.AskOrders():
                what = "orders"
            case fx.Find():
                what = f"order {effect.order_id}"
            case _:
                return
        self.come("answers", QueryFailed(what, "500", self.now_s))

    def _backfill(self, effect: fx.Backfill) -> None:
        bars = tuple(c for c in self.bars if effect.after is None or c.opened_at > effect.after)
        self.come("bars", CandlesBackfilled(bars, effect.after))

    def _submit(self, effect: fx.Submit, fate: str) -> None:
        order, attempt = effect.order.item, effect.attempt
        refusal = self.gate.may_submit(
            order,
            is_exit=effect.is_exit,
            deadline_s=effect.deadline_s,
            attempt=attempt,
            entry_bar=self._entry_bar,
        )
        if refusal is not None:
            if attempt == 1 and refusal.reason_code != "already_sent":
                self.gate.over(order.instrument, order.id, NO_QTY)
            denied = OrderDenied(order.id, refusal.reason_code, refusal.detail)
            self.come("answers", denied)
            return
        assert self.is_durable(order.id), "an order leaves without its row"
        self.fold(OrderSubmitted(order.id))
        unanswered = OrderUnanswered(order.id, "timeout")
        match fate:
            case "lost":
                self.come("answers", unanswered)
            case "late":
                self.post.append(Letter("late", ("submit", order, self.now_s)))
                self.come("answers", unanswered)
            case "no_ack":
                self._arrive(order)
                self.come("answers", unanswered)
            case "silent":
                self._arrive(order)
            case _:
                code = self._arrive(order)
                if not code:
                    ack = OrderAccepted(order.id, self.venue[order.id].broker_id)
                    self.come("answers", ack)
                else:
                    if attempt == 1:
                        self.gate.over(order.instrument, order.id, NO_QTY)
                    self.come("answers", OrderRejected(order.id, code, ""))

    def _entry_bar(self) -> NotSent | None:
        return None if self.trading is TradingState.ACTIVE else NotSent("halted", "")

    def _arrive(self, order: Order) -> str:
        """The request is at the venue: it has the order now, or says why not."""
        if order.id in self.venue:
            return ""
        row = self.store.orders.get(order.id)
        if row is not None:
            assert row.order == order, "what left is not what was recorded"
        code = self._why_not(order, order.qty, None)
        if code:
            return code
        self.venue[order.id] = AtVenue(order, BrokerOrderId(f"v-{order.id}"), order.qty)
        self._tell_report(self.venue[order.id])
        self._check_venue()
        return ""

    def _why_not(self, order: Order, size: Decimal, instead_of: AtVenue | None) -> str:
        if self.is_refusing:
            return "refused"
        others = [each for each in self.open_at_venue() if each is not instead_of]
        if self.refuses_wash_trades and any(e.order.side is not order.side for e in others):
            return "wash_trade"
        if self.reserves_shares and order.side.sign * self.position < 0:
            taken = sum((e.leaves for e in others if e.order.side is order.side), ZERO)
            if size > abs(self.position) - taken:
                return "insufficient_shares"
        return ""

    def _check_venue(self) -> None:
        stops = [e for e in self.open_at_venue() if e.order.purpose is Purpose.PROTECT]
        assert len(stops) <= 1, "two stops stand at the venue"

    def _submit_change(self, effect: fx.SubmitChange, fate: str) -> None:
        change = effect.change.item
        key = request_id(change)
        refusal = self.gate.may_change(
            raises_risk=not effect.is_exit,
            deadline_s=effect.deadline_s,
            entry_bar=self._entry_bar,
        )
        if refusal is not None:
            code = refusal.reason_code
            self.come("answers", ChangeAnswered(key, change.target, "not_sent", None, code))
            return
        unknown = ChangeAnswered(key, change.target, "unknown", None)
        match fate:
            case "lost":
                self.come("answers", unknown)
            case "late":
                self.post.append(Letter("late", ("change", change, self.now_s)))
                self.come("answers", unknown)
            case "no_ack":
                self._do_change(change)
                self.come("answers", unknown)
            case "silent":
                self._do_change(change)
            case _:
                code = self._do_change(change)
                new = (
                    self.venue[key].broker_id if isinstance(change, Replace) and not code else None
                )
                outcome = "rejected" if code else "accepted"
                answer = ChangeAnswered(key, change.target, outcome, new, code)
                self.come("answers", answer)

    def _do_change(self, change: Change) -> str:
        key = request_id(change)
        old = self.venue.get(change.target)
        if old is None or old.status.is_terminal:
            return "not_open"
        if isinstance(change, Cancel):
            old.status = Status.CANCELED
            self._tell_report(old)
            return ""
        if key in self.venue:
            return "duplicate"
        rest = change.successor.qty - old.cum
        is_same = (change.successor.qty, change.successor.price, change.successor.stop_price) == (
            old.qty,
            old.order.price,
            old.order.stop_price,
        )
        code = "unchanged" if is_same else "filled" if rest <= 0 else ""
        code = code or self._why_not(change.successor, rest, old)
        if code:
            return code
        new = AtVenue(change.successor, BrokerOrderId(f"v-{key}"), rest)
        self.venue[key] = new
        old.status, old.replaced_by = Status.CANCELED, new.broker_id
        self._tell_report(old)
        self._tell_report(new)
        self._check_venue()
        return ""

    def _arrive_late(self, kind: str, item: Any, sent_s: float) -> None:
        """A request that everybody had given up arrives, within the venue's in-flight bound."""
        if self.now_s - sent_s >= self.rules.capabilities.in_flight_bound_s:
            return
        if kind == "submit":
            self._arrive(item)
        else:
            self._do_change(item)

    def report(self, each: AtVenue) -> OrderReport:
        """What the venue says of it."""
        order = each.order
        return OrderReport(
            account_id=ACCOUNT,
            instrument=AAPL.id,
            client_order_id=order.id,
            broker_order_id=each.broker_id,
            side=order.side,
            type=order.type,
            tif=order.tif,
            status=each.status,
            qty=Quantity(each.qty),
            cum_qty=qty(each.cum),
            avg_px=None,
            price=order.price,
            stop_price=order.stop_price,
            happened_at=self._now(),
            replaced_by=each.replaced_by,
        )

    # Time

    def _now(self) -> datetime:
        return START + timedelta(seconds=self.now_s)

    def wait(self, seconds: float) -> None:
        """Time passes; the trader's timer fires when something is owed, letters stay where they
        are unless it is calm."""
        end_s = self.now_s + seconds
        for _ in range(5_000):
            if self.is_calm:
                self._fill_all()
                self.drain()
            if self.state.fence is None or self.state.due_s > end_s:
                break
            self.now_s = max(self.now_s + 0.001, self.state.due_s)
            self.fold(DutyDue())
        else:
            raise AssertionError("the timer never rests")
        self.now_s = max(end_s, self.now_s)

    def suspect_clock(self) -> None:
        """The wall clock jumps."""
        self.fold(ClockSuspected(5.0))

    def _fill_all(self) -> None:
        for each in self.fillable():
            self.fill(each, each.leaves)

    def calm(self) -> None:
        """No more faults: a position's and an order's period later everything must agree."""
        self.is_calm = True
        self.is_refusing = False
        self.decisions = []
        self.set_store(True)
        if not self.is_line_up:
            self.set_line(True)
        self.say_heat(HeatLevel.CALM)
        self.come("stream", *map(OrderFilled, self.fills))  # as the account's sweeps read them
        self.drain()
        rules = self.rules
        self.wait(rules.position_period_s + rules.order_period_s + 1)
        self._fill_all()
        self.drain()

    def check_agreement(self) -> None:
        """Venue, memory and rows say the same, and every position has its stop."""
        state = self.state
        row = self.store.positions.get(SESSION)
        in_rows = row.qty if row is not None else ZERO
        assert state.position.qty == self.position, f"memory {state.position} venue {self.position}"
        assert in_rows == self.position, f"database {in_rows}, venue {self.position}"
        known = {entry.fill.execution_id for entry in self.store.fills.values()}
        assert known == {fill.execution_id for fill in self.fills}
        left = {w.order.id: w.leaves_qty for w in state.open_orders()}
        assert left == {each.order.id: each.leaves for each in self.open_at_venue()}
        ours = {w.order.id: w.status for w in state.open_orders()}
        theirs = {each.order.id: each.status for each in self.open_at_venue()}
        assert ours == theirs, f"ours {ours}, theirs {theirs}"
        rows = done(self.ledger.open_orders(ACCOUNT)).get(SESSION, {})
        assert dict(rows) == theirs, f"rows {rows}, theirs {theirs}"
        assert state.closing is None, f"still closing: {state.closing}"
        assert state.is_ready
        self._check_cover()
        assert self.last_report is not None
        assert self.last_report.contribution.is_complete

    def _check_cover(self) -> None:
        state = self.state
        stops = [e for e in self.open_at_venue() if e.order.purpose is Purpose.PROTECT]
        if self.position == 0:
            assert not stops, "a flat position has a stop"
            return
        exits = [e for e in self.open_at_venue() if e.order.purpose is Purpose.EXIT]
        if state.stop_price is None or exits:
            return
        entries = [e for e in self.open_at_venue() if e.order.purpose is Purpose.ENTRY]
        if entries and (self.refuses_wash_trades or self.reserves_shares):
            return  # the venue refuses a stop beside them; until they end the engine judges it
        assert [(e.leaves, e.order.stop_price) for e in stops] == [
            (abs(self.position), state.stop_price)
        ], f"{self.position} at stop {state.stop_price} covered by {stops}"


__all__ = ["MAY_BE_LOST", "MAY_COME_TWICE", "ClientOrderId", "OrderType", "Storm"]
