"""Bugs of the database path, and of whose word counts there."""

from actors.app import wiring
from actors.backlog import Backlog
from actors.broker import AccountManager
from actors.journal import Journal
from adapters.simulated.journal import MemoryJournal
from tests.mutants.directed import all_of, busy, every_session, in_pairs
from tests.mutants.planting import Bug, Edit

BUGS = (
    Bug(
        "status_write_not_retried",
        "progress whose commit failed is dropped",
        (
            Edit(
                Journal._failed,
                "self._is_busy = False",
                "self._is_busy = False\n"
                "if not any(isinstance(each, Asked) for each in self._backlog.batch):\n"
                "    self._backlog.batch = ()",
            ),
        ),
        faults=("db_down", "db_request_lost", "db_aborted", "db_restart"),
        bend=busy(10),
    ),
    Bug(
        "unordered_writes",
        "what was decided later is written earlier",
        (
            Edit(
                Backlog.next_batch,
                "self.batch = tuple(self.progress[:BATCH_MAX])",
                "self.batch = tuple(reversed(self.progress[:BATCH_MAX]))",
            ),
        ),
        faults=("db_slow", "db_stalled", "db_down"),
        bend=busy(10),
    ),
    Bug(
        "crash_loses_the_queue",
        "what waits to be written dies with the journal",
        (Edit(wiring.tree_of, "store.spool,\nbacklog,", "store.spool,\nBacklog(),"),),
        faults=("crash_journal", "db_down", "db_slow"),
        bend=in_pairs("db_down", "crash_journal", apart_s=1.5, count=10),
    ),
    Bug(
        "no_fence",
        "the database takes the writes of whoever asks",
        (Edit(MemoryJournal._refused, "fence = entry.fence", "return None"),),
        faults=("second_daemon", "suspend", "db_late", "db_stalled", "crash_trader", "kill"),
        bend=busy(10),
    ),
    Bug(
        "lease_not_asked",
        "an entry leaves though the lease has run out",
        (
            Edit(
                AccountManager._is_lease_held,
                "and self.runtime.host.elapsed() < self._lease.deadline_s",
                "",
            ),
        ),
        faults=("second_daemon", "pause", "suspend", "db_down", "db_silent"),
        bend=all_of(every_session("restless", qty=10), busy(10)),
    ),
)
