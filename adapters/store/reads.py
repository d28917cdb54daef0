"""What the outside may read of the rows: newest first, in pages, as the views of every door."""

from decimal import Decimal

from adapters.store.codec import Row, broker_id_of, order_id_of, price_of
from adapters.store.connect import Pool, answered
from adapters.store.statements import sql
from trader.ids import AccountId, ClientOrderId, InstrumentId, SessionId
from trader.money import Price, Quantity
from trader.orders.order import TERMINAL, OrderType, Purpose, Side, Status, TimeInForce
from trader.views import DecisionView, FillView, OrderEventView, OrderView, TradeView

PAGE_COUNT_MAX = 1_000

_ORDERS = sql("read_orders")
_FILLS = sql("read_fills")
_TRADES = sql("read_trades")


class Reads:
    """Questions about rows. Raises StoreUnavailable; `after` is the last id of the page before."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def orders(
        self,
        *,
        session_id: SessionId | None = None,
        open_only: bool = False,
        limit: int = 100,
        after: ClientOrderId | None = None,
    ) -> tuple[OrderView, ...]:
        """Orders, without timelines."""
        with answered("orders"):
            rows = await self._pool.fetch(
                _ORDERS, session_id, after, sorted(TERMINAL) if open_only else [], _page(limit)
            )
        return tuple(_order_view(row) for row in rows)

    async def order(self, order_id: ClientOrderId) -> OrderView | None:
        """One order with its whole life."""
        with answered("order"):
            row = await self._pool.fetchrow("select * from orders where id = $1", order_id)
            events = await self._pool.fetch(
                "select * from order_events where order_id = $1 order by n", order_id
            )
        if row is None:
            return None
        return _order_view(row, tuple(_event_view(event) for event in events))

    async def fills(
        self, *, session_id: SessionId | None = None, limit: int = 100, after: str | None = None
    ) -> tuple[FillView, ...]:
        """Executions; `after` is an execution id."""
        with answered("fills"):
            rows = await self._pool.fetch(_FILLS, session_id, after, _page(limit))
        return tuple(_fill_view(row) for row in rows)

    async def trades(
        self, *, session_id: SessionId | None = None, limit: int = 100, after: str | None = None
    ) -> tuple[TradeView, ...]:
        """Round trips; `after` is a closing execution id."""
        with answered("trades"):
            rows = await self._pool.fetch(_TRADES, session_id, after, _page(limit))
        return tuple(_trade_view(row) for row in rows)

    async def decisions(
        self, session_id: SessionId, *, limit: int = 100
    ) -> tuple[DecisionView, ...]:
        """What a session decided."""
        with answered("decisions"):
            rows = await self._pool.fetch(
                "select * from decisions where session_id = $1"
                " order by bar_opened_at desc, recorded_at desc limit $2",
                *(session_id, _page(limit)),
            )
        return tuple(_decision_view(row) for row in rows)

    async def realized(self) -> dict[SessionId, Decimal]:
        """Each session's realized profit as its position row has it."""
        with answered("positions"):
            rows = await self._pool.fetch("select session_id, realized from positions")
        return {SessionId(row["session_id"]): row["realized"] for row in rows}


def _page(limit: int) -> int:
    return max(0, min(limit, PAGE_COUNT_MAX))


def _order_view(row: Row, timeline: tuple[OrderEventView, ...] = ()) -> OrderView:
    return OrderView(
        id=ClientOrderId(row["id"]),
        session_id=SessionId(row["session_id"]),
        account_id=AccountId(row["account_id"]),
        instrument=InstrumentId(row["instrument"]),
        side=Side(row["side"]),
        type=OrderType(row["type"]),
        tif=TimeInForce(row["tif"]),
        purpose=Purpose(row["purpose"]),
        qty=Quantity(row["qty"]),
        cum_qty=Quantity(row["cum_qty"]),
        leaves_qty=Quantity(row["qty"] - row["cum_qty"]),
        avg_px=price_of(row["avg_px"]),
        price=price_of(row["price"]),
        stop_price=price_of(row["stop_price"]),
        protective_stop=price_of(row["protective_stop"]),
        status=Status(row["status"]),
        reason=row["reason"],
        reason_code=row["reason_code"],
        broker_order_id=broker_id_of(row["broker_order_id"]),
        replaces=order_id_of(row["replaces"]),
        recorded_at=row["recorded_at"],
        timeline=timeline,
    )


def _event_view(row: Row) -> OrderEventView:
    return OrderEventView(
        n=row["n"],
        event=row["event"],
        status=Status(row["status"]),
        cum_qty=Quantity(row["cum_qty"]),
        reason_code=row["reason_code"],
        detail=row["detail"],
        happened_at=row["happened_at"],
        recorded_at=row["recorded_at"],
    )


def _fill_view(row: Row) -> FillView:
    return FillView(
        execution_id=row["execution_id"],
        order_id=order_id_of(row["order_id"]),
        session_id=SessionId(row["session_id"]),
        account_id=AccountId(row["account_id"]),
        instrument=InstrumentId(row["instrument"]),
        side=Side(row["side"]),
        qty=Quantity(row["qty"]),
        price=Price(row["price"]),
        fee=row["fee"],
        happened_at=row["happened_at"],
    )


def _trade_view(row: Row) -> TradeView:
    return TradeView(
        session_id=SessionId(row["session_id"]),
        instrument=InstrumentId(row["instrument"]),
        side=Side(row["side"]),
        qty=Quantity(row["qty"]),
        entry_px=Price(row["entry_px"]),
        exit_px=Price(row["exit_px"]),
        fees=row["fees"],
        profit=row["realized"],
        opened_at=row["opened_at"],
        closed_at=row["closed_at"],
        closing_execution_id=row["closing_execution_id"],
    )


def _decision_view(row: Row) -> DecisionView:
    return DecisionView(
        session_id=SessionId(row["session_id"]),
        bar_opened_at=row["bar_opened_at"],
        action=row["action"],
        reason=row["reason"],
        reason_code=row["reason_code"],
        bar_digest=row["bar_digest"],
        order_ids=tuple(ClientOrderId(order_id) for order_id in row["order_ids"]),
    )
