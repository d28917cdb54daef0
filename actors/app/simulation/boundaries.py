"""Where a daemon can be struck: every send, every await and every commit, by a name.

Nothing is guessed: whatever a daemon does passes one of a few places, and each of them says so
here. Mail is told to a name, a wait begins or ends (`WatchedRuntime`); a request leaves, is done at
its server, is answered (`Line`); the truth changes (`History`, the venue's streams). Whoever hears
may strike at that very moment, and finds the same moment again by the seed.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from actors.runtime import Killed, Runtime, running_process
from actors.runtime.mailbox import Mail
from adapters.sandbox.events import Happening, OrderChanged
from adapters.simulated.line import Step
from adapters.simulated.rows import Adopted, Committed

if TYPE_CHECKING:
    from actors.app.simulation.world import World

T = TypeVar("T")


class How(StrEnum):
    """How a daemon is struck."""

    KILL = "kill"  # the process, at that very moment
    CRASH_BEFORE = "crash before"  # the actor raises instead of telling
    CRASH_AFTER = "crash after"  # the actor raises when it has told


class MadeToCrash(Exception):
    """An actor was made to fail in the middle of a handler."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """One moment. `subject`: what is told or kept; `handler`: whose handler runs, or ""."""

    name: str
    subject: object = None
    handler: str = ""


Hear = Callable[[Boundary], How | None]


class Boundaries:
    """Those of a world's own daemon. Nobody listens: nothing is said."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.is_heard = False  # asked at every message: a plain attribute
        self._hearers: list[Hear] = []
        self._is_attached = False

    def forget_all(self) -> None:
        """Nobody strikes any more."""
        self._hearers.clear()
        self.is_heard = False

    def forget(self, hear: Hear) -> None:
        """That one has struck."""
        self._hearers.remove(hear)
        self.is_heard = bool(self._hearers)

    def listen(self, hear: Hear) -> None:
        """Hear of each from now on, and say whether and how to strike there."""
        self._hearers.append(hear)
        self.is_heard = True
        if not self._is_attached:
            self._is_attached = True
            world = self._world
            for where, line in (
                ("venue", world.venue.line),
                ("rows", world.database.line),
                ("disk", world.daemon.disk.spool.line),
            ):
                line.watch = self._on_line(where)
            world.history.listen(Committed, self._committed)
            world.venue.listen(self._happened)

    def cross(self, name: str, subject: object = None, handler: str = "") -> How | None:
        """Here is one. How the actor is to crash; a process that is killed here raises `Killed`."""
        if not self.is_heard:
            return None
        process, daemon = running_process(), self._world.daemon
        if process is not None and process is not daemon.process:
            if process.is_alive:
                return None  # of another daemon
            raise Killed
        boundary = Boundary(name, subject, handler)
        hows = [hear(boundary) for hear in tuple(self._hearers)]
        how = next((each for each in hows if each is not None), None)
        if how is How.KILL:
            self._world.context.copy().run(daemon.kill)
            if process is not None:
                raise Killed
        return how

    def _on_line(self, where: str) -> Callable[[str, Step], object]:
        return lambda what, step: self.cross(f"{where}: {what} {step}")

    def _committed(self, committed: Committed) -> None:
        what = committed.what
        kind = type(what.item if isinstance(what, Adopted) else what).__name__
        adopted = " from the spool" if isinstance(what, Adopted) else ""
        self.cross(f"rows: {kind}{adopted} committed", what)

    def _happened(self, happenings: list[Happening]) -> None:
        for each in happenings:
            if type(each) is OrderChanged:
                self.cross(f"stream: {each.event} pushed", each)


class WatchedRuntime(Runtime):
    """A runtime that says what is told and what is waited for."""

    def __init__(self, boundaries: Boundaries, *of: Any, **options: Any) -> None:
        super().__init__(*of, **options)
        self._boundaries = boundaries
        self._hearing = ""  # whose wait has just ended

    def send(self, name: str, mail: Mail) -> bool:
        """Carry it, unless somebody strikes."""
        if not self._boundaries.is_heard:
            return super().send(name, mail)
        handler = "" if self.queue.current is None else role(self.queue.current.name)
        label = f"{handler or self._hearing} -> {role(name)}: {kind_of(mail.message)}".lstrip()
        how = self._boundaries.cross(label, mail.message, handler)
        if how is How.CRASH_BEFORE:
            raise MadeToCrash(label)
        is_told = super().send(name, mail)
        if how is How.CRASH_AFTER:
            raise MadeToCrash(label)
        return is_told

    def pipe(
        self,
        awaitable: Awaitable[T],
        hand_on: Callable[[T | None, BaseException | None], None],
        deadline_s: float | None,
    ) -> None:
        """Wait for it, unless somebody strikes."""
        if not self._boundaries.is_heard:
            return super().pipe(awaitable, hand_on, deadline_s)
        who = "" if self.queue.current is None else role(self.queue.current.name)
        what = getattr(awaitable, "__name__", type(awaitable).__name__).lstrip("_")

        def ended(value: T | None, error: BaseException | None) -> None:
            self._boundaries.cross(f"{who}: {what} ended")
            self._hearing = who
            try:
                hand_on(value, error)
            finally:
                self._hearing = ""

        super().pipe(awaitable, ended, deadline_s)
        self._boundaries.cross(f"{who}: {what} begun")
        return None


def role(name: str) -> str:
    """What an actor is, whichever session or account it serves."""
    return name.partition(":")[0]


def kind_of(message: object) -> str:
    """What a message is, and what it carries."""
    inner = getattr(message, "entry", None) or getattr(message, "event", None)
    carried = "" if inner is None or isinstance(inner, str) else f"({type(inner).__name__})"
    return type(message).__name__.lstrip("_") + carried
