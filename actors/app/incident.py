"""Incident replay: what a session heard is told to the trader itself once more, in virtual time.

The body is the daemon's own `RealtimeTrader`, its heart recorded as the daemon's is. Its neighbours
and its timers say nothing, for what they said then is in the file. Whatever it decides is compared
with what was decided then, event by event.
"""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from actors.app.incident_difference import Difference, difference
from actors.lanes import CONFLATE, LANES
from actors.realtime_trader import Neighbours, RealtimeTrader, name_of
from actors.runtime import Actor, Child, Reminder, Runtime, SimulationHost
from adapters.incidents.effects import did_of
from adapters.incidents.heart import RecordedHeart
from adapters.incidents.page import Life, Record, Recording, Step, Stepped
from adapters.incidents.reading import state_of
from trader.ids import AccountId, InstrumentId, SessionId
from trader.records import SessionRows
from trader.session.events import SessionLoaded, TradingState, TradingStateChanged
from trader.session.state import SessionState

_NEVER_S = 1e9


@dataclass(frozen=True, slots=True)
class Answer:
    """One event of a life, what was done then, and what is done now."""

    life: int  # from 1
    at: datetime
    step: Step
    now: Stepped | None  # None: the body did not live to hear it
    difference: Difference | None  # None: it is the same

    @property
    def name(self) -> str:
        """The event's."""
        return type(self.step.event).__name__

    def __str__(self) -> str:
        verdict = "same" if self.difference is None else f"different: {self.difference}"
        return f"life {self.life}, {self.at:%Y-%m-%d %H:%M:%S.%f}Z {self.name}: {verdict}"


@dataclass(frozen=True, slots=True)
class Replayed:
    """A recording, decided once more."""

    recording: Recording
    answers: tuple[Answer, ...]

    @property
    def accepted(self) -> Recording:
        """The recording with what is decided now in the place of what was decided then."""
        lives = []
        for number, life in enumerate(self.recording.lives, 1):
            now = [each.now for each in self.of_life(number) if each.now is not None]
            steps = [Step(s.at_s, s.event, did_of(s.effects or ()), s.raised) for s in now]
            lives.append(Life(life.began, steps, life.ended))
        return Recording(self.recording.session_id, tuple(lives), is_torn=False)

    def of_life(self, number: int) -> tuple[Answer, ...]:
        """Its answers in that life, from 1."""
        return tuple(each for each in self.answers if each.life == number)

    @property
    def first_differences(self) -> tuple[Answer, ...]:
        """One of each life at most: what was heard after it answers other questions."""
        odd = (each for each in self.answers if each.difference is not None)
        return tuple(next(same) for _, same in itertools.groupby(odd, lambda each: each.life))


def replay(recording: Recording, *, is_whole: bool = False) -> Replayed:
    """Tell every life of it once more, each from its beginning.

    `is_whole`: that questions and reports come at other moments is a difference too.
    Not for a running loop: it has one of its own. Raises NotARecording for a state of another form.
    """
    answers = [
        Answer(
            number,
            life.began.at + timedelta(seconds=step.at_s - life.began.at_s),
            step,
            now,
            difference(step, now, is_whole=is_whole),
        )
        for number, life in enumerate(recording.lives, 1)
        for step, now in itertools.zip_longest(life.steps, _tell(life))
        if step is not None
    ]
    return Replayed(recording, tuple(answers))


# One life


class _Body(RealtimeTrader):
    """The daemon's trader with no timers of its own, and maybe in the middle of its life."""

    state: SessionState | None = None

    def on_start(self) -> None:
        if self.state is None:
            super().on_start()
        else:
            self._state = self.state

    def remind(self, delay_s: float, message: Any) -> Reminder:
        return super().remind(_NEVER_S, message)


class _Neighbour(Actor):
    """Hears everything and says nothing."""

    def on_receive(self, message: object) -> None:
        pass


class _Then:
    """What the body was loaded with then; one told from the middle of its life loads nothing."""

    def __init__(self, life: Life) -> None:
        self._events = [step.event for step in life.steps[:2]]

    async def begin_session(
        self, session_id: SessionId, account_id: AccountId, instrument: InstrumentId, epoch: int
    ) -> SessionRows:
        return self._loaded.rows

    def epoch(self) -> int:
        return self._loaded.epoch

    def trading_state(self) -> TradingStateChanged:
        match self._events:
            case [_, TradingStateChanged() as standing]:
                return standing
            case _:  # the file ends before it
                return TradingStateChanged(TradingState.ACTIVE, "")

    @property
    def _loaded(self) -> SessionLoaded:
        loaded = self._events[0]
        assert isinstance(loaded, SessionLoaded)  # a page without it is not read
        return loaded


def _tell(life: Life) -> Iterator[Stepped]:
    """What the body does now, event by event; it may end before the life did."""
    if not life.steps:
        return
    began, state = life.began, state_of(life.began)
    host = SimulationHost(0, starts_at=began.at - timedelta(seconds=began.at_s))
    loop, heard = host.loop, _Heard()
    runtime = Runtime(host, lanes=LANES, conflate=CONFLATE)
    name = name_of(began.rules.session_id)

    def make() -> _Body:
        body = _body(life, runtime, heard)
        body.state = state
        return body

    children = (Child("neighbour", _Neighbour), Child(name, make))
    try:
        loop.run_until_complete(_until(loop, began.at_s))
        loop.run_until_complete(runtime.start(*children))
        loop.run_until_idle()
        for step in life.steps:
            if not heard.waiting:  # all but what comes with the load is told by us
                loop.run_until_complete(_until(loop, step.at_s))
                runtime.address(name).tell(step.event)
                loop.run_until_idle()
            if not heard.waiting:
                return
            now = heard.waiting.pop(0)
            yield now
            if now.effects is None:
                return
    finally:
        loop.run_until_complete(runtime.stop(0.0))
        loop.close()


class _Heard:
    """What has passed the heart and was not compared yet."""

    def __init__(self) -> None:
        self.waiting: list[Stepped] = []

    def put(self, record: Record) -> bool:
        """Keep the steps."""
        if isinstance(record, Stepped):
            self.waiting.append(record)
        return True


def _body(life: Life, runtime: Runtime, heard: _Heard) -> _Body:
    then, neighbour = _Then(life), runtime.address("neighbour")
    return _Body(
        life.began.rules,
        Neighbours(neighbour, neighbour, neighbour, neighbour, neighbour),
        then,
        then.epoch,
        then.trading_state,
        exits_only="as it was" if life.began.is_exits_only else "",
        heart=RecordedHeart(heard.put, runtime.host.now),
    )


async def _until(loop: asyncio.AbstractEventLoop, at_s: float) -> None:
    """That very second, not one that rounding made of it."""
    passed = loop.create_future()
    loop.call_at(at_s, passed.set_result, None)
    await passed
