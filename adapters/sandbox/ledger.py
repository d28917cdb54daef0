"""Who owns what: orders, executions, cash and shares, booked trade by trade.  Pure.

Every trade has two sides; the house is the other side of the accounts, so that cash and shares
always add up to what they were.
"""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from adapters.sandbox import entry
from adapters.sandbox.accounts import Account, Adjustment
from adapters.sandbox.commands import Rules
from adapters.sandbox.events import Happening, OrderChanged
from adapters.sandbox.identity import Identities
from adapters.sandbox.orders import (
    ZERO,
    Execution,
    Order,
    OrderRequest,
    PositionEffect,
    Side,
    Status,
)
from adapters.sandbox.tape import Trade

HOUSE = "HOUSE"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Ledger:
    """The venue's books. `outbox` collects what happened, in order."""

    def __init__(self) -> None:
        self.rules = Rules()
        self.now = LONG_AGO
        self.accounts: dict[str, Account] = {}
        self.house = Account(HOUSE, LONG_AGO, ZERO, ZERO)
        self.orders: dict[str, Order] = {}  # every order ever, by id
        self.marks: dict[str, Decimal] = {}  # last price by symbol
        self.closes: dict[str, Decimal] = {}  # last price of the day before, by symbol
        self.outbox: list[Happening] = []
        self.identities = Identities(self.rules.seed)

    def account(self, number: str) -> Account:
        """The account of that number."""
        account = self.accounts.get(number)
        if account is None:
            raise entry.not_found(f"account {number}")
        return account

    def order(self, account: str, order_id: str) -> Order:
        """The account's order of that id."""
        order = self.orders.get(order_id)
        if order is None or order.account != account:
            raise entry.not_found(f"order {order_id}")
        return order

    def open_orders(self) -> list[Order]:
        """Every open order of every account, in order of arrival."""
        orders = [o for account in self.accounts.values() for o in account.all_open()]
        return sorted(orders, key=lambda order: order.arrival)

    def enroll(
        self,
        account: Account,
        request: OrderRequest,
        status: Status,
        effect: PositionEffect,
        reserve_price: Decimal,
    ) -> Order:
        """Give a request an id and a place among the orders; it holds nothing yet."""
        order = Order(
            id=self.identities.next(),
            account=account.number,
            request=request,
            qty=request.qty,
            status=status,
            created_at=self.now,
            updated_at=self.now,
            arrival=len(self.orders) + 1,
            effect=effect,
            reserve_price=reserve_price,
        )
        self.orders[order.id] = order
        account.add(order)
        return order

    def set_status(self, order: Order, status: Status) -> None:
        """Move an order to another status."""
        order.status = status
        order.updated_at = self.now

    def end(self, order: Order, status: Status) -> None:
        """Make an order terminal without a fill; its reserves are free."""
        self.set_status(order, status)
        match status:
            case Status.CANCELED:
                order.canceled_at = self.now
            case Status.EXPIRED:
                order.expired_at = self.now
            case Status.REJECTED:
                order.failed_at = self.now
            case Status.REPLACED:
                order.replaced_at = self.now
            case _:
                raise AssertionError(f"{status} is not a way to end without a fill")
        self.account(order.account).finish(order)

    def tell(self, event: str, order: Order, execution: Execution | None = None) -> None:
        """Say that something happened to an order."""
        execution_id = execution.id if execution is not None else self.identities.next()
        # A copy: the order goes on changing before the host gets to write this down.
        self.outbox.append(OrderChanged(event, execution_id, self.now, replace(order), execution))

    def book(self, trade: Trade) -> None:
        """Move cash and shares between the two sides of a trade."""
        for order, side in ((trade.buyer, Side.BUY), (trade.seller, Side.SELL)):
            if order is None:
                self.house.trade(trade.symbol, side.sign * trade.qty, trade.price, ZERO)
            else:
                self._fill(order, trade)

    def adjust(self, account: Account, symbol: str, signed_qty: Decimal, price: Decimal) -> None:
        """Move shares and their worth without order, execution or event."""
        account.trade(symbol, signed_qty, price, ZERO)
        self.house.trade(symbol, -signed_qty, price, ZERO)
        account.adjustments.append(Adjustment(self.now, symbol, signed_qty, price))

    def bust(self, account: Account, execution_id: str) -> None:
        """Undo a trade. The order stays as it is: what was filled is not ordered again."""
        busted = account.executions.pop(account.execution_index.pop(execution_id))
        account.busted.append(busted)
        account.execution_index = {each.id: n for n, each in enumerate(account.executions)}
        signed_qty = -busted.side.sign * busted.qty
        account.trade(busted.symbol, signed_qty, busted.price, ZERO)
        self.house.trade(busted.symbol, -signed_qty, busted.price, ZERO)
        self.tell("trade_bust", self.orders[busted.order_id], busted)

    def _fill(self, order: Order, trade: Trade) -> None:
        account = self.account(order.account)
        fee = self.rules.fee_per_share * trade.qty
        fee += self.rules.fee_fraction * trade.qty * trade.price
        account.trade(trade.symbol, order.request.side.sign * trade.qty, trade.price, fee)
        self.house.cash += fee
        order.filled_qty += trade.qty
        order.filled_notional += trade.qty * trade.price
        if not order.leaves:
            self.set_status(order, Status.FILLED)
            order.filled_at = self.now
            account.finish(order)
        else:
            # A pending cancel or replace stays pending.
            keep = order.status in (Status.PENDING_CANCEL, Status.PENDING_REPLACE)
            self.set_status(order, order.status if keep else Status.PARTIALLY_FILLED)
            account.hold_for_rest(order)
        execution = Execution(
            id=self.identities.next(),
            order_id=order.id,
            client_order_id=order.request.client_order_id,
            account=order.account,
            symbol=trade.symbol,
            side=order.request.side,
            price=trade.price,
            qty=trade.qty,
            cum_qty=order.filled_qty,
            leaves_qty=order.leaves,
            order_status=order.status,
            position_qty=account.position_qty(trade.symbol),
            fee=fee,
            at=self.now,
        )
        account.execution_index[execution.id] = len(account.executions)
        account.executions.append(execution)
        self.tell("partial_fill" if order.leaves else "fill", order, execution)
