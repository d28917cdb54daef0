"""What can go wrong with a venue's market data: each kind by its name, in force until cleared.

Only what a real venue or wire shows. The bars that the venue holds stay the truth: a fault bends
what a daemon hears of them, or, as a correction and a closed market do, changes the truth itself.
"""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, replace
from enum import StrEnum

from adapters.simulated.history import FeedFaultMet, History
from adapters.simulated.hours import MarketHours
from adapters.simulated.venue import SimulatedVenue


class FeedFaultKind(StrEnum):
    """What goes wrong."""

    # What the stream carries
    GAP = "feed_gap"  # finished bars never come, though history has them
    DUPLICATE = "feed_duplicate"  # a finished bar comes twice
    LATE_BAR = "feed_late_bar"  # a finished bar comes `by_s` later
    REPLAY = "feed_replay"  # after a connect the last `bars` come again
    OUT_OF_ORDER = "feed_out_of_order"  # a trade comes after the one that followed it
    FUTURE_TRADE = "feed_future_trade"  # stamped `by_s` ahead
    FUTURE_BAR = "feed_future_bar"  # stamped `by_s` ahead, a whole number of bars
    UNSET_CLOCK = "feed_unset_clock"  # stamped 1970
    GARBAGE = "feed_garbage"  # a message spoiled so that no adapter can read it
    FLOOD = "feed_flood"  # ten trades for each one
    # The connection
    SILENT = "feed_silent"  # half open: nothing comes; our side notices after `by_s`, 0: never
    STALLED = "feed_stalled"  # nothing comes, and then all of it at once
    DATALESS = "feed_dataless"  # heartbeats come, data does not
    CUT = "feed_cut"  # the connection is lost, and there is none while this is in force
    SLOW_CONNECT = "feed_slow_connect"  # a connection takes `by_s` longer to stand
    # Questions
    HISTORY_FAILS = "history_fails"
    HISTORY_SLOW = "history_slow"  # answers `by_s` later
    HISTORY_LAGS = "history_lags"  # does not know the bars of the last `by_s` yet
    HISTORY_EMPTY = "history_empty"  # an outage that looks like no bars
    CLOCK_FAILS = "clock_fails"
    CLOCK_SLOW = "clock_slow"  # answers `by_s` later
    RULES_FAIL = "rules_fail"  # nobody says what is traded
    # The venue itself
    CORRECTED = "bar_corrected"  # the bar `bars` before the newest turns out to be another one
    CLOSED = "market_closed"  # from the end of the bar under way on
    HALTED = "market_halted"  # no trade of a symbol, from the next bar on


AT_ONCE = (FeedFaultKind.CORRECTED,)  # over as soon as they have struck


@dataclass(frozen=True, slots=True)
class FeedFault:
    """One fault: what, to whom, how much. What is left out matches everything."""

    kind: FeedFaultKind
    daemon: str | None = None
    symbol: str | None = None
    by_s: float = 0.0
    bars: int = 0
    count: int = 0  # over after so many strikes; 0: in force until cleared
    for_s: float = 0.0  # over after so many seconds; 0: in force until cleared


class FeedFaults:
    """The faults in force at one venue. Made where the venue lives."""

    def __init__(self, venue: SimulatedVenue, history: History | None = None) -> None:
        self.on_begin: list[Callable[[FeedFault], None]] = []
        self.on_end: list[Callable[[FeedFault], None]] = []
        self._venue = venue
        self._history = history
        self._hours = MarketHours(venue)
        self._server = copy_context()
        self._in_force: dict[int, FeedFault] = {}
        self._last_id = 0

    @property
    def quiet(self) -> bool:
        """Whether nothing is in force: then nobody needs to ask."""
        return not self._in_force

    def install(self, fault: FeedFault) -> int:
        """Put it in force; its number, to clear it by."""
        self._last_id += 1
        number = self._last_id
        if fault.kind not in AT_ONCE:
            self._in_force[number] = fault
        if fault.for_s:
            asyncio.get_running_loop().call_later(
                fault.for_s, self.clear, number, context=self._server
            )
        self._begin(fault)
        for hear in self.on_begin:
            hear(fault)
        return number

    def clear(self, number: int) -> None:
        """End it, unless it is over."""
        fault = self._in_force.pop(number, None)
        if fault is None:
            return
        self._end(fault)
        for hear in self.on_end:
            hear(fault)

    def clear_all(self) -> None:
        """End all of them."""
        for number in tuple(self._in_force):
            self.clear(number)

    def holds(
        self, kind: FeedFaultKind, daemon: str, symbol: str | None = None
    ) -> FeedFault | None:
        """The oldest one of the kind in force there, without striking."""
        for fault in self._in_force.values():
            if fault.kind is kind and _matches(fault, daemon, symbol):
                return fault
        return None

    def strikes(
        self, kind: FeedFaultKind, daemon: str, symbol: str | None = None
    ) -> FeedFault | None:
        """The oldest one of the kind in force there; that it struck is counted and noted."""
        for number, fault in self._in_force.items():
            if fault.kind is kind and _matches(fault, daemon, symbol):
                self._struck(number, fault, daemon, symbol or "")
                return fault
        return None

    def _struck(self, number: int, fault: FeedFault, daemon: str, symbol: str) -> None:
        if self._history is not None:
            at_s = self._venue.clock.elapsed()
            self._history.note(FeedFaultMet(at_s, fault.kind, daemon, symbol))
        if fault.count > 1:
            self._in_force[number] = replace(fault, count=fault.count - 1)
        elif fault.count == 1:
            self.clear(number)

    def _begin(self, fault: FeedFault) -> None:
        symbols = self._venue.symbols if fault.symbol is None else (fault.symbol,)
        match fault.kind:
            case FeedFaultKind.CORRECTED:
                for symbol in symbols:
                    self._hours.correct(symbol, fault.bars)
            case FeedFaultKind.CLOSED:
                self._hours.close()
            case FeedFaultKind.HALTED:
                for symbol in symbols:
                    self._hours.halt(symbol)
            case _:
                return
        if self._history is not None:
            at_s = self._venue.clock.elapsed()
            for symbol in symbols:
                self._history.note(FeedFaultMet(at_s, fault.kind, "", symbol))

    def _end(self, fault: FeedFault) -> None:
        kinds = {each.kind for each in self._in_force.values()}
        if fault.kind is FeedFaultKind.CLOSED and fault.kind not in kinds:
            self._hours.open()
        elif fault.kind is FeedFaultKind.HALTED:
            for symbol in self._venue.symbols:
                if self.holds(FeedFaultKind.HALTED, "", symbol) is None:
                    self._hours.lift(symbol)


def _matches(fault: FeedFault, daemon: str, symbol: str | None) -> bool:
    return (fault.daemon is None or fault.daemon == daemon) and (
        fault.symbol is None or symbol is None or fault.symbol == symbol
    )
