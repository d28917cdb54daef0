"""Bugs of market data: on which bars a strategy decides, and on what past."""

from tests.mutants.directed import all_of, busy, every_session, in_pairs
from tests.mutants.planting import Bug, Edit
from trader.market.line import Line
from trader.session import bars, flags

BUGS = (
    Bug(
        "run_on_replaced",
        "a strategy decides on a bar that was replaced",
        (
            Edit(
                bars.closed,
                "return rebuild(state)  # the strategy's past has changed; it never runs on it",
                "return (AskStrategy(candle, state.view or view_of(state), state.rebuild),)",
            ),
        ),
        faults=("bar_corrected", "feed_out_of_order"),
        bend=busy(10),
    ),
    Bug(
        "run_on_duplicate",
        "a strategy decides on a bar that comes twice",
        (
            Edit(
                bars.closed,
                "case Duplicate():\n    return NOTHING",
                "case Duplicate():\n"
                "    return (AskStrategy(candle, state.view or view_of(state), state.rebuild),)",
            ),
            Edit(
                Line._deliver, "case New() | Replaced():", "case New() | Replaced() | Duplicate():"
            ),
            Edit(Line._deliver, "case Duplicate():\n    return _NONE\n", ""),
        ),
        faults=("feed_duplicate", "feed_replay"),
        bend=busy(10),
    ),
    Bug(
        "run_on_partial",
        "a strategy decides on a bar that is still forming",
        (
            Edit(
                Line.tick,
                "return self._finals(finals, elapsed_s) if finals and self._unit is None else",
                "forming = self.forming\n"
                "return self._finals((forming,), elapsed_s) if forming else",
            ),
        ),
    ),
    Bug(
        "run_on_late",
        "a strategy decides on a bar that is long over",
        (
            Edit(
                bars.closed,
                "is_in_time = not is_late and not candle.revision",
                "is_in_time = not candle.revision",
            ),
        ),
        faults=("feed_late_bar", "feed_stalled", "history_slow", "suspend"),
        bend=busy(10),
    ),
    Bug(
        "gap_ignored",
        "a bar that the feed has lost is not missed",
        (Edit(Line.bar, "if self._has_missed_one(candle):", "if False:"),),
        faults=("feed_gap", "crash_feed", "feed_cut", "feed_silent"),
        bend=busy(10),
    ),
    Bug(
        "history_before_subscribe",
        "history is asked once, before the feed stands, and not again after it",
        (
            Edit(
                Line._unsettle,
                "if self.is_settled:",
                "if self.depth_loaded:\n    return\nif self.is_settled:",
            ),
            Edit(Line.wants, "if not self._connect_count:\n    return None", "pass"),
        ),
        faults=("feed_cut", "feed_slow_connect", "kill", "crash_feed"),
        bend=busy(10),
    ),
    Bug(
        "stale_feed_trades_on",
        "a feed that cannot be believed stops no entry",
        (
            Edit(
                flags.changed,
                "was_fresh, state.is_feed_fresh = state.is_feed_fresh, False",
                "was_fresh = state.is_feed_fresh",
            ),
        ),
        faults=("feed_gap", "history_lags", "history_fails"),
        bend=all_of(
            every_session("wanderer", qty=10, seed=7),
            in_pairs("history_fails", "feed_gap", apart_s=8.0, count=8, at_second=40.0),
        ),
    ),
)
