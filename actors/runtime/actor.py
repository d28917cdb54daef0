"""The actor: a real `pykka.Actor`, served on one shared event loop instead of a thread of its own.

Edge cases: any exception that leaves a handler or a hook ends this incarnation, also for an ask,
also a `CancelledError` or `SystemExit`; nobody else notices.  Leans on private names of pykka:
hence the pinned version.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import CoroutineType
from typing import Any, TypeVar

from pykka._envelope import Envelope
from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr, _ActorStop

from actors.runtime.address import Address
from actors.runtime.base import StockActor
from actors.runtime.engine import Engine
from actors.runtime.future import LoopFuture
from actors.runtime.mailbox import Mail

T = TypeVar("T")
_PROXY_MESSAGES = frozenset({ProxyCall, ProxyGetAttr, ProxySetAttr})


class Raised:
    """A mapping of a pipe failed: serving this raises its error in the actor that gave it."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Inbox:
    """pykka's view of the mailbox: what an `ActorRef` puts here goes to the actor's name."""

    __slots__ = ("_early", "_engine", "_incarnation", "_name")

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._name = ""
        self._incarnation = 0
        self._early: list[Envelope[Any]] | None = None  # told by its own constructor

    @property
    def is_bound(self) -> bool:
        """Whether the actor has its name."""
        return self._engine is not None

    def bind(self, engine: Engine, name: str, incarnation: int) -> None:
        """From now on mail goes to that name."""
        self._engine, self._name, self._incarnation = engine, name, incarnation
        early, self._early = self._early, None
        for envelope in early or ():
            self.put(envelope)

    def put(self, envelope: Envelope[Any], /) -> None:
        """Send it on. A stop is meant for this incarnation and never hits its successor."""
        if self._engine is None:
            self._early = [*(self._early or ()), envelope]
            return
        message, reply_to = envelope.message, envelope.reply_to
        assert reply_to is None or isinstance(reply_to, LoopFuture)
        incarnation = self._incarnation if type(message) is _ActorStop else 0
        self._engine.send(self._name, Mail(message, reply_to, incarnation))

    def get(self) -> Envelope[Any]:
        """Not how our actors are served: the run-queue takes from the mailbox of the name."""
        raise RuntimeError("an actor on a loop does not get from its inbox")

    def empty(self) -> bool:
        """True: what waits belongs to the name, not to this body."""
        return True


class Reminder:
    """A message to oneself, some time from now."""

    __slots__ = ("_handle", "_reminders")

    def __init__(self, handle: asyncio.TimerHandle, reminders: "dict[Reminder, None]") -> None:
        self._handle = handle
        self._reminders = reminders
        reminders[self] = None

    def cancel(self) -> None:
        """Do not remind; once it has been told it is too late."""
        self._handle.cancel()
        self._reminders.pop(self, None)


class Actor(StockActor):
    """One purpose, one state, one message at a time.

    Made by its child's factory; the runtime sets `name`, `incarnation`, `address` and `runtime`
    before `on_start`. To fail, raise. To end normally, `self.stop()`.
    """

    runtime: Engine
    name: str
    incarnation: int
    address: Address

    # Supervisors hear of their children while they start and stop; others are not served then.
    is_served_in_hooks = False
    _reminders: dict[Reminder, None] | None = None

    def on_start(self) -> Awaitable[None] | None:
        """Get ready; may be a coroutine. Mail is served after it. No network I/O here: pipe it."""
        return None

    def on_stop(self) -> Awaitable[None] | None:
        """Clean up at an ordered or normal end; may be a coroutine. A crash skips it."""
        return None

    def stop(self) -> None:
        """End normally, once the mail that waits now is served."""
        self.runtime.send(self.name, Mail(_ActorStop(), incarnation=self.incarnation))

    @property
    def is_overloaded(self) -> bool:
        """Whether more mail waits for this name than the soft limit."""
        return self.runtime.is_overloaded(self.name)

    def pipe(
        self,
        awaitable: Awaitable[T],
        *,
        done: Callable[[T], Any],
        failed: Callable[[BaseException], Any],
        to: Address | None = None,
        deadline_s: float | None = None,
    ) -> None:
        """Wait for it beside the handlers; its outcome comes back as a message.

        The message that `done` or `failed` makes is told to this actor's own name, for this
        incarnation only; with `to` it is told there, also when this actor has died meanwhile.
        None is not told. `deadline_s` passed is `failed(TimeoutError)`. The wait itself is not
        cancelled by the death of this actor.
        """
        runtime, name, incarnation = self.runtime, self.name, self.incarnation

        def hand_on(value: T | None, error: BaseException | None) -> None:
            try:
                message = done(value) if error is None else failed(error)  # type: ignore[arg-type]
            except Exception as failure:
                message = Raised(failure)
            if message is None:
                return
            if to is None or isinstance(message, Raised):
                runtime.send(name, Mail(message, incarnation=incarnation))
            else:
                to.tell(message)

        runtime.pipe(awaitable, hand_on, deadline_s)

    def remind(self, delay_s: float, message: Any) -> Reminder:
        """Tell this message to this actor after that delay, unless this incarnation has ended."""
        if self._reminders is None:
            self._reminders = {}

        def fire() -> None:
            reminder.cancel()
            self.runtime.send(self.name, Mail(message, incarnation=self.incarnation))

        reminder = Reminder(self.runtime.loop.call_later(delay_s, fire), self._reminders)
        return reminder

    def publish(self, topic: str, message: Any) -> None:
        """Tell all who subscribed to that topic."""
        self.runtime.publish(topic, message)

    def forget_reminders(self) -> None:
        """Cancel all of them: this incarnation has ended."""
        for reminder in tuple(self._reminders or ()):
            reminder.cancel()

    def _handle_receive(self, message: Any) -> Any:
        kind = type(message)
        if kind in _PROXY_MESSAGES:
            return super()._handle_receive(message)
        if kind is Raised:
            raise message.error
        answer = self.on_receive(message)
        if answer.__class__ is CoroutineType:
            answer.close()
            raise TypeError(f"{kind.__name__}: on_receive must be plain; a wait goes through pipe")
        return answer

    @staticmethod
    def _create_actor_inbox() -> Inbox:
        return Inbox()

    @staticmethod
    def _create_future() -> LoopFuture[Any]:
        return LoopFuture()

    def _start_actor_loop(self) -> None:
        self.runtime.adopt(self)
