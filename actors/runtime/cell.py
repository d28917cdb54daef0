"""A name and whoever bears it: the mail that stays, the incarnations that come and go.

Owns: the life of one actor from factory to exit, and what happens to the message it crashed on.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from actors.runtime.actor import Actor
from actors.runtime.body import disembody, embody, tell_of_failure
from actors.runtime.engine import Engine
from actors.runtime.hook import Hook, HookTimeout
from actors.runtime.mailbox import Mail
from actors.runtime.messages import (
    ChildStatus,
    DeadReason,
    Exit,
    ExitReason,
    State,
)
from actors.runtime.run_queue import HandlerStuck
from actors.runtime.served import Served
from actors.runtime.specs import Child

_CRASHES_COUNT_MAX = 3  # on one message; then it is poison and becomes a dead letter


class Escalated(Exception):
    """A supervisor's restarts are used up, and its children are down."""


@dataclass(frozen=True, slots=True)
class Up:
    """An incarnation has started; its mail is served from now on."""

    name: str
    incarnation: int


class Cell(Served):
    """The body behind a name, or the place where it was and will be."""

    __slots__ = (
        "_hook",
        "_report",
        "_stop_mail",
        "child",
        "children",
        "last_error",
        "last_exit_reason",
        "restarts_count",
        "state",
    )

    def __init__(
        self, engine: Engine, child: Child, children: "dict[str, Cell] | None" = None
    ) -> None:
        super().__init__(engine, child.name)
        self.child = child
        self.children = children  # of a supervisor; they outlive its body
        self.state = State.DOWN
        self.restarts_count = 0
        self.last_exit_reason: ExitReason | None = None
        self.last_error = ""
        self._report: Callable[[Up | Exit], None] | None = None
        self._hook: Hook | None = None
        self._stop_mail: Mail | None = None

    def start(self, factory: Callable[[], Actor], report: Callable[[Up | Exit], None]) -> None:
        """Make the next incarnation, in a turn of its own; `report` hears how it goes."""
        self.state = State.STARTING
        self._report = report
        self._order = partial(self._begin, factory)
        self._ask_for_turn()

    def stop(self, reason: ExitReason = ExitReason.SHUTDOWN) -> None:
        """End it in order, in a turn of its own; without effect on one that is down already."""
        if self.state is State.QUARANTINED:
            self.state = State.DOWN
        elif self.actor is not None and (
            self.state is State.RUNNING
            or (self.state is State.STARTING and self.actor.is_served_in_hooks)
        ):
            self._end_hook()
            self.state = State.STOPPING
            self._serves = self.actor.is_served_in_hooks
            self._order = partial(self._wind_down, reason)
            self._ask_for_turn()
        elif self.state is State.STARTING:
            self._down(reason)

    def kill(self) -> None:
        """End it now, without its on_stop."""
        if self.state is State.QUARANTINED:
            self.state = State.DOWN
        elif self.state is not State.DOWN:
            self._down(ExitReason.KILLED)

    def quarantine(self) -> None:
        """It stays down until it is restarted by hand; its mail is kept."""
        self.state = State.QUARANTINED

    def close(self) -> None:
        """Give up the name for good; what still waits becomes dead letters."""
        for cell in reversed(tuple((self.children or {}).values())):
            cell.close()
        self.kill()
        self.engine.boxes.pop(self.name, None)
        while (mail := self.mailbox.take()) is not None:
            if mail.incarnation:
                self._drop_stale(mail)
            else:
                self.engine.bury(self.name, mail, DeadReason.NAME_CLOSED)

    def status(self) -> ChildStatus:
        """How it stands now, its children included."""
        return ChildStatus(
            name=self.name,
            actor_class=type(self.actor).__name__ if self.actor is not None else "",
            state=self.state,
            incarnation=self.incarnation,
            mailbox_depth_count=self.mailbox.depth_count,
            is_overloaded=self.is_overloaded,
            restarts_count=self.restarts_count,
            last_exit_reason=self.last_exit_reason,
            last_error=self.last_error,
            children=tuple(cell.status() for cell in (self.children or {}).values()),
        )

    def _begin(self, factory: Callable[[], Actor]) -> None:
        self.incarnation += 1
        try:
            waiting = self.engine.queue.guarded(self, self._embody, factory)
        except BaseException as error:
            self.engine.queue.leave()
            self._down(ExitReason.START_FAILED, error)
            return
        self._after(waiting, self.child.start_timeout_s, self._began)

    def _embody(self, factory: Callable[[], Actor]) -> Awaitable[None] | None:
        self.actor = embody(factory, self.engine, self.name, self.incarnation)
        self._serves = self.actor.is_served_in_hooks
        return self.actor.on_start()

    def _began(self, error: BaseException | None) -> None:
        if error is not None:
            late = isinstance(error, HookTimeout)
            self._down(ExitReason.START_TIMEOUT if late else ExitReason.START_FAILED, error)
            return
        self.state = State.RUNNING
        self._serves = True
        if self._report is not None:
            self._report(Up(self.name, self.incarnation))
        self._ask_for_turn()

    def _wind_down(self, reason: ExitReason) -> None:
        assert self.actor is not None
        try:
            waiting = self.engine.queue.guarded(self, self.actor.on_stop)
        except BaseException as error:
            self.engine.queue.leave()
            self._down(reason, error)
            return
        self._after(waiting, self.child.stop_timeout_s, partial(self._down, reason))

    def _stopped_by(self, mail: Mail) -> None:
        self._stop_mail = mail
        self.stop(ExitReason.NORMAL)

    def _crashed(self, mail: Mail, error: BaseException) -> None:
        """One policy for tell and ask, for Exception and BaseException."""
        mail.crashes_count += 1
        if type(mail.message) in self.engine.never_again:
            self.engine.lose(mail.message, error)
            self.engine.bury(self.name, mail, DeadReason.NEVER_AGAIN, error)
        elif mail.reply_to is not None:
            mail.refuse(error)  # the asker knows and decides: not served again behind its back
        elif mail.crashes_count >= _CRASHES_COUNT_MAX:
            self.engine.bury(self.name, mail, DeadReason.POISON, error)
        else:
            self.mailbox.put_back(mail)
        reason = ExitReason.ESCALATED if isinstance(error, Escalated) else ExitReason.CRASH
        self._down(reason, error, mail)

    def _after(
        self,
        waiting: Awaitable[None] | None,
        timeout_s: float,
        then: Callable[[BaseException | None], None],
    ) -> None:
        if waiting is None:
            then(None)
        else:
            self._hook = Hook(self.engine.loop, waiting, timeout_s, then)

    def _end_hook(self) -> None:
        if self._hook is not None:
            self._hook.cancel()
            self._hook = None

    def _down(
        self, reason: ExitReason, error: BaseException | None = None, mail: Mail | None = None
    ) -> None:
        self._end_hook()
        self._order = None
        self._serves = False
        actor, self.actor = self.actor, None
        if isinstance(error, HandlerStuck):
            reason = ExitReason.STUCK
            self.engine.resync()
        if actor is not None:
            disembody(actor)
            if reason not in (ExitReason.NORMAL, ExitReason.SHUTDOWN):
                tell_of_failure(actor, error, self.engine)
        self.state = State.DOWN
        self.last_exit_reason = reason
        self.last_error = "" if error is None else f"{type(error).__name__}: {error}"
        if self._stop_mail is not None and self._stop_mail.reply_to is not None:
            self._stop_mail.reply_to.succeed(None)
        self._stop_mail = None
        end = Exit(
            name=self.name,
            incarnation=self.incarnation,
            reason=reason,
            error=error,
            message=None if mail is None else mail.message,
            is_repeat=mail is not None and mail.crashes_count > 1,
        )
        self.engine.count(f"exits_{reason.lower()}")
        self.engine.notify(end)
        if self._report is not None:
            self._report(end)
