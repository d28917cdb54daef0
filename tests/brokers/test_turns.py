"""Whose request goes next: exits and cancels first, and never faster than the venue allows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from adapters.brokers.turns import NoTurn, Turns, Urgency

WALL = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
PATIENCE_S = 5.0


class HandClock:
    """Stands still unless turned."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def elapsed(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return WALL + timedelta(seconds=self.seconds - 1000.0)


class Queue:
    """Requests that ask for turns, and the order in which they get them."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.served: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def ask(self, name: str, urgency: Urgency, wait_s_max: float = PATIENCE_S) -> None:
        """Ask, and get in the queue."""

        async def run() -> None:
            async with self.turns.turn(urgency, wait_s_max):
                self.served.append(name)

        self.tasks.append(asyncio.ensure_future(run()))
        await asyncio.sleep(0)  # let it ask

    async def finish(self) -> None:
        """All served, or given up."""
        await asyncio.gather(*self.tasks)


@asynccontextmanager
async def held(turns: Turns, count: int) -> AsyncIterator[None]:
    """So many turns are taken meanwhile."""
    if not count:
        yield
        return
    async with turns.turn(Urgency.EXIT, PATIENCE_S), held(turns, count - 1):
        yield


async def test_an_exit_passes_all_who_wait() -> None:
    turns = Turns(HandClock(), per_minute=1000, in_flight_max=1)
    queue = Queue(turns)

    async with held(turns, 1):
        await queue.ask("question", Urgency.QUESTION)
        await queue.ask("entry", Urgency.ENTRY)
        await queue.ask("exit", Urgency.EXIT)
        await queue.ask("cancel", Urgency.EXIT)
        assert queue.served == []
    await queue.finish()

    assert queue.served == ["exit", "cancel", "entry", "question"]


async def test_a_part_of_the_connections_is_kept_for_exits() -> None:
    turns = Turns(HandClock(), per_minute=1000, in_flight_max=10)
    queue = Queue(turns)

    async with held(turns, 9):
        await queue.ask("entry", Urgency.ENTRY)
        await queue.ask("exit", Urgency.EXIT)
        assert queue.served == ["exit"]
    await queue.finish()


async def test_a_part_of_the_minute_is_kept_for_exits() -> None:
    turns = Turns(HandClock(), per_minute=100, in_flight_max=1000)
    queue = Queue(turns)

    for n in range(91):
        await queue.ask(f"entry {n}", Urgency.ENTRY, wait_s_max=0.01)
    for n in range(10):
        await queue.ask(f"exit {n}", Urgency.EXIT)
    with pytest.raises(NoTurn):
        await queue.finish()

    assert [name for name in queue.served if "entry" in name] == [f"entry {n}" for n in range(90)]
    assert len([name for name in queue.served if "exit" in name]) == 10


async def test_the_minute_fills_up_again_evenly() -> None:
    clock = HandClock()
    turns = Turns(clock, per_minute=60, in_flight_max=100)
    async with held(turns, 60):
        pass
    with pytest.raises(NoTurn):
        async with turns.turn(Urgency.EXIT, wait_s_max=0.01):
            pass

    clock.seconds += 1.0

    async with turns.turn(Urgency.EXIT, wait_s_max=0.01):
        pass


async def test_what_the_venue_says_is_left_is_believed() -> None:
    turns = Turns(HandClock(), per_minute=10_000, in_flight_max=100)
    async with turns.turn(Urgency.QUESTION, PATIENCE_S):
        turns.learn(200, {"X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "3"})

    async with held(turns, 3):  # exits may use the last three
        with pytest.raises(NoTurn):
            async with turns.turn(Urgency.ENTRY, wait_s_max=0.01):
                pass


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Retry-After": "20"}, id="Retry-After"),
        pytest.param(
            {"X-RateLimit-Reset": str(int(WALL.timestamp()) + 20)}, id="X-RateLimit-Reset"
        ),
    ],
)
async def test_after_a_refusal_entries_wait_for_the_reset_and_exits_a_second(
    headers: dict[str, str],
) -> None:
    clock = HandClock()
    turns = Turns(clock, per_minute=1000, in_flight_max=100)
    async with turns.turn(Urgency.QUESTION, PATIENCE_S):
        turns.learn(429, headers)

    for seconds, exit_may, entry_may in ((0, False, False), (1, True, False), (20, True, True)):
        clock.seconds = 1000.0 + seconds
        for urgency, may in ((Urgency.EXIT, exit_may), (Urgency.ENTRY, entry_may)):
            if may:
                async with turns.turn(urgency, wait_s_max=0.01):
                    pass
            else:
                with pytest.raises(NoTurn):
                    async with turns.turn(urgency, wait_s_max=0.01):
                        pass


@pytest.mark.parametrize("text", ["", "soon", "-5", "1e3", "99999999999", "²"])
async def test_headers_of_nonsense_stop_nobody_for_long(text: str) -> None:
    clock = HandClock()
    turns = Turns(clock, per_minute=1000, in_flight_max=100)
    async with turns.turn(Urgency.QUESTION, PATIENCE_S):
        turns.learn(
            429, {"Retry-After": text, "X-RateLimit-Limit": "0", "X-RateLimit-Remaining": text}
        )

    clock.seconds += 60.0

    async with turns.turn(Urgency.ENTRY, wait_s_max=0.01):
        pass


@pytest.mark.parametrize("moment", ["before its turn", "in the moment of its turn"])
async def test_whoever_gives_up_leaves_no_turn_behind(moment: str) -> None:
    turns = Turns(HandClock(), per_minute=1000, in_flight_max=1)
    queue = Queue(turns)

    async with held(turns, 1):
        await queue.ask("gives up", Urgency.EXIT)
        await queue.ask("stays", Urgency.EXIT)
        if moment == "before its turn":
            queue.tasks[0].cancel()
    queue.tasks[0].cancel()  # by now the turn is its own, though it does not know yet
    await asyncio.gather(*queue.tasks, return_exceptions=True)

    assert queue.served == ["stays"]
    async with turns.turn(Urgency.EXIT, wait_s_max=0.01):
        pass
