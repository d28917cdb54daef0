"""Restarts, in which order, how often, how soon; and what happens when it was once too often."""

import asyncio
from collections.abc import Awaitable
from itertools import pairwise
from typing import Any

import pytest
from runtime_parts import (
    QUICK,
    Boom,
    Chronicle,
    Failed,
    Fill,
    chronicle,
    notices,
    recorder,
    root,
    running,
    simulate,
)

from actors.runtime import (
    Actor,
    Backoff,
    Child,
    DeadLetter,
    Exhausted,
    Exit,
    ExitReason,
    FellBack,
    HandlerStuck,
    Quarantined,
    Restart,
    RestartChild,
    Runtime,
    SimulationHost,
    StartChild,
    StartFailed,
    State,
    StopChild,
    Strategy,
    SupervisorSpec,
    WhichChildren,
)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Strategy.ONE_FOR_ONE, "!b +b"),
        (Strategy.ONE_FOR_ALL, "!b -d -c -a +a +b +c +d"),
        (Strategy.REST_FOR_ONE, "!b -d -c +b +c +d"),
    ],
)
def test_those_that_restart_together_stop_in_reverse_and_start_in_order(
    strategy: Strategy, expected: str
) -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[str] = []
        spec = root(*(chronicle(name, book) for name in "abcd"), strategy=strategy)
        async with running(spec, host) as runtime:
            assert book == ["+a", "+b", "+c", "+d"]
            book.clear()

            await crash(runtime, "b")

            assert " ".join(book) == expected
            book.clear()
        assert book == ["-d", "-c", "-b", "-a"]

    for seed in range(20):
        simulate(seed, scenario)


def test_a_group_that_gives_up_is_down_before_its_supervisor_restarts_what_leans_on_it() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[str] = []
        broker = SupervisorSpec(
            "broker-group",
            (chronicle("conn", book), chronicle("broker", book)),
            restarts_count_max=0,
            backoff=QUICK,
        )
        sessions = (chronicle("feed", book), chronicle("s1", book), chronicle("s2", book))
        spec = root(broker, *sessions, strategy=Strategy.REST_FOR_ONE)
        async with running(spec, host) as runtime:
            exits = notices(runtime)
            book.clear()

            await crash(runtime, "broker")

            expected = "!broker -conn -s2 -s1 -feed +conn +broker +feed +s1 +s2"
            assert " ".join(book) == expected
            reasons = {end.name: end.reason for end in exits}
            assert reasons["broker-group"] is ExitReason.ESCALATED

    for seed in range(20):
        simulate(seed, scenario)


def test_children_start_one_after_the_other_each_once_the_one_before_is_up() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[str] = []

        class Slow(Chronicle):
            async def on_start(self) -> None:
                book.append(f"starting {self.name}")
                await asyncio.sleep(1)
                book.append(f"+{self.name}")

            async def on_stop(self) -> None:
                book.append(f"stopping {self.name}")
                await asyncio.sleep(1)
                book.append(f"-{self.name}")

        spec = root(*(Child(name, lambda: Slow(book)) for name in "ab"))
        async with running(spec, host):
            assert book == ["starting a", "+a", "starting b", "+b"]
            assert host.elapsed() == 2
            book.clear()
        assert book == ["stopping b", "-b", "stopping a", "-a"]

    simulate(1, scenario)


def test_mail_told_while_the_house_still_starts_is_served_once_its_reader_is_up() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[Any] = []

        class Early(Actor):
            def on_start(self) -> None:
                assert self.runtime.address("late").tell(Fill(1))

        async with running(root(Child("early", Early), recorder("late", book)), host):
            await asyncio.sleep(1)
            assert book == [Fill(1)]

    simulate(1, scenario)


def test_a_restart_waits_longer_each_time_and_never_longer_than_the_maximum() -> None:
    backoff = Backoff(base_s=0.05, max_s=10.0)

    longest = [backoff.delay_s(attempt, chance=0.0) for attempt in range(1, 12)]
    shortest = [backoff.delay_s(attempt, chance=0.999999) for attempt in range(1, 12)]

    assert longest[:4] == [0.05, 0.1, 0.2, 0.4]
    assert longest == sorted(longest)
    assert longest[-1] == backoff.delay_s(10_000, chance=0.0) == 10.0
    assert all(low >= high / 2 for low, high in zip(shortest, longest, strict=True))


