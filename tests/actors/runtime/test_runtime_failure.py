"""What becomes of messages, asks and timers when an actor dies of them."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import pykka
import pytest
from runtime_parts import Boom, Failed, Fill, notices, recorder, root, running, simulate

from actors.runtime import (
    Actor,
    Address,
    Backoff,
    Child,
    DeadLetter,
    DeadReason,
    Exhausted,
    ExitReason,
    SimulationHost,
    StartChild,
    State,
    StopChild,
)


@dataclass(frozen=True, slots=True)
class Submit:
    """A command with an effect outside: not to be done twice."""

    order: str


def test_a_poison_message_is_tried_three_times_before_the_rest_and_then_put_aside() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[Any] = []
        async with running(root(recorder("a", book)), host) as runtime:
            exits = notices(runtime)
            letters = notices(runtime, DeadLetter)
            address = runtime.address("a")
            for message in (Fill(1), Boom(Failed()), Fill(2)):
                address.tell(message)
            await asyncio.sleep(60)

            assert book == [Fill(1), Fill(2)]
            assert [end.is_repeat for end in exits] == [False, True, True]
            assert [(letter.name, letter.reason) for letter in letters] == [
                ("a", DeadReason.POISON)
            ]
            assert isinstance(letters[0].error, Failed)
            assert runtime.counters["dead_letters"] == runtime.dead_letters.count == 1

    simulate(1, scenario)


def test_crashes_on_one_message_count_once_towards_the_limit() -> None:
    async def scenario(host: SimulationHost) -> None:
        spec = root(recorder("a", []), restarts_count_max=3, exhausted=Exhausted.QUARANTINE)
        async with running(spec, host) as runtime:
            for _ in range(3):
                runtime.address("a").tell(Boom(Failed()))
                await asyncio.sleep(1)
            assert runtime.tree().children[0].state is State.RUNNING
            assert runtime.tree().children[0].restarts_count == 9

            runtime.address("a").tell(Boom(Failed()))
            await asyncio.sleep(1)
            assert runtime.tree().children[0].state is State.QUARANTINED

    simulate(1, scenario)


def test_a_submit_whose_handler_crashed_is_never_served_again_and_its_asker_hears_of_it() -> None:
    class Broker(Actor):
        def on_receive(self, message: Any) -> None:
            sent.append(message)
            raise Failed("the connection broke in the middle of it")

    sent: list[Any] = []
    lost: list[Any] = []

    async def scenario(host: SimulationHost) -> None:
        async with running(
            root(Child("broker", Broker)),
            host,
            never_again=frozenset({Submit}),
            on_lost=lambda message, error: lost.append((message, type(error))),
        ) as runtime:
            runtime.address("broker").tell(Submit("t1"))
            await asyncio.sleep(60)

            assert sent == [Submit("t1")]
            assert lost == [(Submit("t1"), Failed)]
            assert runtime.dead_letters.recent[0].reason is DeadReason.NEVER_AGAIN

    simulate(1, scenario)


def test_an_ask_is_answered_whatever_happens_to_who_was_asked() -> None:
    async def scenario(host: SimulationHost) -> None:
        spec = root(recorder("a", []), recorder("b", []), backoff=Backoff(base_s=5.0))
        async with running(spec, host) as runtime:
            a, b = runtime.address("a"), runtime.address("b")

            with pytest.raises(pykka.ActorDeadError):
                await runtime.address("nobody").ask("x", 1.0)
            crash = asyncio.ensure_future(outcome(a.ask(Boom(Failed()), 1.0)))
            behind = asyncio.ensure_future(outcome(a.ask(Fill(1), 60.0)))
            late = asyncio.ensure_future(outcome(a.ask(Fill(2), 1.0)))
            assert await crash is Failed
            assert await late is TimeoutError
            assert await behind == Fill(1)  # served by the successor

            runtime.address("root").tell(StopChild("b"))
            b.tell(Boom(Failed()))
            closed = asyncio.ensure_future(outcome(b.ask(Fill(3), 60.0)))
            assert await closed in (pykka.ActorDeadError, Fill(3))

    for seed in range(30):
        simulate(seed, scenario)


async def outcome(asked: Awaitable[Any]) -> Any:
    """What the ask gives, or the class of what it raises."""
    try:
        return await asked
    except Exception as error:
        return type(error)


def test_a_command_whose_asker_gave_up_is_not_done_any_more() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[Any] = []
        async with running(
            root(recorder("a", book), backoff=Backoff(base_s=10.0)), host
        ) as runtime:
            address = runtime.address("a")
            address.tell(Boom(asyncio.CancelledError()))
            await asyncio.sleep(1)
            with pytest.raises(TimeoutError, match="a did not answer"):
                await address.ask(Fill(1), 1.0)
            address.tell(Fill(2))
            await asyncio.sleep(60)

            assert book == [Fill(2)]
            assert runtime.counters["expired_asks"] == 1

    simulate(1, scenario)


def test_delivery_to_nobody_is_counted_and_raises_nothing() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with running(root(recorder("a", [])), host) as runtime:
            assert runtime.address("a").tell(Fill(1))
            assert not runtime.address("nobody").tell(Fill(2))
            assert runtime.dead_letters.recent[0] == DeadLetter(
                "nobody", Fill(2), DeadReason.NO_SUCH_NAME
            )

    simulate(1, scenario)


def test_a_message_whose_key_cannot_be_computed_hurts_neither_sender_nor_reader() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[Any] = []
        async with running(
            root(recorder("a", book)), host, conflate={Fill: lambda fill: fill.nonsense}
        ) as runtime:
            assert not runtime.address("a").tell(Fill(1))
            await runtime.address("a").ask("alive?", 1.0)
            assert runtime.dead_letters.recent[0].reason is DeadReason.UNSORTABLE

    simulate(1, scenario)


class Waiter(Actor):
    """Starts a wait or a reminder when told to; writes down what comes of it."""

    def __init__(self, book: list[Any]) -> None:
        super().__init__()
        self.book = book

    def on_receive(self, message: Any) -> None:
        match message:
            case Boom(error):
                raise error
            case ("remind", float(delay_s)):
                self.remind(delay_s, f"reminded by {self.incarnation}")
            case ("pipe", wait, to, deadline_s):
                self.pipe(
                    wait,
                    done=lambda value: ("done", value),
                    failed=lambda error: ("failed", type(error)),
                    to=to,
                    deadline_s=deadline_s,
                )
            case ("bad mapping", wait):
                self.pipe(wait, done=lambda value: 1 / 0, failed=lambda error: None)
            case _:
                self.book.append(message)


async def after(delay_s: float, value: Any) -> Any:
    """The value, later; or raise it, if it is an error."""
    await asyncio.sleep(delay_s)
    if isinstance(value, Exception):
        raise value
    return value


def waiter_house(scenario: Any, seeds: int = 10, **options: Any) -> None:
    """Play `scenario(runtime, address of a waiter, its book)` under several seeds."""

    async def play(host: SimulationHost) -> None:
        book: list[Any] = []
        async with running(root(Child("a", lambda: Waiter(book))), host, **options) as runtime:
            await scenario(runtime, runtime.address("a"), book)

    for seed in range(seeds):
        simulate(seed, play)


def test_the_outcome_of_a_wait_comes_back_as_a_message() -> None:
    async def scenario(runtime: Any, a: Address, book: list[Any]) -> None:
        a.tell(("pipe", after(1, 42), None, None))
        a.tell(("pipe", after(2, Failed()), None, None))
        a.tell("meanwhile")
        await asyncio.sleep(3)
        assert book == ["meanwhile", ("done", 42), ("failed", Failed)]

    waiter_house(scenario)


def test_a_wait_past_its_deadline_has_failed_even_if_it_will_not_be_cancelled() -> None:
    async def scenario(runtime: Any, a: Address, book: list[Any]) -> None:
        async def stubborn() -> str:
            for _ in range(100):
                try:
                    await asyncio.sleep(1)
                except asyncio.CancelledError:
                    continue
            return "too late"

        a.tell(("pipe", stubborn(), None, 5.0))
        await asyncio.sleep(6)
        assert book == [("failed", TimeoutError)]
        await asyncio.sleep(200)
        assert book == [("failed", TimeoutError)]  # told once

    waiter_house(scenario)


def test_a_dead_incarnations_timers_and_outcomes_never_reach_its_successor() -> None:
    async def scenario(runtime: Any, a: Address, book: list[Any]) -> None:
        a.tell(("remind", 5.0))
        a.tell(("pipe", after(5, 1), None, None))
        await asyncio.sleep(1)
        a.tell(Boom(Failed()))
        await asyncio.sleep(1)
        a.tell(("remind", 5.0))
        await asyncio.sleep(60)

        assert book == ["reminded by 4"]  # the poison took two more incarnations
        assert runtime.counters["stale"] == 1  # the wait ran on; the timer was cancelled

    waiter_house(scenario)


def test_a_timer_that_had_fired_when_its_actor_died_is_dropped_and_counted() -> None:
    async def scenario(runtime: Any, a: Address, book: list[Any]) -> None:
        a.tell(("remind", 0.0))
        a.tell(Boom(Failed()))
        a.tell("after")
        await asyncio.sleep(60)
        assert book[-1] == "after"
        assert runtime.counters.get("stale", 0) + book.count("reminded by 1") <= 1

    waiter_house(scenario, seeds=30)


def test_an_answer_piped_to_another_arrives_though_the_one_who_waited_died() -> None:
    async def scenario(runtime: Any, a: Address, book: list[Any]) -> None:
        answers: list[Any] = []
        await runtime.address("root").ask(start_child("asker", answers), 1.0)
        asker = runtime.address("asker")
        a.tell(("pipe", after(5, "Accepted"), asker, 10.0))
        await asyncio.sleep(1)
        a.tell(Boom(Failed()))
        await asyncio.sleep(60)
        assert answers == [("done", "Accepted")]

    waiter_house(scenario)


def start_child(name: str, book: list[Any]) -> Any:
    return StartChild(recorder(name, book))


def test_a_mapping_that_fails_is_a_crash_of_the_actor_that_gave_it() -> None:
    async def scenario(runtime: Any, a: Address, book: list[Any]) -> None:
        exits = notices(runtime)
        a.tell(("bad mapping", after(1, 1)))
        await asyncio.sleep(60)
        assert [(end.name, type(end.error)) for end in exits] == [("a", ZeroDivisionError)]

    waiter_house(scenario)


def test_a_handler_that_is_a_coroutine_is_a_crash_and_not_a_silent_nothing() -> None:
    class Wrong(Actor):
        async def on_receive(self, message: Any) -> None:
            raise AssertionError("never runs")

    async def scenario(host: SimulationHost) -> None:
        async with running(root(Child("a", Wrong)), host) as runtime:
            with pytest.raises(TypeError, match="must be plain"):
                await runtime.address("a").ask("x", 1.0)

    simulate(1, scenario)


def test_a_cancelled_reminder_never_comes() -> None:
    async def scenario(host: SimulationHost) -> None:
        class Hasty(Actor):
            def on_receive(self, message: Any) -> None:
                if message == "go":
                    self.remind(1.0, "late").cancel()
                    self.remind(2.0, "on time")
                else:
                    book.append((message, host.elapsed()))

        book: list[Any] = []
        async with running(root(Child("a", Hasty)), host) as runtime:
            runtime.address("a").tell("go")
            await asyncio.sleep(5)
            assert book == [("on time", 2.0)]

    simulate(1, scenario)


def test_what_is_published_reaches_all_subscribers_also_after_their_restart() -> None:
    class Subscriber(Actor):
        def on_start(self) -> None:
            self.runtime.subscribe("bars", self.address)

        def on_receive(self, message: Any) -> None:
            if isinstance(message, Boom):
                raise message.error
            heard.append((self.name, message))

    class Publisher(Actor):
        def on_receive(self, message: Any) -> None:
            self.publish("bars", message)

    heard: list[Any] = []

    async def scenario(host: SimulationHost) -> None:
        heard.clear()
        spec = root(Child("p", Publisher), Child("s1", Subscriber), Child("s2", Subscriber))
        async with running(spec, host) as runtime:
            runtime.address("s1").tell(Boom(Failed()))
            await asyncio.sleep(1)
            runtime.address("p").tell("bar 1")
            await asyncio.sleep(1)
            await runtime.address("root").ask(StopChild("s2"), 1.0)
            await asyncio.sleep(1)
            runtime.address("p").tell("bar 2")
            await asyncio.sleep(1)
            runtime.address("p").tell("bar 3")
            await asyncio.sleep(1)

            assert sorted(heard) == [
                ("s1", "bar 1"),
                ("s1", "bar 2"),
                ("s1", "bar 3"),
                ("s2", "bar 1"),
            ]
            letters = [letter.message for letter in runtime.dead_letters.recent]
            assert letters.count("bar 2") == 1  # found gone once, then not told any more
            assert "bar 3" not in letters

    for seed in range(10):
        simulate(seed, scenario)


def test_a_listener_that_fails_is_reported_and_harms_nobody() -> None:
    async def scenario(host: SimulationHost) -> None:
        reported: list[Any] = []
        host.loop.set_exception_handler(lambda _, context: reported.append(context))
        async with running(root(recorder("a", [])), host) as runtime:

            def fails(_: object) -> None:
                raise Failed

            runtime.listen(fails)
            with pytest.raises(Failed):
                await runtime.address("a").ask(Boom(Failed()), 1.0)
            assert await runtime.address("a").ask("alive?", 1.0) == "alive?"
            assert reported
            assert runtime.counters["complaints"] == len(reported)

    simulate(1, scenario)


def test_waits_under_way_may_end_within_the_grace_of_an_orderly_stop() -> None:
    async def scenario(host: SimulationHost) -> None:
        ended: list[str] = []

        async def commit() -> None:
            await asyncio.sleep(3)
            ended.append("committed")

        async def hang() -> None:
            try:
                await asyncio.sleep(3_600)
            finally:
                ended.append("cut off")

        class Journal(Actor):
            def on_start(self) -> None:
                for wait in (commit(), hang()):
                    self.pipe(wait, done=lambda _: None, failed=lambda _: None)

        async with running(root(Child("journal", Journal)), host):
            pass
        assert ended == ["committed", "cut off"]
        assert host.elapsed() == pytest.approx(10)

    simulate(1, scenario)


def test_every_end_is_counted_by_its_reason() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with running(root(recorder("a", [])), host) as runtime:
            with pytest.raises(Failed):
                await runtime.address("a").ask(Boom(Failed()), 1.0)
            await asyncio.sleep(1)
            assert runtime.counters[f"exits_{ExitReason.CRASH.lower()}"] == 1
            assert runtime.counters["restarts"] == 1

    simulate(1, scenario)
