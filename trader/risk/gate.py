"""The risk gate: the only place that makes `Cleared`.

An exit is what provably reduces the position the broker knows, by side and quantity and by no flag:
it meets no condition on heat, freshness, state or budgets. All else is an entry and meets every one
of them, in a fixed order, each with its reason. Changes go the same two roads.
"""

from dataclasses import dataclass
from decimal import Decimal

from trader.instrument import Instrument
from trader.money import ZERO, Price, Quantity
from trader.orders.order import Cancel, Change, Order, OrderType, Purpose, Replace
from trader.orders.working import WorkingOrder
from trader.proofs import Cleared
from trader.risk.heat import Grant, HeatRules, fill_price, unit_loss
from trader.risk.standing import (
    BUDGET_AND_HEAT,
    SESSION,
    Limits,
    Question,
    Standing,
    first_failed,
)


@dataclass(frozen=True, slots=True)
class Refused:
    """Not cleared, with the first reason in the gate's order."""

    reason_code: str
    detail: str


def clear(
    order: Order,
    *,
    reducible: Quantity,
    broker_qty: Quantity,
    grant: Grant | None,
    standing: Standing,
    limits: Limits,
    instrument: Instrument,
    mark: Price | None,
) -> Cleared[Order] | Refused:
    """Clear an order. The last reason is `heat_not_granted`: all else is in order, ask for heat."""
    absurd = _absurd(order, instrument)
    if absurd is not None:
        return absurd
    if order.purpose is not Purpose.ENTRY or _reduces(order, broker_qty, reducible):
        if order.qty % instrument.lot != 0 and order.qty != reducible:
            return _off_lot(order.qty, instrument)  # no venue takes it, but a whole odd rest
        return _as_exit(order, broker_qty, reducible)
    refusal = (
        _refusal(SESSION, standing, limits)
        or _order_refusal(order, broker_qty, standing, limits, instrument, mark)
        or _refusal(BUDGET_AND_HEAT, standing, limits)
    )
    if refusal is not None:
        return refusal
    if grant is None or grant.order_id != order.id:
        return Refused("heat_not_granted", f"no heat is reserved for {order.id}")
    return Cleared(order)


def clear_exit(
    order: Order, *, reducible: Quantity, broker_qty: Quantity, instrument: Instrument
) -> Cleared[Order] | Refused:
    """Clear an order of the exit's road: nothing is asked but that it reduces the position."""
    return _absurd(order, instrument) or _as_exit(order, broker_qty, reducible)


def _reduces(order: Order, broker_qty: Quantity, reducible: Quantity) -> bool:
    return order.side.sign * broker_qty < 0 and order.qty <= reducible


def _as_exit(order: Order, broker_qty: Quantity, reducible: Quantity) -> Cleared[Order] | Refused:
    if _reduces(order, broker_qty, reducible):
        return Cleared(order)
    detail = f"{order.side} {order.qty}, of {broker_qty} only {reducible} can be reduced"
    return Refused("not_reducible", detail)


def reclear(stored: Order) -> Cleared[Order]:
    """An exit whose row stands already, cleared when it was made: to ask the journal for its proof.

    Sending it again is the last gate's question, which bounds it by what is reducible then.
    """
    assert stored.purpose is not Purpose.ENTRY, f"entry {stored.id} is never sent after a restart"
    return Cleared(stored)


def clear_change(
    change: Change,
    grant: Grant | None,
    standing: Standing,
    target: WorkingOrder | None,
    limits: Limits,
    *,
    broker_qty: Quantity,
    instrument: Instrument,
    mark: Price | None,
    rules: HeatRules,
) -> Cleared[Change] | Refused:
    """Clear a replace or cancel: what can raise the worst-case loss takes the entry's road.

    While the heart closes the position, the exit takes over from the stop, so the stop may go.
    """
    if target is None or not target.is_open:
        return Refused("not_changeable", f"{change.target} is not a working order")
    if isinstance(change, Replace):
        misfit = _misfit(change.successor, target, broker_qty, instrument)
        if misfit is not None:
            return misfit
    request_id = change.id if isinstance(change, Cancel) else change.successor.id
    more = raises_risk_by(change, target, mark, instrument.multiplier, rules, broker_qty=broker_qty)
    if more <= 0 or (standing.is_closing and target.is_exit):
        return Cleared(change)
    refusal = _refusal(SESSION, standing, limits)
    if isinstance(change, Replace) and not target.is_exit:
        refusal = refusal or _order_refusal(
            change.successor, broker_qty, standing, limits, instrument, mark
        )
    refusal = refusal or _refusal(BUDGET_AND_HEAT, standing, limits)
    if refusal is not None:
        return refusal
    if grant is None or grant.order_id != request_id:
        return Refused("heat_not_granted", f"no heat is reserved for {request_id}")
    return Cleared(change)


def worst_case(
    order: Order, mark: Price | None, multiplier: Decimal, rules: HeatRules
) -> Decimal | None:
    """The money an entry can lose: what is asked of the portfolio. None: there is no price."""
    price = fill_price(order, mark)
    if price is None:
        return None
    return order.qty * unit_loss(order.side.sign, price, order.protective_stop, rules) * multiplier


def raises_risk_by(
    change: Change,
    target: WorkingOrder,
    mark: Price | None,
    multiplier: Decimal,
    rules: HeatRules,
    *,
    broker_qty: Quantity | None = None,
) -> Decimal:
    """How much more can be lost after the change, >= 0; Infinity where nobody can price it.

    More of an entry, a stop further away, a stop gone or smaller than what it covers. `broker_qty`
    bounds what a stop covers; None: all of it.
    """
    if target.is_stop:
        if broker_qty is not None and target.order.side.sign * broker_qty > 0:
            return ZERO  # left over from a position the other way: it covers nothing
        return _uncovers(change, target, mark, multiplier, rules, broker_qty)
    if isinstance(change, Cancel) or target.is_exit:
        return ZERO
    before = worst_case(target.order, mark, multiplier, rules)
    then = worst_case(change.successor, mark, multiplier, rules)
    if before is None or then is None:
        return Decimal("Infinity")
    return max(then - before, ZERO)