def test_restarts_really_wait_for_their_back_off_and_a_stable_child_starts_over() -> None:
    async def scenario(host: SimulationHost) -> None:
        started_at: list[float] = []

        class Fails(Actor):
            def on_start(self) -> None:
                started_at.append(host.elapsed())
                if self.incarnation < 6:
                    raise Failed

            def on_receive(self, message: Any) -> None:
                raise Failed

        backoff = Backoff(base_s=1.0, max_s=100.0, stable_after_s=30.0)
        async with running(root(Child("a", Fails), backoff=backoff), host) as runtime:
            gaps = [b - a for a, b in pairwise(started_at)]
            for attempt, gap in enumerate(gaps):
                assert 2**attempt / 2 <= gap <= 2**attempt

            await asyncio.sleep(31)
            crashed_at = host.elapsed()
            with pytest.raises(Failed):
                await runtime.address("a").ask("fail", 1.0)
            await asyncio.sleep(2)

            assert 0.5 <= started_at[-1] - crashed_at <= 1.0

    simulate(1, scenario)


def test_one_crash_too_many_in_the_window_escalates_to_the_end_of_the_house() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[str] = []
        runtime = Runtime(host)
        await runtime.start(root(chronicle("a", book), restarts_count_max=2))
        for _ in range(2):
            await crash(runtime, "a")
        assert runtime.tree().state is State.RUNNING

        await crash(runtime, "a")

        assert await runtime.wait() == 1
        assert not runtime.address("a").tell("anybody?")
        assert " ".join(book) == "+a !a +a !a +a !a"

    simulate(1, scenario)


def test_crashes_spread_wider_than_the_window_never_escalate() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[str] = []
        spec = root(chronicle("a", book), restarts_count_max=2, restarts_window_s=60.0)
        async with running(spec, host) as runtime:
            for _ in range(20):
                await crash(runtime, "a")
                await asyncio.sleep(30)
            assert runtime.tree().children[0].state is State.RUNNING

    simulate(1, scenario)


def test_a_house_that_ends_in_order_exits_zero() -> None:
    async def scenario(host: SimulationHost) -> None:
        runtime = Runtime(host)
        await runtime.start(chronicle("a", []))
        await runtime.stop()
        assert await runtime.wait() == 0

    simulate(1, scenario)


@pytest.mark.parametrize("error", [Failed(), HandlerStuck()])
def test_a_house_whose_root_dies_of_any_error_exits_one(error: BaseException) -> None:
    class Unreadable:
        @property
        def name(self) -> str:
            raise error

    async def scenario(host: SimulationHost) -> None:
        book: list[str] = []
        runtime = Runtime(host)
        await runtime.start(root(chronicle("a", book)))
        runtime.address("root").tell(StartChild(Unreadable()))  # type: ignore[arg-type]
        assert await runtime.wait() == 1
        assert book == ["+a", "!a"]

    simulate(1, scenario)


def test_a_tree_that_cannot_start_says_so_and_leaves_nothing_running() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[str] = []

        class Fails(Actor):
            def on_start(self) -> None:
                raise Failed("no port")

        runtime = Runtime(host)
        with pytest.raises(StartFailed, match="bad") as raised:
            await runtime.start(
                root(chronicle("good", book), Child("bad", Fails), restarts_count_max=1)
            )

        assert isinstance(raised.value.__cause__.__cause__, Failed)  # type: ignore[union-attr]
        assert book == ["+good", "-good"]
        assert await runtime.wait() == 1

    simulate(1, scenario)


def test_a_crash_looping_session_is_quarantined_alone_and_its_mail_is_kept() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[Any] = []
        others: list[str] = []
        spec = root(
            recorder("b", book),
            *(chronicle(name, others) for name in "acd"),
            exhausted=Exhausted.QUARANTINE,
            restarts_count_max=3,
        )
        async with running(spec, host) as runtime:
            parked = notices(runtime, Quarantined)
            others.clear()
            for _ in range(4):
                await crash(runtime, "b")
            for number in range(7):
                assert runtime.address("b").tell(Fill(number))
            await asyncio.sleep(3_600)

            status = runtime.tree().children[0]
            assert status.state is State.QUARANTINED
            assert status.mailbox_depth_count == 7
            assert [notice.name for notice in parked] == ["b"]
            assert others == []  # no sibling was touched

            assert await runtime.address("root").ask(RestartChild("b"), 1.0)
            await asyncio.sleep(1)
            assert book == [Fill(number) for number in range(7)]

    simulate(1, scenario)


