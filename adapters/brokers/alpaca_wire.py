"""The trading side of the Alpaca wire, translated both ways.  Pure.

Values that Alpaca may add later must not blind us: an unknown status counts as working, so that
the order keeps counting; what cannot be read at all raises BrokerProtocolError.
"""

from dataclasses import dataclass
from datetime import datetime

import orjson

from adapters.brokers import alpaca_json as read
from adapters.brokers.alpaca_json import Json
from trader.accounts.account import Balance
from trader.accounts.events import FrameRefused
from trader.errors import BrokerProtocolError
from trader.ids import AccountId, BrokerOrderId, InstrumentId, instrument_id, symbol_of
from trader.money import Money, Price, Quantity, plain
from trader.orders.events import OrderFilled, OrderReported
from trader.orders.order import (
    Fill,
    Order,
    OrderReport,
    OrderType,
    Replace,
    Side,
    Status,
    TimeInForce,
)
from trader.ports import AccountEvent
from trader.positions.events import BrokerPosition

TYPE_WORDS = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP_MARKET: "stop",
    OrderType.STOP_LIMIT: "stop_limit",
}
TIF_WORDS = {TimeInForce.DAY: "day", TimeInForce.GTC: "gtc", TimeInForce.IOC: "ioc"}
# What we never send, but a human may: the nearest of ours, for orders that are not ours.
TYPES = {word: kind for kind, word in TYPE_WORDS.items()} | {"trailing_stop": OrderType.STOP_MARKET}
TIFS = {word: tif for tif, word in TIF_WORDS.items()} | {"fok": TimeInForce.IOC}
SIDES = {
    "buy": Side.BUY,
    "sell": Side.SELL,
    "sell_short": Side.SELL,
    "buy_to_cover": Side.BUY,
}
STATUSES = {
    "partially_filled": Status.PARTIALLY_FILLED,
    "filled": Status.FILLED,
    "canceled": Status.CANCELED,
    "expired": Status.EXPIRED,
    "rejected": Status.REJECTED,
    "replaced": Status.CANCELED,
    "pending_cancel": Status.PENDING_CANCEL,
    "pending_replace": Status.PENDING_UPDATE,
}
WORKING_WORDS = frozenset(
    {
        "accepted", "accepted_for_bidding", "calculated", "done_for_day", "held", "new",
        "pending_new", "pending_review", "stopped", "suspended",
    }
)  # fmt: skip
FILL_EVENTS = frozenset({"fill", "partial_fill"})
CORRECTIONS = frozenset({"trade_bust", "trade_correct"})
REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Wire:
    """One account's reading of the wire: whose it is, and what its venue is called."""

    account_id: AccountId
    venue: str

    def instrument(self, symbol: str) -> InstrumentId:
        """The instrument behind a symbol."""
        return instrument_id(symbol, self.venue)

    def report(self, value: object) -> OrderReport:
        """One order as the venue has it now."""
        data = read.an_object(value)
        word = read.text(data, "status")
        cum_qty = read.qty(data, "filled_qty")
        working = Status.PARTIALLY_FILLED if cum_qty else Status.ACCEPTED
        words = ""
        if word == REPLACED:
            words = REPLACED
        elif word not in STATUSES and word not in WORKING_WORDS:
            words = f"status {word:.40} is unknown to us: taken as working"
        return OrderReport(
            account_id=self.account_id,
            instrument=self.instrument(read.text(data, "symbol")),
            client_order_id=read.optional_text(data, "client_order_id") or "",
            broker_order_id=BrokerOrderId(read.text(data, "id")),
            side=_side(data),
            type=_order_type(data),
            tif=TIFS.get(read.text(data, "time_in_force"), TimeInForce.DAY),
            status=STATUSES.get(word, working),
            qty=read.qty(data, "qty"),  # null for orders in money, which we cannot count
            cum_qty=cum_qty,
            avg_px=read.optional_price(data, "filled_avg_price"),
            price=read.optional_price(data, "limit_price"),
            stop_price=read.optional_price(data, "stop_price"),
            happened_at=read.instant(data, "updated_at"),
            replaced_by=_order_id(data, "replaced_by"),
            replaces=_order_id(data, "replaces"),
            text=words,
        )

    def trade_update(self, value: object, seen_at: datetime) -> tuple[AccountEvent, ...]:
        """What a frame of the orders stream says: the fill first, then the order after it."""
        data = read.an_object(value)
        event = read.text(data, "event")
        report = self.report(data.get("order"))
        events: list[AccountEvent] = []
        if event in FILL_EVENTS:
            fill = Fill(
                execution_id=execution_id(read.text(data, "execution_id")),
                account_id=self.account_id,
                instrument=report.instrument,
                client_order_id=report.client_order_id,
                broker_order_id=report.broker_order_id,
                side=report.side,
                qty=_some(data, "qty"),
                price=read.price(data, "price"),
                cum_qty=report.cum_qty,
                happened_at=read.instant(data, "timestamp"),
                seen_at=seen_at,
            )
            events.append(OrderFilled(fill))
        events.append(OrderReported(report))
        if event in CORRECTIONS:
            why = f"{event}: an execution was changed afterwards, positions must be read again"
            events.append(FrameRefused(self.venue, why, report.broker_order_id))
        return tuple(events)

    def activity(self, value: object, client_order_id: str, seen_at: datetime) -> Fill:
        """An execution out of the account's activities."""
        data = read.an_object(value)
        return Fill(
            execution_id=execution_id(read.text(data, "id")),
            account_id=self.account_id,
            instrument=self.instrument(read.text(data, "symbol")),
            client_order_id=client_order_id,
            broker_order_id=BrokerOrderId(read.text(data, "order_id")),
            side=_side(data),
            qty=_some(data, "qty"),
            price=read.price(data, "price"),
            cum_qty=read.qty(data, "cum_qty"),
            happened_at=read.instant(data, "transaction_time"),
            seen_at=seen_at,
        )

    def position(self, value: object) -> BrokerPosition:
        """One position, signed: long positive."""
        data = read.an_object(value)
        size = abs(read.amount(data, "qty"))
        if not size:
            raise BrokerProtocolError("a position of nothing")
        match read.text(data, "side"):
            case "long":
                signed = size
            case "short":
                signed = -size
            case other:
                raise BrokerProtocolError(f"position side {other:.40}")
        return BrokerPosition(
            instrument=self.instrument(read.text(data, "symbol")),
            qty=Quantity(signed),
            avg_px=read.price(data, "avg_entry_price"),
            mark=read.optional_price(data, "current_price"),
        )

    def balance(self, value: object, reported_at: datetime) -> Balance:
        """The account's money, and whether it may trade."""
        data = read.an_object(value)
        currency = read.text(data, "currency")
        blocks = [
            read.flag(data, name)
            for name in ("trading_blocked", "account_blocked", "trade_suspended_by_user")
        ]
        return Balance(
            account_id=self.account_id,
            broker_account=read.text(data, "account_number"),
            cash=Money(read.amount(data, "cash"), currency),
            equity=Money(read.amount(data, "equity"), currency),
            buying_power=Money(read.amount(data, "buying_power"), currency),
            is_blocked=any(blocks) or read.text(data, "status") != "ACTIVE",
            reported_at=reported_at,
        )