def _uncovers(
    change: Change,
    target: WorkingOrder,
    mark: Price | None,
    multiplier: Decimal,
    rules: HeatRules,
    broker_qty: Quantity | None,
) -> Decimal:
    """What a changed stop leaves open: units no longer covered, and the longer way for the rest."""
    covered = Decimal(target.leaves_qty)
    stays, stop = ZERO, target.order.stop_price
    if isinstance(change, Replace):
        stays, stop = change.successor.qty - target.cum_qty, change.successor.stop_price
    if broker_qty is not None:
        covered, stays = min(covered, abs(broker_qty)), min(stays, abs(broker_qty))
    sign = target.order.side.opposite.sign
    price = mark if mark is not None else target.order.stop_price
    if price is None:
        return Decimal("Infinity")
    before = unit_loss(sign, price, target.order.stop_price, rules)
    bare = unit_loss(sign, price, None, rules)
    longer = unit_loss(sign, price, stop, rules) - before
    lost = max(covered - stays, ZERO)
    return (lost * (bare - before) + min(covered, stays) * max(longer, ZERO)) * multiplier


def _misfit(
    successor: Order, target: WorkingOrder, broker_qty: Quantity, instrument: Instrument
) -> Refused | None:
    """A replace changes quantity and prices; it makes no other order of it."""
    old = target.order
    absurd = _absurd(successor, instrument)
    if absurd is not None:
        return absurd
    if (successor.side, successor.type, successor.purpose) != (old.side, old.type, old.purpose):
        return Refused("bad_order", "a replace keeps side, type and purpose")
    if successor.qty <= target.cum_qty:
        return Refused("bad_qty", f"{target.cum_qty} is filled, {successor.qty} asked in all")
    if target.is_protective:
        is_against = successor.side.sign * broker_qty < 0
        if not is_against or successor.qty - target.cum_qty > abs(broker_qty):
            return Refused("not_reducible", f"{successor.qty} over a position of {broker_qty}")
    elif target.is_exit and successor.qty > old.qty:
        return Refused("not_reducible", f"an exit of {old.qty} cannot grow to {successor.qty}")
    return None


def _absurd(order: Order, instrument: Instrument) -> Refused | None:
    """What no order may be, exit or entry."""
    if not order.reason:
        return Refused("no_reason", "no reason, no order")
    if order.instrument != instrument.id:
        return Refused("wrong_symbol", f"{order.instrument} where {instrument.id} is traded")
    if not order.qty.is_finite() or order.qty <= 0:
        return Refused("bad_qty", f"quantity {order.qty}")
    for price in (order.price, order.stop_price, order.protective_stop):
        if price is not None and (not price.is_finite() or price <= 0):
            return Refused("bad_price", f"price {price}")
    needs_price = order.type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    needs_stop = order.type in (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
    if needs_price is (order.price is None) or needs_stop is (order.stop_price is None):
        detail = f"{order.type} with price {order.price} and stop price {order.stop_price}"
        return Refused("bad_price", detail)
    return None


def _off_lot(qty: Quantity, instrument: Instrument) -> Refused:
    return Refused("off_lot", f"{qty} in lots of {instrument.lot}")


def _order_refusal(
    order: Order,
    broker_qty: Quantity,
    standing: Standing,
    limits: Limits,
    instrument: Instrument,
    mark: Price | None,
) -> Refused | None:
    """What an entry may not be: too large, off its steps, past the collar, stopped at once."""
    price = fill_price(order, mark)
    if mark is None or price is None:
        return Refused("no_mark", "no price has been seen")
    sign, qty, stop = order.side.sign, order.qty, order.protective_stop
    if qty > limits.qty_max:
        return Refused("qty_over_max", f"{qty} of {limits.qty_max}")
    held = max(abs(broker_qty + sign * qty), abs(standing.position_qty + sign * qty))
    position = held + standing.working_entry_qty
    if position > limits.position_qty_max:
        detail = f"{position} of {limits.position_qty_max} with every entry filled"
        return Refused("position_over_max", detail)
    notional = qty * price * instrument.multiplier
    if notional > limits.notional_max:
        return Refused("notional_over_max", f"{notional}")
    if order.price is not None:
        reach = sign * (order.price - _trigger(order, mark))
        if reach > limits.collar_fraction * mark:
            detail = f"{order.price} reaches past {mark} by more than {limits.collar_fraction}"
            return Refused("price_outside_collar", detail)
    if qty % instrument.lot != 0:
        return _off_lot(qty, instrument)
    for each in (order.price, order.stop_price, stop):
        if each is not None and each % instrument.tick != 0:
            return Refused("off_tick", f"prices must be multiples of {instrument.tick}")
    if stop is not None and sign * (price - stop) <= 0:
        return Refused("bad_stop", f"{order.side} at {price} would be stopped at once by {stop}")
    return None


def _trigger(order: Order, mark: Price) -> Price:
    """From where a limit's reach is measured: the mark, or the stop that makes it work."""
    return mark if order.stop_price is None else order.stop_price


def _refusal(questions: tuple[Question, ...], standing: Standing, limits: Limits) -> Refused | None:
    failed = first_failed(questions, standing, limits)
    return None if failed is None else Refused(failed.reason_code, failed.answer)
