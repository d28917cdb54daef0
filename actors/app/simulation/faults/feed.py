"""What goes wrong with market data and its questions."""

from typing import TYPE_CHECKING

from actors.app.simulation.faults.kind import Hand, Kind
from adapters.simulated.feed_faults import FeedFault, FeedFaultKind

if TYPE_CHECKING:
    from actors.app.simulation.world import World

K = FeedFaultKind


def _some(kind: FeedFaultKind) -> Hand:
    """It strikes a few messages, of one symbol or all."""

    def hand(world: "World") -> None:
        chance = world.chance
        world.feed_faults.install(
            FeedFault(
                kind,
                symbol=chance.choice((None, *world.venue.symbols)),
                by_s=chance.choice((2.0, 20.0, 90.0)),
                bars=chance.choice((0, 1, 3)),
                count=chance.choice((1, 2, 5)),
            )
        )

    return hand


def _bars_ahead(world: "World") -> None:
    """A bar or two stamped some whole bars ahead. Three that agree would be the venue's time."""
    if any(world.feed_faults.holds(K.FUTURE_BAR, daemon.name) for daemon in world.daemons):
        return
    chance = world.chance
    by_s = chance.choice((60.0, 3600.0))
    world.feed_faults.install(FeedFault(K.FUTURE_BAR, by_s=by_s, count=chance.choice((1, 2))))


def _while(kind: FeedFaultKind, *lasting_s: float) -> Hand:
    """It lasts."""

    def hand(world: "World") -> None:
        chance = world.chance
        world.feed_faults.install(
            FeedFault(
                kind,
                by_s=chance.choice((2.0, 20.0, 90.0)),
                bars=chance.choice((1, 3)),
                for_s=chance.choice(lasting_s),
            )
        )

    return hand


def _halted(world: "World") -> None:
    """One symbol rests; the others trade on."""
    chance = world.chance
    world.feed_faults.install(
        FeedFault(
            K.HALTED, symbol=chance.choice(world.venue.symbols), for_s=chance.choice((100, 300))
        )
    )


def _kind(kind: FeedFaultKind, says: str, hand: Hand, group: str = "A") -> Kind:
    return Kind(kind.value, group, says, hand, is_awaited=True)


KINDS = (
    _kind(K.GAP, "bars never come, though history has them", _some(K.GAP)),
    _kind(K.DUPLICATE, "a finished bar comes twice", _some(K.DUPLICATE)),
    _kind(K.LATE_BAR, "a finished bar comes late", _some(K.LATE_BAR)),
    _kind(K.REPLAY, "old bars come again after a reconnect", _while(K.REPLAY, 30, 200)),
    _kind(K.OUT_OF_ORDER, "a trade comes after its successor", _some(K.OUT_OF_ORDER)),
    _kind(K.FUTURE_TRADE, "a trade stamped ahead", _some(K.FUTURE_TRADE)),
    _kind(K.FUTURE_BAR, "a bar stamped ahead", _bars_ahead),
    _kind(K.UNSET_CLOCK, "stamped 1970", _some(K.UNSET_CLOCK)),
    _kind(K.GARBAGE, "a message that cannot be read", _some(K.GARBAGE)),
    _kind(K.FLOOD, "ten trades for each one", _while(K.FLOOD, 20)),
    _kind(K.SILENT, "half open: nothing comes", _while(K.SILENT, 20, 90, 200)),
    _kind(K.STALLED, "nothing, and then all of it at once", _while(K.STALLED, 5, 90)),
    _kind(K.DATALESS, "heartbeats come, data does not", _while(K.DATALESS, 90, 240)),
    _kind(K.CUT, "the connection is lost for a while", _while(K.CUT, 1, 20, 150)),
    _kind(K.SLOW_CONNECT, "a connection takes long to stand", _while(K.SLOW_CONNECT, 60)),
    _kind(K.HISTORY_FAILS, "no history", _while(K.HISTORY_FAILS, 20, 120)),
    _kind(K.HISTORY_SLOW, "history answers late", _while(K.HISTORY_SLOW, 60, 200)),
    _kind(K.HISTORY_LAGS, "history does not know the newest bars", _while(K.HISTORY_LAGS, 100)),
    _kind(K.HISTORY_EMPTY, "history knows no bars, by an outage", _while(K.HISTORY_EMPTY, 60)),
    _kind(K.CLOCK_FAILS, "nobody says whether the market is open", _while(K.CLOCK_FAILS, 100)),
    _kind(K.CLOCK_SLOW, "the venue's clock answers late", _while(K.CLOCK_SLOW, 100)),
    _kind(K.RULES_FAIL, "nobody says what is traded", _while(K.RULES_FAIL, 60)),
    _kind(K.CORRECTED, "a bar turns out to be another one", _some(K.CORRECTED)),
    _kind(K.CLOSED, "the market closes, and opens again", _while(K.CLOSED, 100, 300)),
    _kind(K.HALTED, "a symbol does not trade for a while", _halted),
)
