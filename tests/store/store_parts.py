"""Builders for rows: defaults that read, one argument for what a test is about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from trader.accounts.account import Balance
from trader.ids import (
    AccountId,
    BrokerOrderId,
    CauseKind,
    ClientOrderId,
    InstrumentId,
    SessionId,
    client_order_id,
)
from trader.money import Money, Price, Quantity
from trader.orders.order import (
    Cancel,
    Fill,
    Order,
    OrderType,
    Purpose,
    Replace,
    Side,
    Status,
    TimeInForce,
)
from trader.proofs import Cleared
from trader.records import (
    AdjustmentEntry,
    BalanceEntry,
    ChangeEntry,
    CursorEntry,
    DecisionEntry,
    Fence,
    FillEntry,
    OrderEntry,
    ProgressEntry,
)

ACCOUNT = AccountId("paper")
SESSION = SessionId("aapl-sma")
AAPL = InstrumentId("AAPL.ALPACA")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def an_id(n: int) -> ClientOrderId:
    """The n-th order id of the session."""
    return client_order_id(SESSION, CauseKind.COMMAND, str(n), "entry", 0)


def an_order(n: int = 1, **changes: object) -> Order:
    """The session's n-th order: buy 10 AAPL at market."""
    order = Order(
        id=an_id(n),
        session_id=SESSION,
        account_id=ACCOUNT,
        instrument=AAPL,
        side=Side.BUY,
        type=OrderType.MARKET,
        tif=TimeInForce.DAY,
        qty=Quantity(Decimal(10)),
        purpose=Purpose.ENTRY,
        reason="fast over slow",
        cause_kind=CauseKind.CANDLE,
        cause_key="2026-03-02T12:00:00+00:00",
        incarnation=1,
        decided_at=NOON,
    )
    return replace(order, **changes)


def a_fence(epoch: int = 1, incarnation: int = 1, session_id: SessionId = SESSION) -> Fence:
    """The first lease, the first incarnation."""
    return Fence(ACCOUNT, epoch, session_id, incarnation)


ACCOUNT_FENCE = Fence(ACCOUNT, 1, SessionId(""), 0)  # the account's own rows name no session


def an_order_entry(n: int = 1, fence: Fence | None = None, **changes: object) -> OrderEntry:
    """An order on its way into the journal."""
    return OrderEntry(Cleared(an_order(n, **changes)), fence or a_fence(), is_exit=False)


def a_cancel(n: int = 100, target: int = 1) -> Cancel:
    """A request to cancel the target."""
    return Cancel(
        id=an_id(n),
        session_id=SESSION,
        account_id=ACCOUNT,
        instrument=AAPL,
        target=an_id(target),
        target_broker_id=BrokerOrderId(f"b{target}"),
        reason="not wanted any more",
        incarnation=1,
    )


def a_replace(n: int = 200, target: int = 1) -> Replace:
    """A request to replace the target by a smaller order."""
    return Replace(
        target=an_id(target),
        target_broker_id=BrokerOrderId(f"b{target}"),
        successor=an_order(n, qty=Quantity(Decimal(5)), replaces=an_id(target)),
        reason="smaller",
    )


def a_change_entry(change: Cancel | Replace, fence: Fence | None = None) -> ChangeEntry:
    """A request on its way into the journal."""
    return ChangeEntry(Cleared(change), fence or a_fence(), is_exit=True)


def progress(
    status: Status = Status.ACCEPTED,
    n: int = 1,
    *,
    event: str = "order_accepted",
    cum_qty: int = 0,
    fence: Fence | None = None,
    happened_at: datetime | None = None,
) -> ProgressEntry:
    """How the n-th order fares now."""
    return ProgressEntry(
        order_id=an_id(n),
        event=event,
        status=status,
        broker_order_id=BrokerOrderId(f"b{n}"),
        cum_qty=Quantity(Decimal(cum_qty)),
        avg_px=Price(Decimal("150.25")) if cum_qty else None,
        reason_code="",
        detail="",
        happened_at=happened_at,
        fence=fence or a_fence(),
    )


def a_fill(
    execution_id: str = "x1",
    *,
    n: int | None = 1,
    side: Side = Side.BUY,
    qty: int = 4,
    price: str = "150.25",
    position_qty: int = 4,
    happened_at: datetime | None = None,
    fence: Fence | None = None,
) -> FillEntry:
    """One execution of the n-th order (None: of an order that nobody knows)."""
    at = happened_at or datetime.now(UTC)
    fill = Fill(
        execution_id=execution_id,
        account_id=ACCOUNT,
        instrument=AAPL,
        client_order_id="" if n is None else an_id(n),
        broker_order_id=BrokerOrderId("b1"),
        side=side,
        qty=Quantity(Decimal(qty)),
        price=Price(Decimal(price)),
        cum_qty=Quantity(Decimal(qty)),
        happened_at=at,
        seen_at=at + timedelta(milliseconds=80),
        fee=Price(Decimal("0.02")),
    )
    return FillEntry(
        fill=fill,
        order_id=None if n is None else an_id(n),
        position_qty=Quantity(Decimal(position_qty)),
        position_avg_px=Price(Decimal(price)) if position_qty else None,
        realized=Decimal("1.50"),
        fence=fence or a_fence(),
    )


def an_adjustment(key: str = "k1", to_qty: int = 0, fence: Fence | None = None) -> AdjustmentEntry:
    """The broker holds something else than we do."""
    return AdjustmentEntry(
        key=key,
        instrument=AAPL,
        from_qty=Quantity(Decimal(4)),
        to_qty=Quantity(Decimal(to_qty)),
        to_avg_px=Price(Decimal("151")) if to_qty else None,
        cause="manual_or_margin_trade",
        detail="broker 0, memory 4, database 4",
        happened_at=NOON,
        fence=fence or a_fence(),
    )


def a_balance(cash: str = "100000.00", at: datetime = NOON) -> BalanceEntry:
    """The account's money."""
    return BalanceEntry(
        Balance(
            account_id=ACCOUNT,
            broker_account="PA123",
            cash=Money(Decimal(cash), "USD"),
            equity=Money(Decimal("100000"), "USD"),
            buying_power=Money(Decimal("200000"), "USD"),
            is_blocked=False,
            reported_at=at,
        ),
        ACCOUNT_FENCE,
    )


def a_decision(minute: int = 0, reason: str = "no cross") -> DecisionEntry:
    """Nothing, because."""
    return DecisionEntry(
        session_id=SESSION,
        bar_opened_at=NOON + timedelta(minutes=minute),
        action="nothing",
        reason=reason,
        reason_code="",
        bar_digest="d1",
        order_ids=(an_id(1), an_id(2)),
        fence=a_fence(),
    )


def a_cursor(cursor: str = "c1") -> CursorEntry:
    """How far executions were read."""
    return CursorEntry(cursor, ACCOUNT_FENCE)