def execution_id(text: str) -> str:
    """The same execution has the same id on the stream and, behind a stamp, in the activities."""
    return text.rpartition("::")[2]


def holds_nothing(value: object) -> bool:
    """Whether the account itself says that it has no position."""
    data = read.an_object(value)
    worth = [read.amount(data, name) for name in ("long_market_value", "short_market_value")]
    return not any(worth)


def order_body(order: Order) -> bytes:
    """The body that asks for an order."""
    body = {
        "symbol": symbol_of(order.instrument),
        "qty": plain(order.qty),
        "side": order.side.lower(),
        "type": TYPE_WORDS[order.type],
        "time_in_force": TIF_WORDS[order.tif],
        "client_order_id": order.id,
    }
    return orjson.dumps(body | _prices(order))


def replace_body(change: Replace) -> bytes:
    """The body that asks for a change. `qty` there counts what is already filled."""
    successor = change.successor
    body = {"qty": plain(successor.qty), "client_order_id": successor.id}
    return orjson.dumps(body | _prices(successor))


def _prices(order: Order) -> dict[str, str]:
    named: tuple[tuple[str, Price | None], ...] = (
        ("limit_price", order.price),
        ("stop_price", order.stop_price),
    )
    return {name: plain(price) for name, price in named if price is not None}


def _side(data: Json) -> Side:
    word = read.text(data, "side")
    if word not in SIDES:
        raise BrokerProtocolError(f"side {word:.40}")
    return SIDES[word]


def _order_type(data: Json) -> OrderType:
    word = read.optional_text(data, "type") or read.text(data, "order_type")
    if word in TYPES:
        return TYPES[word]
    # A type of the future is known by the prices that it has.
    has_limit, has_stop = (data.get(name) is not None for name in ("limit_price", "stop_price"))
    if has_stop:
        return OrderType.STOP_LIMIT if has_limit else OrderType.STOP_MARKET
    return OrderType.LIMIT if has_limit else OrderType.MARKET


def _order_id(data: Json, name: str) -> BrokerOrderId | None:
    found = read.optional_text(data, name)
    return None if found is None else BrokerOrderId(found)


def _some(data: Json, name: str) -> Quantity:
    qty = read.qty(data, name)
    if not qty:
        raise BrokerProtocolError(f"{name}: an execution of nothing")
    return qty
