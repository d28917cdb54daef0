"""The journal: nothing reaches a broker that is not written here first.

Owns: the write path to the store, one writer with one connection. What waits while a commit is
under way goes into the next one together, so orders decided at the same moment share a flush.
Decisions go first and alone; progress, which the broker can tell again, is gathered for a moment
and written when no decision waits (an order's progress cannot come before its own row's answer).

Edge cases: a lost connection is an outcome, not a crash: the very same batch is written again
(every row has a key of its own). After half a second without a commit the journal is degraded:
exits and cancels go to the fsynced spool, entries are refused. The spool is replayed before
anything newer is written. Once progress had to be dropped, traders and accounts are told to start
over from what is durable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from actors.backlog import Asked, Backlog, Decision
from actors.runtime import Actor, Address, Reminder
from trader.orders.events import ChangeRecorded, OrderRecorded, RecordRefused
from trader.orders.order import Change, Order, request_id
from trader.ports import Journal as Store
from trader.ports import Spool
from trader.proofs import Recorded
from trader.records import Entry, Kept, NotKept, OrderEntry, Outcome
from trader.session.events import StoreChanged

NAME = "journal"
TOPIC = "store"  # StoreChanged is published here
GATHER_S = 0.01  # a fill, its order and its decision share a commit; a kill loses no more
RETRY_S = (0.05, 0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """Write this decision before it leaves; OrderRecorded, ChangeRecorded or RecordRefused."""

    entry: Decision
    reply_to: Address


@dataclass(frozen=True, slots=True)
class KeepEntry:
    """Write this some time soon, in order; nobody waits for it."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class DescribeJournal:
    """Ask: a JournalView."""


@dataclass(frozen=True, slots=True)
class JournalView:
    """How the write path stands."""

    is_up: bool
    reason: str
    waiting_count: int
    written_count: int
    refused_count: int
    dropped_count: int
    spooled_count: int
    write_s_last: float


@dataclass(frozen=True, slots=True)
class _Written:
    refused_count: int


@dataclass(frozen=True, slots=True)
class _WriteFailed:
    error: str


@dataclass(frozen=True, slots=True)
class _StillWriting:
    pass


@dataclass(frozen=True, slots=True)
class _Retry:
    pass


@dataclass(frozen=True, slots=True)
class _Gathered:
    pass


@dataclass(frozen=True, slots=True)
class _Replayed:
    pass


JournalMessage = (
    RecordEntry
    | KeepEntry
    | DescribeJournal
    | _Written
    | _WriteFailed
    | _StillWriting
    | _Retry
    | _Gathered
    | _Replayed
)


