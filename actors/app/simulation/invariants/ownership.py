"""Who may write and send: one daemon an account, and of a session only its newest incarnation."""

from typing import TYPE_CHECKING

from actors.app.simulation.invariants.checker import Checker
from actors.app.simulation.names import number_of
from actors.app.simulation.settings import settings_of
from adapters.simulated.history import WriteLeft
from adapters.simulated.rows import Adopted, Committed, LeaseRow, Restored
from trader.ids import AccountId, ClientOrderId
from trader.orders.order import Order, Purpose
from trader.records import Fence

if TYPE_CHECKING:
    from actors.app.simulation.world import World


class SingleWriter(Checker):
    """I12."""

    invariant = "I12"
    promise = "one daemon owns an account: nobody else writes its rows or enters a position there"

    def watch(self) -> None:
        """Every row, every lease and every entry."""
        plan = self.world.plan
        self._accounts = {number_of(AccountId(name)): AccountId(name) for name in plan.accounts}
        self._leases: dict[AccountId, LeaseRow] = {}
        self._ttl_s = settings_of(plan).store.lease_ttl_s
        self._restored_s = -self._ttl_s
        self._has_forgotten = False
        self.world.history.listen(Committed, self._committed)
        self.world.history.listen(Restored, self._restored)
        self.world.history.listen(WriteLeft, self._left)

    def _committed(self, committed: Committed) -> None:
        what = committed.what
        if isinstance(what, LeaseRow):
            self._leased(committed, what)
        if (fence := _fence_of(committed)) is not None:
            lease = self.world.rows.leases[fence.account_id]
            is_holder = lease.holder == _daemon(committed.by) or self._has_forgotten
            if not is_holder or lease.epoch != fence.epoch:
                self.broken(
                    f"{committed.by} of epoch {fence.epoch} wrote {type(what).__name__}, and "
                    f"{lease.holder} of epoch {lease.epoch} holds {fence.account_id}"
                )

    def _leased(self, committed: Committed, lease: LeaseRow) -> None:
        before = self._leases.get(lease.account_id)
        self._leases[lease.account_id] = lease
        if before is None or before.holder == lease.holder:
            return
        if lease.epoch <= before.epoch:
            self.broken(f"{lease.holder} took {lease.account_id} and its epoch did not rise")
        if before.expires_at >= committed.at:
            self.broken(f"{lease.holder} took {lease.account_id} while {before.holder} held it")

    def _restored(self, restored: Restored) -> None:
        """Nobody knows yet that his lease is an older one.

        A replica that has forgotten a takeover gives the same epoch out again: the fence cannot
        tell the two apart, which is why a database must not acknowledge what its standby lacks.
        """
        now = self.world.rows.leases
        for account_id, lease in self._leases.items():
            is_there = account_id in now and now[account_id].epoch == lease.epoch
            self._has_forgotten = self._has_forgotten or not is_there
        self._leases = dict(now)
        self._restored_s = restored.at_s

    def _left(self, left: WriteLeft) -> None:
        entry = _entry_of(self.world, left)
        if entry is None or left.at_s < self._restored_s + self._ttl_s:
            return
        lease = self.world.rows.leases[self._accounts[left.number]]
        is_ours = lease.holder == _daemon(left.who)
        if not is_ours or lease.expires_at <= self.world.clock.now():
            self.broken(
                f"{left.who} sent the entry {entry.id}; {lease.holder} holds the account "
                f"until {lease.expires_at:%H:%M:%S.%f}"
            )


class NewestIncarnation(Checker):
    """I13."""

    invariant = "I13"
    promise = "what a dead incarnation had under way never takes effect after its successor's load"

    def watch(self) -> None:
        """Every row, and every entry."""
        self.world.history.listen(Committed, self._committed)
        self.world.history.listen(WriteLeft, self._left)

    def _committed(self, committed: Committed) -> None:
        fence = _fence_of(committed)
        if fence is None or not fence.session_id:
            return
        session = self.world.rows.sessions[fence.session_id]
        if session.incarnation != fence.incarnation:
            self.broken(
                f"incarnation {fence.incarnation} of {fence.session_id} wrote "
                f"{type(committed.what).__name__}; {session.incarnation} has loaded"
            )

    def _left(self, left: WriteLeft) -> None:
        entry = _entry_of(self.world, left)
        if entry is None:
            return
        newest = self.world.rows.sessions[entry.session_id].incarnation
        if entry.incarnation < newest:
            self.broken(
                f"{left.who} sent the entry {entry.id} of incarnation {entry.incarnation}; "
                f"{newest} has loaded"
            )


def _fence_of(committed: Committed) -> Fence | None:
    """Under which it was written; None: under none."""
    what = committed.what
    fence = None if isinstance(what, Adopted) else getattr(what, "fence", None)
    return fence if isinstance(fence, Fence) else None


def _daemon(boot: str) -> str:
    """Of the name of one of its boots."""
    return boot.partition("#")[0]


def _entry_of(world: "World", left: WriteLeft) -> Order | None:
    """The order that leaves, if it is an entry."""
    row = world.rows.orders.get(ClientOrderId(left.client_order_id))
    is_entry = left.method == "POST" and row is not None and row.order.purpose is Purpose.ENTRY
    return row.order if row is not None and is_entry else None
