"""A viewer: hears one series on behalf of somebody outside, and holds what was not read yet.

Owns: its subscription at the feed, which outlives the feed's incarnations. Edge cases: a slow
reader loses old forming bars at once and old closed ones past a bound; nobody waits for it.
"""

from collections import deque

from actors.audience import Unwatch, Watch
from actors.runtime import Actor, Address, LoopFuture
from trader.ids import InstrumentId
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.market.events import CandleClosed, CandlesBackfilled, CandleUpdated

VIEWERS = "viewers"  # the supervisor of them
CLOSED_MAX = 500  # closed bars kept for a slow reader


class BarStream:
    """What a viewer has not read yet: closed bars in order, then the forming one as it is."""

    def __init__(self) -> None:
        self._closed: deque[Candle] = deque(maxlen=CLOSED_MAX)
        self._forming: Candle | None = None
        self._woken: LoopFuture[None] = LoopFuture()

    def put(self, candle: Candle) -> None:
        """A change."""
        if candle.is_final:
            self._closed.append(candle)
            self._forming = None
        else:
            self._forming = candle
        self._woken.succeed(None)

    async def next(self) -> Candle:
        """The oldest that is waiting; waits for one."""
        while True:
            if self._closed:
                return self._closed.popleft()
            forming, self._forming = self._forming, None
            if forming is not None:
                return forming
            self._woken = LoopFuture()
            await self._woken


class BarViewer(Actor):
    """See the module."""

    def __init__(
        self, feed: Address, instrument: InstrumentId, timeframe: Timeframe, stream: BarStream
    ) -> None:
        super().__init__()
        self._feed = feed
        self._instrument = instrument
        self._timeframe = timeframe
        self._stream = stream

    def on_start(self) -> None:
        """Watch."""
        self._feed.tell(Watch(self._instrument, self._timeframe, self.address))

    def on_stop(self) -> None:
        """Watch no more."""
        self._feed.tell(Unwatch(self._instrument, self._timeframe, self.address))

    def on_receive(self, message: CandleUpdated | CandleClosed | CandlesBackfilled) -> None:
        """Bars, one way or the other."""
        match message:
            case CandleUpdated() | CandleClosed():
                self._stream.put(message.candle)
            case CandlesBackfilled():
                for candle in message.candles:
                    self._stream.put(candle)
            case _:
                raise AssertionError(f"{self.name} does not understand {message!r}")
