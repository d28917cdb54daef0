"""The venue: accounts, orders and markets folded from commands.  Pure and deterministic.

No clock, no ids but its own, no I/O: time comes in on the command. What it has to say is left in
`ledger.outbox` in the order in which it happened; the host takes it from there. A method that
raises `Refused` has changed nothing.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from adapters.sandbox import commands, entry
from adapters.sandbox.accounts import Account
from adapters.sandbox.events import BarClosed, BarRevised, TradePrinted
from adapters.sandbox.hours import day_end
from adapters.sandbox.identity import Identities
from adapters.sandbox.ledger import LONG_AGO, Ledger
from adapters.sandbox.market import Market, Path, Trade
from adapters.sandbox.orders import (
    ZERO,
    Fate,
    Order,
    OrderRequest,
    OrderType,
    Side,
    Status,
    TimeInForce,
)

REPLACEABLE = (Status.NEW, Status.PARTIALLY_FILLED)
ENDS_AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)


@dataclass(slots=True)
class Cursor:
    """Where the price path stands, so that a restart goes on in the middle of a bar."""

    slot: int = 0
    step: int = 0  # the next one
    opened_at: datetime | None = None  # of the bar under way; None before the live start


class Venue:
    """The whole venue. Others read its public fields and change them through its methods only."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.markets: dict[str, Market] = {}
        self.is_open = True
        self.cursor = Cursor()
        self._prints_count = 0
        self._day_ends_at = LONG_AGO
        self._stamped_at: datetime | None = None  # of the path's print under way
        self._folds: dict[type, Callable[[Any], object]] = {
            commands.SetRules: self.set_rules,
            commands.ListSymbol: self.list_symbol,
            commands.OpenAccount: self.open_account,
            commands.Submit: self.submit,
            commands.Settle: self.settle,
            commands.RequestCancel: self.request_cancel,
            commands.RequestReplace: self.request_replace,
            commands.Step: self.step,
            commands.CloseBars: self.close_bars,
            commands.Prefill: self.prefill,
            commands.StartAt: self.start_at,
            commands.ReviseBar: self.revise_bar,
            commands.SetPrice: self.set_price,
            commands.SetMarket: self.set_market,
            commands.OperatorTrade: self.operator_trade,
            commands.OperatorAdjust: self.operator_adjust,
        }

    def apply(self, command: commands.Command) -> None:
        """Fold in one command of any kind: a journal is replayed through this."""
        self._folds[type(command)](command)

    # --- setting up -----------------------------------------------------------------------------

    def set_rules(self, command: commands.SetRules) -> None:
        """Charge and allow by these rules from now on."""
        self._advance(command.at)
        if command.rules.seed != self.ledger.rules.seed:
            self.ledger.identities = Identities(command.rules.seed)
        self.ledger.rules = command.rules

    def list_symbol(self, command: commands.ListSymbol) -> None:
        """Open a market without a price."""
        self._advance(command.at)
        self.markets[command.symbol] = Market(
            command.symbol, self.ledger.marks, self._on_trade, self._on_print
        )

    def open_account(self, command: commands.OpenAccount) -> None:
        """Give an account its cash."""
        self._advance(command.at)
        self.ledger.accounts[command.number] = Account(
            command.number, command.at, command.cash, command.cash
        )

    # --- orders ---------------------------------------------------------------------------------

    def submit(self, command: commands.Submit) -> Order:
        """Take an order in: its reserves are held at once, it trades when it is settled."""
        ledger, request = self.ledger, command.request
        account, market = ledger.account(command.account), self.market(request.symbol)
        entry.check_client_id(account, request.client_order_id)
        entry.check_wash_trade(account, request, None)
        opening = not entry.closes(account, request)
        price = entry.reserve_price(request, market.last)
        if opening:
            entry.check_direction(account, ledger.rules, request)
            entry.check_money(account, ledger.rules, ledger.marks, request.qty * price)
        else:
            entry.check_shares(account, request, request.qty, ZERO)
        self._advance(command.at)
        status = Status.PENDING_NEW if self.is_open else Status.ACCEPTED
        order = ledger.enroll(account, request, status, opening, price)
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
        self._advance(command.at)
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
        if old.opening:
            dollars, shares = max(ZERO, rest * price - old.reserved), ZERO
            entry.check_money(account, ledger.rules, ledger.marks, dollars)
        else:
            dollars, shares = ZERO, max(ZERO, rest - old.held)
            entry.check_shares(account, request, rest, old.held)
        self._advance(command.at)
        new = ledger.enroll(account, request, Status.PENDING_NEW, old.opening, price)
        new.qty, new.replaces, new.fate = rest, old.id, old.fate
        # Until it is settled the two together hold the larger of both.
        account.hold(new, dollars, shares)
        ledger.set_status(old, Status.PENDING_REPLACE)
        return new

    def settle(self, command: commands.Settle) -> None:
        """Do what is pending on an order; where nothing is pending, nothing happens."""
        self._advance(command.at)
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

    # --- prices ---------------------------------------------------------------------------------

    def step(self, command: commands.Step) -> None:
        """Walk the price path one step further."""
        self._advance(command.at)
        self.cursor = Cursor(command.slot, command.step + 1, command.opened_at)
        self._stamped_at = command.stamped_at
        for move in command.moves:
            self._move(move.symbol, move.price, move.volume, move.path)
        self._stamped_at = None

    def set_price(self, command: commands.SetPrice) -> None:
        """Jump to a price."""
        self.market(command.symbol)
        self._advance(command.at)
        self._move(command.symbol, command.price, command.volume, Path.GAP)

    def close_bars(self, command: commands.CloseBars) -> None:
        """Close the bar of every symbol that traded in it."""
        self._advance(command.at)
        self.cursor = Cursor(command.next_slot, 0, command.next_opened_at)
        for symbol, market in self.markets.items():
            bar = market.close_bar(command.opened_at)
            if bar is not None:
                self.ledger.outbox.append(BarClosed(symbol, bar))

    def revise_bar(self, command: commands.ReviseBar) -> None:
        """Replace a bar that was already published."""
        bars = self.market(command.symbol).bars
        place = bisect_left(bars, command.bar.opened_at, key=lambda bar: bar.opened_at)
        if place == len(bars) or bars[place].opened_at != command.bar.opened_at:
            raise entry.not_found(f"bar {command.bar.opened_at.isoformat()}")
        self._advance(command.at)
        bars[place] = command.bar
        self.ledger.outbox.append(BarRevised(command.symbol, command.bar))

    def prefill(self, command: commands.Prefill) -> None:
        """Give a market its past; the house stands at the last close."""
        market = self.market(command.symbol)
        self._advance(command.at)
        market.bars.extend(command.bars)
        if command.bars:
            market.begin_at(command.bars[-1].close)

    def start_at(self, command: commands.StartAt) -> None:
        """Put the cursor where the live path begins or goes on."""
        self._advance(command.at)
        self.cursor = Cursor(command.slot, 0, command.opened_at)

    def set_market(self, command: commands.SetMarket) -> None:
        """Open (what waits is routed) or close (day orders end)."""
        self._advance(command.at)
        if self.is_open and not command.is_open:
            self._end_day()
        self.is_open = command.is_open
        for order in self.ledger.open_orders() if self.is_open else ():
            if order.status is Status.ACCEPTED:
                self._route(order)

    # --- the operator ---------------------------------------------------------------------------

    def operator_trade(self, command: commands.OperatorTrade) -> Order:
        """Fill an order no client sent, against the house, off the tape and unchecked."""
        ledger = self.ledger
        account = ledger.account(command.account)
        price = self._price_or_last(command.symbol, command.price)
        self._advance(command.at)
        request = OrderRequest(
            f"operator-{ledger.identities.peek()}",
            command.symbol,
            command.side,
            OrderType.MARKET,
            TimeInForce.DAY,
            command.qty,
        )
        order = ledger.enroll(account, request, Status.NEW, True, ZERO)
        ledger.tell("new", order)
        buyer, seller = (order, None) if command.side is Side.BUY else (None, order)
        ledger.book(Trade(command.symbol, buyer, seller, price, command.qty))
        return order

    def operator_adjust(self, command: commands.OperatorAdjust) -> None:
        """Move shares and their worth without order, execution or event."""
        account = self.ledger.account(command.account)
        price = self._price_or_last(command.symbol, command.price)
        self._advance(command.at)
        self.ledger.adjust(account, command.symbol, command.signed_qty, price)

    # --- inside ---------------------------------------------------------------------------------

    def market(self, symbol: str) -> Market:
        """The market of a symbol."""
        market = self.markets.get(symbol)
        if market is None:
            raise entry.invalid(f'asset "{symbol}" not found')
        return market

    def _advance(self, at: datetime) -> None:
        assert at >= self.ledger.now, f"time went back from {self.ledger.now} to {at}"
        self.ledger.now = at
        if at >= self._day_ends_at:
            # While the market is closed its day has already ended.
            if self._day_ends_at != LONG_AGO and self.is_open:
                self._end_day()
            self._day_ends_at = day_end(at)

    def _end_day(self) -> None:
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

    def _move(self, symbol: str, price: Decimal, volume: Decimal, path: Path) -> None:
        self.market(symbol).move(price, volume, self.ledger.rules.liquidity_fraction, path)

    def _price_or_last(self, symbol: str, price: Decimal | None) -> Decimal:
        price = price or self.market(symbol).last
        if price is None:
            raise entry.invalid("the symbol has no price yet")
        return price

    def _on_print(self, symbol: str, price: Decimal, qty: Decimal) -> None:
        stamped_at = self._stamped_at or self.ledger.now
        self._prints_count += 1
        self.ledger.outbox.append(TradePrinted(self._prints_count, symbol, price, qty, stamped_at))

    def _on_trade(self, trade: Trade) -> None:
        self.ledger.book(trade)


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
