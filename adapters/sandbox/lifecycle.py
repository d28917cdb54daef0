"""An order's life at the venue, from the door to its end.  Pure.

Order entry is asynchronous: a submit, a cancel and a replace are taken in at once and stay pending
until they are settled, so that a fill can win the race against the last two.
"""

from dataclasses import replace
from datetime import datetime

from adapters.sandbox import commands, entry
from adapters.sandbox.hours import day_end
from adapters.sandbox.ledger import LONG_AGO, Ledger
from adapters.sandbox.market import Market
from adapters.sandbox.orders import (
    ZERO,
    Fate,
    Order,
    OrderRequest,
    PositionEffect,
    Status,
    TimeInForce,
)

REPLACEABLE = (Status.NEW, Status.PARTIALLY_FILLED)
ENDS_AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)


class Lifecycle:
    """Moves orders between the door, the markets and the ledger."""

    def __init__(self, ledger: Ledger, markets: dict[str, Market]) -> None:
        self.ledger = ledger
        self.markets = markets
        self.is_open = True
        self._day_ends_at = LONG_AGO

    def market(self, symbol: str) -> Market:
        """The market of a symbol."""
        market = self.markets.get(symbol)
        if market is None:
            raise entry.invalid(f'asset "{symbol}" not found')
        return market

    def advance(self, at: datetime) -> None:
        """Let time pass; at midnight the day's orders end."""
        assert at >= self.ledger.now, f"time went back from {self.ledger.now} to {at}"
        self.ledger.now = at
        if at >= self._day_ends_at:
            # While the market is closed its day has already ended.
            if self._day_ends_at != LONG_AGO and self.is_open:
                self.end_day()
            self._day_ends_at = day_end(at)

    def submit(self, command: commands.Submit) -> Order:
        """Take an order in: its reserves are held at once, it trades when it is settled."""
        ledger, request = self.ledger, command.request
        account, market = ledger.account(command.account), self.market(request.symbol)
        entry.check_client_id(account, request.client_order_id)
        entry.check_wash_trade(account, request, None)
        effect = entry.effect_on_position(account, request)
        price = entry.reserve_price(request, market.last)
        if effect is PositionEffect.OPEN:
            entry.check_direction(account, ledger.rules, request)
            entry.check_money(account, ledger.rules, ledger.marks, request.qty * price)
        else:
            entry.check_shares(account, request, request.qty, ZERO)
        self.advance(command.at)
        status = Status.PENDING_NEW if self.is_open else Status.ACCEPTED
        order = ledger.enroll(account, request, status, effect, price)
        order.fate = command.fate
        account.hold_for_rest(order)
        return order

    def request_cancel(self, command: commands.RequestCancel) -> Order:
        """Mark an order for cancelling; it may still fill until it is settled."""
        order = self.ledger.order(command.account, command.order_id)
        if not order.is_open:
            raise entry.invalid(f'order is already in "{order.status}" state')
        successor_pending = order.status is Status.PENDING_NEW and order.replaces is not None
        if successor_pending or order.status in (Status.PENDING_CANCEL, Status.PENDING_REPLACE):
            raise entry.invalid(f"cannot cancel order in {order.status} status")
        self.advance(command.at)
        self.ledger.set_status(order, Status.PENDING_CANCEL)
        return order

    def request_replace(self, command: commands.RequestReplace) -> Order:
        """Book the successor of an order; the old one works on until it is settled."""
        ledger = self.ledger
        account = ledger.account(command.account)
        old = ledger.order(command.account, command.order_id)
        if old.status not in REPLACEABLE:
            raise entry.invalid(f"cannot replace order in {old.status} status")
        entry.check_client_id(account, command.client_order_id)
        request = _changed(old, command)
        entry.check_wash_trade(account, request, old)
        price = entry.reserve_price(request, self.market(request.symbol).last)
        rest = request.qty - old.filled_qty
        if old.effect is PositionEffect.OPEN:
            dollars, shares = max(ZERO, rest * price - old.reserved), ZERO
            entry.check_money(account, ledger.rules, ledger.marks, dollars)
        else:
            dollars, shares = ZERO, max(ZERO, rest - old.held)
            entry.check_shares(account, request, rest, old.held)
        self.advance(command.at)
        new = ledger.enroll(account, request, Status.PENDING_NEW, old.effect, price)
        new.qty, new.replaces, new.fate = rest, old.id, old.fate
        # Until it is settled the two together hold the larger of both.
        account.hold(new, dollars, shares)
        ledger.set_status(old, Status.PENDING_REPLACE)
        return new

    def settle(self, command: commands.Settle) -> None:
        """Do what is pending on an order; where nothing is pending, nothing happens."""
        self.advance(command.at)
        order = self.ledger.orders[command.order_id]
        match order.status:
            case Status.PENDING_CANCEL:
                self._end(order, Status.CANCELED, "canceled")
            case Status.PENDING_NEW if order.replaces is not None:
                self._settle_replace(self.ledger.orders[order.replaces], order)
            case Status.PENDING_NEW | Status.ACCEPTED if order.fate is Fate.SILENT_REJECT:
                self.ledger.end(order, Status.REJECTED)
            case Status.PENDING_NEW if self.is_open:
                self._route(order)
            case Status.PENDING_NEW:
                self.ledger.set_status(order, Status.ACCEPTED)
            case _:
                pass

    def open(self) -> None:
        """The market opens: what waits is routed."""
        self.is_open = True
        for order in self.ledger.open_orders():
            if order.status is Status.ACCEPTED:
                self._route(order)

    def close(self) -> None:
        """The market closes, and with it the day."""
        if self.is_open:
            self.end_day()
        self.is_open = False

    def end_day(self) -> None:
        """Mark the day's equity and closes; every order that is not GTC expires."""
        self.ledger.closes = dict(self.ledger.marks)
        for account in self.ledger.accounts.values():
            account.last_equity = account.equity(self.ledger.marks)
        for order in self.ledger.open_orders():
            if order.request.time_in_force is not TimeInForce.GTC:
                self._end(order, Status.EXPIRED, "expired")

    def _end(self, order: Order, status: Status, event: str) -> None:
        self.market(order.request.symbol).remove(order)
        self.ledger.end(order, status)
        self.ledger.tell(event, order)

    def _route(self, order: Order) -> None:
        """The order reaches the market."""
        self.ledger.set_status(order, Status.NEW)
        self.ledger.tell("new", order)
        if order.fate is not Fate.NEVER_FIRE:
            self.market(order.request.symbol).enter(order)
        if order.is_open and order.request.time_in_force in ENDS_AT_ONCE:
            self._end(order, Status.CANCELED, "canceled")

    def _settle_replace(self, old: Order, new: Order) -> None:
        rest = new.request.qty - old.filled_qty
        if old.status is not Status.PENDING_REPLACE or rest <= 0:
            # A fill won the race: the old order stands as it is.
            self.ledger.end(new, Status.REJECTED)
            self.ledger.tell("rejected", new)
            if old.status is Status.PENDING_REPLACE:
                self.ledger.set_status(old, Status.PARTIALLY_FILLED)
            return
        old.replaced_by = new.id
        self._end(old, Status.REPLACED, "replaced")
        new.qty = rest
        self.ledger.account(new.account).hold_for_rest(new)
        if self.is_open:
            self._route(new)
        else:
            self.ledger.set_status(new, Status.ACCEPTED)


def _changed(old: Order, command: commands.RequestReplace) -> OrderRequest:
    """The successor's request; its qty is the whole, what is filled already included."""
    before = replace(old.request, client_order_id=command.client_order_id, qty=old.qty)
    if command.limit_price is not None and before.limit_price is None:
        raise entry.invalid("limit_price is only for limit and stop_limit orders")
    if command.stop_price is not None and before.stop_price is None:
        raise entry.invalid("stop_price is only for stop and stop_limit orders")
    request = replace(
        before,
        qty=command.qty or before.qty,
        limit_price=command.limit_price or before.limit_price,
        stop_price=command.stop_price or before.stop_price,
    )
    if request == before:
        raise entry.invalid("order parameters are not changed")
    if request.qty <= old.filled_qty:
        raise entry.invalid("qty must be > filled_qty")
    return request
