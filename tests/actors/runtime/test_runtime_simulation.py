"""One seed, one history; another seed, another order of the same events; and no real time."""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from runtime_parts import Boom, Failed, recorder, root, running, simulate

from actors.runtime import Actor, Child, NothingLeft, SimulatedLoop, SimulationHost

HERE = Path(__file__).parent


def test_the_same_seed_gives_the_same_history_whatever_the_hash_seed() -> None:
    code = (
        "from runtime_parts import simulate; from test_runtime_simulation import small_day;"
        "print(simulate(7, small_day).loop.trace_hash)"
    )
    hashes = set()
    for hash_seed in ("1", "2"):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": hash_seed,
            "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[2])]),
        }
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        hashes.add(done.stdout.strip())

    assert hashes == {simulate(7, small_day).loop.trace_hash}


async def small_day(host: SimulationHost) -> None:
    """A few actors that crash, wait and publish."""
    book: list[Any] = []

    class Trader(Actor):
        def on_start(self) -> None:
            self.runtime.subscribe("bars", self.address)
            self.remind(host.random(), "tick")

        def on_receive(self, message: Any) -> None:
            if message == "tick":
                self.remind(1.0, "tick")
                self.pipe(
                    asyncio.sleep(host.random()),
                    done=lambda _: ("waited", host.new_id()),
                    failed=lambda error: error,
                )
            elif host.random() < 0.2:
                raise Failed
            else:
                book.append((self.name, message, host.now()))
                if len(book) < 200:
                    self.publish("bars", len(book))

    spec = root(*(Child(f"t{number}", Trader) for number in range(5)))
    async with running(spec, host):
        await asyncio.sleep(10)
    host.loop.note(repr(book))


def test_another_seed_is_another_order_of_events() -> None:
    hashes = {simulate(seed, small_day).loop.trace_hash for seed in range(20)}

    assert len(hashes) == 20


def test_events_of_one_instant_happen_in_every_order() -> None:
    async def scenario(host: SimulationHost) -> None:
        order: list[str] = []
        for name in "abc":
            host.loop.call_soon(order.append, name)
        await asyncio.sleep(1)
        orders.add("".join(order))

    orders: set[str] = set()
    for seed in range(100):
        simulate(seed, scenario)

    assert orders == {"abc", "acb", "bac", "bca", "cab", "cba"}


def test_the_next_actor_served_is_any_of_those_ready() -> None:
    first: set[str] = set()

    async def scenario(host: SimulationHost) -> None:
        books: list[Any] = []
        spec = root(*(recorder(name, books) for name in "abc"))
        async with running(spec, host) as runtime:
            for name in "abc":
                runtime.address(name).tell(name)
            await asyncio.sleep(1)
            first.add(books[0])

    for seed in range(50):
        simulate(seed, scenario)

    assert first == {"a", "b", "c"}


def test_a_year_passes_in_no_time_and_both_clocks_agree() -> None:
    started = perf_counter()
    host = SimulationHost(1, starts_at=datetime(2023, 1, 1, tzinfo=UTC))

    host.loop.run_until_complete(asyncio.sleep(365 * 24 * 3_600))

    assert host.now() == datetime(2024, 1, 1, tzinfo=UTC)
    assert host.elapsed() == host.loop.time() == 365 * 24 * 3_600
    assert perf_counter() - started < 2.0


def test_asyncios_own_tools_run_unchanged_in_virtual_time() -> None:
    async def scenario(host: SimulationHost) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(10)
        assert host.elapsed() == 5

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(delay, delay)) for delay in (3, 1, 2)]
        assert [task.result() for task in tasks] == [3, 1, 2]
        assert host.elapsed() == 8

        queue: asyncio.Queue[int] = asyncio.Queue(1)
        event, lock = asyncio.Event(), asyncio.Lock()

        async def produce() -> None:
            for number in range(5):
                async with lock:
                    await queue.put(number)
            event.set()

        producer = asyncio.create_task(produce())
        assert [await queue.get() for _ in range(5)] == [0, 1, 2, 3, 4]
        await event.wait()
        await producer
        assert await asyncio.wait_for(asyncio.gather(asyncio.sleep(1, "x")), 2) == ["x"]

    for seed in range(20):
        simulate(seed, scenario)


def test_running_for_some_seconds_stops_exactly_there() -> None:
    loop = SimulatedLoop(1)
    fired: list[float] = []
    for delay in (1.0, 2.0, 3.0):
        loop.call_later(delay, fired.append, delay)

    loop.run_for(2.0)
    assert (fired, loop.time()) == ([1.0, 2.0], 2.0)

    loop.run_until_idle()
    assert (fired, loop.time()) == ([1.0, 2.0], 2.0)

    loop.run_forever()
    assert (fired, loop.time()) == ([1.0, 2.0, 3.0], 3.0)


def test_a_cancelled_timer_does_not_move_the_time() -> None:
    loop = SimulatedLoop(1)
    loop.call_later(5.0, lambda: None).cancel()

    loop.run_forever()

    assert loop.time() == 0.0


def test_what_can_never_happen_is_said_at_once_instead_of_waited_for() -> None:
    loop = SimulatedLoop(1)

    with pytest.raises(NothingLeft):
        loop.run_until_complete(loop.create_future())


def test_an_error_nobody_took_ends_the_simulation_loudly() -> None:
    loop = SimulatedLoop(1)

    def fails() -> None:
        raise Failed

    loop.call_soon(fails)

    with pytest.raises(Failed):
        loop.run_until_idle()


def test_there_are_no_threads_and_no_sockets_in_a_simulation() -> None:
    async def scenario(host: SimulationHost) -> None:
        with pytest.raises(NotImplementedError):
            await asyncio.to_thread(print)
        with pytest.raises(NotImplementedError):
            await asyncio.open_connection("127.0.0.1", 1)

    simulate(1, scenario)


def test_identities_repeat_with_the_seed_and_sort_by_time() -> None:
    def identities() -> list[str]:
        host = SimulationHost(3)
        made = []
        for _ in range(5):
            made.append(host.new_id())
            host.loop.run_for(0.002)
        return made

    first = identities()

    assert first == identities()
    assert first == sorted(first)
    assert len(set(first)) == 5


def test_the_trace_can_be_read() -> None:
    lines: list[str] = []

    async def scenario(host: SimulationHost) -> None:
        host.loop.on_trace = lines.append
        async with running(root(recorder("a", [])), host) as runtime:
            runtime.address("a").tell(Boom(Failed()))
            await asyncio.sleep(1)

    simulate(1, scenario)

    assert any(line.endswith("turn of a") for line in lines)
