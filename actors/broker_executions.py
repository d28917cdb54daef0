"""Reading executions from the account's cursor, so that a fill which the stream lost is found.

The cursor that is kept is that of the read before the last one: its fills were told, and so are
written before it. It does not pass a fill whose session is still on its way: that one asks for
another read when it has come. Whatever is read twice is one row and one fold.
"""

from collections.abc import Callable
from dataclasses import dataclass

from actors.account_book import AccountBook
from actors.account_messages import ReadExecutions
from actors.runtime import Actor, Reminder
from trader.orders.events import QueryFailed
from trader.ports import Account, ExecutionsReported

QUERY_DEADLINE_S = 10.0
RETRY_S = 2.0


@dataclass(frozen=True, slots=True)
class ExecutionsAnswered:
    """The broker's answer."""

    answer: ExecutionsReported | QueryFailed


class Executions:
    """See the module. One account manager's; its waits are that actor's."""

    def __init__(
        self, actor: Actor, account: Account, book: AccountBook, keep: Callable[[str], None]
    ) -> None:
        self._actor = actor
        self._account = account
        self._book = book
        self._keep = keep
        self._is_loaded = False
        self._is_reading = False
        self._is_due_again = False
        self._is_rewound = False
        self._cursor: str | None = None
        self._kept: str | None = None
        self._retry: Reminder | None = None

    def begin(self, cursor: str | None) -> None:
        """Read from what is durable; also again, when fills that were told were not written."""
        self._is_loaded = True
        self._is_rewound = self._is_reading
        self._cursor = self._kept = cursor
        self.read()

    def read(self) -> None:
        """Ask the broker; while it is being asked, once more after it."""
        if not self._is_loaded:
            return  # without the cursor nobody knows from where
        if self._is_reading:
            self._is_due_again = True
            return
        self._is_reading = True
        if self._cursor is not None and self._cursor != self._kept:
            self._kept = self._cursor
            self._keep(self._cursor)
        asked_s = self._actor.runtime.host.elapsed()
        self._actor.pipe(
            self._account.executions(self._cursor),
            done=ExecutionsAnswered,
            failed=lambda e: ExecutionsAnswered(QueryFailed("executions", repr(e), asked_s)),
            deadline_s=QUERY_DEADLINE_S,
        )

    def answered(self, answer: ExecutionsReported | QueryFailed) -> None:
        """Tell the fills; a failed read is asked again soon, by one timer however many ask."""
        self._is_reading = False
        is_due_again, self._is_due_again = self._is_due_again, False
        if isinstance(answer, QueryFailed):
            if self._retry is not None:
                self._retry.cancel()
            self._retry = self._actor.remind(RETRY_S, ReadExecutions())
            return
        untold = [fill for fill in answer.fills if not self._book.filled(fill)]
        if not untold and not self._is_rewound:
            self._cursor = answer.cursor
        self._is_rewound = False
        if (answer.has_more and not untold) or is_due_again:
            self.read()
