"""Whatever the traders and the prices do, these stay true."""

from decimal import Decimal
from itertools import combinations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from sandbox_floor import CASH, Floor

from adapters.sandbox import commands
from adapters.sandbox.commands import Command, Rules
from adapters.sandbox.entry import Refused
from adapters.sandbox.orders import Order, OrderType, PositionEffect, Side
from adapters.sandbox.tape import Trade
from adapters.sandbox.truth import truth
from adapters.sandbox.venue import Venue

PRICES = st.integers(96, 104).map(str)
ACCOUNTS = st.sampled_from(["ann", "bob"])
QUANTITIES = st.integers(1, 60)
ORDERS = st.fixed_dictionaries(
    {
        "side": st.sampled_from(["buy", "sell"]),
        "qty": QUANTITIES,
        "limit": st.none() | PRICES,
        "stop": st.none() | PRICES,
        "account": ACCOUNTS,
        "tif": st.sampled_from(["day", "gtc", "ioc", "fok"]),
    }
).filter(lambda o: o["stop"] is None or o["tif"] in ("day", "gtc"))
RESTING = st.fixed_dictionaries(
    {
        "side": st.sampled_from(["buy", "sell"]),
        "qty": QUANTITIES,
        "limit": PRICES,
        "account": ACCOUNTS,
    }
)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), RESTING),
        st.tuples(st.just("order"), RESTING),
        st.tuples(st.just("walk"), PRICES, st.integers(0, 80)),
        st.tuples(st.just("order"), ORDERS),
        st.tuples(st.just("send"), ORDERS),
        st.tuples(st.just("walk"), PRICES, st.integers(0, 80)),
        st.tuples(st.just("price"), PRICES, st.integers(1, 80)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("replace"), st.integers(0, 30), PRICES),
        st.tuples(st.just("settle"), st.integers(0, 30)),
        st.tuples(st.just("wait"), st.integers(1, 10)),
        st.tuples(st.just("market"), st.booleans()),
        st.tuples(st.just("operator"), ACCOUNTS, st.sampled_from(Side), QUANTITIES),
    ),
    min_size=10,
    max_size=40,
)
RULES = st.builds(
    Rules,
    multiplier=st.sampled_from([Decimal(1), Decimal(2), Decimal(4)]),
    fee_per_share=st.sampled_from([Decimal(0), Decimal("0.01")]),
    fee_fraction=st.sampled_from([Decimal(0), Decimal("0.001")]),
    liquidity_fraction=st.sampled_from([Decimal("0.1"), Decimal("0.5"), Decimal(1)]),
)


def act(floor: Floor, action: tuple[Any, ...]) -> None:
    """Do one thing; a refusal is as good an answer as any."""
    orders = list(floor.venue.ledger.orders.values())
    chosen = orders[action[1] % len(orders)] if orders and isinstance(action[1], int) else None
    match action[0]:
        case "order":
            floor.order(**action[1])
        case "send":
            floor.send(**action[1])
        case "walk" if floor.venue.is_open:
            floor.walk(action[1], action[2])
        case "price" if floor.venue.is_open:
            floor.price(action[1], action[2])
        case "cancel" if chosen:
            floor.cancel(chosen)
        case "replace" if chosen:
            floor.replace(chosen, limit_price=action[2])
        case "settle" if chosen:
            floor.settle(chosen)
        case "wait":
            floor.wait(hours=action[1])
        case "market":
            floor.do(commands.SetMarket(floor.at, action[1]))
        case "operator":
            trade = commands.OperatorTrade(
                floor.at, action[1], "XYZ", action[2], Decimal(action[3])
            )
            floor.do(trade)


def rehearse(rules: Rules, actions: list[tuple[Any, ...]]) -> Floor:
    floor = Floor(rules)
    trades: list[Trade] = []
    book = floor.venue.ledger.book
    floor.venue.ledger.book = lambda trade: (trades.append(trade), book(trade))[1]  # type: ignore[method-assign]
    floor.price("100", 20)
    for action in actions:
        trades.clear()
        before = resting_limits(floor)
        filled = {order.id: order.filled_qty for order in before}
        liquidity = floor.venue.markets["XYZ"].liquidity
        try:
            act(floor, action)
        except Refused:
            continue
        if action[0] in ("walk", "price"):
            liquidity = Decimal(action[2]) * rules.liquidity_fraction
        check_books(floor)
        check_priority(before, filled)
        if action[0] != "operator":
            check_trades(trades, liquidity)
    return floor


