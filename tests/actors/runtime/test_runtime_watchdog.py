"""A handler that holds the loop: seen, named, interrupted, replaced; and the loop's death."""

import asyncio
import ctypes
import functools
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import pytest
from runtime_parts import Fill, notices, recorder, root, running, simulate, until

from actors.runtime import (
    Actor,
    Child,
    ExitReason,
    HandlerStuck,
    Lane,
    SimulationHost,
    Stuck,
    Watchdog,
)
from actors.runtime.mailbox import Mail


@dataclass(frozen=True, slots=True)
class Price:
    last: int


class Spins(Actor):
    """Spins for ever, or for some time, when told to."""

    def __init__(self, book: list[Any]) -> None:
        super().__init__()
        self.book = book

    def on_receive(self, message: Any) -> Any:
        match message:
            case "for ever":
                while True:
                    pass
            case "telling":
                neighbour = self.runtime.address("neighbour")
                while True:
                    neighbour.tell(Price(1))
            case float(spin_s):
                ends_at = perf_counter() + spin_s
                while perf_counter() < ends_at:
                    pass
        self.book.append(message)
        return message


async def test_a_handler_that_never_returns_is_named_interrupted_and_replaced() -> None:
    book: list[Any] = []
    seen: list[Stuck] = []
    watchdog = Watchdog(warn_after_s=0.04, interrupt_after_s=0.12, on_stuck=seen.append)
    async with running(root(Child("bad", lambda: Spins(book))), watchdog=watchdog) as runtime:
        exits = notices(runtime)
        bad = runtime.address("bad")

        with pytest.raises(HandlerStuck):
            await bad.ask("for ever", 10.0)

        assert await bad.ask("alive?", 5.0) == "alive?"
        assert [(end.name, end.reason) for end in exits] == [("bad", ExitReason.STUCK)]
        assert [(stuck.name, stuck.is_interrupted) for stuck in seen] == [
            ("bad", False),
            ("bad", True),
        ]
        assert seen[0].held_s < seen[1].held_s
        assert "while True" in seen[0].stack or "pass" in seen[0].stack


