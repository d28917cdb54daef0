"""Bugs at the operator's desk: what he was told, and what became of it."""

from actors.broker import AccountManager
from actors.command_keeper import CommandKeeper
from actors.desk_commands import OperatorDesk
from tests.mutants.directed import all_of, busy, every_session, in_pairs, ordered
from tests.mutants.planting import Bug, Edit

BUGS = (
    Bug(
        "ack_before_commit",
        "a command is acknowledged while its row is still on the way",
        (Edit(OperatorDesk._within, "error = await outcome", 'return ""'),),
        faults=("db_down", "db_slow", "db_silent", "kill"),
        bend=all_of(busy(10), ordered("close", "halt", "resume", count=10)),
    ),
    Bug(
        "lost_command_hint",
        "a close is told to its trader once, and never again",
        (
            Edit(CommandKeeper.on_receive, "self._tell_all()", "pass"),
            Edit(CommandKeeper._looked, "self._tell_all()", "pass"),
        ),
        faults=("crash_trader", "kill"),
        bend=all_of(
            in_pairs("close", "crash_trader", apart_s=0.02, count=15), ordered("close", count=5)
        ),
    ),
    Bug(
        "halt_only_in_the_heart",
        "the last gate does not look at the operator's word",
        (
            Edit(
                AccountManager._entry_bar,
                'return NotSent("halted", why) if why else None',
                "return None",
            ),
        ),
        faults=("rate_limited",),
        bend=all_of(
            every_session("restless", qty=10),
            in_pairs("rate_limited", "halt", "resume", apart_s=2.6, count=12, at_second=58.2),
        ),
    ),
    Bug(
        "halt_without_its_file",
        "a halt is not written where it outlives the database",
        (
            Edit(
                OperatorDesk._halt,
                "trouble = _failure(lambda: self._latch.write_file(reason))",
                'trouble = ""',
            ),
        ),
        faults=("db_down", "kill"),
        bend=all_of(
            every_session("restless", qty=10),
            in_pairs("db_down", "halt", "kill", apart_s=3.5, count=6),
        ),
    ),
    Bug(
        "resume_without_its_row",
        "a resume is acknowledged though the database keeps the halt",
        (
            Edit(
                OperatorDesk._resume,
                "if no_row:",
                "if False:",
            ),
        ),
        faults=("db_down", "db_silent"),
        bend=in_pairs("halt", "db_down", "resume", apart_s=3.0, count=6),
    ),
)
