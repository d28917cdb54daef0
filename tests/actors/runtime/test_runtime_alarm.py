"""One reminder for many deadlines, and turns that follow each other in virtual time."""

import asyncio
from typing import Any

import pytest
from runtime_parts import recorder, root, running, simulate

from actors.runtime import Actor, Alarm, Child, SimulationHost


class Debtor(Actor):
    """Is told when something is due; owes what it is told to owe."""

    def __init__(self, rung_s: list[float]) -> None:
        super().__init__()
        self.rung_s = rung_s
        self.alarm = Alarm(self, "due")

    def on_receive(self, message: Any) -> None:
        if message == "due":
            self.alarm.clear()
            self.rung_s.append(round(self.runtime.host.elapsed(), 2))
        elif message == "nothing":
            self.alarm.clear()
        else:
            self.alarm.by(message)


def rings(*told: tuple[float, object]) -> list[float]:
    """When it rang, for what was told at which second."""
    rung_s: list[float] = []

    async def scenario(host: SimulationHost) -> None:
        async with running(root(Child("debtor", lambda: Debtor(rung_s))), host) as runtime:
            for at_s, what in told:
                await asyncio.sleep(at_s - host.elapsed())
                runtime.address("debtor").tell(what)
            await asyncio.sleep(100)

    simulate(1, scenario)
    return rung_s


@pytest.mark.parametrize(
    ("told", "rung_s"),
    [
        pytest.param([(0.0, 9.0), (1.0, 5.0)], [5.0], id="the earlier one, once"),
        pytest.param([(0.0, 5.0), (1.0, 9.0)], [5.0], id="a later one puts nothing off"),
        pytest.param([(0.0, 5.0), (1.0, "nothing")], [], id="nothing is due any more"),
        pytest.param([(3.0, 1.0)], [3.0], id="overdue already: at once"),
        pytest.param([(0.0, float("inf"))], [], id="never"),
        pytest.param([(0.0, 5.0), (6.0, 7.0)], [5.0, 7.0], id="and again after it rang"),
    ],
)
def test_an_alarm_rings_at_the_first_of_its_deadlines(
    told: list[tuple[float, object]], rung_s: list[float]
) -> None:
    assert rings(*told) == rung_s


def test_an_alarm_never_rings_early() -> None:
    early: list[float] = []

    class Exact(Actor):
        """Asks for thirds of a second, whose sums are rounded."""

        def on_start(self) -> None:
            self.due_s = 0.1
            self.alarm = Alarm(self, "due")
            self.alarm.by(self.due_s)

        def on_receive(self, _: Any) -> None:
            if self.runtime.host.elapsed() < self.due_s:
                early.append(self.due_s)
            self.alarm.clear()
            self.due_s += 1 / 3
            self.alarm.by(self.due_s)

    async def scenario(host: SimulationHost) -> None:
        async with running(root(Child("exact", Exact)), host):
            await asyncio.sleep(1_000)

    simulate(1, scenario)

    assert early == []


def test_whatever_is_ready_may_still_come_between_two_turns() -> None:
    """Turns follow each other in one callback only while nothing else could happen."""
    orders: set[tuple[str, ...]] = set()

    async def scenario(host: SimulationHost) -> None:
        book: list[str] = []
        spec = root(recorder("a", book), recorder("b", book))
        async with running(spec, host) as runtime:
            await asyncio.sleep(1)
            runtime.address("a").tell("a")
            runtime.address("b").tell("b")
            host.loop.call_soon(book.append, "io")
            await asyncio.sleep(1)
        orders.add(tuple(book))

    for seed in range(60):
        simulate(seed, scenario)

    assert len(orders) == 6
