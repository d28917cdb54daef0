"""When the faults are over: positions, orders and fills are those of the broker."""

from collections.abc import Iterator
from decimal import Decimal

from actors.app.simulation.invariants.checker import Checker
from adapters.simulated.rows import Committed, Restored
from trader.ids import ClientOrderId, SessionId
from trader.orders.order import Status, request_id
from trader.records import ChangeEntry, FillEntry, OrderEntry

MOMENT_S = 4.0  # to the venue, back, and into the rows
UNSETTLED = (
    Status.UNKNOWN,
    Status.PENDING_RECORD,
    Status.PENDING_CANCEL,
    Status.PENDING_UPDATE,
)


class Converged(Checker):
    """I3."""

    invariant = "I3"
    promise = "after one position period memory = rows = broker; after one order period orders too"

    def after_position_period(self) -> Iterator[str]:
        """Rows against the venue."""
        for plan in self.world.plan.sessions:
            truth = self.world.books(plan.account).position_qty(plan.symbol)
            row = self.world.rows.positions.get(SessionId(plan.name))
            rows = row.qty if row is not None else Decimal(0)
            if rows != truth:
                yield f"{plan.symbol}: rows {rows}, venue {truth}"

    async def after_order_period(self) -> list[str]:
        """Memory too, and the status of every order."""
        found = list(self.after_position_period())
        for plan in self.world.plan.sessions:
            picture = await self.world.picture(plan.name)
            if picture is None:
                found.append(f"{plan.name}: nobody answers for it")
                continue
            truth = self.world.books(plan.account).position_qty(plan.symbol)
            if picture.state.position.qty != truth:
                found.append(f"{plan.symbol}: memory {picture.state.position.qty}, venue {truth}")
        on_their_way = set(self._on_their_way())
        for order_id, row in self.world.rows.orders.items():
            if order_id in on_their_way:
                continue
            theirs = self.world.order_at_venue(order_id)
            if row.status in UNSETTLED:
                found.append(f"{order_id} is still {row.status}")
            elif theirs is None and not row.status.is_terminal:
                found.append(f"{order_id} is {row.status}, and the venue never had it")
            elif theirs is not None and theirs.is_open == row.status.is_terminal:
                found.append(f"{order_id} is {row.status}, at the venue {theirs.status}")
        return found

    def _on_their_way(self) -> Iterator[ClientOrderId]:
        """Orders of which a row was written a moment ago: what it asked for may be under way."""
        since_s = self.world.loop.time() - MOMENT_S
        for committed in reversed(self.world.history.of(Committed)):
            if committed.at_s < since_s:
                return
            what = committed.what
            if isinstance(what, OrderEntry):
                yield what.order.item.id
            elif isinstance(what, ChangeEntry):
                yield what.change.item.target
                yield request_id(what.change.item)


class FillsAgree(Checker):
    """I7."""

    invariant = "I7"
    promise = "fills(db) = fills(broker) as sets; position = fills + adjustments"

    def watch(self) -> None:
        """What a replica that lagged has forgotten: the broker wins, and the audit has a hole."""
        self._forgotten: set[str] = set()
        self.world.history.listen(Restored, self._restored)

    def _restored(self, _: Restored) -> None:
        there = self.world.rows.fills
        for committed in self.world.history.of(Committed):
            if isinstance(committed.what, FillEntry):
                fill = committed.what.fill
                if (fill.account_id, fill.execution_id) not in there:
                    self._forgotten.add(fill.execution_id)

    async def after_order_period(self) -> list[str]:
        """Compare the sets."""
        ours = {execution_id for _, execution_id in self.world.rows.fills}
        theirs = {
            execution.id
            for name in self.world.plan.accounts
            for execution in self.world.books(name).executions
        }
        undone = {
            execution.id
            for name in self.world.plan.accounts
            for execution in self.world.books(name).busted
        }
        return [
            *(
                f"fill {each} is not in the database"
                for each in sorted(theirs - ours - self._forgotten)
            ),
            *(f"fill {each} was never made" for each in sorted(ours - theirs - undone)),
        ]
