"""What goes wrong between a daemon and its account, and behind its back at the venue."""

from decimal import Decimal
from typing import TYPE_CHECKING

from actors.app.simulation.faults.kind import Hand, Kind
from actors.app.simulation.names import number_of
from adapters.sandbox.orders import OrderRequest, OrderType, Side, TimeInForce
from adapters.simulated.account_faults import (
    ACTIVITIES,
    BY_CLIENT_ID,
    MONEY,
    ONLY,
    OPEN_ORDERS,
    POSITIONS,
    AccountFault,
    AccountFaultKind,
)
from trader.ids import AccountId

if TYPE_CHECKING:
    from actors.app.simulation.world import World

K = AccountFaultKind
WRITES = ("POST", "POST", "POST", "PATCH", "DELETE")
LISTINGS = (POSITIONS, POSITIONS, OPEN_ORDERS, ACTIVITIES, MONEY)
FILLS = ("fill", "partial_fill")
CENT = Decimal("0.01")


def _write(kind: AccountFaultKind) -> Hand:
    """It strikes one of the next requests that change something, or several."""

    def hand(world: "World") -> None:
        chance = world.chance
        world.venue.faults.install(
            AccountFault(
                kind,
                method=chance.choice(WRITES),
                nth=chance.choice((1, 1, 2)),
                count=chance.choice((1, 1, 1, 3)),
                delay_s=chance.choice((0.5, 3.0, 12.0, 45.0, 90.0)),
                status=chance.choice((500, 502, 503, 504)),
                retry_after_s=chance.choice((None, 1, 5)),
            )
        )

    return hand


def _question(kind: AccountFaultKind) -> Hand:
    """It strikes questions of one kind for a while."""

    def hand(world: "World") -> None:
        chance = world.chance
        world.venue.faults.install(
            AccountFault(
                kind,
                method="GET",
                path=chance.choice(ONLY[kind][1]),
                for_s=chance.choice((5.0, 40.0, 100.0)),
                delay_s=chance.choice((1.0, 3.0, 8.0)),
            )
        )

    return hand


def _unanswered(world: "World") -> None:
    """For a while questions of one kind, or all, are answered late, wrongly or not at all."""
    chance = world.chance
    world.venue.strike(
        AccountFault(
            chance.choice((K.LATE_REPLY, K.REQUEST_LOST, K.ERROR_BEFORE, K.GARBAGE_REPLY)),
            method="GET",
            path=chance.choice((*LISTINGS, BY_CLIENT_ID, None, None)),
            for_s=chance.choice((20.0, 90.0)),
            delay_s=chance.choice((1.0, 4.0, 12.0)),
        )
    )


def _everything(kind: AccountFaultKind, *lasting_s: float) -> Hand:
    """It strikes every request for a while."""

    def hand(world: "World") -> None:
        chance = world.chance
        world.venue.faults.install(
            AccountFault(
                kind,
                for_s=chance.choice(lasting_s),
                retry_after_s=chance.choice((None, 1, 30)),
            )
        )

    return hand


def _event(kind: AccountFaultKind, *events: str | None) -> Hand:
    """It strikes what the stream carries."""

    def hand(world: "World") -> None:
        chance = world.chance
        world.venue.faults.install(
            AccountFault(
                kind,
                event=chance.choice(events) if events else None,
                count=chance.choice((1, 1, 2, 5)),
                delay_s=chance.choice((0.1, 2.0, 40.0)),
            )
        )

    return hand


def _muted(kind: AccountFaultKind) -> Hand:
    def hand(world: "World") -> None:
        lasting_s = world.chance.choice((10.0, 60.0, 200.0))
        world.venue.faults.install(AccountFault(kind, for_s=lasting_s))

    return hand


def _order(kind: AccountFaultKind) -> Hand:
    def hand(world: "World") -> None:
        world.venue.faults.install(AccountFault(kind, count=world.chance.choice((1, 2))))

    return hand


# Behind the daemon's back


