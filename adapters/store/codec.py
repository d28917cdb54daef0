"""What the journal is given as rows, and rows as what the house reads: the one place that knows
both sides. The order of values is that of the columns in `statements.py`.
"""

import hashlib
from decimal import Decimal
from typing import Any, Protocol

from trader.accounts.account import Balance
from trader.ids import AccountId, BrokerOrderId, CauseKind, ClientOrderId, InstrumentId, SessionId
from trader.money import Money, Price, Quantity
from trader.orders.order import (
    Cancel,
    Change,
    Order,
    OrderType,
    Purpose,
    Replace,
    Side,
    Status,
    TimeInForce,
)
from trader.records import (
    AdjustmentEntry,
    BalanceEntry,
    DecisionEntry,
    Fence,
    FillEntry,
    ProgressEntry,
    StoredOrder,
)

Values = tuple[object, ...]


class Row(Protocol):
    """A row by its columns, which the database typed."""

    def __getitem__(self, column: str, /) -> Any: ...


def digest_of(values: Values) -> bytes:
    """16 bytes that tell two rows apart by their content."""
    return hashlib.blake2b(repr(values).encode(), digest_size=16).digest()


def fence_values(fence: Fence) -> Values:
    """Account, epoch, session, incarnation; and that they are to be checked."""
    return (fence.account_id, fence.epoch, fence.session_id, fence.incarnation, True)


def order_values(order: Order) -> Values:
    """What an order never changes, and a digest for its first event."""
    return (
        order.id,
        order.session_id,
        order.account_id,
        order.instrument,
        order.side,
        order.type,
        order.tif,
        order.qty,
        order.purpose,
        order.reason,
        order.cause_kind,
        order.cause_key,
        order.incarnation,
        order.price,
        order.stop_price,
        order.protective_stop,
        order.replaces,
        order.decided_at,
        order.id.encode(),
    )


def order_of(row: Row) -> Order:
    """The order as it was decided."""
    return Order(
        id=ClientOrderId(row["id"]),
        session_id=SessionId(row["session_id"]),
        account_id=AccountId(row["account_id"]),
        instrument=InstrumentId(row["instrument"]),
        side=Side(row["side"]),
        type=OrderType(row["type"]),
        tif=TimeInForce(row["tif"]),
        qty=Quantity(row["qty"]),
        purpose=Purpose(row["purpose"]),
        reason=row["reason"],
        cause_kind=CauseKind(row["cause_kind"]),
        cause_key=row["cause_key"],
        incarnation=row["incarnation"],
        price=price_of(row["price"]),
        stop_price=price_of(row["stop_price"]),
        protective_stop=price_of(row["protective_stop"]),
        replaces=order_id_of(row["replaces"]),
        decided_at=row["decided_at"],
    )


def stored_order_of(row: Row) -> StoredOrder:
    """An order with how it fares; three of its columns come with the query."""
    return StoredOrder(
        order=order_of(row),
        status=Status(row["status"]),
        broker_order_id=broker_id_of(row["broker_order_id"]),
        cum_qty=Quantity(row["cum_qty"]),
        avg_px=price_of(row["avg_px"]),
        reason_code=row["reason_code"],
        applied_qty=Quantity(row["applied_qty"]),
        pending_cancel=row["pending_cancel"],
        recorded_at=row["recorded_at"],
        is_of_position=row["is_of_position"],
    )


def change_key(change: Change) -> ClientOrderId:
    """The key of the request's row: a replace goes by its successor's id."""
    return change.successor.id if isinstance(change, Replace) else change.id


def change_values(change: Change) -> Values:
    """The request."""
    asked = change.successor if isinstance(change, Replace) else change
    return (
        asked.id,
        "REPLACE" if isinstance(change, Replace) else "CANCEL",
        asked.session_id,
        asked.account_id,
        asked.instrument,
        change.target,
        change.target_broker_id,
        change.reason,
        asked.incarnation,
    )


