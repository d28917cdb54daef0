"""The seams to what is durable: the journal, the spool, the ledger."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from trader.accounts.account import Balance
from trader.ids import AccountId, ClientOrderId, InstrumentId, SessionId
from trader.money import Quantity
from trader.orders.order import (
    Change,
    Order,
    Status,
)
from trader.proofs import Recorded
from trader.records import (
    ChangeEntry,
    Entry,
    Fence,
    HeldByAnother,
    Lease,
    OrderEntry,
    Outcome,
    SessionRows,
)


class Journal(Protocol):
    """The write side of the store. One caller at a time (the journal actor)."""

    async def write(self, entries: Sequence[Entry]) -> tuple[Outcome, ...]:
        """Keep the entries in order, in as few commits as possible; one outcome each.

        If any entry is a decision, the commit is durable (flushed) before this returns. A bad entry
        fails alone. Writing the same entries again changes nothing. Raises StoreUnavailable when
        the outcome is unknown: write the very same entries again.
        """
        ...

    async def adopt(self, records: Sequence[tuple[Order | Change, Fence]]) -> tuple[Outcome, ...]:
        """Insert what was recorded while the store was down: insert-only, whatever the fence says.

        One outcome each; a bad record fails alone. Raises StoreUnavailable: adopt them again.
        """
        ...


class Spool(Protocol):
    """The local fallback for exits and cancels while the database is down."""

    def record_count(self) -> int:
        """Records not yet replayed, and those that are being written."""
        ...

    async def append(self, entry: OrderEntry | ChangeEntry) -> Recorded[Order] | Recorded[Change]:
        """Fsynced when it returns. A full or failing spool gives `Durability.MEMORY`."""
        ...

    async def replay(self, journal: Journal) -> int:
        """Write what is spooled into the journal, insert-only, and empty the spool."""
        ...


class SessionLoader(Protocol):
    """What a trader is rebuilt from. Raises StoreUnavailable when it does not answer."""

    async def begin_session(
        self, session_id: SessionId, account_id: AccountId, instrument: InstrumentId, epoch: int
    ) -> SessionRows:
        """Ensure the session's row, bump its incarnation, load its rows."""
        ...


class Ledger(SessionLoader, Protocol):
    """The read and ownership side of the store. Raises StoreUnavailable when it does not answer."""

    async def claim(
        self, account_id: AccountId, holder: str, ttl_s: float
    ) -> Lease | HeldByAnother:
        """Take or retake the account's lease; a takeover raises the epoch."""
        ...

    async def renew(self, lease: Lease, ttl_s: float) -> Lease | HeldByAnother:
        """Prolong it."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give it back at once."""
        ...

    async def position_qtys(self, account_id: AccountId) -> Mapping[SessionId, Quantity]:
        """The position rows of the account's sessions: the third column of a reconcile."""
        ...

    async def open_orders(
        self, account_id: AccountId
    ) -> Mapping[SessionId, Mapping[ClientOrderId, Status]]:
        """The rows of each session's orders that have not ended: the third column again."""
        ...

    async def executions_cursor(self, account_id: AccountId) -> str | None:
        """How far the account's executions were read."""
        ...

    async def last_balance(self, account_id: AccountId) -> Balance | None:
        """The newest row, to compare with."""
        ...
