"""What truly happened in a simulated world, in order: written by its servers, read by checkers.

One `History` per world. Whatever a server did is noted by it as one small frozen dataclass; no
daemon ever writes here, and none reads.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from adapters.sandbox.orders import Order
from trader.ids import InstrumentId, SessionId
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.ports import FeedEvent
from trader.views import CommandView

E = TypeVar("E")


class History:
    """Every event, oldest first; whoever checks listens by type, and hears each as it happens."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.on_event: Callable[[Any], None] | None = None  # whoever tells the story
        self._listeners: dict[type, list[Callable[[Any], None]]] = {}

    def note(self, event: Any) -> None:
        """It has happened."""
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)
        for listener in self._listeners.get(type(event), ()):
            listener(event)

    def listen(self, kind: type[E], listener: Callable[[E], None]) -> None:
        """From now on that one hears of each event of exactly this type."""
        self._listeners.setdefault(kind, []).append(listener)

    def of(self, kind: type[E]) -> list[E]:
        """All events of exactly this type so far."""
        return [each for each in self.events if type(each) is kind]


# Market data. Seconds are the world's; a daemon is known by the name its ports were given, and of
# its feeds each by the venue's number of the login.


@dataclass(frozen=True, slots=True)
class BarFinished:
    """The venue has finished a bar, or corrected it: the truth from now on.

    `candle.revision` counts its corrections.
    """

    at_s: float
    candle: Candle


@dataclass(frozen=True, slots=True)
class FeedStarted:
    """A daemon subscribes anew, and knows nothing of what it was told before."""

    at_s: float
    daemon: str
    number: str
    instruments: tuple[InstrumentId, ...]


@dataclass(frozen=True, slots=True)
class FeedUp:
    """A daemon's feed is connected."""

    at_s: float
    daemon: str
    number: str


@dataclass(frozen=True, slots=True)
class FeedDown:
    """A daemon has noticed that its feed is lost."""

    at_s: float
    daemon: str
    number: str
    cause: str


@dataclass(frozen=True, slots=True)
class FeedHeard:
    """One frame of a feed has reached its daemon."""

    at_s: float
    daemon: str
    number: str
    sent_s: float
    events: tuple[FeedEvent, ...]


@dataclass(frozen=True, slots=True)
class FeedFaultMet:
    """A fault of market data had an effect; the venue's own ones meet nobody in particular."""

    at_s: float
    kind: str
    daemon: str
    symbol: str


@dataclass(frozen=True, slots=True)
class BarsAnswered:
    """History has answered a daemon; `reason`: why not."""

    at_s: float
    daemon: str
    number: str
    instrument: InstrumentId
    timeframe: Timeframe
    opened_ats: tuple[datetime, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ClockAnswered:
    """The venue has told a daemon whether its market is open; None: it could not."""

    at_s: float
    daemon: str
    number: str
    is_open: bool | None


@dataclass(frozen=True, slots=True)
class CommandAsked:
    """The operator ordered something at the desk of a daemon."""

    at_s: float
    kind: str  # halt, resume, close, reconcile
    session_id: SessionId


@dataclass(frozen=True, slots=True)
class CommandAnswered:
    """What the desk answered; one that was killed meanwhile answers nothing."""

    at_s: float
    kind: str
    session_id: SessionId
    answer: CommandView | None


@dataclass(frozen=True, slots=True)
class WriteLeft:
    """A request that changes something has passed the last gate and is on its way."""

    at_s: float
    who: str  # the daemon that sends it
    number: str
    method: str
    client_order_id: str  # of the order to be made, or of the one to be cancelled


@dataclass(frozen=True, slots=True)
class WriteArrived:
    """A request that changes something reached the venue, and what the venue did with it.

    `status` is the venue's own, whatever the daemon was told: 200 or 204 is accepted. `order` is
    the venue's living book entry: the order made, or the one to be cancelled.
    """

    at_s: float
    who: str  # the daemon that sent it
    number: str  # the venue's name of the account
    method: str  # POST, PATCH, DELETE
    client_order_id: str  # of the order made, or of the one to be cancelled; "" where unknown
    body: Mapping[str, Any]
    position_qty: Decimal  # signed, of its symbol when it arrived
    status: int
    code: int | None
    order: Order | None

    @property
    def is_accepted(self) -> bool:
        """Whether the venue took it."""
        return self.status < 300


@dataclass(frozen=True, slots=True)
class QuestionAnswered:
    """A question came back to the daemon that asked it, with data or as a failure."""

    asked_s: float
    at_s: float
    who: str
    number: str
    path: str
    is_ok: bool


@dataclass(frozen=True, slots=True)
class EventHeard:
    """A frame of the orders stream reached a daemon. Fills bear their execution's id."""

    at_s: float
    who: str
    number: str
    event: str  # new, fill, ...; "connected", "lost", "garbled"
    client_order_id: str
    execution_id: str


@dataclass(frozen=True, slots=True)
class FaultStruck:
    """A fault met what it waited for."""

    at_s: float
    kind: str
    who: str
    number: str
    method: str
    path: str
    client_order_id: str
    event: str


# Strategies


@dataclass(frozen=True, slots=True)
class StrategyOpened:
    """A strategy was warmed up on these bars, oldest first."""

    at_s: float
    daemon: str
    session_id: SessionId
    rebuild: int
    candles: tuple[Candle, ...]


@dataclass(frozen=True, slots=True)
class StrategyAsked:
    """A strategy was asked to decide on a bar."""

    at_s: float
    daemon: str
    session_id: SessionId
    rebuild: int
    candle: Candle


@dataclass(frozen=True, slots=True)
class StrategyMisbehaved:
    """A strategy did what no strategy should, instead of deciding."""

    at_s: float
    daemon: str
    session_id: SessionId
    kind: str
