"""Bugs of the order path: what leaves, how often, and what its silence means."""

from actors.broker_out import Outgoing
from actors.journal import Journal
from actors.last_gate import LastGate
from adapters.brokers import alpaca_answers
from tests.mutants.directed import all_of, busy, every_session, far, in_pairs, ordered
from tests.mutants.planting import Bug, Edit
from trader.orders.working import WorkingOrder
from trader.positions import position
from trader.session import changing, doubting, gating, reporting, sending

NO_ANSWER = ("request_lost", "reply_lost", "error_before", "error_after", "garbage_reply")
LATE = ("late_arrival", "late_reply")

BUGS = (
    Bug(
        "submit_before_persist",
        "the journal says that an order is recorded, and then records it",
        (
            Edit(
                Journal._take_decision,
                "self._backlog.decide(asked)",
                "self._backlog.decide(asked)\n"
                "if isinstance(asked.entry, OrderEntry):\n"
                "    early = Recorded(asked.entry.order.item, self.runtime.host.now())\n"
                "    asked.reply_to.tell(OrderRecorded(early, False))",
            ),
        ),
        faults=("db_slow", "db_stalled", "db_silent", "db_request_lost", "kill"),
        bend=busy(20),
    ),
    Bug(
        "new_id_on_retry",
        "an order that is sent again gets another client order id",
        (
            Edit(
                sending.submit,
                "return (Submit(",
                "if attempt > 1:\n"
                "    from dataclasses import replace\n"
                "    again = replace(proof.item, id=proof.item.id[:-1] + str(2 + attempt % 6))\n"
                "    proof = replace(proof, item=again)\n"
                "return (Submit(",
            ),
        ),
        faults=NO_ANSWER,
        bend=busy(20),
    ),
    Bug(
        "timeout_is_rejected",
        "a submit without an answer counts as refused by the venue",
        (
            Edit(
                Outgoing._answered,
                "return OrderUnanswered(order.id, answer.cause)",
                'return OrderRejected(order.id, "timeout", answer.cause)',
            ),
        ),
        faults=(*NO_ANSWER, *LATE),
        bend=busy(20),
    ),
    Bug(
        "duplicate_is_rejected",
        "a venue that has the client id already is read as refusing the order",
        (
            Edit(
                alpaca_answers._refused,
                'return Unknown("duplicate_or_malformed")',
                'return Rejected("duplicate", refusal.message)',
            ),
        ),
        faults=("sent_twice", "reply_lost"),
        bend=busy(20),
    ),
    Bug(
        "absent_once_is_never",
        "an order that the venue does not know at once is given up",
        (
            Edit(
                doubting.absent,
                "if is_past and event.asked_s >= working.first_absent_s + 5.0:",
                "if True:",
            ),
        ),
        faults=("late_arrival", "not_yet_visible"),
        bend=busy(20),
    ),
    Bug(
        "give_up_forgets_the_row",
        "an order that never arrived is forgotten, and its row is not ended",
        (
            Edit(
                doubting.absent,
                "effects = move(",
                "del state.orders[working.order.id]\nreturn NOTHING\neffects = move(",
            ),
        ),
        faults=("request_lost", "unreachable", "error_before"),
        bend=all_of(every_session("restless", qty=10), busy(20)),
    ),
    Bug(
        "lost_reply_pends_for_ever",
        "a cancel or replace without an answer leaves its order pending for ever",
        (
            Edit(changing._expect_word, "if target.is_open:", "if False:"),
            Edit(
                changing.still_works,
                "is_final = asked_s is not None",
                "is_final = asked_s is None",
            ),
        ),
        faults=("request_lost", "error_before"),
        bend=all_of(every_session("patient", qty=10), busy(30)),
    ),
    Bug(
        "successor_ends_with_its_target",
        "an order that was replaced takes its successor with it",
        (Edit(reporting.reported, "if report.replaced_by is not None:", "if False:"),),
        faults=("reply_lost", "late_reply", "error_after", "garbage_reply"),
        bend=all_of(every_session("patient", qty=10), busy(30)),
    ),
    Bug(
        "risk_blocks_exit",
        "what bars an entry at the last gate bars an exit too",
        (Edit(LastGate.may_submit, "if refusal is None and not is_exit:", "if refusal is None:"),),
        faults=("crash_trader",),
        bend=all_of(every_session("restless", qty=10), ordered("halt", "close", count=8)),
    ),
    Bug(
        "heat_blocks_exit",
        "an exit asks whether the portfolio has heat left",
        (
            Edit(
                gating.why_not_now,
                "held = state.broker.broker_qty",
                "if state.heat_level in ('BLOCK', 'UNKNOWN'):\n"
                '    return Refused("heat_block", "no heat")\n'
                "held = state.broker.broker_qty",
            ),
        ),
        faults=("crash_portfolio", "crash_trader", "feed_silent"),
        bend=busy(20),
    ),
    Bug(
        "exits_overshoot",
        "the next exit does not count what the one before may still take",
        (
            Edit(position.reducible, "free -= each.unapplied_qty", "pass"),
            Edit(
                LastGate._reduce,
                "(each.left for i, each in book.exits.items() if i != order.id)",
                "()",
            ),
        ),
        faults=(
            "thin_market",
            "event_late",
            "event_lost",
            "late_reply",
            "margin_desk",
            "manual_trade",
        ),
        bend=all_of(far, busy(20), ordered("close", count=6)),
    ),
    Bug(
        "unknown_exit_not_counted",
        "an exit of which nobody knows takes nothing from the position",
        (
            Edit(
                WorkingOrder.unapplied_qty,
                "if self.is_settled:",
                "if self.is_settled or self.status is Status.UNKNOWN:",
            ),
            Edit(
                Outgoing._answered,
                "return OrderUnanswered(order.id, answer.cause)",
                "self._settle(order, attempt)\nreturn OrderUnanswered(order.id, answer.cause)",
            ),
        ),
        faults=("thin_market", "late_arrival", "reply_lost", "margin_desk", "manual_trade"),
        bend=all_of(every_session("restless", qty=10), busy(40), ordered("close", count=6)),
    ),
    Bug(
        "gate_never_forgets_an_exit",
        "an exit that ended unfilled stands in the way of the next one",
        (Edit(LastGate.over, "left.qty = cum_qty", "pass"),),
        faults=("silent_reject", "manual_cancel", "error_before", "rate_limited"),
        bend=all_of(busy(30), ordered("close", count=4)),
    ),
    Bug(
        "old_incarnation_sends",
        "what a dead trader has asked for still leaves",
        (Edit(LastGate._refusal, "if order.incarnation < newest and attempt == 1:", "if False:"),),
        faults=("rate_limited", "crash_trader"),
        bend=all_of(
            every_session("restless", qty=10),
            in_pairs("rate_limited", *["crash_trader"] * 3, apart_s=1.0, count=15, at_second=59.5),
        ),
    ),
)
