"""What an account knows of its sessions and of what has left for its broker.

Owned by the house, not by an incarnation: names outlive actors, and so does what they own; an order
that was sent stays sent when the account manager crashes.
"""

from collections.abc import Callable, Iterable

from actors.account_messages import AttachSession
from actors.last_gate import LastGate
from trader.ids import InstrumentId
from trader.orders.events import OrderFilled
from trader.orders.order import Fill, OrderReport


class AccountBook:
    """Owners of the account's instruments, and the last gate before the socket."""

    def __init__(self, elapsed: Callable[[], float], awaited: Iterable[InstrumentId]) -> None:
        self.gate = LastGate(elapsed)
        self.owners: dict[InstrumentId, AttachSession] = {}
        self._awaited = set(awaited)  # their sessions are still on the way

    def attach(self, owner: AttachSession) -> None:
        """From now on the instrument is this incarnation's."""
        self.owners[owner.instrument] = owner
        self._awaited.discard(owner.instrument)
        self.gate.attach(owner.instrument, owner.incarnation)

    def tell_owner(self, instrument: InstrumentId, event: object) -> None:
        """What concerns one instrument; what nobody owns is found by the next reconcile."""
        owner = self.owners.get(instrument)
        if owner is not None:
            owner.reply_to.tell(event)

    def tell_all(self, event: object) -> None:
        """What concerns every session of the account."""
        for owner in self.owners.values():
            owner.reply_to.tell(event)

    def reported(self, report: OrderReport) -> None:
        """The venue's word on one order: an ended exit takes no more than it has filled."""
        if report.status.is_terminal:
            self.gate.over(report.instrument, report.client_order_id, report.cum_qty)

    def filled(self, fill: Fill) -> bool:
        """An execution, by stream or by poll: at least once, to the one who owns it.

        False: its owner has not come yet, so it must be told again.
        """
        self.gate.filled(fill)
        self.tell_owner(fill.instrument, OrderFilled(fill))
        return fill.instrument not in self._awaited
