"""The trader: one per session, the heart's hands.

Owns: one `SessionState`, and the timer of its duties. Every domain event goes through `step`;
every effect is one message to whoever can do it, and the answer comes back as an event. A guardian
is the same actor without a strategy, standing in for a session that cannot run any more, or for
something at the broker that nobody owns.

Edge cases: a raise anywhere means that this body ends and its successor is rebuilt from the
broker, the candles and the rows. Before the rows are loaded nothing is folded: events wait.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from actors.account_messages import (
    AttachSession,
    FindOrder,
    ForgetOrder,
    QueryOrders,
    QueryPosition,
    ReadExecutions,
    SubmitOrder,
    SubmitRequest,
)
from actors.journal import TOPIC as STORE
from actors.journal import KeepEntry, RecordEntry
from actors.market_data import Backfill as BackfillBars
from actors.market_data import Subscribe
from actors.portfolio_server import TOPIC as HEAT
from actors.portfolio_server import ReleaseHeat, Reserve, TakeContribution
from actors.runtime import Actor, Address, Alarm
from actors.strategy_host import DecideOnBar, OpenStrategy
from trader.ids import AccountId, ClientOrderId, InstrumentId, SessionId
from trader.market.digest import digest
from trader.money import Quantity
from trader.orders.events import OpenOrdersReported
from trader.ports import SessionLoader
from trader.records import ChangeEntry, DecisionEntry, OrderEntry, SessionRows
from trader.session import effects as wanted
from trader.session.events import (
    DutyDue,
    SessionLoaded,
    StoreChanged,
    TradingStateChanged,
)
from trader.session.rules import SessionRules
from trader.session.state import SessionState
from trader.session.step import MarketEvent, SessionEvent, step

NOTICES = "notices"  # topic: what a person should know
TRADING = "trading"  # topic: the operator's word
RETRY_LOAD_S = 0.5

Heart = Callable[[SessionState, SessionEvent, float], wanted.Effects]


def name_of(session_id: SessionId) -> str:
    """The trader's name."""
    return f"trader:{session_id}"


@dataclass(frozen=True, slots=True)
class Noticed:
    """A notice and whose it is, for the log, the alarms and the desk."""

    session_id: SessionId
    notice: wanted.Notice
    broker_qty: Quantity | None = None  # what the broker held then; None: nobody's to say


@dataclass(frozen=True, slots=True)
class DescribeSession:
    """Ask: a SessionPicture."""


@dataclass(frozen=True, slots=True)
class SessionPicture:
    """The state itself, to be read before anything else happens to it, and what is around it."""

    state: SessionState
    now_s: float
    decisions: tuple[DecisionEntry, ...]
    is_guardian: bool


@dataclass(frozen=True, slots=True)
class _Loaded:
    rows: SessionRows
    epoch: int


@dataclass(frozen=True, slots=True)
class _LoadFailed:
    reason: str


