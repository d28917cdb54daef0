"""What waits to be written, in the order in which it will be.

Owned by the house, not by an incarnation: a crash of the journal loses none of it. Decisions go
first, exits before entries; progress waits until no decision does. Past its bound progress is
dropped, and so is all progress after it, until the traders have been told to start over from what
is durable: a history with a hole in it is worse than a shorter one.
"""

from dataclasses import dataclass, field

from actors.runtime import Address
from trader.errors import StoreUnavailable
from trader.ids import AccountId, InstrumentId, SessionId
from trader.ports import SessionLoader
from trader.records import ChangeEntry, Entry, OrderEntry, SessionRows

BATCH_MAX = 500  # entries a commit: past it the statement grows faster than the flush is shared

Decision = OrderEntry | ChangeEntry


@dataclass(frozen=True, slots=True)
class Asked:
    """A decision, and who waits for its commit."""

    entry: Decision
    reply_to: Address


@dataclass(slots=True)
class Backlog:
    """See the module. `batch` is being written, or is to be written again as it is."""

    exits: list[Asked] = field(default_factory=list)
    entries: list[Asked] = field(default_factory=list)
    progress: list[Entry] = field(default_factory=list)
    batch: tuple[Asked | Entry, ...] = ()
    lost_count: int = 0  # progress dropped, of which the traders have not been told
    down_because: str = ""

    def count(self) -> int:
        """How much waits, the batch included."""
        return len(self.exits) + len(self.entries) + len(self.progress) + len(self.batch)

    def decide(self, asked: Asked) -> None:
        """A decision, behind those of its kind."""
        (self.exits if asked.entry.is_exit else self.entries).append(asked)

    def keep(self, entry: Entry, count_max: int) -> bool:
        """Whether there is room for this progress."""
        if self.lost_count or self.count() >= count_max:
            self.lost_count += 1
            return False
        self.progress.append(entry)
        return True

    def next_batch(self, *, with_progress: bool) -> bool:
        """Whether there is something to be written: a batch that was interrupted, or a new one."""
        if self.batch:
            return True
        if self.exits or self.entries:
            rest = BATCH_MAX - len(self.exits)
            self.batch = (*self.exits[:BATCH_MAX], *self.entries[: max(0, rest)])
            del self.exits[:BATCH_MAX], self.entries[: max(0, rest)]
        elif with_progress:
            self.batch = tuple(self.progress[:BATCH_MAX])
            del self.progress[:BATCH_MAX]
        return bool(self.batch)

    def give_up_decisions(self) -> list[Asked]:
        """Every decision that waits, out of the list; exits under way too, which stay in the batch.

        The rest of the batch is nobody's to refuse: it may have been committed.
        """
        waiting = [*self.exits, *self.entries]
        self.exits, self.entries = [], []
        return [a for a in self.batch if isinstance(a, Asked) and a.entry.is_exit] + waiting


class LoadedAfterReplay:
    """Fulfils `SessionLoader`. Exits that lie in the spool are no rows yet, so nobody loads."""

    def __init__(self, backlog: Backlog, loader: SessionLoader) -> None:
        self._backlog = backlog
        self._loader = loader

    async def begin_session(
        self, session_id: SessionId, account_id: AccountId, instrument: InstrumentId, epoch: int
    ) -> SessionRows:
        """Once the journal is up. Raises StoreUnavailable."""
        if self._backlog.down_because:
            raise StoreUnavailable(f"the spool is not replayed yet: {self._backlog.down_because}")
        return await self._loader.begin_session(session_id, account_id, instrument, epoch)
