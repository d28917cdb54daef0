"""What a strategy sees at a bar, and the words in which it decides."""

from dataclasses import dataclass
from decimal import Decimal

from trader.ids import ClientOrderId
from trader.market.candle import Candle
from trader.money import NO_QTY, Price, Quantity, down_to_tick, up_to_tick
from trader.orders.order import OrderType, Side, TimeInForce
from trader.session.strategy import (
    FLAT_VIEW,
    CancelOrders,
    ModifyOrder,
    ModifyOrders,
    Nothing,
    SubmitOrder,
    View,
    WorkingView,
)
from trader.session.valid import BadDecision, Number, number_of, valid_reason

_NOTHINGS_MAX = 256  # reasons kept as shared objects; one written with numbers in it is not


@dataclass(slots=True)
class HeldPosition:
    """The session's position as the strategy sees it."""

    qty: Quantity = NO_QTY  # signed: below zero is short
    avg_px: Price | None = None
    is_flat: bool = True
    is_long: bool = False
    is_short: bool = False


class Context:
    """One strategy's window on its session, and its vocabulary. Prices are put on the tick.

    A limit is rounded so that it never pays more, an entry's stop so that it never triggers
    earlier, a protective stop so that it never loses more than was asked for.
    """

    __slots__ = (
        "_close",
        "_view",
        "is_warming_up",
        "lot",
        "nothings",
        "position",
        "symbol",
        "tick",
        "working",
    )

    def __init__(self, symbol: str, tick: Decimal, lot: Decimal) -> None:
        self.symbol = symbol
        self.tick = tick
        self.lot = lot
        self.is_warming_up = True  # what is decided meanwhile is dropped
        self.position = HeldPosition()
        self.working: tuple[WorkingView, ...] = ()
        self._view = FLAT_VIEW
        self._close: Price | None = None
        self.nothings: dict[str, Nothing] = {}  # for the framework: these are known to be valid

    def look(self, view: View, bar: Candle) -> None:
        """For the framework: what is to be seen at this bar."""
        self._close = bar.close
        if view is not self._view:
            self._view = view
            qty = view.position_qty
            self.position = HeldPosition(qty, view.avg_px, qty == 0, qty > 0, qty < 0)
            self.working = view.working

    def nothing(self, reason: str) -> Nothing:
        """Do nothing on this bar, because."""
        known = self.nothings.get(reason)
        if known is None:
            known = Nothing(valid_reason(reason))
            if len(self.nothings) < _NOTHINGS_MAX:
                self.nothings[reason] = known
        return known

    def buy(
        self,
        qty: Number,
        *,
        reason: str,
        limit: Number | None = None,
        stop_entry: Number | None = None,
        stop: Number | None = None,
        stop_ticks: Number | None = None,
        tif: TimeInForce = TimeInForce.DAY,
    ) -> SubmitOrder:
        """Buy `qty`: at the market, at a `limit`, from `stop_entry` upwards, or both.

        The position it makes is protected by a stop at the price `stop`, or `stop_ticks` below
        the limit, else below the entry's stop, else below the bar's close.
        """
        return self._submit(Side.BUY, qty, reason, limit, stop_entry, stop, stop_ticks, tif)

    def sell(
        self,
        qty: Number,
        *,
        reason: str,
        limit: Number | None = None,
        stop_entry: Number | None = None,
        stop: Number | None = None,
        stop_ticks: Number | None = None,
        tif: TimeInForce = TimeInForce.DAY,
    ) -> SubmitOrder:
        """Sell `qty`, as `buy` with the sides changed; up to the position's size it is an exit."""
        return self._submit(Side.SELL, qty, reason, limit, stop_entry, stop, stop_ticks, tif)

    def exit(self, reason: str) -> SubmitOrder:
        """Close the whole position, whatever the broker says it then is."""
        qty = self.position.qty
        side = Side.BUY if qty < 0 else Side.SELL
        return SubmitOrder(side, abs(qty), reason, is_exit=True)

    def modify(
        self,
        order: WorkingView | ClientOrderId,
        *,
        reason: str,
        qty: Number | None = None,
        limit: Number | None = None,
        stop: Number | None = None,
    ) -> ModifyOrders:
        """Change a working order's whole quantity, its limit or its stop; None leaves it."""
        change = ModifyOrder(
            _id_of(order),
            None if qty is None else number_of(qty, "qty"),
            None if limit is None else number_of(limit, "limit"),
            None if stop is None else number_of(stop, "stop"),
        )
        return ModifyOrders((change,), reason)

    def cancel(self, *orders: WorkingView | ClientOrderId, reason: str) -> CancelOrders:
        """Cancel these working orders."""
        if not orders:
            raise BadDecision("cancel names no order; ctx.cancel_all cancels all entries")
        return CancelOrders(tuple(map(_id_of, orders)), reason)

    def cancel_all(self, reason: str) -> CancelOrders:
        """Cancel every working entry; the protective stop stays."""
        return CancelOrders((), reason)

    def _submit(
        self,
        side: Side,
        qty: Number,
        reason: str,
        limit: Number | None,
        stop_entry: Number | None,
        stop: Number | None,
        stop_ticks: Number | None,
        tif: TimeInForce,
    ) -> SubmitOrder:
        lower, higher = down_to_tick, up_to_tick
        if side is Side.SELL:
            lower, higher = higher, lower
        price = None if limit is None else lower(number_of(limit, "limit"), self.tick)
        trigger = None
        if stop_entry is not None:
            trigger = higher(number_of(stop_entry, "stop_entry"), self.tick)
        return SubmitOrder(
            side=side,
            qty=number_of(qty, "qty"),
            reason=reason,
            type=_TYPES[price is not None, trigger is not None],
            tif=tif,
            price=price,
            stop_price=trigger,
            protective_stop=self._protective(side, price or trigger, stop, stop_ticks),
        )

    def _protective(
        self, side: Side, entry: Price | None, stop: Number | None, stop_ticks: Number | None
    ) -> Price | None:
        if stop is None and stop_ticks is None:
            return None
        if stop is not None and stop_ticks is not None:
            raise BadDecision("stop and stop_ticks are both given: which of them?")
        reference = entry or self._close
        if reference is None:
            raise BadDecision("no bar seen yet to place a stop by")
        if stop is not None:
            at = number_of(stop, "stop")
        else:
            at = reference - side.sign * number_of(stop_ticks, "stop_ticks") * self.tick
        if (reference - at) * side.sign <= 0:
            beyond = "below" if side is Side.BUY else "above"
            raise BadDecision(f"the stop of a {side} at {reference} must be {beyond} it, not {at}")
        return (up_to_tick if side is Side.BUY else down_to_tick)(at, self.tick)


def _id_of(order: WorkingView | ClientOrderId) -> ClientOrderId:
    return order.id if isinstance(order, WorkingView) else order


_TYPES = {  # (has a limit, has an entry's stop)
    (False, False): OrderType.MARKET,
    (True, False): OrderType.LIMIT,
    (False, True): OrderType.STOP_MARKET,
    (True, True): OrderType.STOP_LIMIT,
}
