"""What waits for a name, and how it is served: one message a turn, whoever bears the name.

Owns: the mailbox of the name, its overload alarm, and when it asks the run-queue for a turn.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import pykka
from pykka.messages import _ActorStop

from actors.runtime.actor import Actor
from actors.runtime.engine import Engine
from actors.runtime.mailbox import Mail, Mailbox
from actors.runtime.messages import DeadReason, Lane, OverloadChanged


class Served(ABC):
    """A name with its mail; the life of its bearers is its subclass's part."""

    # fmt: off
    __slots__ = (
        "_order", "_serves", "actor", "engine", "in_market", "in_urgent", "incarnation",
        "is_overloaded", "mailbox", "name",
    )
    # fmt: on

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name
        self.mailbox = Mailbox(engine.sorting)
        self.actor: Actor | None = None
        self.incarnation = 0
        self.is_overloaded = False
        self.in_urgent = False
        self.in_market = False
        self._serves = False
        self._order: Callable[[], None] | None = None  # start or stop, done in its next turn

    @abstractmethod
    def _stopped_by(self, mail: Mail) -> None:
        """It is to end normally; who asked for it is answered when it has."""

    @abstractmethod
    def _crashed(self, mail: Mail, error: BaseException) -> None:
        """Serving this raised: the end of this incarnation."""

    def put(self, mail: Mail) -> bool:
        """Queue it and ask for a turn; what comes while nobody bears the name waits."""
        try:
            lane = self.mailbox.put(mail)
        except Exception as error:
            self.engine.bury(self.name, mail, DeadReason.UNSORTABLE, error)
            return False
        if self._serves:
            self.engine.queue.add(self, lane)
        if not self.is_overloaded and self.mailbox.depth_count > self.engine.mailbox_soft_limit:
            self._set_overloaded(True)
        return True

    def turn(self) -> None:
        """Do what was ordered, else serve one message."""
        if self._order is not None:
            order, self._order = self._order, None
            order()
        elif self._serves:
            self._serve()
        self._ask_for_turn()

    def resync(self) -> None:
        """Ask for a turn anew; the run-queue has been cleared."""
        self.in_urgent = self.in_market = False
        self.mailbox.recount()
        self._ask_for_turn()

    def _ask_for_turn(self) -> None:
        if self._order is not None:
            self.engine.queue.add(self, Lane.CONTROL)
        elif self._serves:
            lane = self.mailbox.lane()
            if lane is not None:
                self.engine.queue.add(self, lane)

    def _serve(self) -> None:
        mail = self.mailbox.take()
        if mail is None:
            return
        reply_to = mail.reply_to
        if mail.incarnation and mail.incarnation != self.incarnation:
            self._drop_stale(mail)
        elif reply_to is not None and reply_to.done():
            self.engine.count("expired_asks")  # its asker was told TimeoutError, so it is not done
        elif type(mail.message) is _ActorStop:
            self._stopped_by(mail)
        else:
            assert self.actor is not None
            queue = self.engine.queue
            try:
                try:  # `queue.guarded`, written out: this is the path of every message
                    queue.current = self
                    answer = self.actor._handle_receive(mail.message)
                finally:
                    queue.leave()
            except BaseException as error:
                queue.leave()
                self._crashed(mail, error)
                return
            if reply_to is not None:
                reply_to.succeed(answer)
        if self.is_overloaded and self.mailbox.depth_count * 2 <= self.engine.mailbox_soft_limit:
            self._set_overloaded(False)

    def _drop_stale(self, mail: Mail) -> None:
        """It was meant for an incarnation that has ended."""
        self.engine.count("stale")
        if type(mail.message) is _ActorStop:
            if mail.reply_to is not None:
                mail.reply_to.succeed(None)
        else:
            mail.refuse(pykka.ActorDeadError(f"{self.name} was restarted"))

    def _set_overloaded(self, is_overloaded: bool) -> None:
        self.is_overloaded = is_overloaded
        self.engine.count("overloads" if is_overloaded else "overloads_cleared")
        self.engine.notify(OverloadChanged(self.name, is_overloaded, self.mailbox.depth_count))