@dataclass(frozen=True, slots=True)
class _LoadAgain:
    pass


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Whom a trader talks to, by name."""

    broker: Address
    journal: Address
    portfolio: Address
    feed: Address
    strategies: Address


class Rebuild(Exception):
    """What this body holds is not what is durable: end it and load anew."""


class RealtimeTrader(Actor):
    """See the module."""

    def __init__(
        self,
        rules: SessionRules,
        neighbours: Neighbours,
        ledger: SessionLoader,
        epoch: Callable[[], int],
        trading_state: Callable[[], TradingStateChanged],
        *,
        exits_only: str = "",
        heart: Heart = step,
    ) -> None:
        """`heart`: `step`, or something that passes on to it and keeps what it saw."""
        super().__init__()
        self._rules = rules
        self._to = neighbours
        self._ledger = ledger
        self._epoch = epoch
        self._trading_state = trading_state
        self._heart = heart
        self._state = SessionState(rules)
        self._state.is_exits_only = bool(exits_only) or rules.strategy is None
        self._early: list[SessionEvent] = []
        self._alarm = Alarm(self, DutyDue())
        self._decisions: list[DecisionEntry] = []

    def on_start(self) -> None:
        """Ask for the rows; everything else follows from them."""
        for topic in (STORE, HEAT, TRADING):
            self.runtime.subscribe(topic, self.address)
        self._load()

    def on_stop(self) -> None:
        """Hear no more."""
        for topic in (STORE, HEAT, TRADING):
            self.runtime.unsubscribe(topic, self.address)

    def on_receive(self, message: object) -> SessionPicture | None:
        """Domain events go to the heart; the rest is this body's own."""
        match message:
            case DescribeSession():
                return self._picture()
            case _Loaded():
                self._loaded(message)
            case _LoadFailed():
                self.remind(RETRY_LOAD_S, _LoadAgain())
            case _LoadAgain():
                self._load()
            case StoreChanged() if message.lost_count and self._state.fence is not None:
                raise Rebuild(
                    f"{message.lost_count} entries were not kept while the store was down"
                )
            case OpenOrdersReported() if self._unknown_rows(message):
                raise Rebuild(f"rows of {', '.join(self._unknown_rows(message))} came after us")
            case _:
                self._fold(message, self.runtime.host.elapsed())  # type: ignore[arg-type]
        return None

    def _unknown_rows(self, report: OpenOrdersReported) -> list[ClientOrderId]:
        """Open rows that this body has not loaded: a predecessor's spool was replayed meanwhile."""
        if self._state.fence is None:
            return []
        rows = report.database or {}
        return [order_id for order_id in rows if self._state.find(order_id, "") is None]

    def _fold(self, event: SessionEvent, now_s: float) -> None:
        if self._state.fence is None:
            if not isinstance(event, MarketEvent):  # the subscription tells the market anew
                self._early.append(event)
            return
        for effect in self._heart(self._state, event, now_s):
            self._do(effect)
        if type(event) is DutyDue:
            self._alarm.clear()
        self._alarm.by(self._state.due_s)

    # Loading

    def _load(self) -> None:
        epoch = self._epoch()
        rules = self._rules
        self.pipe(
            self._ledger.begin_session(
                rules.session_id, rules.account_id, rules.instrument.id, epoch
            ),
            done=lambda rows: _Loaded(rows, epoch),
            failed=lambda error: _LoadFailed(repr(error)),
        )

    def _loaded(self, message: _Loaded) -> None:
        rules = self._rules
        self._to.broker.tell(
            AttachSession(
                rules.session_id, rules.instrument.id, message.rows.incarnation, self.address
            )
        )
        loaded = SessionLoaded(message.rows, message.epoch)
        now_s = self.runtime.host.elapsed()
        for effect in self._heart(self._state, loaded, now_s):
            self._do(effect)
        self._fold(self._trading_state(), now_s)
        self._to.feed.tell(
            Subscribe(
                rules.session_id,
                rules.instrument.id,
                rules.timeframe,
                rules.warmup_bars,
                self.address,
            )
        )
        early, self._early = self._early, []
        for event in early:
            self._fold(event, now_s)
        self._alarm.by(self._state.due_s)

    # Effects: one line each

    def _do(self, effect: wanted.Effect) -> None:
        fence = self._state.fence
        assert fence is not None
        match effect:
            case wanted.AskStrategy():
                self._to.strategies.tell(
                    DecideOnBar(
                        self._rules.session_id,
                        effect.candle,
                        effect.view,
                        effect.rebuild,
                        self.address,
                    )
                )
            case wanted.AuditNothing():
                self._audit_nothing()
            case wanted.AuditDecision():
                self._audit(effect)
            case wanted.Reserve():
                self._to.portfolio.tell(Reserve(effect.request, self.address))
            case wanted.Release():
                self._to.portfolio.tell(ReleaseHeat(effect.order_id))
            case wanted.Record():
                entry = OrderEntry(effect.order, fence, effect.is_exit)
                self._to.journal.tell(RecordEntry(entry, self.address))
            case wanted.RecordChange():
                request = ChangeEntry(effect.change, fence, effect.is_exit)
                self._to.journal.tell(RecordEntry(request, self.address))
            case wanted.Submit():
                self._to.broker.tell(
                    SubmitOrder(
                        effect.order,
                        effect.is_exit,
                        effect.deadline_s,
                        effect.attempt,
                        self.address,
                    )
                )
            case wanted.SubmitChange():
                self._to.broker.tell(
                    SubmitRequest(effect.change, effect.is_exit, effect.deadline_s, self.address)
                )
            case wanted.Keep():
                self._to.journal.tell(KeepEntry(effect.entry))
            case wanted.Find():
                self._to.broker.tell(FindOrder(effect.order_id, self.address))
            case wanted.Forget():
                self._to.broker.tell(ForgetOrder(self._rules.instrument.id, effect.order_id))
            case wanted.AskPosition():
                self._to.broker.tell(QueryPosition(self._rules.instrument.id, self.address))
            case wanted.AskOrders():
                self._to.broker.tell(QueryOrders(self._rules.instrument.id, self.address))
            case wanted.AskExecutions():
                self._to.broker.tell(ReadExecutions())
            case wanted.ReportHeat():
                self._to.portfolio.tell(TakeContribution(effect.contribution, self.address))
            case wanted.OpenStrategy():
                assert self._rules.strategy is not None
                self._to.strategies.tell(
                    OpenStrategy(
                        self._rules.session_id,
                        self._rules.strategy,
                        effect.candles,
                        effect.rebuild,
                        self.address,
                    )
                )
            case wanted.Backfill():
                self._to.feed.tell(
                    BackfillBars(
                        self._rules.instrument.id,
                        self._rules.timeframe,
                        effect.after,
                        self.address,
                    )
                )
            case wanted.Notice():
                broker_qty = self._state.broker.broker_qty
                self.publish(NOTICES, Noticed(self._rules.session_id, effect, broker_qty))
            case _:
                assert_never(effect)

    def _audit_nothing(self) -> None:
        candle = self._state.decided_candle
        assert candle is not None
        self._audit(
            wanted.AuditDecision(
                candle, candle.opened_at, "nothing", self._state.decision.reason, "", ()
            )
        )

    def _audit(self, effect: wanted.AuditDecision) -> None:
        fence = self._state.fence
        assert fence is not None
        entry = DecisionEntry(
            session_id=self._rules.session_id,
            bar_opened_at=effect.bar_opened_at,
            action=effect.action,
            reason=effect.reason,
            reason_code=effect.reason_code,
            bar_digest=digest(effect.candle) if effect.candle is not None else "",
            order_ids=effect.order_ids,
            fence=fence,
        )
        self._decisions.append(entry)
        del self._decisions[:-20]
        self._to.journal.tell(KeepEntry(entry))

    def _picture(self) -> SessionPicture:
        return SessionPicture(
            self._state,
            self.runtime.host.elapsed(),
            tuple(reversed(self._decisions)),
            self._rules.strategy is None,
        )


__all__ = [
    "AccountId",
    "DescribeSession",
    "Heart",
    "InstrumentId",
    "Neighbours",
    "Noticed",
    "RealtimeTrader",
    "SessionPicture",
    "name_of",
]
