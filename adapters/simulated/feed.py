"""The simulated venue's live feed: fulfils `MarketFeed`, for one daemon.

What happens at the venue at one instant travels in one frame. The connection is made, lost and
made again as the real adapter does it: the venue's side lives with the venue, ours with whoever
called `start`, so a killed or paused daemon hears nothing and dials nobody.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from adapters.sandbox.events import Happening
from adapters.simulated.feed_faults import FeedFault, FeedFaultKind, FeedFaults
from adapters.simulated.heard import candle_of_bar, heard_of
from adapters.simulated.history import FeedDown, FeedHeard, FeedStarted, FeedUp, History
from adapters.simulated.line import Stream
from adapters.simulated.spoiled import Spoiler
from adapters.simulated.venue import VENUE, SimulatedVenue
from trader.ids import InstrumentId, symbol_of
from trader.instants import Timeframe
from trader.ports import (
    BarReceived,
    FeedBeat,
    FeedConnected,
    FeedEvent,
    FeedKind,
    FeedLost,
    TickReceived,
)

BEAT_S = 5.0  # without data: the adapter's ping and the venue's pong
INSTANT_S = 0.001  # a shorter wait might not move the time at all
DIAL_S_MAX = 5.0  # what the adapter waits for a connection
RECONNECT_S = 1.0  # doubled with each attempt that failed
RECONNECT_S_MAX = 15.0

Listener = TypeVar("Listener", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class _Frame:
    sent_s: float
    events: tuple[FeedEvent, ...]


class SimulatedFeed:
    """Live trades and bars of one minute. Made where the venue lives."""

    def __init__(
        self,
        venue: SimulatedVenue,
        faults: FeedFaults | None = None,
        history: History | None = None,
        daemon: str = "",
        number: str = "",
        now: Callable[[], datetime] | None = None,
    ) -> None:
        """`number`: the venue's name of the login; `now`: the daemon's own wall clock."""
        self._venue = venue
        self._faults = faults or FeedFaults(venue)
        self._history = history
        self._daemon = daemon
        self._number = number
        self._now = now or venue.clock.now
        self._spoiler = Spoiler(self._faults, daemon)
        self._server = self._listener = copy_context()
        self._sink: Callable[[FeedEvent], None] | None = None
        self._kind = FeedKind.TRADES
        self._instruments: dict[str, InstrumentId] = {}
        self._stream: Stream[_Frame] | None = None  # the connection, or the one being dialed
        self._is_up = False  # as the venue sees it
        self._failed_count = 0  # attempts to connect, in a row
        self._sent_s = 0.0
        self._stalled: list[tuple[FeedEvent, ...]] = []

    # Our side

    async def start(
        self, instruments: Sequence[InstrumentId], kind: FeedKind, sink: Callable[[FeedEvent], None]
    ) -> None:
        """Subscribe."""
        self.hang_up()
        self._attach()
        self._listener = copy_context()
        self._instruments = {symbol_of(each): each for each in instruments}
        self._kind, self._sink = kind, sink
        self._failed_count = 0
        if self._history is not None:
            now_s, who = self._venue.clock.elapsed(), (self._daemon, self._number)
            self._history.note(FeedStarted(now_s, *who, tuple(instruments)))
        self._dial(sink)

    async def stop(self) -> None:
        """Unsubscribe."""
        self.hang_up()

    def hang_up(self) -> None:
        """Our end of the connection is gone, as when the daemon was killed."""
        self._sink = None
        self._close()
        self._detach()

    def _dial(self, sink: Callable[[FeedEvent], None]) -> None:
        if self._sink is not sink:
            return  # stopped, or started anew
        stream = Stream(self._hear, self._venue.host.latency_s)
        self._stream = stream
        slow = self._strikes(FeedFaultKind.SLOW_CONNECT)
        dial_s = 2 * self._venue.host.latency_s + (0.0 if slow is None else slow.by_s)
        if dial_s > DIAL_S_MAX:
            self._later(DIAL_S_MAX, self._give_up, stream, "no answer")
        else:
            asyncio.get_running_loop().call_later(
                dial_s, self._accept, stream, context=self._server
            )

    def _hear(self, frame: _Frame) -> None:
        sink = self._sink
        if sink is None:
            return
        if self._history is not None:
            now_s = self._venue.clock.elapsed()
            self._history.note(
                FeedHeard(now_s, self._daemon, self._number, frame.sent_s, frame.events)
            )
            if isinstance(frame.events[0], FeedConnected):
                self._history.note(FeedUp(now_s, self._daemon, self._number))
        for event in frame.events:
            sink(event)

    def _give_up(self, stream: Stream[_Frame], cause: str) -> None:
        """This connection is no good: lost, or never made. Try again a little later."""
        sink = self._sink
        if self._stream is not stream or sink is None:
            return
        self._close()
        if self._history is not None:
            now_s = self._venue.clock.elapsed()
            self._history.note(FeedDown(now_s, self._daemon, self._number, cause))
        wait_s = min(RECONNECT_S_MAX, RECONNECT_S * 2**self._failed_count)
        self._failed_count += 1
        self._later(wait_s, self._dial, sink)
        sink(FeedLost(VENUE, cause))

    def _later(self, delay_s: float, call: Callable[..., object], *of: object) -> None:
        asyncio.get_running_loop().call_later(delay_s, call, *of, context=self._listener)

    # The venue's side

    def _attach(self) -> None:
        self._venue.listen(self._happened)
        self._venue.on_cut.append(self._cut)
        self._venue.on_hang_up.append(self._other_hung_up)
        self._faults.on_begin.append(self._fault_begins)
        self._faults.on_end.append(self._fault_ends)

    def _detach(self) -> None:
        # New lists, because somebody may be telling those of the old one.
        venue, faults = self._venue, self._faults
        venue.host.listeners = _without(venue.host.listeners, self._happened)
        venue.on_cut = _without(venue.on_cut, self._cut)
        venue.on_hang_up = _without(venue.on_hang_up, self._other_hung_up)
        faults.on_begin = _without(faults.on_begin, self._fault_begins)
        faults.on_end = _without(faults.on_end, self._fault_ends)

    def _other_hung_up(self, who: str) -> None:
        if who == self._daemon:
            self.hang_up()

    def _accept(self, stream: Stream[_Frame]) -> None:
        if self._stream is not stream:
            return
        if self._strikes(FeedFaultKind.CUT) is not None:
            self._later(self._venue.host.latency_s, self._give_up, stream, "refused")
            return
        if self._is_dead():
            self._later(DIAL_S_MAX, self._give_up, stream, "no answer")
            return
        self._is_up = True
        self._failed_count = 0
        self._send((FeedConnected(VENUE),))
        replay = self._strikes(FeedFaultKind.REPLAY)
        if replay is not None and self._kind is FeedKind.BARS:
            self._replay(replay.bars)
        self._beat(stream)

    def _replay(self, count: int) -> None:
        for symbol, instrument in self._instruments.items():
            market = self._venue.host.venue.markets.get(symbol)
            bars = [] if market is None or not count else market.bars[-count:]
            if bars:
                candles = (candle_of_bar(bar, instrument, Timeframe.M1, 0) for bar in bars)
                self._send(tuple(BarReceived(candle) for candle in candles))

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.cut()
        self._stream = None
        self._is_up = False
        self._stalled.clear()
        self._spoiler.forget()

    def _cut(self) -> None:
        stream = self._stream
        if stream is not None and self._is_up:
            stream.cut()
            self._is_up = False
            self._later(self._venue.host.latency_s, self._give_up, stream, "cut")

    def _beat(self, stream: Stream[_Frame]) -> None:
        if self._stream is not stream or not self._is_up:
            return
        rest_s = BEAT_S - (self._venue.clock.elapsed() - self._sent_s)
        if rest_s < INSTANT_S:
            self._send((FeedBeat(self._now()),))
            rest_s = BEAT_S
        asyncio.get_running_loop().call_later(rest_s, self._beat, stream, context=self._server)

    def _send(self, events: tuple[FeedEvent, ...]) -> None:
        stream = self._stream
        if stream is None or not self._is_up or not events:
            return
        self._sent_s = self._venue.clock.elapsed()
        if not self._faults.quiet:
            if self._strikes(FeedFaultKind.SILENT) is not None:
                return
            if self._strikes(FeedFaultKind.STALLED) is not None:
                self._stalled.append(events)
                return
        stream.push(_Frame(self._sent_s, events))

    def _happened(self, happenings: list[Happening]) -> None:
        if not self._is_up:
            return
        if self._faults.quiet and self._spoiler.is_idle:
            self._send(tuple(self._heard_of(happenings)))
            return
        in_time: list[FeedEvent] = []
        for event in self._heard_of(happenings):
            for delay_s, spoiled in self._spoiler.spoil(event, self._instruments, self._now()):
                if delay_s:
                    self._send_later(delay_s, spoiled)
                else:
                    in_time.append(spoiled)
        self._send(tuple(in_time))

    def _heard_of(self, happenings: Iterable[Happening]) -> Iterator[TickReceived | BarReceived]:
        return heard_of(happenings, self._instruments, self._kind, self._now)

    def _send_later(self, delay_s: float, event: FeedEvent) -> None:
        stream = self._stream

        def send() -> None:
            if self._stream is stream:
                self._send((event,))

        asyncio.get_running_loop().call_later(delay_s, send, context=self._server)

    # Faults of the connection

    def _strikes(self, kind: FeedFaultKind) -> FeedFault | None:
        return None if self._faults.quiet else self._faults.strikes(kind, self._daemon)

    def _is_dead(self) -> bool:
        dead = (FeedFaultKind.SILENT, FeedFaultKind.STALLED)
        return any(self._strikes(kind) is not None for kind in dead)

    def _fault_begins(self, fault: FeedFault) -> None:
        if fault.daemon not in (None, self._daemon):
            return
        stream = self._stream
        match fault.kind:
            case FeedFaultKind.CUT:
                self._cut()
            case FeedFaultKind.SILENT | FeedFaultKind.STALLED if stream is not None and fault.by_s:

                def notice() -> None:
                    if self._faults.holds(fault.kind, self._daemon) is not None:
                        self._give_up(stream, "silent")

                self._later(fault.by_s, notice)
            case _:
                pass

    def _fault_ends(self, fault: FeedFault) -> None:
        if fault.kind is FeedFaultKind.STALLED and fault.daemon in (None, self._daemon):
            stalled, self._stalled = self._stalled, []
            for events in stalled:
                self._send(events)


def _without(listeners: list[Listener], one: Listener) -> list[Listener]:
    return [each for each in listeners if each != one]
