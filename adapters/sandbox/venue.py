"""The venue: accounts, orders and markets folded from commands.  Pure and deterministic.

No clock, no ids but its own, no I/O: time comes in on the command. What it has to say is left in
`ledger.outbox` in the order in which it happened; the host takes it from there. A method that
raises `Refused` has changed nothing.
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import assert_never

from adapters.sandbox import commands, entry
from adapters.sandbox.accounts import Account
from adapters.sandbox.events import BarClosed, BarRevised, TradePrinted
from adapters.sandbox.ledger import Ledger
from adapters.sandbox.lifecycle import Lifecycle
from adapters.sandbox.market import Market
from adapters.sandbox.orders import (
    ZERO,
    Order,
    OrderRequest,
    OrderType,
    PositionEffect,
    Side,
    Status,
    TimeInForce,
)
from adapters.sandbox.tape import Path, Trade


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
        self.lifecycle = Lifecycle(self.ledger, self.markets)
        self.cursor = Cursor()
        self._prints_count = 0
        self._stamped_at: datetime | None = None  # of the path's print under way

    @property
    def is_open(self) -> bool:
        """Whether the market is open."""
        return self.lifecycle.is_open

    def apply(self, command: commands.Command) -> None:
        """Fold in one command of any kind: a journal is replayed through this."""
        match command:
            case commands.Submit():
                self.lifecycle.submit(command)
            case commands.Settle():
                self.lifecycle.settle(command)
            case commands.RequestCancel():
                self.lifecycle.request_cancel(command)
            case commands.RequestReplace():
                self.lifecycle.request_replace(command)
            case commands.Step():
                self.step(command)
            case commands.CloseBars():
                self.close_bars(command)
            case commands.SetPrice():
                self.set_price(command)
            case commands.ReviseBar():
                self.revise_bar(command)
            case commands.Prefill():
                self.prefill(command)
            case commands.StartAt():
                self.start_at(command)
            case commands.SetMarket():
                self.set_market(command)
            case commands.OperatorTrade():
                self.operator_trade(command)
            case commands.OperatorAdjust():
                self.operator_adjust(command)
            case commands.BustTrade():
                self.bust_trade(command)
            case commands.TellTime():
                self.tell_time(command)
            case commands.SetRules():
                self.set_rules(command)
            case commands.ListSymbol():
                self.list_symbol(command)
            case commands.OpenAccount():
                self.open_account(command)
            case _:
                assert_never(command)

    # --- setting up -----------------------------------------------------------------------------

    def set_rules(self, command: commands.SetRules) -> None:
        """Charge and allow by these rules from now on."""
        self.lifecycle.advance(command.at)
        self.ledger.identities.reseed(command.rules.seed)
        self.ledger.rules = command.rules

    def list_symbol(self, command: commands.ListSymbol) -> None:
        """Open a market without a price."""
        self.lifecycle.advance(command.at)
        self.markets[command.symbol] = Market(
            command.symbol, self.ledger.marks, self._on_trade, self._on_print
        )

    def open_account(self, command: commands.OpenAccount) -> None:
        """Give an account its cash."""
        self.lifecycle.advance(command.at)
        self.ledger.accounts[command.number] = Account(
            command.number, command.at, command.cash, command.cash
        )

    def tell_time(self, command: commands.TellTime) -> datetime:
        """The time, which from now on has been seen."""
        self.lifecycle.advance(command.at)
        return command.at

    # --- prices ---------------------------------------------------------------------------------

    def step(self, command: commands.Step) -> None:
        """Walk the price path one step further."""
        self.lifecycle.advance(command.at)
        self.cursor = Cursor(command.slot, command.step + 1, command.opened_at)
        self._stamped_at = command.stamped_at
        for move in command.moves:
            self._move(move.symbol, move.price, move.volume, move.path)
        self._stamped_at = None

    def set_price(self, command: commands.SetPrice) -> None:
        """Jump to a price."""
        self.lifecycle.market(command.symbol)
        self.lifecycle.advance(command.at)
        self._move(command.symbol, command.price, command.volume, Path.GAP)

    def close_bars(self, command: commands.CloseBars) -> None:
        """Close the bar of every symbol that traded in it."""
        self.lifecycle.advance(command.at)
        self.cursor = Cursor(command.next_slot, 0, command.next_opened_at)
        for symbol, market in self.markets.items():
            bar = market.close_bar(command.opened_at)
            if bar is not None:
                self.ledger.outbox.append(BarClosed(symbol, bar))

    def revise_bar(self, command: commands.ReviseBar) -> None:
        """Replace a bar that was already published."""
        bars = self.lifecycle.market(command.symbol).bars
        place = bisect_left(bars, command.bar.opened_at, key=lambda bar: bar.opened_at)
        if place == len(bars) or bars[place].opened_at != command.bar.opened_at:
            raise entry.not_found(f"bar {command.bar.opened_at.isoformat()}")
        self.lifecycle.advance(command.at)
        bars[place] = command.bar
        self.ledger.outbox.append(BarRevised(command.symbol, command.bar))

    def prefill(self, command: commands.Prefill) -> None:
        """Give a market its past; the house stands at the last close."""
        market = self.lifecycle.market(command.symbol)
        self.lifecycle.advance(command.at)
        market.bars.extend(command.bars)
        if command.bars:
            market.begin_at(command.bars[-1].close)

    def start_at(self, command: commands.StartAt) -> None:
        """Put the cursor where the live path begins or goes on."""
        self.lifecycle.advance(command.at)
        self.cursor = Cursor(command.slot, 0, command.opened_at)

    def set_market(self, command: commands.SetMarket) -> None:
        """Open (what waits is routed) or close (day orders end)."""
        self.lifecycle.advance(command.at)
        if command.is_open:
            self.lifecycle.open()
        else:
            self.lifecycle.close()

    # --- the operator ---------------------------------------------------------------------------

    def operator_trade(self, command: commands.OperatorTrade) -> Order:
        """Fill an order no client sent, against the house, off the tape and unchecked."""
        ledger = self.ledger
        account = ledger.account(command.account)
        price = self._price_or_last(command.symbol, command.price)
        self.lifecycle.advance(command.at)
        request = OrderRequest(
            f"operator-{ledger.identities.peek()}",
            command.symbol,
            command.side,
            OrderType.MARKET,
            TimeInForce.DAY,
            command.qty,
        )
        order = ledger.enroll(account, request, Status.NEW, PositionEffect.OPEN, ZERO)
        ledger.tell("new", order)
        buyer, seller = (order, None) if command.side is Side.BUY else (None, order)
        ledger.book(Trade(command.symbol, buyer, seller, price, command.qty))
        return order

    def operator_adjust(self, command: commands.OperatorAdjust) -> None:
        """Move shares and their worth without order, execution or event."""
        account = self.ledger.account(command.account)
        price = self._price_or_last(command.symbol, command.price)
        self.lifecycle.advance(command.at)
        self.ledger.adjust(account, command.symbol, command.signed_qty, price)

    def bust_trade(self, command: commands.BustTrade) -> None:
        """Undo a trade: shares and cash go back, its execution is listed no longer."""
        account = self.ledger.account(command.account)
        if command.execution_id not in account.execution_index:
            raise entry.not_found(f"execution {command.execution_id}")
        self.lifecycle.advance(command.at)
        self.ledger.bust(account, command.execution_id)

    # --- inside ---------------------------------------------------------------------------------

    def _move(self, symbol: str, price: Decimal, volume: Decimal, path: Path) -> None:
        self.lifecycle.market(symbol).move(
            price, volume, self.ledger.rules.liquidity_fraction, path
        )

    def _price_or_last(self, symbol: str, price: Decimal | None) -> Decimal:
        price = price or self.lifecycle.market(symbol).last
        if price is None:
            raise entry.invalid("the symbol has no price yet")
        return price

    def _on_print(self, symbol: str, price: Decimal, qty: Decimal) -> None:
        stamped_at = self._stamped_at or self.ledger.now
        self._prints_count += 1
        self.ledger.outbox.append(TradePrinted(self._prints_count, symbol, price, qty, stamped_at))

    def _on_trade(self, trade: Trade) -> None:
        self.ledger.book(trade)