def _adjusted(world: "World") -> None:
    """The margin desk moves shares: it takes what is held, or part, or gives."""
    plan = world.chance.choice(world.plan.sessions)
    held = world.books(plan.account).position_qty(plan.symbol)
    moves = (-held, -(held // 2), Decimal(3)) if held else (Decimal(3), Decimal(-2))
    moved = world.chance.choice(moves)
    if moved:
        world.venue.adjust(number_of(AccountId(plan.account)), plan.symbol, moved)


def _traded(world: "World") -> None:
    """Somebody trades in the account by hand."""
    plan = world.chance.choice(world.plan.sessions)
    side = world.chance.choice((Side.BUY, Side.SELL))
    qty = Decimal(world.chance.choice((1, 5, 20)))
    world.venue.operator_trade(number_of(AccountId(plan.account)), plan.symbol, side, qty)


def _canceled(world: "World") -> None:
    """Somebody cancels one of our working orders by hand."""
    plan = world.chance.choice(world.plan.sessions)
    working = world.books(plan.account).all_open()
    if working:
        number = number_of(AccountId(plan.account))
        world.venue.operator_cancel(number, world.chance.choice(working).id)


def _ordered(world: "World") -> None:
    """Somebody enters an order by hand that goes on working."""
    chance, plan = world.chance, world.chance.choice(world.plan.sessions)
    last = world.venue.host.venue.ledger.marks.get(plan.symbol)
    if last is None:
        return
    side = chance.choice((Side.BUY, Side.SELL))
    away = Decimal(chance.choice(("0.0005", "0.05")))
    limit = (last * (1 - side.sign * away)).quantize(CENT)
    request = OrderRequest(
        f"by-hand-{world.loop.time():.3f}",
        plan.symbol,
        side,
        OrderType.LIMIT,
        TimeInForce.GTC,
        Decimal(chance.choice((1, 5))),
        limit,
    )
    world.venue.operator_order(number_of(AccountId(plan.account)), request)


def _busted(world: "World") -> None:
    """The exchange undoes one of the newest trades."""
    plan = world.chance.choice(world.plan.sessions)
    number = number_of(AccountId(plan.account))
    executions = world.venue.executions(number)[-3:]
    if executions:
        world.venue.bust(number, world.chance.choice(executions).id)


def _thinned(world: "World") -> None:
    """Little is on offer for a while: orders fill in pieces, or not at all."""
    world.venue.thin_out(Decimal("0.00002"))
    world.later(world.chance.choice((30.0, 120.0)), world.venue.recover)


def _kind(kind: AccountFaultKind, group: str, says: str, hand: Hand) -> Kind:
    return Kind(kind.value, group, says, hand, is_awaited=True)


KINDS = (
    _kind(K.UNREACHABLE, "C", "no connection: nothing leaves", _everything(K.UNREACHABLE, 3, 30)),
    _kind(K.REQUEST_LOST, "C", "it leaves and never arrives", _write(K.REQUEST_LOST)),
    _kind(K.REPLY_LOST, "C", "performed; nobody hears of it", _write(K.REPLY_LOST)),
    _kind(K.LATE_ARRIVAL, "C", "performed long after our timeout", _write(K.LATE_ARRIVAL)),
    _kind(K.LATE_REPLY, "C", "performed at once, answered late", _write(K.LATE_REPLY)),
    _kind(K.ERROR_BEFORE, "C", "a 5xx; nothing was performed", _write(K.ERROR_BEFORE)),
    _kind(K.ERROR_AFTER, "C", "performed, then a 5xx", _write(K.ERROR_AFTER)),
    _kind(K.RATE_LIMITED, "C", "429 for long", _everything(K.RATE_LIMITED, 5, 60, 240)),
    _kind(K.SENT_TWICE, "C", "a middlebox sends it again: duplicate id", _write(K.SENT_TWICE)),
    _kind(K.GARBAGE_REPLY, "C", "200 with a page, or cut short", _write(K.GARBAGE_REPLY)),
    _kind(K.KEYS_REFUSED, "C", "401 for a while", _everything(K.KEYS_REFUSED, 5, 60)),
    _kind(K.SILENT_REJECT, "C", "accepted, then rejected unsaid", _order(K.SILENT_REJECT)),
    _kind(K.NEVER_FIRE, "C", "accepted, and it never trades", _order(K.NEVER_FIRE)),
    _kind(K.EVENT_LOST, "D", "a stream message is lost", _event(K.EVENT_LOST, None, *FILLS)),
    _kind(K.EVENT_TWICE, "D", "a message comes twice", _event(K.EVENT_TWICE, None, *FILLS)),
    _kind(K.EVENT_LATE, "D", "it comes after its successors", _event(K.EVENT_LATE, None, *FILLS)),
    _kind(K.EVENT_GARBLED, "D", "it cannot be read", _event(K.EVENT_GARBLED, None, *FILLS)),
    _kind(K.STREAM_MUTE, "D", "connected, and says nothing", _muted(K.STREAM_MUTE)),
    _kind(K.STREAM_HALF_OPEN, "D", "dead; only a heartbeat notices", _muted(K.STREAM_HALF_OPEN)),
    _kind(K.STREAM_CUT, "D", "closed instead of the message", _event(K.STREAM_CUT, None, *FILLS)),
    _kind(K.EMPTY_LIST, "E", "200 with nothing in it, by an outage", _question(K.EMPTY_LIST)),
    _kind(K.CUT_LISTING, "E", "a listing without its newest row", _question(K.CUT_LISTING)),
    _kind(K.STALE_SNAPSHOT, "E", "positions as they were", _question(K.STALE_SNAPSHOT)),
    _kind(K.TORN_SNAPSHOT, "E", "executions older than the positions", _question(K.TORN_SNAPSHOT)),
    _kind(K.NOT_YET_VISIBLE, "E", "404 for an order just made", _question(K.NOT_YET_VISIBLE)),
    Kind("questions_fail", "E", "answered late, wrongly or not at all", _unanswered),
    Kind("margin_desk", "E", "the venue moves shares", _adjusted),
    Kind("manual_trade", "E", "somebody trades by hand", _traded),
    Kind("manual_cancel", "E", "somebody cancels by hand", _canceled),
    Kind("manual_order", "E", "somebody enters an order by hand", _ordered),
    Kind("bust", "D", "the exchange undoes a trade", _busted),
    Kind("thin_market", "D", "orders fill in pieces", _thinned),
)
