"""Builders for orders, reports and standings: defaults that read."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from trader.ids import AccountId, BrokerOrderId, CauseKind, ClientOrderId, InstrumentId, SessionId
from trader.instrument import Instrument
from trader.money import Price, Quantity
from trader.orders.order import Order, OrderReport, OrderType, Purpose, Side, Status, TimeInForce
from trader.orders.working import WorkingOrder
from trader.positions.events import PositionReported
from trader.risk.gate import Limits, Standing
from trader.risk.heat import HeatLevel
from trader.session.events import TradingState

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
ACCOUNT = AccountId("paper")
SESSION = SessionId("aapl")
AAPL = Instrument(
    id=InstrumentId("AAPL.SIM"),
    currency="USD",
    tick=Decimal("0.01"),
    lot=Decimal(1),
    multiplier=Decimal(1),
    shortable=True,
)


def qty(text: str | int | Decimal) -> Quantity:
    return Quantity(Decimal(text))


def px(text: str | int | Decimal) -> Price:
    return Price(Decimal(text))


def an_order(
    side: Side = Side.BUY,
    size: str | int | Decimal = 10,
    *,
    order_id: str = "t1entry",
    purpose: Purpose = Purpose.ENTRY,
    price: str | int | Decimal | None = None,
    stop_price: str | int | Decimal | None = None,
    protective_stop: str | int | Decimal | None = None,
    replaces: str | None = None,
) -> Order:
    has_price, has_stop = price is not None, stop_price is not None
    kinds = {
        (False, False): OrderType.MARKET,
        (True, False): OrderType.LIMIT,
        (False, True): OrderType.STOP_MARKET,
        (True, True): OrderType.STOP_LIMIT,
    }
    return Order(
        id=ClientOrderId(order_id),
        session_id=SESSION,
        account_id=ACCOUNT,
        instrument=AAPL.id,
        side=side,
        type=kinds[has_price, has_stop],
        tif=TimeInForce.DAY,
        qty=qty(size),
        purpose=purpose,
        reason="because",
        cause_kind=CauseKind.CANDLE,
        cause_key="2026-01-05T12:00:00+00:00",
        incarnation=1,
        price=None if price is None else px(price),
        stop_price=None if stop_price is None else px(stop_price),
        protective_stop=None if protective_stop is None else px(protective_stop),
        replaces=None if replaces is None else ClientOrderId(replaces),
    )


def an_exit(
    side: Side = Side.SELL, size: str | int | Decimal = 10, *, order_id: str = "t1exit"
) -> Order:
    return an_order(side, size, order_id=order_id, purpose=Purpose.EXIT)


def a_stop(
    stop_price: str | int | Decimal,
    size: str | int | Decimal = 10,
    *,
    side: Side = Side.SELL,
    order_id: str = "t1stop",
    replaces: str | None = None,
) -> Order:
    return an_order(
        side,
        size,
        order_id=order_id,
        purpose=Purpose.PROTECT,
        stop_price=stop_price,
        replaces=replaces,
    )


def working(
    order: Order,
    status: Status = Status.ACCEPTED,
    *,
    cum: str | int | Decimal = 0,
    applied: str | int | Decimal | None = None,
    sent_s: float | None = 1.0,
) -> WorkingOrder:
    """As the venue has it; what it filled is applied unless said otherwise."""
    return WorkingOrder(
        order,
        is_exit=order.purpose is not Purpose.ENTRY,
        status=status,
        broker_order_id=BrokerOrderId(f"venue-{order.id}"),
        cum_qty=qty(cum),
        applied_qty=qty(cum if applied is None else applied),
        sent_s=sent_s,
    )


def a_report(order: Order, status: Status = Status.ACCEPTED, **changes: object) -> OrderReport:
    """What the venue says of an order that it has exactly as we recorded it."""
    report = OrderReport(
        account_id=order.account_id,
        instrument=order.instrument,
        client_order_id=order.id,
        broker_order_id=BrokerOrderId(f"venue-{order.id}"),
        side=order.side,
        type=order.type,
        tif=order.tif,
        status=status,
        qty=order.qty,
        cum_qty=qty(0),
        avg_px=None,
        price=order.price,
        stop_price=order.stop_price,
        happened_at=NOON,
    )
    return replace(report, **changes)  # type: ignore[arg-type]


def a_snapshot(
    size: str | int | Decimal, *, avg_px: str | int | Decimal | None = None, asked_s: float = 10.0
) -> PositionReported:
    return PositionReported(
        account_id=ACCOUNT,
        instrument=AAPL.id,
        qty=qty(size),
        avg_px=None if avg_px is None else px(avg_px),
        mark=None,
        asked_s=asked_s,
        reported_at=NOON,
    )


STANDING = Standing(
    state=TradingState.ACTIVE,
    reconcile_age_s=3.0,
    reconcile_age_max_s=60.0,
    feed_fresh=True,
    market_open=True,
    heat_level=HeatLevel.CALM,
    store_up=True,
    clock_ok=True,
    lease_held=True,
    stream_up=True,
    phase_ready=True,
    is_closing=False,
    working_entry_qty=qty(0),
    orders_last_minute=0,
    orders_last_day=0,
)
LIMITS = Limits(
    qty_max=Decimal(1000),
    notional_max=Decimal(25_000),
    orders_per_minute_max=10,
    orders_per_day_max=500,
    collar_fraction=Decimal("0.05"),
    position_qty_max=Decimal(1000),
)
