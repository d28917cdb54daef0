"""The measured traps S1 to S5 of our own stack, each of them shut for good."""

import asyncio
from typing import Any

import pykka
import pytest
from apscheduler.events import EVENT_JOB_MAX_INSTANCES
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from pykka.messages import _ActorStop
from runtime_parts import (
    Boom,
    Failed,
    Fill,
    Recorder,
    notices,
    recorder,
    root,
    running,
    simulate,
    until,
)

from actors.runtime import Actor, Child, Exit, ExitReason, OverloadChanged, SimulationHost


class HalfDone(Actor):
    """Changes its state and then fails."""

    def __init__(self) -> None:
        super().__init__()
        self.quantity = 0

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, Boom):
            self.quantity += 1
            raise message.error
        return self.quantity


def test_s1_an_error_in_an_ask_reaches_the_asker_and_ends_the_half_changed_actor() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with running(root(Child("a", HalfDone)), host) as runtime:
            exits = notices(runtime)
            address = runtime.address("a")

            with pytest.raises(Failed):
                await address.ask(Boom(Failed()), 5.0)

            assert await address.ask("quantity?", 5.0) == 0  # a fresh one answers
            assert [(end.name, end.reason) for end in exits] == [("a", ExitReason.CRASH)]

    simulate(1, scenario)


def test_s2_a_crash_loses_no_mail_that_waited() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[Any] = []
        async with running(root(recorder("a", book)), host) as runtime:
            address = runtime.address("a")
            address.tell(Boom(Failed()))
            for number in range(10):
                address.tell(Fill(number))

            await asyncio.sleep(60)

            assert book == [Fill(number) for number in range(10)]

    simulate(2, scenario)


def test_s2_a_tell_to_the_body_that_just_died_reaches_its_successor() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[Any] = []
        bodies: list[Recorder] = []

        def make() -> Recorder:
            bodies.append(Recorder(book))
            return bodies[-1]

        async with running(root(Child("a", make)), host) as runtime:
            runtime.address("a").tell(Boom(Failed()))
            bodies[0].actor_ref.tell(Fill(1))  # between the alive check and the crash

            await asyncio.sleep(60)

            assert book == [Fill(1)]
            with pytest.raises(pykka.ActorDeadError):
                bodies[0].actor_ref.tell(Fill(2))

    simulate(3, scenario)


def test_s2_a_stop_meant_for_the_body_that_just_died_does_not_stop_its_successor() -> None:
    async def scenario(host: SimulationHost) -> None:
        bodies: list[Recorder] = []

        def make() -> Recorder:
            bodies.append(Recorder([]))
            return bodies[-1]

        async with running(root(Child("a", make)), host) as runtime:
            crashed = runtime.address("a").ask(Boom(Failed()), 1.0)
            stopped = bodies[0].actor_ref.ask(_ActorStop(), block=False)
            with pytest.raises(Failed):
                await crashed
            await asyncio.sleep(1)

            assert await stopped is None  # whom it was meant for is down
            assert runtime.tree().children[0].incarnation == 2

    simulate(1, scenario)


def test_s2_a_failure_while_starting_is_reported_and_retried() -> None:
    async def scenario(host: SimulationHost) -> None:
        failures: list[BaseException | None] = []

        class FailsTwice(Actor):
            def on_start(self) -> None:
                if self.incarnation < 3:
                    raise Failed(self.incarnation)

            def on_failure(self, kind: Any, error: BaseException | None, trace: Any) -> None:
                failures.append(error)

        async with running(root(Child("a", FailsTwice)), host) as runtime:
            status = runtime.tree().children[0]

            assert status.incarnation == 3
            assert status.last_exit_reason is ExitReason.START_FAILED
            assert status.last_error == "Failed: 2"
            assert [str(error) for error in failures] == ["1", "2"]

    simulate(4, scenario)


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt(), GeneratorExit()]
)
@pytest.mark.parametrize("way", ["tell", "ask"])
async def test_s3_a_stray_base_exception_ends_one_actor_and_nobody_else(
    error: BaseException, way: str
) -> None:
    book: list[Any] = []
    async with running(root(recorder("hit", book), recorder("neighbour", book))) as runtime:
        exits = notices(runtime)
        hit = runtime.address("hit")

        if way == "tell":
            hit.tell(Boom(error))
            await until(lambda: len(exits) == 3)  # served three times, then it is poison
        else:
            with pytest.raises(type(error)):
                await hit.ask(Boom(error), 5.0)

        assert {end.name for end in exits} == {"hit"}
        assert await hit.ask("alive?", 5.0) == "alive?"
        assert await runtime.address("neighbour").ask("alive?", 5.0) == "alive?"


