"""Bugs of truth: fills, the broker's word, and what is done where memory differs from it."""

from actors.app import wiring
from actors.broker_executions import Executions
from actors.realtime_trader import RealtimeTrader
from adapters.brokers.alpaca_account import AlpacaAccount
from tests.mutants.directed import all_of, at_the_end, busy, every_session, in_pairs
from tests.mutants.planting import Bug, Edit
from trader.session import doubting, moving, reporting, truth

BUGS = (
    Bug(
        "no_fill_dedupe",
        "a fill counts as often as it is told",
        (
            Edit(
                reporting.filled,
                "if fill.execution_id in state.executions or same in state.executions:",
                "if False:",
            ),
        ),
    ),
    Bug(
        "duplicate_fill_stales_snapshots",
        "a fill that is read again makes the snapshot under way look too old",
        (
            Edit(
                reporting.filled,
                "if fill.execution_id in state.executions or same in state.executions:",
                "state.newest_fill_s = now_s\n"
                "if fill.execution_id in state.executions or same in state.executions:",
            ),
        ),
        faults=("margin_desk",),
        bend=all_of(every_session("restless", qty=10), at_the_end("margin_desk")),
    ),
    Bug(
        "no_reconcile",
        "the position is asked for after fills, and never else",
        (
            Edit(
                truth._reconciled,
                "asking.next_s(now_s, state.rules.position_period_s)",
                "now_s + 3600.0",
            ),
        ),
        faults=("margin_desk", "manual_trade", "event_lost"),
    ),
    Bug(
        "no_recovery_query",
        "nobody asks the venue for an order in doubt",
        (
            Edit(
                RealtimeTrader._do,
                "self._to.broker.tell(FindOrder(effect.order_id, self.address))",
                "pass",
            ),
        ),
        faults=("kill", "power_lost", "reply_lost", "request_lost", "late_arrival"),
        bend=all_of(every_session("restless", qty=10), busy(20)),
    ),
    Bug(
        "incremental_adjustment",
        "a difference to the broker is added where the broker's word should be taken",
        (
            Edit(
                truth._adjust,
                "before = state.position.qty",
                "before = state.position.qty\n"
                "row = before if event.database_qty is None else event.database_qty\n"
                "moved = Quantity(before + event.qty - row)\n"
                "verdict = Adjust(moved, verdict.to_avg_px, verdict.cause, verdict.detail)",
            ),
        ),
        faults=("margin_desk", "manual_trade", "kill", "db_restored_older", "event_lost"),
        bend=busy(10),
    ),
    Bug(
        "empty_list_is_flat",
        "a listing of positions that is empty by an outage is believed",
        (
            Edit(
                AlpacaAccount.positions,
                'if not positions and not holds_nothing(await self._http.ask("/v2/account")):',
                "if False:",
            ),
        ),
        faults=("empty_list",),
        bend=busy(20),
    ),
    Bug(
        "cursor_passes_untold_fills",
        "the cursor of executions passes a fill whose session has not come yet",
        (
            Edit(AlpacaAccount.executions, "after = since - OVERLAP if cursor else", "after ="),
            Edit(
                Executions.answered,
                "if not untold and not self._is_rewound:",
                "if not self._is_rewound:",
            ),
        ),
        faults=("kill", "rules_fail", "suspend", "power_lost"),
        bend=all_of(
            every_session("patient", qty=10),
            in_pairs("kill", *["rules_fail"] * 4, apart_s=40, count=4),
        ),
    ),
    Bug(
        "account_forgets_its_sessions",
        "the book of an account dies with its account manager",
        (Edit(wiring.tree_of, "books[account_id],", "AccountBook(house.host.elapsed, ()),"),),
        faults=("crash_account",),
    ),
    Bug(
        "stop_kept_over_zero",
        "the stop of a position that is over guards the next one",
        (Edit(reporting.filled, "if state.position.qty * before.qty <= 0:", "if False:"),),
        faults=("event_late",),
        bend=every_session("guarded", qty=10),
    ),
    Bug(
        "rest_of_a_doubt_forgotten",
        "an order in doubt is asked for once, and not again",
        (
            Edit(
                moving.probe_later,
                "state.owe(now_s + wait_s)",
                "del state.probe_due_s[working.order.id]",
            ),
            Edit(doubting.absent, "working.absences += 1", "return NOTHING"),
        ),
        faults=("request_lost", "late_arrival", "not_yet_visible"),
        bend=busy(20),
    ),
)
