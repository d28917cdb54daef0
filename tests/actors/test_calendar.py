"""Market hours: the venue says, the calendar only asks, and asks again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from market_parts import START
from market_stage import Session, Told, play

from actors.calendar import AskClock, Calendar
from actors.runtime import Child, Runtime, SimulationHost, SupervisorSpec
from trader.ids import InstrumentId
from trader.instrument import Instrument
from trader.market.events import ClockUnknown
from trader.orders.events import QueryFailed
from trader.ports import VenueClock

HOUR_S = 3600.0


@dataclass
class Hours:
    """A venue that opens after an hour of its own time."""

    host: SimulationHost
    speed: float = 1.0
    is_down: bool = False
    raises: Exception | None = None
    answer_s: float = 0.1
    asked_s: list[float] = field(default_factory=list)

    async def clock(self) -> VenueClock | QueryFailed:
        self.asked_s.append(self.host.elapsed())
        await asyncio.sleep(self.answer_s)
        if self.raises is not None:
            raise self.raises
        if self.is_down:
            return QueryFailed("clock", "no route", self.host.elapsed())
        now = START + timedelta(seconds=self.host.elapsed() * self.speed)
        opens_at = START + timedelta(seconds=HOUR_S)
        is_open = now >= opens_at
        closes_at = START + timedelta(seconds=5 * HOUR_S) if is_open else None
        return VenueClock(now, is_open, None if is_open else opens_at, closes_at, self.speed)

    async def instruments(
        self, ids: Sequence[InstrumentId]
    ) -> tuple[Instrument, ...] | QueryFailed:
        return ()


@dataclass
class Jobs:
    """Wakes at wall-clock instants of virtual time."""

    host: SimulationHost
    at_by_name: dict[str, datetime] = field(default_factory=dict)

    def at(self, name: str, instant: datetime, callback: Callable[[], None]) -> None:
        self.at_by_name[name] = instant
        delay_s = (instant - self.host.now()).total_seconds()
        self.host.loop.call_later(max(0.0, delay_s), callback)


def calendar(scenario: Callable[[SimulationHost, Hours, Told, Runtime], Awaitable[None]]) -> None:
    """A calendar with one listener, in virtual time."""

    async def staged(host: SimulationHost) -> None:
        hours, jobs, told = Hours(host), Jobs(host), Told()
        runtime = Runtime(host)
        listener = runtime.address("listener")
        await runtime.start(
            SupervisorSpec(
                "root",
                (
                    Child("listener", lambda: Session(told)),
                    Child("hours", lambda: Calendar(hours, jobs, [listener])),
                ),
            )
        )
        await scenario(host, hours, told, runtime)
        await runtime.stop()

    play(staged)


def opens(told: Told) -> list[bool]:
    return [each.is_open for each in told.of(VenueClock)]


def test_the_question_wakes_at_the_announced_hour() -> None:
    async def scenario(host: SimulationHost, hours: Hours, told: Told, _: Runtime) -> None:
        await asyncio.sleep(HOUR_S - 5)
        assert not any(opens(told))

        await asyncio.sleep(5 + 0.7)

        assert opens(told)[-1]

    calendar(scenario)


def test_the_hour_of_a_fast_venue_comes_sooner() -> None:
    async def scenario(host: SimulationHost, hours: Hours, told: Told, runtime: Runtime) -> None:
        hours.speed = 60.0
        runtime.address("hours").tell(AskClock())

        await asyncio.sleep(60.9)

        assert opens(told)[-1]

    calendar(scenario)


def test_the_venue_is_asked_once_a_minute_however_often_one_wakes_it() -> None:
    async def scenario(host: SimulationHost, hours: Hours, told: Told, runtime: Runtime) -> None:
        for _ in range(5):
            runtime.address("hours").tell(AskClock())
        await asyncio.sleep(1)
        assert len(hours.asked_s) == 1

        runtime.address("hours").tell(AskClock())
        await asyncio.sleep(599)

        assert len(hours.asked_s) == 11

    calendar(scenario)


def test_a_failed_question_is_told_as_unknown_and_asked_again_soon() -> None:
    async def scenario(host: SimulationHost, hours: Hours, told: Told, _: Runtime) -> None:
        await asyncio.sleep(1)
        hours.is_down = True
        await asyncio.sleep(60)
        assert told.everything[-1] == ClockUnknown("no route")

        hours.is_down = False
        await asyncio.sleep(6)

        assert isinstance(told.everything[-1], VenueClock)

    calendar(scenario)


def test_a_venue_that_never_answers_is_unknown_too() -> None:
    async def scenario(host: SimulationHost, hours: Hours, told: Told, runtime: Runtime) -> None:
        await asyncio.sleep(1)
        hours.answer_s = 10_000.0
        await asyncio.sleep(66)
        assert isinstance(told.everything[-1], ClockUnknown)

        hours.answer_s, hours.raises = 0.1, OSError("reset")
        await asyncio.sleep(10)

        assert told.everything[-1] == ClockUnknown("OSError('reset')")
        assert runtime.counters.get("exits_crash", 0) == 0

    calendar(scenario)