def test_a_session_past_its_limit_goes_on_with_its_fallback_and_only_then_is_quarantined() -> None:
    async def scenario(host: SimulationHost) -> None:
        full: list[str] = []
        exits_only: list[str] = []
        child = chronicle("s", full, fallback=lambda: Chronicle(exits_only))
        spec = root(child, exhausted=Exhausted.QUARANTINE, restarts_count_max=2)
        async with running(spec, host) as runtime:
            fell_back = notices(runtime, FellBack)
            parked = notices(runtime, Quarantined)
            for _ in range(3):
                await crash(runtime, "s")

            assert full.count("+s") == 3
            assert exits_only == ["+s"]
            assert [notice.name for notice in fell_back] == ["s"]

            for _ in range(2):  # its count is fresh
                await crash(runtime, "s")
            assert runtime.tree().children[0].state is State.RUNNING
            assert not parked

            await crash(runtime, "s")
            assert runtime.tree().children[0].state is State.QUARANTINED
            assert len(parked) == 1

            assert await runtime.address("root").ask(RestartChild("s"), 1.0)
            await asyncio.sleep(1)
            assert full[-1] == "+s"  # by hand it is itself again

    simulate(1, scenario)


@pytest.mark.parametrize(
    ("restart", "crashed", "stopped"),
    [
        (Restart.PERMANENT, True, True),
        (Restart.TRANSIENT, True, False),
        (Restart.TEMPORARY, False, False),
    ],
)
def test_who_restarts_after_a_crash_and_who_after_a_normal_end(
    restart: Restart, crashed: bool, stopped: bool
) -> None:
    class Ends(Actor):
        def on_receive(self, message: Any) -> None:
            if isinstance(message, Boom):
                raise message.error
            self.stop()

    async def scenario(host: SimulationHost) -> None:
        spec = root(Child("a", Ends, restart), Child("b", Ends, restart))
        async with running(spec, host) as runtime:
            exits = notices(runtime)
            with pytest.raises(Failed):
                await runtime.address("a").ask(Boom(Failed()), 1.0)
            runtime.address("b").tell("stop")
            await asyncio.sleep(1)

            assert {end.name: end.reason for end in exits} == {
                "a": ExitReason.CRASH,
                "b": ExitReason.NORMAL,
            }
            assert runtime.address("a").tell("x") is crashed
            assert runtime.address("b").tell("x") is stopped

    simulate(1, scenario)


def test_a_session_can_be_added_stopped_and_added_again_by_name() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[str] = []
        async with running(root(chronicle("a", book)), host) as runtime:
            house = runtime.address("root")

            assert await house.ask(StartChild(chronicle("s", book)), 1.0)
            assert not await house.ask(StartChild(chronicle("s", book)), 1.0)  # taken
            await asyncio.sleep(1)
            house.tell(StopChild("s"))
            house.tell(StartChild(chronicle("s", book)))
            await asyncio.sleep(1)
            assert book == ["+a", "+s", "-s", "+s"]
            names = [status.name for status in await house.ask(WhichChildren(), 1.0)]
            assert names == ["a", "s"]

            assert await house.ask(StopChild("s"), 1.0)
            await asyncio.sleep(1)
            assert not await house.ask(StopChild("s"), 1.0)
            assert not runtime.address("s").tell("anybody?")

    for seed in range(20):
        simulate(seed, scenario)


def test_a_session_added_later_is_still_there_after_its_supervisor_was_restarted() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[str] = []
        sessions = SupervisorSpec(
            "sessions", (chronicle("s1", book),), restarts_count_max=0, backoff=QUICK
        )
        async with running(root(sessions), host) as runtime:
            await runtime.address("sessions").ask(StartChild(chronicle("s2", book)), 1.0)
            await asyncio.sleep(1)
            book.clear()

            await crash(runtime, "s1")

            assert book == ["!s1", "-s2", "+s1", "+s2"]

    simulate(1, scenario)


def test_a_new_session_does_not_wait_for_another_ones_back_off() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[str] = []
        spec = root(chronicle("a", book), backoff=Backoff(base_s=100.0, max_s=100.0))
        async with running(spec, host) as runtime:
            runtime.address("a").tell(Boom(Failed()))
            await asyncio.sleep(1)
            await runtime.address("root").ask(StartChild(chronicle("s", book)), 1.0)
            await asyncio.sleep(1)

            assert book == ["+a", "!a", "+s"]

    simulate(1, scenario)


def test_a_new_session_that_cannot_start_does_not_hold_up_the_next_new_one() -> None:
    class Fails(Actor):
        def on_start(self) -> None:
            raise Failed

    async def scenario(host: SimulationHost) -> None:
        book: list[str] = []
        async with running(root(chronicle("a", book), backoff=Backoff()), host) as runtime:
            runtime.address("root").tell(StartChild(Child("bad", Fails)))
            runtime.address("root").tell(StartChild(chronicle("good", book)))
            await asyncio.sleep(1)
            assert book == ["+a", "+good"]

    simulate(1, scenario)


