"""The engine room: actors started per second, what a tell and an ask cost, each beside its floor.

The floors: a plain call, a bare asyncio queue between two tasks, and a bare task for each actor.
"""

import asyncio
import gc
import statistics
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from actors.runtime import Actor, AsyncioHost, Child, Runtime, SupervisorSpec

ACTORS_COUNT = 5_000
TELLS_COUNT = 50_000
ASKS_COUNT = 5_000
RUNS = 5


class Counter(Actor):
    """Counts what it is told, and tells somebody when it has counted enough."""

    def __init__(self, enough: int, done: Callable[[], None]) -> None:
        super().__init__()
        self._count = 0
        self._enough = enough
        self._done = done

    def on_receive(self, message: Any) -> Any:
        """One more."""
        self._count += 1
        if self._count % self._enough == 0:
            self._done()
        return message


async def _started() -> float:
    """Seconds per actor, from nothing to serving."""
    children = [Child(f"a{n}", lambda: Counter(1, int)) for n in range(ACTORS_COUNT)]
    runtime = Runtime(AsyncioHost())
    began = perf_counter()
    await runtime.start(SupervisorSpec("root", children))
    took = perf_counter() - began
    await runtime.stop()
    return took / ACTORS_COUNT


async def _tasks_started() -> float:
    """The floor: as many tasks, each waiting on a queue of its own."""

    async def serve(queue: asyncio.Queue[object]) -> None:
        await queue.get()

    began = perf_counter()
    tasks = [asyncio.create_task(serve(asyncio.Queue())) for _ in range(ACTORS_COUNT)]
    await asyncio.sleep(0)
    took = perf_counter() - began
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return took / ACTORS_COUNT


async def _told(runtime: Runtime, done: asyncio.Event) -> float:
    """Seconds per message, told and served."""
    address = runtime.address("counter")
    done.clear()
    began = perf_counter()
    for number in range(TELLS_COUNT):
        address.tell(number)
    await done.wait()
    return (perf_counter() - began) / TELLS_COUNT


async def _queued() -> float:
    """The floor of a tell: put into a queue, taken by a task."""
    queue: asyncio.Queue[int] = asyncio.Queue()

    async def serve() -> None:
        for _ in range(TELLS_COUNT):
            await queue.get()

    task = asyncio.create_task(serve())
    began = perf_counter()
    for number in range(TELLS_COUNT):
        queue.put_nowait(number)
    await task
    return (perf_counter() - began) / TELLS_COUNT


async def _called() -> float:
    """What it would be without actors: a plain call."""
    counter = Counter(TELLS_COUNT, int)
    receive = counter.on_receive
    began = perf_counter()
    for number in range(TELLS_COUNT):
        receive(number)
    return (perf_counter() - began) / TELLS_COUNT


async def _asked(runtime: Runtime) -> float:
    """Seconds from question to answer."""
    address = runtime.address("counter")
    began = perf_counter()
    for number in range(ASKS_COUNT):
        await address.ask(number, timeout_s=5.0)
    return (perf_counter() - began) / ASKS_COUNT


async def _future_answered() -> float:
    """The floor of an ask: a queue to a task, a future back."""
    queue: asyncio.Queue[asyncio.Future[int]] = asyncio.Queue()

    async def serve() -> None:
        while True:
            (await queue.get()).set_result(1)

    task = asyncio.create_task(serve())
    loop = asyncio.get_running_loop()
    began = perf_counter()
    for _ in range(ASKS_COUNT):
        future: asyncio.Future[int] = loop.create_future()
        queue.put_nowait(future)
        await future
    took = (perf_counter() - began) / ASKS_COUNT
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return took


async def run() -> list[str]:
    """The lines of the report; ours and the floors interleaved."""
    done = asyncio.Event()
    runtime = Runtime(AsyncioHost(), mailbox_soft_limit=TELLS_COUNT)
    await runtime.start(Child("counter", lambda: Counter(TELLS_COUNT, done.set)))
    measures: dict[str, Callable[[], Awaitable[float]]] = {
        "started": _started,
        "tasks": _tasks_started,
        "told": lambda: _told(runtime, done),
        "queued": _queued,
        "called": _called,
        "asked": lambda: _asked(runtime),
        "answered": _future_answered,
    }
    seconds: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(RUNS):
        for name, measure in measures.items():
            gc.collect()
            seconds[name].append(await measure())
    await runtime.stop()
    of = {name: statistics.median(each) for name, each in seconds.items()}
    return [
        f"actors: {1 / of['started']:,.0f} started per second under a supervisor; bare tasks with "
        f"a queue {1 / of['tasks']:,.0f}: {of['started'] / of['tasks']:.1f}x",
        f"tell, served: {of['told'] * 1e6:.2f} us = {of['told'] / of['queued']:.1f}x a bare "
        f"asyncio queue's put and get, {of['told'] / of['called']:.0f}x a plain call",
        f"ask, answered: {of['asked'] * 1e6:.1f} us = {of['asked'] / of['answered']:.1f}x a bare "
        "queue and future",
    ]
