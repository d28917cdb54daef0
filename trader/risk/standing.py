"""Where a session stands: every question that an entry must find in order, in the gate's order.

The gate refuses by the first one that does not hold; `why` shows all of them. They are the same
ones, so the two cannot disagree.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from trader.money import NO_QTY, Price, Quantity, plain
from trader.risk.heat import HeatLevel
from trader.session.events import TradingState


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the session stands: every flag that an entry must find in order."""

    state: TradingState
    reconcile_age_s: float | None  # of the last success; None: never
    reconcile_age_max_s: float
    feed_fresh: bool
    market_open: bool | None  # the venue's word; None: it has not said
    heat_level: HeatLevel
    store_up: bool
    clock_ok: bool
    lease_held: bool
    stream_up: bool
    phase_ready: bool  # recovered: snapshot, no doubted order
    is_closing: bool  # the heart is driving the position down
    working_entry_qty: Quantity  # what working entries may still add, unsigned
    orders_last_minute: int  # entries, from rows: a restart refills nothing
    orders_last_day: int
    position_qty: Quantity = NO_QTY  # memory's, signed: it may be ahead of the broker's snapshot

    @property
    def reconciled(self) -> str:
        """How long ago, in words."""
        return "never" if self.reconcile_age_s is None else f"{self.reconcile_age_s:.0f} s ago"


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one session's entries; quantities in units, fractions of the mark."""

    qty_max: Decimal
    notional_max: Decimal
    orders_per_minute_max: int
    orders_per_day_max: int
    collar_fraction: Decimal  # how far past the mark a limit may reach
    position_qty_max: Decimal


@dataclass(frozen=True, slots=True)
class Check:
    """One question, how it stands, and the code under which an entry is refused for it."""

    reason_code: str
    question: str
    answer: str
    is_ok: bool


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that must hold; its answers are templates over the standing and the limits."""

    reason_code: str
    text: str
    holds: Callable[[Standing, Limits], bool]
    yes: str
    no: str

    def check(self, standing: Standing, limits: Limits) -> Check:
        """How it stands, in words."""
        is_ok = self.holds(standing, limits)
        answer = (self.yes if is_ok else self.no).format(standing=standing, limits=limits)
        return Check(self.reason_code, self.text, answer, is_ok)


def first_failed(
    questions: tuple[Question, ...], standing: Standing, limits: Limits
) -> Check | None:
    """The gate's way of asking: words are made for a refusal only."""
    for question in questions:
        if not question.holds(standing, limits):
            return question.check(standing, limits)
    return None


def entry_checks(standing: Standing, limits: Limits, mark: Price | None) -> tuple[Check, ...]:
    """Everything that the gate asks before it looks at the order itself, in its order."""
    price = Check(
        "no_mark",
        "Has a price been seen?",
        "no price has been seen" if mark is None else plain(mark),
        mark is not None,
    )
    return (
        *(each.check(standing, limits) for each in SESSION),
        price,
        *(each.check(standing, limits) for each in BUDGET_AND_HEAT),
    )


SESSION = (
    Question(
        "exits_only",
        "May the session do more than exit?",
        lambda s, _: s.state is not TradingState.EXITS_ONLY,
        "it may",
        "the session only exits",
    ),
    Question(
        "halted",
        "Does the operator allow entries?",
        lambda s, _: s.state is not TradingState.HALTED,
        "{standing.state}",
        "the operator halted entries",
    ),
    Question(
        "closing",
        "Is the position left alone?",
        lambda s, _: not s.is_closing,
        "nothing is closing it",
        "the position is being closed",
    ),
    Question(
        "not_ready",
        "Has the session recovered?",
        lambda s, _: s.phase_ready,
        "position, orders and rows are known",
        "the session is still recovering",
    ),
    Question(
        "lease_lost",
        "Is the account ours?",
        lambda s, _: s.lease_held,
        "its lease is held",
        "the account's lease is not held",
    ),
    Question(
        "store_down",
        "Does the database answer?",
        lambda s, _: s.store_up,
        "it does",
        "the database does not answer",
    ),
    Question(
        "clock_suspect",
        "Can the wall clock be trusted?",
        lambda s, _: s.clock_ok,
        "it can",
        "the wall clock jumped",
    ),
    Question(
        "stream_down",
        "Is the account's event stream up?",
        lambda s, _: s.stream_up,
        "it is",
        "the account's event stream is down",
    ),
    Question(
        "reconcile_stale",
        "Was the position reconciled lately?",
        lambda s, _: s.reconcile_age_s is not None and s.reconcile_age_s <= s.reconcile_age_max_s,
        "reconciled {standing.reconciled}, at most {standing.reconcile_age_max_s:.0f} s",
        "reconciled {standing.reconciled}, at most {standing.reconcile_age_max_s:.0f} s",
    ),
    Question(
        "market_unknown",
        "Has the venue said if it is open?",
        lambda s, _: s.market_open is not None,
        "it has",
        "the venue has not said if it is open",
    ),
    Question(
        "market_closed",
        "Is the market open?",
        lambda s, _: s.market_open is True,
        "the venue is open",
        "the venue does not say that it is open",
    ),
    Question(
        "feed_stale",
        "Is the market data fresh?",
        lambda s, _: s.feed_fresh,
        "it is",
        "the market data feed is stale",
    ),
)
"""About the session itself: operator, recovery, ownership, database, line, market."""

BUDGET_AND_HEAT = (
    Question(
        "orders_per_minute",
        "Is there budget for an entry this minute?",
        lambda s, limits: s.orders_last_minute < limits.orders_per_minute_max,
        "{standing.orders_last_minute} in the last minute, at most {limits.orders_per_minute_max}",
        "{standing.orders_last_minute} in the last minute, at most {limits.orders_per_minute_max}",
    ),
    Question(
        "orders_per_day",
        "Is there budget for an entry today?",
        lambda s, limits: s.orders_last_day < limits.orders_per_day_max,
        "{standing.orders_last_day} in the last day, at most {limits.orders_per_day_max}",
        "{standing.orders_last_day} in the last day, at most {limits.orders_per_day_max}",
    ),
    Question(
        "heat_unknown",
        "Is the portfolio's heat complete?",
        lambda s, _: s.heat_level is not HeatLevel.UNKNOWN,
        "{standing.heat_level}",
        "the portfolio's heat is incomplete",
    ),
    Question(
        "heat_block",
        "Is the portfolio's heat below its limit?",
        lambda s, _: s.heat_level is not HeatLevel.BLOCK,
        "{standing.heat_level}",
        "the portfolio's heat is at its limit",
    ),
)
"""How many entries were recorded lately, of how many, and what the portfolio says."""