def test_a_house_that_is_giving_up_while_it_is_stopped_still_says_that_it_gave_up() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[str] = []

        class Slow(Chronicle):
            async def on_stop(self) -> None:
                await asyncio.sleep(3)

        runtime = Runtime(host)
        spec = root(chronicle("a", book), Child("b", lambda: Slow(book)), restarts_count_max=0)
        await runtime.start(spec)
        with pytest.raises(Failed):
            await runtime.address("a").ask(Boom(Failed()), 1.0)
        await asyncio.sleep(1)
        await runtime.stop()
        assert await runtime.wait() == 1

    simulate(1, scenario)


def test_an_operators_restart_during_a_back_off_starts_it_once() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[str] = []
        async with running(
            root(chronicle("a", book), backoff=Backoff(base_s=5.0)), host
        ) as runtime:
            with pytest.raises(Failed):
                await runtime.address("a").ask(Boom(Failed()), 1.0)
            runtime.address("root").tell(RestartChild("a"))
            await asyncio.sleep(60)

            assert book == ["+a", "!a", "+a"]

    for seed in range(20):
        simulate(seed, scenario)


def test_a_start_or_a_stop_that_hangs_is_cut_off_at_its_limit() -> None:
    async def scenario(host: SimulationHost) -> None:
        class Hangs(Actor):
            def on_start(self) -> Awaitable[None] | None:
                return host.loop.create_future() if self.incarnation == 1 else None

            def on_stop(self) -> Awaitable[None]:
                return host.loop.create_future()

        child = Child("a", Hangs, start_timeout_s=30.0, stop_timeout_s=5.0)
        runtime = Runtime(host)
        exits: list[Exit] = notices(runtime)
        await runtime.start(root(child))
        assert 30 <= host.elapsed() < 31
        assert exits[0].reason is ExitReason.START_TIMEOUT

        before = host.elapsed()
        await runtime.stop()

        assert host.elapsed() - before == pytest.approx(5)
        assert isinstance(exits[1].error, TimeoutError)

    simulate(1, scenario)


def test_the_house_is_down_within_its_grace_even_when_a_child_will_not_stop() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[str] = []

        class Hangs(Chronicle):
            def on_stop(self) -> Awaitable[None]:  # type: ignore[override]
                return host.loop.create_future()

        runtime = Runtime(host)
        await runtime.start(
            root(chronicle("a", book), Child("b", lambda: Hangs(book), stop_timeout_s=3_600.0))
        )
        await runtime.stop(grace_s=10.0)

        assert host.elapsed() == pytest.approx(10)
        assert book == ["+a", "+b", "!b", "!a"]
        assert await runtime.wait() == 0

    simulate(1, scenario)


def test_a_crash_of_the_supervisor_itself_takes_its_children_down_and_all_come_back() -> None:
    async def scenario(host: SimulationHost) -> None:
        book: list[str] = []
        group = SupervisorSpec("group", (chronicle("a", book), chronicle("b", book)))
        async with running(root(group), host) as runtime:
            runtime.address("group").tell("what is this?")
            await asyncio.sleep(60)

            up: set[str] = set()
            for entry in book:
                assert (entry[1] in up) is (entry[0] == "!")  # never two of one name
                up ^= {entry[1]}
            assert book[:5] == ["+a", "+b", "!b", "!a", "+a"]
            assert up == {"a", "b"}
            assert runtime.dead_letters.recent[-1].message == "what is this?"

    simulate(1, scenario)


def test_two_children_of_one_name_are_refused_at_once() -> None:
    async def scenario(host: SimulationHost) -> None:
        runtime = Runtime(host)
        with pytest.raises(ValueError, match="'a'"):
            await runtime.start(root(chronicle("a", []), chronicle("a", [])))

    simulate(1, scenario)


def test_mail_that_waits_for_a_name_closed_for_good_becomes_dead_letters() -> None:
    async def scenario(host: SimulationHost) -> None:
        async with running(root(recorder("a", [])), host) as runtime:
            letters = notices(runtime, DeadLetter)
            runtime.address("root").tell(StopChild("a"))
            runtime.address("a").tell(Boom(Failed()))
            runtime.address("a").tell(Fill(1))
            await asyncio.sleep(60)

            assert {type(letter.message) for letter in letters} <= {Boom, Fill}
            assert runtime.dead_letters.count == len(letters)
            assert not runtime.address("a").tell(Fill(2))

    simulate(1, scenario)


async def crash(runtime: Runtime, name: str) -> None:
    """Crash it once (an ask is not served again), and let the restarts happen."""
    with pytest.raises(Failed):
        await runtime.address(name).ask(Boom(Failed()), 5.0)
    await asyncio.sleep(1)