async def test_s3_a_stray_base_exception_in_a_wait_is_only_its_outcome() -> None:
    class Waits(Actor):
        def on_receive(self, message: Any) -> Any:
            if isinstance(message, Boom):
                self.pipe(fail(message.error), done=lambda _: None, failed=lambda error: error)
            else:
                outcomes.append(message)

    async def fail(error: BaseException) -> None:
        raise error

    outcomes: list[BaseException] = []
    async with running(root(Child("a", Waits))) as runtime:
        runtime.address("a").tell(Boom(SystemExit(3)))
        await until(lambda: bool(outcomes))

        assert isinstance(outcomes[0].__cause__, SystemExit)


def test_s4_a_stalled_actor_raises_an_alarm_and_the_alarm_ends_when_it_has_caught_up() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[Any] = []
        async with running(root(recorder("a", book)), host, mailbox_soft_limit=100) as runtime:
            alarms = notices(runtime, OverloadChanged)
            runtime.address("a").tell(Boom(Failed()))
            for number in range(5_000):
                runtime.address("a").tell(Fill(number))

            assert runtime.is_overloaded("a")
            assert runtime.tree().children[0].is_overloaded

            await asyncio.sleep(60)

            assert [alarm.is_overloaded for alarm in alarms] == [True, False]
            assert not runtime.is_overloaded("a")
            assert book == [Fill(number) for number in range(5_000)]

    simulate(5, scenario)


class Duty(Actor):
    """A periodic duty as ours are: re-armed after each run, each run with a deadline."""

    def __init__(self, runs: list[str], hang: "asyncio.Future[None]") -> None:
        super().__init__()
        self.runs = runs
        self.hang = hang

    def on_start(self) -> None:
        self.remind(0.01, "run")

    def on_receive(self, message: Any) -> None:
        if message == "run":
            # The first run hangs for ever.
            wait = self.hang if not self.runs else asyncio.sleep(0)
            self.pipe(wait, done=lambda _: "ran", failed=lambda error: "timed out", deadline_s=0.02)
        else:
            self.runs.append(message)
            self.remind(0.01, "run")


async def test_s5_a_hung_run_stops_an_apscheduler_job_and_never_our_duties() -> None:
    loop = asyncio.get_running_loop()
    refused: list[Any] = []
    scheduled: list[str] = []
    runs: list[str] = []

    async def job() -> None:
        scheduled.append("run")
        await loop.create_future()

    scheduler = AsyncIOScheduler()
    scheduler.add_job(job, "interval", seconds=0.01)
    scheduler.add_listener(refused.append, EVENT_JOB_MAX_INSTANCES)
    scheduler.start()
    async with running(root(Child("duty", lambda: Duty(runs, loop.create_future())))):
        await until(lambda: len(refused) >= 3 and len(runs) >= 5)
    scheduler.shutdown(wait=False)

    assert scheduled == ["run"]  # and never again
    assert runs[:5] == ["timed out", "ran", "ran", "ran", "ran"]


def test_a_death_has_a_reason_one_can_read() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[Any] = []
        async with running(root(recorder("a", book)), host) as runtime:
            exits: list[Exit] = notices(runtime)
            runtime.address("a").tell(Boom(Failed("no price")))
            await asyncio.sleep(1)

            assert isinstance(exits[0].message, Boom)
            status = runtime.tree().children[0]
            assert (status.last_exit_reason, status.last_error) == (
                ExitReason.CRASH,
                "Failed: no price",
            )

    simulate(6, scenario)
