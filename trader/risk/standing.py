"""Where a session stands: every question that an entry must find in order, in the gate's order.

The gate refuses by the first one that does not hold; `why` shows all of them. They are the same
ones, so the two cannot disagree.
"""

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


def entry_checks(standing: Standing, limits: Limits, mark: Price | None) -> tuple[Check, ...]:
    """Everything that the gate asks before it looks at the order itself, in its order."""
    price = Check(
        "no_mark",
        "Has a price been seen?",
        "no price has been seen" if mark is None else plain(mark),
        mark is not None,
    )
    return (
        *standing_checks(standing),
        price,
        *budget_checks(standing, limits),
        *heat_checks(standing),
    )


def standing_checks(standing: Standing) -> tuple[Check, ...]:
    """About the session itself: operator, recovery, ownership, database, line, market."""
    age_s, age_max_s = standing.reconcile_age_s, standing.reconcile_age_max_s
    is_reconciled = age_s is not None and age_s <= age_max_s
    since = "never" if age_s is None else f"{age_s:.0f} s ago"
    market = {
        True: "the venue is open",
        False: "the venue is closed",
        None: "the venue has not said if it is open",
    }
    return (
        _check(
            "exits_only",
            "May the session do more than exit?",
            standing.state is not TradingState.EXITS_ONLY,
            ("it may", "the session only exits"),
        ),
        _check(
            "halted",
            "Does the operator allow entries?",
            standing.state is not TradingState.HALTED,
            (f"{standing.state}", "the operator halted entries"),
        ),
        _check(
            "closing",
            "Is the position left alone?",
            not standing.is_closing,
            ("nothing is closing it", "the position is being closed"),
        ),
        _check(
            "not_ready",
            "Has the session recovered?",
            standing.phase_ready,
            ("position, orders and rows are known", "the session is still recovering"),
        ),
        _check(
            "lease_lost",
            "Is the account ours?",
            standing.lease_held,
            ("its lease is held", "the account's lease is not held"),
        ),
        _check(
            "store_down",
            "Does the database answer?",
            standing.store_up,
            ("it does", "the database does not answer"),
        ),
        _check(
            "clock_suspect",
            "Can the wall clock be trusted?",
            standing.clock_ok,
            ("it can", "the wall clock jumped"),
        ),
        _check(
            "stream_down",
            "Is the account's event stream up?",
            standing.stream_up,
            ("it is", "the account's event stream is down"),
        ),
        Check(
            "reconcile_stale",
            "Was the position reconciled lately?",
            f"reconciled {since}, at most {age_max_s:.0f} s",
            is_reconciled,
        ),
        Check(
            "market_unknown" if standing.market_open is None else "market_closed",
            "Is the market open?",
            market[standing.market_open],
            standing.market_open is True,
        ),
        _check(
            "feed_stale",
            "Is the market data fresh?",
            standing.feed_fresh,
            ("it is", "the market data feed is stale"),
        ),
    )


def budget_checks(standing: Standing, limits: Limits) -> tuple[Check, ...]:
    """How many entries were recorded lately, of how many."""
    minute, day = standing.orders_last_minute, standing.orders_last_day
    return (
        Check(
            "orders_per_minute",
            "Is there budget for an entry this minute?",
            f"{minute} in the last minute, at most {limits.orders_per_minute_max}",
            minute < limits.orders_per_minute_max,
        ),
        Check(
            "orders_per_day",
            "Is there budget for an entry today?",
            f"{day} in the last day, at most {limits.orders_per_day_max}",
            day < limits.orders_per_day_max,
        ),
    )


def heat_checks(standing: Standing) -> tuple[Check, ...]:
    """What the portfolio says."""
    level = standing.heat_level
    return (
        _check(
            "heat_unknown",
            "Is the portfolio's heat complete?",
            level is not HeatLevel.UNKNOWN,
            (f"{level}", "the portfolio's heat is incomplete"),
        ),
        _check(
            "heat_block",
            "Is the portfolio's heat below its limit?",
            level is not HeatLevel.BLOCK,
            (f"{level}", "the portfolio's heat is at its limit"),
        ),
    )


def _check(reason_code: str, question: str, is_ok: bool, answers: tuple[str, str]) -> Check:
    return Check(reason_code, question, answers[0 if is_ok else 1], is_ok)
