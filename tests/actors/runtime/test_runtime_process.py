"""A process of the simulated world: killed at any await, paused, and never heard of again."""

import asyncio
import gc
import warnings
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from actors.runtime import Killed, SimulatedLoop, SimulatedProcess
from adapters.simulated.line import Line, LineLost, Loss, Step, Stream, Way

WAY = Way(0.1, 0.1)


def a_loop() -> SimulatedLoop:
    return SimulatedLoop(1)  # type: ignore[abstract]


def test_a_killed_process_runs_nothing_more_not_even_its_finally_blocks() -> None:
    loop, told = a_loop(), list[str]()

    async def main() -> None:
        try:
            told.append("begun")
            await asyncio.sleep(2)
            told.append("awake")
        finally:
            told.append("tidied up")

    process = SimulatedProcess(loop, "daemon")
    process.spawn(main())
    loop.run_for(1)
    process.kill()
    gc.collect()
    loop.run_for(5)

    assert told == ["begun"]


def test_what_a_process_started_is_killed_with_it_and_nobody_else_is() -> None:
    loop, told = a_loop(), list[str]()

    async def child(name: str) -> None:
        await asyncio.sleep(2)
        told.append(name)

    async def main() -> None:
        asyncio.get_running_loop().create_task(child("child"))
        asyncio.get_running_loop().call_later(2, told.append, "timer")

    one, other = SimulatedProcess(loop, "one"), SimulatedProcess(loop, "other")
    one.spawn(main())
    other.spawn(child("other"))
    loop.run_for(1)
    one.kill()
    loop.run_for(5)

    assert told == ["other"]


def test_a_process_killed_by_its_own_callback_does_no_more_of_it_and_nobody_hears_of_it() -> None:
    loop, told = a_loop(), list[str]()
    process = SimulatedProcess(loop, "daemon")

    def callback() -> None:
        told.append("begun")
        process.kill()
        raise Killed

    async def main() -> None:
        asyncio.get_running_loop().call_soon(callback)
        asyncio.get_running_loop().call_later(1, told.append, "timer")

    process.spawn(main())
    loop.run_for(5)

    assert told == ["begun"]


def test_what_a_killed_process_was_about_to_await_is_no_complaint() -> None:
    async def inner() -> None:
        """Never begun."""

    async def outer(awaited: Coroutine[Any, Any, None]) -> None:
        await awaited

    def live() -> None:
        loop = a_loop()
        process = SimulatedProcess(loop, "daemon")

        async def main() -> None:
            asyncio.get_running_loop().create_task(outer(inner()))
            process.kill()

        process.spawn(main())
        loop.run_for(1)
        loop.close()

    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        live()
        gc.collect()

    assert [str(each.message) for each in complaints] == []


def test_every_step_of_a_request_can_be_watched() -> None:
    loop, steps = a_loop(), list[tuple[str, Step]]()
    line = Line()
    line.watch = lambda what, step: steps.append((what, step))

    async def ask() -> None:
        await line.ask(WAY, lambda: None, "one")
        with suppress(LineLost):
            await line.ask(Way(0.1, 0.1, Loss.REPLY), lambda: None, "other")

    loop.run_until_complete(ask())

    assert [step for what, step in steps if what == "one"] == [Step.LEAVES, Step.DONE, Step.HEARD]
    assert [step for what, step in steps if what == "other"] == [Step.LEAVES, Step.DONE, Step.LOST]


def test_a_paused_process_does_all_that_came_due_when_it_goes_on() -> None:
    loop, told = a_loop(), list[float]()

    async def main() -> None:
        for _ in range(2):
            await asyncio.sleep(1)
            told.append(loop.time())

    process = SimulatedProcess(loop, "daemon")
    process.spawn(main())
    loop.run_for(0.5)
    process.pause()
    loop.run_for(9.5)
    assert told == []
    process.resume()
    loop.run_for(5)

    assert told == [10.0, 11.0]


def test_a_request_that_left_is_performed_although_its_asker_was_killed() -> None:
    loop, performed, heard = a_loop(), list[str](), list[object]()
    line = Line()

    async def main() -> None:
        heard.append(await line.ask(WAY, lambda: performed.append("it")))

    process = SimulatedProcess(loop, "daemon")
    process.spawn(main())
    loop.run_for(0.05)
    process.kill()
    loop.run_for(5)

    assert (performed, heard) == (["it"], [])


def test_a_lost_request_is_never_performed_and_a_lost_reply_hides_what_was() -> None:
    loop, performed = a_loop(), list[str]()
    line = Line()

    async def ask(loss: Loss) -> str:
        try:
            await line.ask(Way(0.1, 0.1, loss, noticed_s=1), lambda: performed.append(loss))
        except LineLost:
            return f"lost at {loop.time():.1f}"
        return "heard"

    assert loop.run_until_complete(ask(Loss.REQUEST)) == "lost at 1.2"
    assert performed == []
    assert loop.run_until_complete(ask(Loss.REPLY)) == "lost at 2.4"
    assert performed == [Loss.REPLY]


def test_a_stream_keeps_its_order_and_dies_with_its_listener() -> None:
    loop, told = a_loop(), list[int]()
    process = SimulatedProcess(loop, "daemon")
    stream = process.run(lambda: Stream(told.append, 0.1))

    async def server() -> None:
        for number in range(10):
            stream.push(number)
        await asyncio.sleep(1)
        process.kill()
        stream.push(10)
        await asyncio.sleep(1)

    loop.run_until_complete(server())

    assert told == list(range(10))
