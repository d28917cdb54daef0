"""The order path: durable first, one order for each intent."""

from actors.app.simulation.invariants.checker import Checker
from trader.ids import ClientOrderId


class OneOrderPerIntent(Checker):
    """I2: what the venue has is what was recorded."""

    invariant = "I2"
    promise = "one broker order per intent, with the parameters of its durable row"

    async def after_order_period(self) -> list[str]:
        """Compare all of them."""
        found = []
        for name in self.world.plan.accounts:
            for order_id, order in self.world.books(name).orders_by_client_id.items():
                row = self.world.rows.orders.get(ClientOrderId(order_id))
                if row is None:
                    continue
                ours, theirs = row.order, order.request
                if (ours.qty, ours.side.lower()) != (theirs.qty, theirs.side.lower()):
                    found.append(f"{order_id}: recorded {ours.side} {ours.qty}, sent {theirs}")
        return found