def change_of(row: Row, successor: Order | None) -> Change:
    """The request as it was made; a replace needs its successor's row too."""
    if row["kind"] == "REPLACE":
        assert successor is not None, f"the successor {row['id']} has no row"
        return Replace(
            target=ClientOrderId(row["target"]),
            target_broker_id=BrokerOrderId(row["target_broker_id"]),
            successor=successor,
            reason=row["reason"],
        )
    return Cancel(
        id=ClientOrderId(row["id"]),
        session_id=SessionId(row["session_id"]),
        account_id=AccountId(row["account_id"]),
        instrument=InstrumentId(row["instrument"]),
        target=ClientOrderId(row["target"]),
        target_broker_id=BrokerOrderId(row["target_broker_id"]),
        reason=row["reason"],
        incarnation=row["incarnation"],
    )


def progress_values(entry: ProgressEntry) -> Values:
    """An event of an order, and the digest by which the same batch is known again."""
    values = (
        entry.order_id,
        entry.event,
        entry.status,
        entry.broker_order_id,
        entry.cum_qty,
        entry.avg_px,
        entry.reason_code,
        entry.detail,
        entry.happened_at,
    )
    return (*values, digest_of(values))


def fill_values(entry: FillEntry) -> Values:
    """An execution, and the position after it."""
    fill = entry.fill
    return (
        fill.account_id,
        fill.execution_id,
        entry.fence.session_id,
        entry.order_id,
        fill.client_order_id,
        fill.broker_order_id,
        fill.instrument,
        fill.side,
        fill.qty,
        fill.price,
        fill.cum_qty,
        fill.fee,
        fill.happened_at,
        fill.seen_at,
        entry.position_qty,
        entry.position_avg_px,
        entry.realized,
    )


def adjustment_values(entry: AdjustmentEntry) -> Values:
    """The broker's word on a position, and why it differed."""
    return (
        entry.key,
        entry.fence.session_id,
        entry.fence.account_id,
        entry.instrument,
        entry.from_qty,
        entry.to_qty,
        entry.to_avg_px,
        entry.cause,
        entry.detail,
        entry.happened_at,
    )


def balance_values(entry: BalanceEntry) -> Values:
    """An account's money; the digest leaves out when it was asked."""
    balance = entry.balance
    assert balance.cash.currency == balance.equity.currency == balance.buying_power.currency
    values = (
        balance.account_id,
        balance.broker_account,
        balance.cash.currency,
        balance.cash.amount,
        balance.equity.amount,
        balance.buying_power.amount,
        balance.is_blocked,
    )
    # Decimals that are equal but written differently are the same money.
    said = tuple(v.normalize() if isinstance(v, Decimal) else v for v in values)
    return (*values, balance.reported_at, digest_of(said))


def decision_values(entry: DecisionEntry) -> Values:
    """A decision with its reason; the ids have no spaces, so they ride as one text."""
    values = (
        entry.action,
        entry.reason,
        entry.reason_code,
        entry.bar_digest,
        " ".join(entry.order_ids),
    )
    digest = digest_of((*values, entry.fence.incarnation))
    return (entry.session_id, entry.bar_opened_at, digest, *values)


def price_of(number: Decimal | None) -> Price | None:
    """A price, or none."""
    return None if number is None else Price(number)


def order_id_of(text: str | None) -> ClientOrderId | None:
    """Our id, or none."""
    return None if text is None else ClientOrderId(text)


def broker_id_of(text: str | None) -> BrokerOrderId | None:
    """The venue's id, or none."""
    return None if text is None else BrokerOrderId(text)


def balance_of(row: Row) -> Balance:
    """An account's money."""
    currency = row["currency"]
    return Balance(
        account_id=AccountId(row["account_id"]),
        broker_account=row["broker_account"],
        cash=Money(row["cash"], currency),
        equity=Money(row["equity"], currency),
        buying_power=Money(row["buying_power"], currency),
        is_blocked=row["is_blocked"],
        reported_at=row["reported_at"],
    )
