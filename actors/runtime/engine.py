"""What every actor and every name shares: the post, the run-queue, topics, waits, notices, counts.

Owns: the directory of names.  Everything here happens on the loop's thread but `send`, which may
be called from any.
"""

import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, Protocol, TypeVar

import pykka

from actors.runtime.address import Address, DeadLetters
from actors.runtime.base import StockActor
from actors.runtime.future import LoopFuture
from actors.runtime.hosts import Host
from actors.runtime.mailbox import Mail, Rule, Sorting
from actors.runtime.messages import DeadLetter, DeadReason, Lane, Notice
from actors.runtime.pipes import Pipe
from actors.runtime.run_queue import RunQueue
from actors.runtime.staging import Staging

T = TypeVar("T")


class Box(Protocol):
    """Where the mail of one name goes."""

    @property
    def is_overloaded(self) -> bool:
        """Whether more waits than the soft limit."""

    def put(self, mail: Mail) -> bool:
        """Queue it, and see that it is served; False when it became a dead letter."""

    def resync(self) -> None:
        """Ask for a turn again, after an interrupt that may have hit the queue."""

    def close(self) -> None:
        """Give up the name for good; what still waits becomes dead letters."""


class Engine(ABC):
    """The runtime as an actor sees it, as `self.runtime`."""

    def __init__(
        self,
        host: Host,
        *,
        lanes: Mapping[type, Lane] = {},
        conflate: Mapping[type, Rule | Callable[[Any], Hashable]] = {},
        budget_s: float = 0.0005,
        mailbox_soft_limit: int = 10_000,
        stage_limit: int = 10_000,
        never_again: frozenset[type] = frozenset(),
        on_lost: Callable[[Any, BaseException], None] | None = None,
    ) -> None:
        self.host = host
        self.loop = host.loop
        self.sorting = Sorting(lanes, conflate)
        self.mailbox_soft_limit = mailbox_soft_limit
        self.never_again = never_again
        self.boxes: dict[str, Box] = {}
        self.dead_letters = DeadLetters()
        self.queue = RunQueue(self.loop, budget_s, host.chance, self.resync)
        self._on_lost = on_lost
        self._counts: Counter[str] = Counter()
        self._listeners: list[Callable[[Notice], None]] = []
        self._pipes: dict[Pipe, None] = {}
        self._staging = Staging(self.loop, stage_limit, self.send)
        self._thread_id = threading.get_ident()
        self._topics: dict[str, dict[Address, None]] = {}

    @abstractmethod
    def adopt(self, actor: StockActor) -> None:
        """Give an actor started the stock way, `SomeActor.start()`, a name without a supervisor."""

    # Mail

    def address(self, name: str) -> Address:
        """The address of that name, whether anybody bears it yet or not."""
        return Address(name, self)

    def send(self, name: str, mail: Mail) -> bool:
        """Carry mail to a name, from any thread; False when it became a dead letter."""
        if threading.get_ident() != self._thread_id:
            if self._staging.put(name, mail):
                return name in self.boxes
            mail.refuse(pykka.ActorDeadError(f"{name} not found"))
            return False
        box = self.boxes.get(name)
        if box is None:
            self.bury(name, mail, DeadReason.NO_SUCH_NAME)
            return False
        return box.put(mail)

    def expire(self, future: LoopFuture[Any], timeout_s: float, what: str) -> None:
        """Fail the future with TimeoutError unless it is answered in time."""

        def arm() -> None:
            timer = self.loop.call_later(timeout_s, lambda: future.fail(TimeoutError(what)))
            future.add_done_callback(timer.cancel)

        if threading.get_ident() == self._thread_id:
            arm()
        else:
            self.loop.call_soon_threadsafe(arm)

    def bury(
        self, name: str, mail: Mail, reason: DeadReason, error: BaseException | None = None
    ) -> None:
        """Make it a dead letter: its asker is told, the house is told, it is counted."""
        mail.refuse(error or pykka.ActorDeadError(f"{name} not found"))
        letter = DeadLetter(name, mail.message, reason, error, self.host.now())
        self.dead_letters.add(letter)
        self.notify(letter)

    def lose(self, message: Any, error: BaseException) -> None:
        """Say that a message of a never-again type crashed its handler: its fate is unknown."""
        if self._on_lost is not None:
            try:
                self._on_lost(message, error)
            except Exception as failure:
                self.complain("the on_lost hook failed", failure)

    # Topics

    def subscribe(self, topic: str, address: Address) -> None:
        """From now on that name hears what is published there; twice is once."""
        self._topics.setdefault(topic, {})[address] = None

    def unsubscribe(self, topic: str, address: Address) -> None:
        """That name hears no more of it."""
        subscribers = self._topics.get(topic, {})
        subscribers.pop(address, None)
        if not subscribers:
            self._topics.pop(topic, None)

    def publish(self, topic: str, message: Any) -> None:
        """Tell all subscribers, in the order they came; one that is gone for good is dropped."""
        for address in tuple(self._topics.get(topic, ())):
            if not address.tell(message):
                self.unsubscribe(topic, address)

    # Waits

    def pipe(
        self,
        awaitable: Awaitable[T],
        hand_on: Callable[[T | None, BaseException | None], None],
        deadline_s: float | None,
    ) -> None:
        """Run it beside the actors and hand on its outcome once."""
        Pipe(self.loop, awaitable, hand_on, deadline_s, self._pipes)

    # Notices and counts

    def listen(self, callback: Callable[[Notice], None]) -> None:
        """Call back, on the loop, at each exit, dead letter, quarantine, fallback and overload."""
        self._listeners.append(callback)

    def notify(self, notice: Notice) -> None:
        """Tell the listeners; one that raises harms nobody else."""
        for callback in self._listeners:
            try:
                callback(notice)
            except Exception as error:
                self.complain("a listener failed", error)

    def complain(self, what: str, error: BaseException) -> None:
        """Report an error that belongs to no actor, by the loop's own exception handler."""
        self.count("complaints")
        self.loop.call_exception_handler({"message": what, "exception": error})

    def count(self, name: str) -> None:
        """Add one to a counter."""
        self._counts[name] += 1

    @property
    def counters(self) -> dict[str, int]:
        """What happened since the start, by name; a name that is absent is zero."""
        return {
            **self._counts,
            "conflated": self.sorting.conflated_count,
            "dead_letters": self.dead_letters.count,
            "strays": self.queue.strays_count,
            "turns": self.queue.turns_count,
        }

    def is_overloaded(self, name: str) -> bool:
        """Whether more mail waits for that name than the soft limit (entries should stop)."""
        box = self.boxes.get(name)
        return box is not None and box.is_overloaded

    def resync(self) -> None:
        """Build the run-queue anew from the mailboxes: an interrupt may have hit a half-done put.

        The stuck handler may have been telling others when it was interrupted.
        """
        self.queue.clear()
        for box in tuple(self.boxes.values()):
            box.resync()
