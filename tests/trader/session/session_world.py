"""A toy world around one heart: a journal, a venue and a portfolio that answer as they are told.

No loop, no clock: effects are done at once, in order, and `wait` turns the time by hand. The venue
keeps the true history, which tests compare with what the heart believes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.trader.order_parts import AAPL, ACCOUNT, LIMITS, SESSION, px, qty
from trader.accounts.events import StreamConnected
from trader.ids import BrokerOrderId, ClientOrderId
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.market.events import CandleClosed, FeedFresh, MarketOpened, PriceMoved, SeriesOpened
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
)
from trader.orders.order import (
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
from trader.ports import Capabilities, IdUniqueness
from trader.positions.events import PositionReported
from trader.proofs import Durability, Recorded
from trader.records import SessionRows
from trader.risk.events import HeatChanged, HeatGranted
from trader.risk.heat import Grant, Heat, HeatLevel, HeatRules
from trader.session import effects as fx
from trader.session.events import DutyDue, SessionLoaded, StrategyDecided, StrategyReady
from trader.session.report import view_of
from trader.session.rules import SessionRules
from trader.session.state import SessionState
from trader.session.step import SessionEvent, step
from trader.session.strategy import Decision, Nothing, StrategySpec, SubmitOrder

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
ABLE = Capabilities(
    client_id_unique=IdUniqueness.FOREVER,
    query_by_client_id=True,
    resend_safe=True,
    native_replace=True,
    order_types=frozenset(OrderType),
    tifs=frozenset(),
    reserves_shares=True,
)
RULES = SessionRules(
    session_id=SESSION,
    account_id=ACCOUNT,
    instrument=AAPL,
    timeframe=Timeframe.M1,
    group="",
    strategy=StrategySpec("test", (), "AAPL", AAPL.tick, AAPL.lot),
    warmup_bars=5,
    capabilities=ABLE,
    limits=LIMITS,
    heat=HeatRules(),
)


@dataclass
class VenueOrder:
    """One order as the venue truly has it."""

    order: Order
    broker_id: BrokerOrderId
    status: Status = Status.ACCEPTED
    cum: Decimal = Decimal(0)
    replaced_by: BrokerOrderId | None = None


@dataclass
class World:
    """See the module. `lose`: names of effects whose doing is lost on its way, or "request", "ack",
    "change request", "change ack" for what the wire loses; "resend": the last gate refuses what was
    sent once."""

    rules: SessionRules = RULES
    now_s: float = 100.0
    price: Decimal = Decimal(100)
    position: Decimal = Decimal(0)
    venue: dict[str, VenueOrder] = field(default_factory=dict)
    rows: dict[str, Order] = field(default_factory=dict)
    arrivals: list[str] = field(default_factory=list)  # every submit that reached the venue
    done: list[fx.Effect] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    lose: set[str] = field(default_factory=set)
    hold_fills: bool = False
    durability: Durability = Durability.DATABASE
    fill_markets: bool = True
    decide: Callable[[Candle], Decision] = lambda candle: Nothing("quiet")
    heat: HeatLevel = HeatLevel.CALM
    bar_count: int = 0
    lagging: Decimal | None = None  # what positions show, read from a copy that lags behind

    def __post_init__(self) -> None:
        self.state = SessionState(self.rules)

    # Driving

    def start(self, rows: SessionRows | None = None) -> "World":
        """Load, connect, warm up, become ready."""
        rows = rows or SessionRows(
            SESSION, 1, qty(0), None, Decimal(0), (), frozenset(), None, START
        )
        self.tell(SessionLoaded(rows, 1))
        self.tell(StreamConnected(ACCOUNT))
        self.tell(SeriesOpened(AAPL.id, Timeframe.M1, tuple(self._bars(5))))
        for event in (FeedFresh(AAPL.id), MarketOpened(START)):
            self.tell(event)
        self.say_heat(self.heat)
        self.move(self.price)
        return self

    def say_heat(self, level: HeatLevel) -> None:
        """The portfolio's level."""
        nothing = Decimal(0)
        self.tell(
            HeatChanged(Heat(nothing, nothing, (), self.now_s, Decimal(1000), None, level, {}))
        )

    def tell(self, event: SessionEvent) -> None:
        """Fold it and do what follows, until nothing follows."""
        queue: list[SessionEvent] = [event]
        while queue:
            for effect in step(self.state, queue.pop(0), self.now_s):
                self.done.append(effect)
                queue += self._do(effect)

    def bar(
        self,
        decision: Decision | None = None,
        close: Decimal | None = None,
        *,
        in_time_s: float | None = None,
    ) -> None:
        """One new bar, with the strategy's decision on it, which is in time for so long."""
        if decision is not None:
            self.decide = lambda _: decision
        (candle,) = self._bars(1, close)
        decide_by_s = None if in_time_s is None else self.now_s + in_time_s
        before = candle.opened_at - timedelta(minutes=1)
        self.tell(CandleClosed(candle, before, decide_by_s=decide_by_s))
        self.decide = lambda _: Nothing("quiet")

    def move(self, price: Decimal | int) -> None:
        """The market trades there; resting stops at the venue fire."""
        self.price = Decimal(price)
        at = START + timedelta(minutes=self.bar_count)
        self.tell(PriceMoved(AAPL.id, px(self.price), px(self.price), px(self.price), at, at))
        for each in list(self.venue.values()):
            stop = each.order.stop_price
            if stop is None or each.status is not Status.ACCEPTED:
                continue
            sign = each.order.side.sign
            if sign * (self.price - stop) >= 0:
                self.fill(each)

    def wait(self, seconds: float) -> None:
        """Let time pass; the trader's timer fires whenever something is owed."""
        end_s = self.now_s + seconds
        for _ in range(10_000):
            if self.state.due_s > end_s:
                break
            self.now_s = max(self.now_s, self.state.due_s)
            self.tell(DutyDue())
        else:
            raise AssertionError("the timer never rests")
        self.now_s = end_s

    def fill(self, each: VenueOrder, size: Decimal | None = None) -> None:
        """The venue executes it; whether we hear of it is `hold_fills`."""
        done = size if size is not None else each.order.qty - each.cum
        each.cum += done
        is_all = each.cum == each.order.qty
        each.status = Status.FILLED if is_all else Status.PARTIALLY_FILLED
        self.position += each.order.side.sign * done
        fill = Fill(
            execution_id=f"x{len(self.fills)}",
            account_id=ACCOUNT,
            instrument=AAPL.id,
            client_order_id=each.order.id,
            broker_order_id=each.broker_id,
            side=each.order.side,
            qty=qty(done),
            price=px(self.price),
            cum_qty=qty(each.cum),
            happened_at=START,
            seen_at=START,
        )
        self.fills.append(fill)
        if not self.hold_fills:
            self.now_s += 0.001
            self.tell(OrderFilled(fill))

    # What is seen

    def notices(self, code: str = "") -> list[fx.Notice]:
        """Those of that code."""
        return [
            each for each in self.done if isinstance(each, fx.Notice) and code in (each.code, "")
        ]

    def refusals(self) -> list[str]:
        """Reason codes of decisions that were not carried out."""
        return [
            e.reason_code for e in self.done if isinstance(e, fx.AuditDecision) and e.reason_code
        ]

    def kept(self, kind: type) -> list[object]:
        """Entries of that kind told to the journal."""
        return [e.entry for e in self.done if isinstance(e, fx.Keep) and isinstance(e.entry, kind)]

    def working(self, status: Status = Status.ACCEPTED) -> list[VenueOrder]:
        """Orders at the venue that stand so."""
        return [each for each in self.venue.values() if each.status is status]

    # Doing

    def _bars(self, count: int, close: Decimal | None = None) -> list[Candle]:
        price = px(close if close is not None else self.price)
        made = []
        for _ in range(count):
            opened = START + timedelta(minutes=self.bar_count)
            self.bar_count += 1
            made.append(Candle(AAPL.id, Timeframe.M1, opened, price, price, price, price, qty(1)))
        return made

    def _do(self, effect: fx.Effect) -> list[SessionEvent]:
        if type(effect).__name__ in self.lose:
            return []
        match effect:
            case fx.AskStrategy():
                assert effect.view == view_of(self.state), "the strategy was shown an old view"
                decision = self.decide(effect.candle)
                return [StrategyDecided(SESSION, effect.candle.opened_at, decision, effect.rebuild)]
            case fx.OpenStrategy():
                return [StrategyReady(SESSION, effect.rebuild)]
            case fx.Reserve():
                request = effect.request
                grant = Grant(request.order_id, SESSION, request.amount, self.now_s)
                return [HeatGranted(grant)]
            case fx.Record():
                order = effect.order.item
                was_stored = order.id in self.rows
                self.rows.setdefault(order.id, order)
                if "record answer" in self.lose:
                    return []
                return [
                    OrderRecorded(Recorded(self.rows[order.id], START, self.durability), was_stored)
                ]
            case fx.RecordChange() if "change record" in self.lose:
                return []
            case fx.RecordChange():
                return [ChangeRecorded(Recorded(effect.change.item, START, self.durability))]
            case fx.Submit() if effect.attempt > 1 and "resend" in self.lose:
                return [OrderDenied(effect.order.item.id, "already_over", "")]
            case fx.Submit() if effect.attempt > 1 and "resend refused" in self.lose:
                order_id = effect.order.item.id
                return [OrderSubmitted(order_id), OrderRejected(order_id, "forbidden", "no")]
            case fx.Submit():
                return self._submit(effect.order.item)
            case fx.SubmitChange():
                change = effect.change.item
                unknown = ChangeAnswered(request_id(change), change.target, "unknown", None)
                if "change refused" in self.lose:
                    return [replace(unknown, outcome="rejected", code="busy")]
                if "change request" in self.lose:
                    return [unknown]
                answers = self._change(change)
                return [unknown] if "change ack" in self.lose else answers
            case fx.Find():
                found = self.venue.get(effect.order_id)
                if found is None:
                    return [OrderAbsent(effect.order_id, self.now_s)]
                return [OrderReported(self.report(found), self.now_s)]
            case fx.AskPosition():
                shown = self.position if self.lagging is None else self.lagging
                return [
                    PositionReported(
                        ACCOUNT,
                        AAPL.id,
                        qty(shown),
                        px(self.price) if shown else None,
                        px(self.price),
                        self.now_s,
                        START + timedelta(seconds=self.now_s),
                    )
                ]
            case fx.AskOrders():
                reports = [self.report(e) for e in self.venue.values() if not e.status.is_terminal]
                return [OpenOrdersReported(tuple(reports), self.now_s)]
            case fx.AskExecutions():
                return [OrderFilled(each) for each in self.fills]
            case _:
                return []

    def _submit(self, order: Order) -> list[SessionEvent]:
        assert order.id in self.rows, "an order left without its row"
        answers: list[SessionEvent] = [OrderSubmitted(order.id)]
        is_stop = order.purpose is Purpose.PROTECT
        if "request" in self.lose or ("stop request" in self.lose and is_stop):
            return [*answers, OrderUnanswered(order.id, "timeout")]
        self.arrivals.append(order.id)
        if order.id not in self.venue:
            self.venue[order.id] = VenueOrder(order, BrokerOrderId(f"v-{order.id}"))
        each = self.venue[order.id]
        if "ack" in self.lose:
            answers.append(OrderUnanswered(order.id, "timeout"))
        else:
            answers.append(OrderAccepted(order.id, each.broker_id))
        if order.type is OrderType.MARKET and self.fill_markets and each.cum == 0:
            before = len(self.fills)
            held, self.hold_fills = self.hold_fills, True
            self.fill(each)
            self.hold_fills = held
            self.now_s += 0.001
            if not held:
                answers.append(OrderFilled(self.fills[before]))
        return answers

    def _change(self, change: object) -> list[SessionEvent]:
        if isinstance(change, Replace):
            old = self.venue[change.target]
            new = VenueOrder(change.successor, BrokerOrderId(f"v-{change.successor.id}"))
            self.venue[change.successor.id] = new
            old.status, old.replaced_by = Status.CANCELED, new.broker_id
            request = change.successor.id
            answer = ChangeAnswered(request, change.target, "accepted", new.broker_id)
            return [answer, OrderReported(self.report(old)), OrderReported(self.report(new))]
        old = self.venue[change.target]  # type: ignore[attr-defined]
        if old.status.is_terminal:
            refused = ChangeAnswered(
                change.id,  # type: ignore[attr-defined]
                old.order.id,
                "rejected",
                None,
                "not_cancelable",
                str(old.status),
            )
            return [refused]
        old.status = Status.CANCELED
        answer = ChangeAnswered(change.id, old.order.id, "accepted", None)  # type: ignore[attr-defined]
        return [answer, OrderReported(self.report(old))]

    def report(self, each: VenueOrder) -> OrderReport:
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
            qty=order.qty,
            cum_qty=qty(each.cum),
            avg_px=None,
            price=order.price,
            stop_price=order.stop_price,
            happened_at=START,
            replaced_by=each.replaced_by,
        )


def buy(size: int = 10, *, stop: int | None = None) -> SubmitOrder:
    """A market buy."""
    protective = None if stop is None else Decimal(stop)
    return SubmitOrder(Side.BUY, Decimal(size), "up", protective_stop=protective)


def leave() -> SubmitOrder:
    """Close the whole position."""
    return SubmitOrder(Side.SELL, Decimal(1), "down", is_exit=True)


def foreign(world: World, size: int, client_id: str = "") -> None:
    """Somebody trades in the account behind our back."""
    world.position += size
    del client_id


__all__ = ["ABLE", "RULES", "START", "ClientOrderId", "World", "buy", "foreign", "leave", "replace"]
