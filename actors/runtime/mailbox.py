"""The mailbox of a name: three lanes, each in order; market data conflated, never the facts.

Owns: what waits for one name.  Confined to the loop's thread, so it has no locks.
"""

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from actors.runtime.future import LoopFuture
from actors.runtime.messages import Lane

_VOID = object()  # stands in the queue where a sealed partial was
_NO_QUEUE: "deque[Mail]" = deque()  # an idle name pays for no empty lane (0.7 KB each)


@dataclass(frozen=True, slots=True)
class Latest:
    """Of this type only the newest per key waits, in the place of the first.

    `merge(queued, new)` makes the message that waits on; without it the new one replaces.
    """

    key: Callable[[Any], Hashable]
    merge: Callable[[Any, Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class Seals:
    """A message of this type voids the waiting `partial` of its key and is never dropped itself.

    A later partial queues behind it, so a partial neither overtakes nor trails its seal.
    """

    partial: type
    key: Callable[[Any], Hashable]


Rule = Latest | Seals


class Mail:
    """A message on its way, with who waits for its answer."""

    __slots__ = ("crashes_count", "incarnation", "message", "reply_to", "slot")

    def __init__(
        self, message: Any, reply_to: LoopFuture[Any] | None = None, incarnation: int = 0
    ) -> None:
        self.message = message
        self.reply_to = reply_to
        self.incarnation = incarnation  # only this one may handle it; 0: whoever bears the name
        self.crashes_count = 0
        self.slot: tuple[type, Hashable] | None = None

    def refuse(self, error: BaseException) -> None:
        """Tell the asker, if there is one that still waits, that there will be no answer."""
        if self.reply_to is not None:
            self.reply_to.fail(error)


class Sorting:
    """Which type rides in which lane, and how market types conflate: one table for all names."""

    __slots__ = ("conflated_count", "lanes", "rules")

    def __init__(
        self,
        lanes: Mapping[type, Lane],
        conflate: Mapping[type, Rule | Callable[[Any], Hashable]],
    ) -> None:
        self.rules: dict[type, Rule] = {
            kind: rule if isinstance(rule, Latest | Seals) else Latest(rule)
            for kind, rule in conflate.items()
        }
        self.lanes = {**lanes, **dict.fromkeys(self.rules, Lane.MARKET)}
        self.conflated_count = 0


class Mailbox:
    """What waits for one name, over all its incarnations."""

    __slots__ = ("_lanes", "_latest", "_queues", "_rules", "_sorting", "depth_count")

    def __init__(self, sorting: Sorting) -> None:
        self._sorting = sorting
        self._lanes = sorting.lanes
        self._rules = sorting.rules
        self._queues = [_NO_QUEUE, _NO_QUEUE, _NO_QUEUE]
        self._latest: dict[tuple[type, Hashable], Mail] | None = None
        self.depth_count = 0

    def put(self, mail: Mail) -> Lane:
        """Queue it at the end of its lane, or let it take the place of its predecessor."""
        kind = type(mail.message)
        lane = self._lanes.get(kind, Lane.EVENTS)
        if lane is Lane.MARKET and kind in self._rules and self._conflated(kind, mail):
            return lane
        queue = self._queues[lane]
        if queue is _NO_QUEUE:
            queue = self._queues[lane] = deque()
        queue.append(mail)
        self.depth_count += 1
        return lane

    def put_back(self, mail: Mail) -> None:
        """Queue it at the head of its lane: it was taken, and is to be served again."""
        self._queues[self._lanes.get(type(mail.message), Lane.EVENTS)].appendleft(mail)
        self.depth_count += 1

    def take(self) -> Mail | None:
        """The next one to serve: the most urgent lane, in order."""
        control, events, market = self._queues
        if control:
            self.depth_count -= 1
            return control.popleft()
        if events:
            self.depth_count -= 1
            return events.popleft()
        while market:
            mail = market.popleft()
            if mail.message is _VOID:
                continue
            if mail.slot is not None and self._latest is not None:
                del self._latest[mail.slot]
                mail.slot = None
            self.depth_count -= 1
            return mail
        return None

    def lane(self) -> Lane | None:
        """How urgent the next one is; None when nothing waits."""
        if not self.depth_count:
            return None
        return Lane.EVENTS if self._queues[0] or self._queues[1] else Lane.MARKET

    def recount(self) -> None:
        """Count again what waits, after an interrupt that may have hit in the middle of a put."""
        self.depth_count = sum(
            1 for queue in self._queues for mail in queue if mail.message is not _VOID
        )

    def _conflated(self, kind: type, mail: Mail) -> bool:
        """Whether a waiting predecessor took this one in, so that it needs no place of its own."""
        if mail.reply_to is not None or mail.incarnation:
            return False
        if self._latest is None:
            self._latest = {}
        rule = self._rules[kind]
        message = mail.message
        if isinstance(rule, Seals):
            voided = self._latest.pop((rule.partial, rule.key(message)), None)
            if voided is not None:
                voided.message, voided.slot = _VOID, None
                self.depth_count -= 1
                self._sorting.conflated_count += 1
            return False
        slot = (kind, rule.key(message))
        waiting = self._latest.get(slot)
        if waiting is None:
            self._latest[slot] = mail
            mail.slot = slot
            return False
        merge = rule.merge
        waiting.message = message if merge is None else merge(waiting.message, message)
        self._sorting.conflated_count += 1
        return True
