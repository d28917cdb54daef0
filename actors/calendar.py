"""The calendar: asks the venue whether its market is open, at its own hours and once a minute.

Owns: when the question is asked next. The answer is the venue's (`VenueClock`), never a calendar
of ours: the jobs only wake the question. Listeners are told every answer, and `ClockUnknown` where
there was none: then entries wait, and the question is asked again soon.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

from actors.runtime import Actor, Address, Reminder
from trader.market.events import ClockUnknown
from trader.orders.events import QueryFailed
from trader.ports import CalendarJobs, Venue, VenueClock

ASK_PERIOD_S = 60.0
RETRY_S = 5.0
DEADLINE_S = 5.0
# A job at the announced instant would meet a venue whose clock is a moment behind.
AFTER_HOUR_S = 0.5


@dataclass(frozen=True, slots=True)
class AskClock:
    """Ask the venue now."""


@dataclass(frozen=True, slots=True)
class _Answered:
    answer: VenueClock | QueryFailed


CalendarMessage = AskClock | _Answered


class Calendar(Actor):
    """One per venue. See the module."""

    def __init__(self, venue: Venue, jobs: CalendarJobs, listeners: Sequence[Address]) -> None:
        super().__init__()
        self._venue = venue
        self._jobs = jobs
        self._listeners = tuple(listeners)
        self._is_asking = False
        self._next: Reminder | None = None

    def on_start(self) -> None:
        """Ask at once."""
        self._ask()

    def on_receive(self, message: CalendarMessage) -> None:
        """The question's turn, or its answer."""
        match message:
            case AskClock():
                self._ask()
            case _Answered():
                self._is_asking = False
                self._answered(message.answer)
            case _:
                assert_never(message)

    def _ask(self) -> None:
        if self._is_asking:
            return
        self._is_asking = True
        asked_s = self.runtime.host.elapsed()
        self.pipe(
            self._venue.clock(),
            done=_Answered,
            failed=lambda error: _Answered(QueryFailed("clock", repr(error), asked_s)),
            deadline_s=DEADLINE_S,
        )

    def _answered(self, answer: VenueClock | QueryFailed) -> None:
        if isinstance(answer, QueryFailed):
            self._tell(ClockUnknown(answer.reason))
            self._ask_in(RETRY_S)
            return
        self._tell(answer)
        self._wake_at_next_hour(answer)
        self._ask_in(ASK_PERIOD_S)

    def _tell(self, message: VenueClock | ClockUnknown) -> None:
        for listener in self._listeners:
            listener.tell(message)

    def _ask_in(self, delay_s: float) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = self.remind(delay_s, AskClock())

    def _wake_at_next_hour(self, clock: VenueClock) -> None:
        hour = clock.closes_at if clock.is_open else clock.opens_at
        if hour is None:
            return
        delay_s = max(0.0, (hour - clock.now).total_seconds() / clock.speed) + AFTER_HOUR_S
        instant = self.runtime.host.now() + timedelta(seconds=delay_s)
        address = self.address

        def wake() -> None:
            address.tell(AskClock())

        self._jobs.at(self.name, instant, wake)
