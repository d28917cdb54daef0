"""The journal: nothing reaches a broker that is not written here first.

Owns: the write path to the store, one writer with one connection. What waits while a commit is
under way goes into the next one together, so orders decided at the same moment share a flush.
Decisions go first and alone; progress, which the broker can tell again, is gathered for a moment
and written when no decision waits (an order's progress cannot come before its own row's answer).

Edge cases: a lost connection is an outcome, not a crash: the very same batch is written again
(every row has a key of its own). After half a second without a commit the journal is degraded:
exits and cancels go to the fsynced spool, entries are refused. The spool is replayed before
anything else is written. Past the bound progress is dropped, and the traders are told to rebuild
from what is durable.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, assert_never

from actors.runtime import Actor, Address
from trader.orders.events import ChangeRecorded, OrderRecorded, RecordRefused
from trader.orders.order import Cancel, Order, Replace, request_id
from trader.ports import Journal as Store
from trader.ports import Spool
from trader.records import ChangeEntry, Entry, Kept, NotKept, OrderEntry, Outcome
from trader.session.events import StoreChanged

NAME = "journal"
TOPIC = "store"  # StoreChanged is published here
BATCH_MAX = 500  # entries a commit: past it the statement grows faster than the flush is shared
GATHER_S = 0.01  # a fill, its order and its decision share a commit; a kill loses no more
RETRY_S = (0.05, 0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """Write this decision before it leaves; OrderRecorded, ChangeRecorded or RecordRefused."""

    entry: OrderEntry | ChangeEntry
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
    outcomes_count: int


@dataclass(frozen=True, slots=True)
class _WriteFailed:
    error: str


@dataclass(frozen=True, slots=True)
class _Retry:
    pass


@dataclass(frozen=True, slots=True)
class _Gathered:
    pass


@dataclass(frozen=True, slots=True)
class _StillWriting:
    batch_id: int


@dataclass(frozen=True, slots=True)
class _Spooled:
    pass


@dataclass(frozen=True, slots=True)
class _Replayed:
    count: int


JournalMessage = (
    RecordEntry
    | KeepEntry
    | DescribeJournal
    | _Written
    | _WriteFailed
    | _Retry
    | _Gathered
    | _StillWriting
    | _Spooled
    | _Replayed
)


Waiting = list[tuple[Entry, Address | None]]


@dataclass(slots=True)
class Backlog:
    """What waits to be written. Owned by the house: a crash of the journal loses none of it."""

    exits: Waiting = field(default_factory=list)  # before all else
    entries: Waiting = field(default_factory=list)
    progress: Waiting = field(default_factory=list)
    batch: Waiting = field(default_factory=list)  # being written, or to be written again
    down_because: str = ""

    def count(self) -> int:
        """How much that is."""
        return sum(map(len, (self.exits, self.entries, self.progress, self.batch)))


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
        self._pending_max = pending_max
        self._degraded_after_s = degraded_after_s
        self._backlog = backlog
        self._is_gathering = False
        self._batch_id = 0
        self._is_writing = False
        self._tries = 0
        self._counts = {"written": 0, "refused": 0, "dropped": 0}
        self._began_s = 0.0
        self._write_s = 0.0

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
                self._failed(message)
            case _Retry():
                if self._is_writing:
                    pass
                elif self._backlog.down_because and not self._backlog.batch:
                    self._replay()  # it had failed in the middle of that
                else:
                    self._write()
            case _Gathered():
                self._is_gathering = False
                self._begin()
            case _StillWriting():
                if message.batch_id == self._batch_id and self._is_writing:
                    self._degrade("no commit within the bound")
            case _Spooled():
                pass
            case _Replayed():
                self._up_again()
            case DescribeJournal():
                return self._describe()
            case _:
                assert_never(message)
        return None

    def _take_decision(self, message: RecordEntry) -> None:
        entry = message.entry
        if self._backlog.down_because:
            if entry.is_exit:
                self._to_spool(entry, message.reply_to)
            else:
                self._refuse(entry, message.reply_to, "store_down", self._backlog.down_because)
            return
        if not entry.is_exit and self._backlog.count() >= self._pending_max:
            self._refuse(entry, message.reply_to, "journal_full", "too much waits to be written")
            return
        (self._backlog.exits if entry.is_exit else self._backlog.entries).append(
            (entry, message.reply_to)
        )
        self._begin()

    def _take_progress(self, message: KeepEntry) -> None:
        if self._backlog.count() >= self._pending_max:
            self._counts["dropped"] += 1
            return
        self._backlog.progress.append((message.entry, None))
        if not self._is_gathering:
            self._is_gathering = True
            self.remind(GATHER_S, _Gathered())

    def _begin(self) -> None:
        if not self._is_writing and not self._backlog.down_because:
            self._write()

    def _write(self) -> None:
        if not self._backlog.batch:
            self._backlog.batch = self._next()
            if not self._backlog.batch:
                return
            self._batch_id += 1
        self._is_writing = True
        self._began_s = self.runtime.host.elapsed()
        batch = self._backlog.batch
        self.pipe(
            self._store.write([entry for entry, _ in batch]),
            done=self._answering(batch),
            failed=lambda error: _WriteFailed(repr(error)),
        )
        if self._tries == 0:
            self.remind(self._degraded_after_s, _StillWriting(self._batch_id))

    def _next(self) -> Waiting:
        """Decisions if any wait, exits before entries; else what progress has been gathered."""
        if self._backlog.exits or self._backlog.entries:
            waiting = self._backlog.exits + self._backlog.entries
            self._backlog.exits, self._backlog.entries = [], waiting[BATCH_MAX:]
            return waiting[:BATCH_MAX]
        if self._is_gathering:
            return []
        batch, self._backlog.progress = (
            self._backlog.progress[:BATCH_MAX],
            self._backlog.progress[BATCH_MAX:],
        )
        return batch

    def _answering(self, batch: Waiting) -> Callable[[tuple[Outcome, ...]], _Written]:
        """Askers are answered from the wait itself: a dead incarnation's commit still counts."""

        def answer(outcomes: tuple[Outcome, ...]) -> _Written:
            for (entry, reply_to), outcome in zip(batch, outcomes, strict=True):
                self._answer(entry, reply_to, outcome)
            return _Written(len(outcomes))

        return answer

    def _answer(self, entry: Entry, reply_to: Address | None, outcome: Outcome) -> None:
        match outcome:
            case Kept():
                self._counts["written"] += 1
                if reply_to is not None and outcome.recorded is not None:
                    reply_to.tell(_event_of(outcome.recorded, outcome))
            case NotKept():
                self._counts["refused"] += 1
                if reply_to is not None and isinstance(entry, OrderEntry | ChangeEntry):
                    self._refuse(entry, reply_to, outcome.reason_code, outcome.detail)
            case _:
                assert_never(outcome)

    def _written(self, message: _Written) -> None:
        del message
        self._write_s = self.runtime.host.elapsed() - self._began_s
        self._backlog.batch = []
        self._is_writing = False
        self._tries = 0
        if self._backlog.down_because:
            self._replay()
        else:
            self._write()

    def _failed(self, message: _WriteFailed) -> None:
        """Nobody knows whether it was committed: the same batch again, on a new connection."""
        self._is_writing = False
        self._tries += 1
        if self._tries > 1:
            self._degrade(message.error)
        self.remind(RETRY_S[min(self._tries, len(RETRY_S)) - 1], _Retry())

    def _degrade(self, reason: str) -> None:
        if self._backlog.down_because:
            return
        self._backlog.down_because = reason
        exits, self._backlog.exits = self._backlog.exits, []
        for entry, reply_to in [*self._backlog.batch, *exits]:
            if isinstance(entry, OrderEntry | ChangeEntry) and entry.is_exit and reply_to:
                self._to_spool(entry, reply_to)
        entries, self._backlog.entries = self._backlog.entries, []
        for entry, reply_to in entries:
            if isinstance(entry, OrderEntry | ChangeEntry) and reply_to is not None:
                self._refuse(entry, reply_to, "store_down", reason)
        self.publish(TOPIC, StoreChanged(False, reason))

    def _to_spool(self, entry: OrderEntry | ChangeEntry, reply_to: Address) -> None:
        """An exit is never held up by a database: fsynced here, replayed there later."""

        def recorded(proof: Any) -> _Spooled:
            reply_to.tell(_event_of(proof, Kept()))
            return _Spooled()

        def failed(error: BaseException) -> _Spooled:
            self._refuse(entry, reply_to, "spool_failed", repr(error))
            return _Spooled()

        self.pipe(self._spool.append(entry), done=recorded, failed=failed)

    def _replay(self) -> None:
        self._is_writing = True
        self.pipe(
            self._spool.replay(self._store),
            done=lambda count: _Replayed(count),
            failed=lambda error: _WriteFailed(repr(error)),
        )

    def _up_again(self) -> None:
        self._is_writing = False
        self._backlog.down_because = ""
        dropped = self._counts["dropped"]
        self.publish(TOPIC, StoreChanged(True, "", lost_count=dropped))
        self._counts["dropped"] = 0
        self._write()

    def _refuse(
        self, entry: OrderEntry | ChangeEntry, reply_to: Address, code: str, detail: str
    ) -> None:
        reply_to.tell(RecordRefused(_key_of(entry), code, detail))

    def _describe(self) -> JournalView:
        return JournalView(
            is_up=not self._backlog.down_because,
            reason=self._backlog.down_because,
            waiting_count=self._backlog.count(),
            written_count=self._counts["written"],
            refused_count=self._counts["refused"],
            dropped_count=self._counts["dropped"],
            spooled_count=self._spool.record_count(),
            write_s_last=self._write_s,
        )


def _key_of(entry: OrderEntry | ChangeEntry) -> Any:
    if isinstance(entry, OrderEntry):
        return entry.order.item.id
    return request_id(entry.change.item)


def _event_of(proof: Any, outcome: Kept) -> OrderRecorded | ChangeRecorded:
    if isinstance(proof.item, Order):
        return OrderRecorded(proof, outcome.was_stored)
    assert isinstance(proof.item, Replace | Cancel)
    return ChangeRecorded(proof)
