"""The shared loop: who is served first, what sockets wait, what other threads may do to it."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from runtime_parts import Fill, recorder, root, running, simulate, until

from actors.runtime import Actor, AsyncioHost, Child, Lane, Runtime, SimulationHost
from actors.runtime.mailbox import Mail
from actors.runtime.staging import Staging


@dataclass(frozen=True, slots=True)
class Bar:
    """Market data that costs its reader some work."""

    work_s: float = 0.0


class Worker(Actor):
    """Works on bars; calls back on anything else."""

    def __init__(self, on_event: Callable[[Any], None]) -> None:
        super().__init__()
        self.on_event = on_event

    def on_receive(self, message: Any) -> None:
        if isinstance(message, Bar):
            ends_at = perf_counter() + message.work_s
            while perf_counter() < ends_at:
                pass
        else:
            self.on_event(message)


def test_a_fill_of_one_session_is_served_before_the_bars_of_all_others() -> None:
    order: list[str] = []

    class Notes(Actor):
        def on_receive(self, message: Any) -> None:
            order.append(f"{self.name} {type(message).__name__}")

    async def scenario(host: SimulationHost) -> None:
        order.clear()
        names = [f"s{number}" for number in range(50)]
        spec = root(*(Child(name, Notes) for name in names))
        async with running(spec, host, lanes={Bar: Lane.MARKET}) as runtime:
            for name in names:
                runtime.address(name).tell(Bar())
            runtime.address("s49").tell(Fill(1))
            runtime.address("s7").tell(Fill(2))
            await asyncio.sleep(1)

            assert sorted(order[:2]) == ["s49 Fill", "s7 Fill"]
            assert len(order) == 52

    for seed in range(5):
        simulate(seed, scenario)


async def test_a_burst_of_bars_holds_up_neither_a_fill_nor_the_loops_other_callbacks() -> None:
    loop = asyncio.get_running_loop()
    handled_at: list[tuple[float, int]] = []
    spec = root(
        *(Child(f"s{number}", lambda: Worker(lambda _: note(handled_at))) for number in range(200))
    )

    def note(where: list[tuple[float, int]]) -> None:
        where.append((perf_counter(), runtime.queue.turns_count))

    async with running(spec, lanes={Bar: Lane.MARKET}) as runtime:
        first_turn = runtime.queue.turns_count
        for number in range(200):
            runtime.address(f"s{number}").tell(Bar(work_s=0.0005))
        called_at: list[tuple[float, int]] = []
        loop.call_later(0.01, note, called_at)
        loop.call_later(0.01, lambda: runtime.address("s0").tell(Fill(1)))
        await until(lambda: bool(called_at) and bool(handled_at))
        last_turn = first_turn + 201

        # Judged by turns, not by seconds: the test machine may be busy, the order is ours.
        assert called_at[0][1] < last_turn - 50  # in the middle of the burst
        assert handled_at[0][1] - called_at[0][1] <= 5


async def test_tells_from_other_threads_arrive_all_in_order_of_their_thread() -> None:
    book: list[Any] = []
    async with running(root(recorder("a", book)), stage_limit=100) as runtime:
        address = runtime.address("a")

        def flood(first: int) -> None:
            for number in range(2_000):
                assert address.tell(Fill(first + number))

        threads = [threading.Thread(target=flood, args=(n * 10_000,)) for n in range(4)]
        for thread in threads:
            thread.start()
        await until(lambda: len(book) == 8_000, timeout_s=20)
        for thread in threads:
            thread.join()

        for n in range(4):
            mine = [fill.number for fill in book if fill.number // 10_000 == n]
            assert mine == [n * 10_000 + number for number in range(2_000)]


async def test_a_flood_from_other_threads_is_held_back_and_the_loop_goes_on() -> None:
    loop = asyncio.get_running_loop()
    ends = threading.Event()
    sent = [0, 0, 0, 0]
    seen = [0]
    waiting_max = 0
    spec = root(Child("a", lambda: Worker(lambda _: seen.__setitem__(0, seen[0] + 1))))
    async with running(spec, stage_limit=1_000) as runtime:
        address = runtime.address("a")

        def flood(index: int) -> None:
            while not ends.is_set():
                address.tell("noise")
                sent[index] += 1

        threads = [threading.Thread(target=flood, args=(index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        beats = 0
        started_at = loop.time()
        while loop.time() - started_at < 0.5:
            await asyncio.sleep(0)
            beats += 1
            waiting_max = max(waiting_max, sum(sent) - seen[0])
        ends.set()
        await until(lambda: seen[0] >= sum(sent), timeout_s=10)
        for thread in threads:
            thread.join()

        assert beats >= 20  # starved, it was one
        # Staged is bounded by the limit; what was taken in waits in the mailbox of one slice.
        assert waiting_max < 5_000
        await until(lambda: seen[0] == sum(sent))


async def test_an_ask_from_another_thread_through_a_ref_is_answered() -> None:
    book: list[Any] = []
    actors: list[Any] = []

    class Echo(Actor):
        def __init__(self) -> None:
            super().__init__()
            actors.append(self)

        def on_receive(self, message: Any) -> Any:
            return message

    async with running(root(Child("a", Echo))):
        answer = await asyncio.to_thread(actors[0].actor_ref.ask, Fill(1), timeout=5)
        assert answer == Fill(1)
        assert book == []


async def test_a_thread_that_is_held_back_when_the_house_closes_is_let_go() -> None:
    delivered: list[str] = []

    def deliver(name: str, mail: Mail) -> bool:
        delivered.append(mail.message)
        return True

    staging = Staging(asyncio.get_running_loop(), 1, deliver)
    results: list[bool] = []
    reached = threading.Event()

    def tell_twice() -> None:
        results.append(staging.put("a", Mail("first")))
        reached.set()
        results.append(staging.put("a", Mail("second")))

    thread = threading.Thread(target=tell_twice)
    thread.start()
    assert reached.wait(5)  # holds the loop, so that nothing is taken in

    staging.close()

    thread.join(5)
    assert not thread.is_alive()
    assert results == [True, False]
    assert delivered == ["first"]


def test_a_tell_after_the_loop_has_closed_is_refused_and_raises_nothing() -> None:
    loop = asyncio.new_event_loop()

    async def house() -> Runtime:
        return Runtime(AsyncioHost())

    runtime = loop.run_until_complete(house())
    loop.close()
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(runtime.address("a").tell(Fill(1))))
    thread.start()
    thread.join(5)

    assert answers == [False]