class Journal(Actor):
    """See the module."""

    def __init__(
        self,
        store: Store,
        spool: Spool,
        backlog: Backlog,
        *,
        pending_max: int,
        degraded_after_s: float,
    ) -> None:
        super().__init__()
        self._store = store
        self._spool = spool
        self._backlog = backlog
        self._pending_max = pending_max
        self._degraded_after_s = degraded_after_s
        self._is_gathering = False
        self._is_busy = False  # with a write or a replay
        self._patience: Reminder | None = None
        self._tries = 0
        self._began_s = 0.0
        self._write_s = 0.0
        self._written_count = 0
        self._refused_count = 0
        self._dropped_count = 0

    def on_start(self) -> None:
        """Go on where a predecessor ended; every write may be repeated."""
        if self._backlog.count() or self._backlog.down_because:
            self.remind(RETRY_S[0], _Retry())

    def on_receive(self, message: JournalMessage) -> JournalView | None:
        """One line a message."""
        match message:
            case RecordEntry():
                self._take_decision(message)
            case KeepEntry():
                self._take_progress(message)
            case _Written():
                self._written(message)
            case _WriteFailed():
                self._failed(message.error)
            case _StillWriting():
                if self._is_busy:
                    self._degrade("no commit within the bound")
            case _Retry():
                self._go_on()
            case _Gathered():
                self._is_gathering = False
                self._write_next()
            case _Replayed():
                self._replayed()
            case DescribeJournal():
                return self._describe()
            case _:
                assert_never(message)
        return None

    # In

    def _take_decision(self, message: RecordEntry) -> None:
        asked = Asked(message.entry, message.reply_to)
        if self._backlog.down_because:
            self._without_store(asked)
        elif not asked.entry.is_exit and self._backlog.count() >= self._pending_max:
            _refuse(asked, "journal_full", "too much waits to be written")
        else:
            self._backlog.decide(asked)
            self._write_next()

    def _take_progress(self, message: KeepEntry) -> None:
        if not self._backlog.keep(message.entry, self._pending_max):
            self._dropped_count += 1
        elif not self._is_gathering:
            self._is_gathering = True
            self.remind(GATHER_S, _Gathered())

    # Writing

    def _write_next(self) -> None:
        """The next batch, unless one is under way or the store is down."""
        if self._is_busy or self._backlog.down_because:
            return
        if self._backlog.next_batch(with_progress=not self._is_gathering):
            self._patience = self.remind(self._degraded_after_s, _StillWriting())
            self._write()
        elif self._backlog.lost_count and not self._backlog.count():
            self.publish(TOPIC, StoreChanged(True, "", lost_count=self._backlog.lost_count))
            self._backlog.lost_count = 0

    def _write(self) -> None:
        self._is_busy = True
        self._began_s = self.runtime.host.elapsed()
        batch = self._backlog.batch
        self.pipe(
            self._store.write([each.entry if isinstance(each, Asked) else each for each in batch]),
            done=lambda outcomes: _answer(batch, outcomes),
            failed=lambda error: _WriteFailed(repr(error)),
        )

    def _written(self, message: _Written) -> None:
        self._stand_by()
        self._write_s = self.runtime.host.elapsed() - self._began_s
        self._written_count += len(self._backlog.batch) - message.refused_count
        self._refused_count += message.refused_count
        self._backlog.batch = ()
        self._go_on()

    def _failed(self, error: str) -> None:
        """Nobody knows whether it was committed: the same batch again, on a new connection."""
        self._is_busy = False
        self._tries += 1
        if self._tries > 1:
            self._degrade(error)
        self.remind(RETRY_S[min(self._tries, len(RETRY_S)) - 1], _Retry())

    def _go_on(self) -> None:
        """What was interrupted first, then the spool, then what is newer."""
        if self._is_busy:
            return
        if self._backlog.down_because and not self._backlog.batch:
            self._is_busy = True
            self.pipe(
                self._spool.replay(self._store),
                done=lambda _: _Replayed(),
                failed=lambda error: _WriteFailed(repr(error)),
            )
        elif self._backlog.batch:
            self._write()
        else:
            self._write_next()

    def _stand_by(self) -> None:
        self._is_busy = False
        self._tries = 0
        if self._patience is not None:
            self._patience.cancel()

    # Without a store

    def _degrade(self, reason: str) -> None:
        if self._backlog.down_because:
            return
        self._backlog.down_because = reason
        for asked in self._backlog.give_up_decisions():
            self._without_store(asked)
        self.publish(TOPIC, StoreChanged(False, reason))

    def _without_store(self, asked: Asked) -> None:
        """An exit is never held up by a database: fsynced here, replayed there later."""
        if not asked.entry.is_exit:
            _refuse(asked, "store_down", self._backlog.down_because)
            return

        def recorded(proof: Recorded[Order] | Recorded[Change]) -> None:
            asked.reply_to.tell(_recorded(proof, was_stored=False))

        self.pipe(
            self._spool.append(asked.entry),
            done=recorded,  # which tells this actor nothing
            failed=lambda error: _refuse(asked, "spool_failed", repr(error)),
        )

    def _replayed(self) -> None:
        self._stand_by()
        if self._spool.record_count():
            self.remind(RETRY_S[0], _Retry())  # an exit was spooled meanwhile: its row comes first
            return
        self._backlog.down_because = ""
        self.publish(TOPIC, StoreChanged(True, ""))
        self._write_next()

    def _describe(self) -> JournalView:
        return JournalView(
            is_up=not self._backlog.down_because,
            reason=self._backlog.down_because,
            waiting_count=self._backlog.count(),
            written_count=self._written_count,
            refused_count=self._refused_count,
            dropped_count=self._dropped_count,
            spooled_count=self._spool.record_count(),
            write_s_last=self._write_s,
        )


def _answer(batch: Sequence[Asked | Entry], outcomes: Sequence[Outcome]) -> _Written:
    """Askers are answered from the wait itself: a dead incarnation's commit still counts."""
    refused_count = 0
    for each, outcome in zip(batch, outcomes, strict=True):
        match outcome:
            case Kept():
                if isinstance(each, Asked) and outcome.recorded is not None:
                    each.reply_to.tell(_recorded(outcome.recorded, was_stored=outcome.was_stored))
            case NotKept():
                refused_count += 1
                if isinstance(each, Asked):
                    _refuse(each, outcome.reason_code, outcome.detail)
            case _:
                assert_never(outcome)
    return _Written(refused_count)


def _refuse(asked: Asked, code: str, detail: str) -> None:
    asked.reply_to.tell(RecordRefused(_key_of(asked.entry), code, detail))


def _key_of(entry: Decision) -> Any:
    return entry.order.item.id if isinstance(entry, OrderEntry) else request_id(entry.change.item)


def _recorded(
    proof: Recorded[Order] | Recorded[Change], *, was_stored: bool
) -> OrderRecorded | ChangeRecorded:
    if isinstance(proof.item, Order):
        return OrderRecorded(proof, was_stored)
    return ChangeRecorded(proof)
