"""Ten thousand random crashes lose no name and no message of the event lane."""

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pykka
from runtime_parts import QUICK, Failed, notices, root, simulate, until

from actors.runtime import (
    Actor,
    AsyncioHost,
    Child,
    DeadLetter,
    Exit,
    Host,
    Lane,
    Runtime,
    SimulationHost,
    State,
    Strategy,
    SupervisorSpec,
)

CRASHES_COUNT = 10_000
NAMES_COUNT = 24


@dataclass(frozen=True, slots=True)
class Fill:
    number: int


@dataclass(frozen=True, slots=True)
class Bar:
    number: int


@dataclass(slots=True)
class Crash:
    """Raise this, so often; later servings are harmless."""

    error: BaseException
    times_count: int

    def happen(self) -> None:
        self.times_count -= 1
        if self.times_count >= 0:
            raise self.error


class Session(Actor):
    """Keeps its fills in a book that outlives it, and dies in every way there is."""

    def __init__(self, fills: list[int], bars: list[int], chance: random.Random) -> None:
        super().__init__()
        self.fills = fills
        self.bars = bars
        self.chance = chance

    def on_start(self) -> Any:
        if self.incarnation > 1 and self.chance.random() < 0.03:
            raise Failed("on start")
        if self.chance.random() < 0.3:
            return asyncio.sleep(0.0001)
        return None

    def on_receive(self, message: Any) -> Any:
        match message:
            case Crash():
                message.happen()
            case Fill(number):
                self.fills.append(number)
            case Bar(number):
                self.bars.append(number)


def an_error(chance: random.Random) -> BaseException:
    kinds = (Failed, ValueError, asyncio.CancelledError, SystemExit, KeyboardInterrupt)
    return chance.choice(kinds)()


async def storm(host: Host, seed: int, crashes_count: int) -> Runtime:
    """Crash random sessions in random ways while fills and bars flow; check that all is there."""
    chance = random.Random(seed)
    fills: dict[str, list[int]] = defaultdict(list)
    bars: dict[str, list[int]] = defaultdict(list)
    sent: dict[str, int] = defaultdict(int)
    names = [f"s{number}" for number in range(NAMES_COUNT)]

    def session(name: str) -> Child:
        return Child(name, lambda: Session(fills[name], bars[name], chance))

    half = NAMES_COUNT // 2
    strategies = (Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE)
    in_group = half // len(strategies)
    groups = tuple(
        SupervisorSpec(
            f"group {index}",
            tuple(map(session, names[half + index * in_group :][:in_group])),
            strategy=strategy,
            backoff=QUICK,
            restarts_count_max=1_000_000,
        )
        for index, strategy in enumerate(strategies)
    )
    registered_before = len(pykka.ActorRegistry.get_all())
    runtime = Runtime(host, lanes={Bar: Lane.MARKET})
    exits: list[Exit] = notices(runtime)
    letters: list[DeadLetter] = notices(runtime, DeadLetter)
    await runtime.start(root(*(session(name) for name in names[:half]), *groups))
    asks: list[asyncio.Future[Any]] = []
    poison_count = 0

    def crashed_count() -> int:
        return sum(end.error is not None for end in exits)

    while crashed_count() < crashes_count:
        for _ in range(20):
            name = chance.choice(names)
            address = runtime.address(name)
            for _ in range(3):
                sent[name] += 1
                address.tell(Fill(sent[name]))
                address.tell(Bar(sent[name]))
            crash = Crash(an_error(chance), chance.choice((1, 2, 3)))
            if chance.random() < 0.2:
                asks.append(asyncio.ensure_future(settled(address.ask(crash, 60.0))))
            else:
                poison_count += crash.times_count == 3
                address.tell(crash)
        await asyncio.sleep(0.02)

    answers = await asyncio.gather(*asks)
    await until(lambda: all_are_idle(runtime), timeout_s=60)

    assert len(answers) == len(asks)  # no ask hangs
    for name in names:
        assert fills[name] == bars[name] == list(range(1, sent[name] + 1)), name
    assert sum(isinstance(letter.message, Crash) for letter in letters) == poison_count
    assert len(letters) == poison_count
    assert len(pykka.ActorRegistry.get_all()) == registered_before + NAMES_COUNT + 3
    await runtime.stop()
    assert len(pykka.ActorRegistry.get_all()) == registered_before
    return runtime


async def settled(asked: Any) -> Any:
    try:
        return await asked
    except BaseException as error:
        return type(error)


def all_are_idle(runtime: Runtime) -> bool:
    """Whether everybody is up and nothing waits."""
    tree = runtime.tree()
    every = [*tree.children, *(child for group in tree.children for child in group.children)]
    return all(one.state is State.RUNNING and not one.mailbox_depth_count for one in every)


def test_ten_thousand_random_crashes_lose_no_name_and_no_fill() -> None:
    for seed in range(4):
        simulate(seed, lambda host, seed=seed: storm(host, seed, CRASHES_COUNT // 4))


async def test_a_thousand_random_crashes_on_a_real_loop_lose_no_name_and_no_fill() -> None:
    await storm(AsyncioHost(), 5, 1_000)


def test_a_storm_is_the_same_storm_under_the_same_seed() -> None:
    def digest() -> str:
        host = SimulationHost(9)
        host.loop.run_until_complete(storm(host, 9, 200))
        return host.loop.trace_hash

    assert digest() == digest()