@pytest.fixture
def _threads_alternate_quickly() -> Generator[None]:
    """Else the watchdog's thread waits 5 ms for its turn whenever a handler spins."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_threads_alternate_quickly")
async def test_an_interrupt_in_the_middle_of_a_tell_leaves_no_neighbour_waiting_for_ever() -> None:
    served: list[Any] = []
    watchdog = Watchdog(warn_after_s=0.01, interrupt_after_s=0.02)
    spec = root(Child("bad", lambda: Spins([])), recorder("neighbour", served))
    async with running(spec, watchdog=watchdog, conflate={Price: lambda price: "AAPL"}) as runtime:
        for number in range(20):
            with pytest.raises(HandlerStuck):
                await runtime.address("bad").ask("telling", 30.0)
            runtime.address("neighbour").tell(Fill(number))
            await until(lambda number=number: Fill(number) in served)
            await until(lambda: runtime.tree().children[1].mailbox_depth_count == 0)


def test_a_letter_half_delivered_when_its_sender_was_interrupted_is_served_all_the_same() -> None:
    class Interrupted(Actor):
        def on_receive(self, message: Any) -> None:
            neighbour: Any = self.runtime.boxes["neighbour"]
            neighbour.mailbox.put(Mail(Fill(1)))  # queued, and nobody asked for a turn yet
            raise HandlerStuck

    async def scenario(host: SimulationHost) -> None:
        book: list[Any] = []
        spec = root(Child("a", Interrupted), recorder("neighbour", book))
        async with running(spec, host) as runtime:
            with pytest.raises(HandlerStuck):
                await runtime.address("a").ask("go", 1.0)
            await asyncio.sleep(1)
            assert book == [Fill(1)]

    simulate(1, scenario)


async def test_a_machine_that_stood_still_is_not_a_dead_loop() -> None:
    aborted = threading.Event()
    watchdog = Watchdog(
        warn_after_s=0.01, interrupt_after_s=60.0, abort_after_s=0.08, abort=aborted.set
    )

    class Freezes(Actor):
        def on_receive(self, message: Any) -> float:
            ends_at = perf_counter() + 0.03  # the watchdog has asked whether the loop lives
            while perf_counter() < ends_at:
                pass
            sum(range(message))  # in C, no other thread runs meanwhile: as if suspended
            return perf_counter() - ends_at

    async with running(root(Child("a", Freezes)), watchdog=watchdog) as runtime:
        stood_still_s = await runtime.address("a").ask(12_000_000, 30.0)
        await runtime.address("a").ask(1, 5.0)
    assert stood_still_s > 0.08
    assert not aborted.is_set()


@pytest.mark.usefixtures("_threads_alternate_quickly")
async def test_interrupts_that_race_the_end_of_a_handler_kill_nobody_else() -> None:
    book: list[Any] = []
    watchdog = Watchdog(warn_after_s=0.002, interrupt_after_s=0.002)
    spec = root(Child("spins", lambda: Spins(book)), recorder("neighbour", []))
    async with running(spec, watchdog=watchdog) as runtime:
        exits = notices(runtime)
        answered = 0
        for number in range(300):
            # Around the limit: now it is in time, now it is not, now both at once.
            ask = runtime.address("spins").ask(0.002 + 0.00001 * number, 10.0)
            try:
                await ask
                answered += 1
            except HandlerStuck:
                pass
            assert await runtime.address("neighbour").ask(number, 5.0) == number

        assert {end.name for end in exits} <= {"spins"}
        assert all(end.reason is ExitReason.STUCK for end in exits)
        assert answered + len(exits) == 300
        assert len(exits) > 0
        assert await runtime.address("spins").ask("alive?", 5.0) == "alive?"


async def test_a_stray_interrupt_between_two_handlers_kills_nobody_and_loses_nothing() -> None:
    strike = functools.partial(
        ctypes.pythonapi.PyThreadState_SetAsyncExc,
        ctypes.c_ulong(threading.get_ident()),
        ctypes.py_object(HandlerStuck),
    )

    class Late:
        """A plain C call as its last act: the interrupt lands outside, in the engine's code."""

        name = "late"
        in_urgent = in_market = False
        turn = staticmethod(strike)

    book: list[Any] = []
    async with running(root(recorder("a", book))) as runtime:
        for number in range(50):
            runtime.queue.add(Late(), Lane.EVENTS)
            runtime.address("a").tell(Fill(number))
        await until(lambda: len(book) == 50)

        assert book == [Fill(number) for number in range(50)]
        assert runtime.queue.strays_count > 0
        assert runtime.tree().children[0].restarts_count == 0


async def test_a_loop_that_is_dead_for_good_ends_the_process() -> None:
    aborted = threading.Event()
    watchdog = Watchdog(
        warn_after_s=0.02, interrupt_after_s=60.0, abort_after_s=0.1, abort=aborted.set
    )
    async with running(root(recorder("a", [])), watchdog=watchdog):
        assert aborted.wait(5)  # holds the loop from outside of any handler


async def test_a_living_loop_feeds_the_service_managers_watchdog_and_is_left_alone() -> None:
    fed: list[None] = []
    seen: list[Stuck] = []
    watchdog = Watchdog(
        warn_after_s=0.1,
        interrupt_after_s=0.2,
        on_alive=lambda: fed.append(None),
        on_stuck=seen.append,
    )
    async with running(root(recorder("a", [])), watchdog=watchdog) as runtime:
        await until(lambda: len(fed) >= 5)
        assert await runtime.address("a").ask("alive?", 5.0) == "alive?"
    assert seen == []
    assert not any(thread.name == "watchdog" for thread in threading.enumerate())


async def test_an_idle_house_is_not_a_stuck_one() -> None:
    seen: list[Stuck] = []
    watchdog = Watchdog(warn_after_s=0.02, interrupt_after_s=0.05, on_stuck=seen.append)
    async with running(root(recorder("a", [])), watchdog=watchdog) as runtime:
        await runtime.address("a").ask("something", 5.0)
        beats: list[float] = []
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        while loop.time() < started_at + 0.2:
            await asyncio.sleep(0.01)
            beats.append(loop.time())
        assert not any(stuck.name == "a" for stuck in seen)
        assert runtime.tree().children[0].restarts_count == 0