def check_trades(trades: list[Trade], liquidity: Decimal) -> None:
    """The house trades no more than its liquidity, and nobody trades with himself."""
    with_house = [t.qty for t in trades if t.buyer is None or t.seller is None]
    assert sum(with_house) <= liquidity
    for trade in trades:
        if trade.buyer is not None and trade.seller is not None:
            assert trade.buyer.account != trade.seller.account


def resting_limits(floor: Floor) -> list[Order]:
    orders = floor.venue.ledger.open_orders()
    limits = [o for o in orders if o.request.type is OrderType.LIMIT and o.is_open]
    return [o for o in limits if o.status in ("new", "partially_filled")]


def check_books(floor: Floor) -> None:
    ledger = floor.venue.ledger
    books = [*ledger.accounts.values(), ledger.house]
    assert sum(book.cash for book in books) == 2 * CASH
    assert sum(book.position_qty("XYZ") for book in books) == 0
    for account in ledger.accounts.values():
        open_orders = account.all_open()
        assert account.reserved == sum(o.reserved for o in account.orders) >= 0
        assert account.held.get("XYZ", 0) == sum(o.held for o in account.orders) >= 0
        assert all(o.reserved == o.held == 0 for o in account.orders if not o.is_open)
        assert all(0 <= o.filled_qty < o.qty for o in open_orders)
        for order in open_orders:
            pending = order if order.replaces and order.status == "pending_new" else None
            if pending is None:
                opens = order.effect is PositionEffect.OPEN
                need = order.leaves * order.reserve_price if opens else order.leaves
                assert (order.reserved if opens else order.held) == need
            if order.replaces and pending is None:
                predecessor = ledger.orders[order.replaces]
                assert order.qty == order.request.qty - predecessor.filled_qty
        for order in account.orders:
            executions = [e for e in account.executions if e.order_id == order.id]
            assert sum(e.qty for e in executions) == order.filled_qty <= order.qty
            assert sum(e.qty * e.price for e in executions) == order.filled_notional
            for execution in executions:
                assert order.bound == 0 or (
                    execution.price <= order.bound
                    if order.request.side is Side.BUY
                    else execution.price >= order.bound
                )
        signed = sum(e.qty * e.side.sign for e in account.executions)
        assert account.position_qty("XYZ") == signed
    bids = [o.bound for o in resting_limits(floor) if o.request.side is Side.BUY]
    asks = [o.bound for o in resting_limits(floor) if o.request.side is Side.SELL]
    if floor.venue.is_open and bids and asks:
        assert max(bids) < min(asks)


def check_priority(before: list[Order], filled: dict[str, Decimal]) -> None:
    """Who traded left nobody behind who was better or as good and earlier."""
    for one, other in combinations(before, 2):
        if one.request.side is not other.request.side:
            continue
        sign = one.request.side.sign
        first, second = sorted((one, other), key=lambda o: (-sign * o.bound, o.arrival))
        if second.filled_qty > filled[second.id] and first.status in ("new", "partially_filled"):
            assert not first.leaves


@settings(max_examples=150, deadline=None)
@given(RULES, ACTIONS)
def test_cash_and_shares_only_change_hands(rules: Rules, actions: list[tuple[Any, ...]]) -> None:
    rehearse(rules, actions)


@settings(max_examples=60, deadline=None)
@given(RULES, ACTIONS)
def test_the_journal_replayed_gives_the_same_venue_down_to_the_ids(
    rules: Rules, actions: list[tuple[Any, ...]]
) -> None:
    floor = rehearse(rules, actions)
    wire: TypeAdapter[Any] = TypeAdapter(Command)

    again = Venue()
    for command in floor.kept:
        again.apply(wire.validate_json(wire.dump_json(command)))

    assert truth(again, floor.at, None) == truth(floor.venue, floor.at, None)
