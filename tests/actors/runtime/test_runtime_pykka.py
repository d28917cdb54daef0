"""pykka's documented behaviour on our actors, with stock pykka's own actor beside as the oracle.

Deliberate differences, tested elsewhere: an error in an ask ends the actor (trap S1), and a stray
`BaseException` ends one actor instead of all (trap S3).
"""

import asyncio
import threading
from collections.abc import Generator
from typing import Any

import pykka
import pytest

from actors.runtime import Actor, AsyncioHost, LoopFuture, Runtime

LIMIT_S = 5.0


@pytest.fixture(scope="module")
def engine() -> Generator[Runtime]:
    """A runtime whose loop runs on a thread of its own, so that a test may wait as threads do."""
    loop = AsyncioHost.new_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def make() -> Runtime:
        return Runtime(AsyncioHost())

    runtime = asyncio.run_coroutine_threadsafe(make(), loop).result(LIMIT_S)
    yield runtime
    asyncio.run_coroutine_threadsafe(runtime.stop(), loop).result(LIMIT_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(LIMIT_S)
    loop.close()


@pytest.fixture(params=["stock", "ours"])
def actor_class(request: pytest.FixtureRequest) -> Generator[Any]:
    """A small actor: pykka's own, and the same text on our base."""
    base: Any = pykka.ThreadingActor
    if request.param == "ours":
        base = type("OnLoop", (Actor,), {"runtime": request.getfixturevalue("engine")})

    class Small(base):  # type: ignore[misc]
        limit = 7

        def __init__(self, book: list[str] | None = None) -> None:
            super().__init__()
            self.book = book if book is not None else []
            self.failed = threading.Event()
            self.value = 1

        def on_start(self) -> None:
            self.book.append("started")

        def on_stop(self) -> None:
            self.book.append("stopped")

        def on_failure(self, kind: Any, error: Any, trace: Any) -> None:
            self.book.append(f"failed: {error}")
            self.failed.set()

        def on_receive(self, message: Any) -> Any:
            if message == "fail":
                raise ValueError("told to")
            if message == "stop":
                self.stop()
            self.book.append(message)
            return f"got {message}"

        def add(self, one: int, *, to: int) -> int:
            return one + to

        def me(self) -> Any:
            return self.actor_ref

    before = pykka.ActorRegistry.get_all()
    yield Small
    for ref in pykka.ActorRegistry.get_all():
        if ref not in before:
            ref.stop(timeout=LIMIT_S)
    assert pykka.ActorRegistry.get_all() == before


def test_ask_returns_what_the_handler_returns(actor_class: Any) -> None:
    ref = actor_class.start()

    assert ref.ask("hello", timeout=LIMIT_S) == "got hello"


def test_a_future_is_given_at_once_and_can_be_read_twice(actor_class: Any) -> None:
    future = actor_class.start().ask("hello", block=False)

    assert future.get(timeout=LIMIT_S) == future.get(timeout=LIMIT_S) == "got hello"


def test_tell_returns_nothing_and_messages_are_served_in_order(actor_class: Any) -> None:
    book: list[str] = []
    ref = actor_class.start(book)

    told = [ref.tell(str(number)) for number in range(100)]
    ref.ask("end", timeout=LIMIT_S)

    assert told == [None] * 100
    assert book == ["started", *map(str, range(100)), "end"]


def test_stop_serves_what_came_before_and_calls_on_stop(actor_class: Any) -> None:
    book: list[str] = []
    ref = actor_class.start(book)
    ref.tell("before")

    assert ref.stop(timeout=LIMIT_S) is True

    assert book == ["started", "before", "stopped"]
    assert not ref.is_alive()
    assert ref.stop(timeout=LIMIT_S) is False


def test_an_actor_can_stop_itself_after_the_message_it_serves(actor_class: Any) -> None:
    book: list[str] = []
    ref = actor_class.start(book)

    assert ref.ask("stop", timeout=LIMIT_S) == "got stop"
    assert ref.actor_stopped.wait(LIMIT_S)
    with pytest.raises(pykka.ActorDeadError):
        ref.ask("too late", timeout=LIMIT_S)


def test_a_dead_actors_ref_raises_for_tell_and_ask(actor_class: Any) -> None:
    ref = actor_class.start()
    ref.stop(timeout=LIMIT_S)

    with pytest.raises(pykka.ActorDeadError):
        ref.tell("x")
    with pytest.raises(pykka.ActorDeadError):
        ref.ask("x", timeout=LIMIT_S)
    with pytest.raises(pykka.ActorDeadError):
        ref.proxy()


def test_an_error_in_a_tell_ends_the_actor_and_calls_on_failure(actor_class: Any) -> None:
    book: list[str] = []
    ref = actor_class.start(book)
    actor = ref._actor_weakref()

    ref.tell("fail")

    assert actor.failed.wait(LIMIT_S)
    assert book == ["started", "failed: told to"]
    assert not ref.is_alive()
    assert ref not in pykka.ActorRegistry.get_all()


def test_an_error_in_an_ask_is_raised_to_the_asker(actor_class: Any) -> None:
    with pytest.raises(ValueError, match="told to"):
        actor_class.start().ask("fail", timeout=LIMIT_S)


def test_the_registry_knows_the_living_by_class_name_and_urn(actor_class: Any) -> None:
    ref = actor_class.start()

    assert pykka.ActorRegistry.get_by_class(actor_class) == [ref]
    assert pykka.ActorRegistry.get_by_class_name("Small") == [ref]
    assert pykka.ActorRegistry.get_by_urn(ref.actor_urn) is ref
    assert ref.actor_urn.startswith("urn:uuid:")


def test_a_broadcast_reaches_all_of_a_class(actor_class: Any) -> None:
    books: list[list[str]] = [[], []]
    refs = [actor_class.start(book) for book in books]

    pykka.ActorRegistry.broadcast("news", actor_class)

    for ref, book in zip(refs, books, strict=True):
        ref.ask("end", timeout=LIMIT_S)
        assert book == ["started", "news", "end"]


def test_a_proxy_calls_methods_and_reads_and_sets_attributes(actor_class: Any) -> None:
    proxy = actor_class.start().proxy()

    assert proxy.add(2, to=3).get(timeout=LIMIT_S) == 5
    assert proxy.limit.get(timeout=LIMIT_S) == 7
    proxy.value = 9
    assert proxy.value.get(timeout=LIMIT_S) == 9
    assert proxy.me().get(timeout=LIMIT_S) is proxy.actor_ref
    proxy.stop()


def test_futures_map_filter_join_and_reduce(actor_class: Any) -> None:
    ref = actor_class.start()
    first, second = ref.ask("a", block=False), ref.ask("b", block=False)

    joined = first.join(second)

    assert joined.get(timeout=LIMIT_S) == ["got a", "got b"]
    assert first.map(len).get(timeout=LIMIT_S) == 5
    assert joined.filter(lambda text: "b" in text).get(timeout=LIMIT_S) == ["got b"]
    assert joined.reduce(lambda one, two: one + two).get(timeout=LIMIT_S) == "got agot b"
    assert pykka.get_all([first, second], timeout=LIMIT_S) == ["got a", "got b"]


def test_an_answer_that_does_not_come_in_time_is_a_timeout(actor_class: Any) -> None:
    with pytest.raises(pykka.Timeout):
        actor_class._create_future().get(timeout=0.001)


def test_constructor_arguments_are_passed_and_its_errors_raised_to_the_starter(
    actor_class: Any,
) -> None:
    with pytest.raises(TypeError):
        actor_class.start(nonsense=1)


def test_a_ref_prints_as_its_class_and_urn(actor_class: Any) -> None:
    ref = actor_class.start()

    assert str(ref) == f"Small ({ref.actor_urn})"
    assert repr(ref) == f"<ActorRef for Small ({ref.actor_urn})>"


def test_what_an_actor_tells_itself_while_it_is_made_is_served_first(actor_class: Any) -> None:
    class Eager(actor_class):  # type: ignore[misc]
        def __init__(self, book: list[str]) -> None:
            super().__init__(book)
            self.actor_ref.tell("from the constructor")

    book: list[str] = []
    Eager.start(book).ask("end", timeout=LIMIT_S)

    assert book == ["started", "from the constructor", "end"]


async def test_awaiting_our_future_lets_the_loop_go_on() -> None:
    future: LoopFuture[int] = LoopFuture()
    loop = asyncio.get_running_loop()
    ticks: list[int] = []
    loop.call_soon(ticks.append, 1)
    loop.call_soon(lambda: future.set(42))

    assert await future == 42
    assert ticks == [1]


async def test_awaiting_our_future_wakes_when_another_thread_answers() -> None:
    future: LoopFuture[int] = LoopFuture()
    doubled = future.map(lambda value: value * 2)
    thread = threading.Thread(target=lambda: future.set(21))
    asyncio.get_running_loop().call_soon(thread.start)

    assert await future == 21
    assert await doubled == 42
    thread.join()


async def test_waiting_for_an_answer_on_the_loop_raises_instead_of_blocking_it_for_ever() -> None:
    future: LoopFuture[int] = LoopFuture()

    with pytest.raises(RuntimeError, match="await"):
        future.get()
