"""What a supervisor knows of its children: how often each failed, who restarts with whom, in order.

Owns: the two work lists of an ordered restart, who is to go down and who is to come up.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import assert_never

from actors.runtime.actor import Reminder
from actors.runtime.cell import Cell
from actors.runtime.messages import Exit, State
from actors.runtime.specs import Child, Exhausted, Strategy, SupervisorSpec

ALIVE = (State.STARTING, State.RUNNING, State.STOPPING)


class Slot:
    """One child: its cell, and how it has been doing."""

    __slots__ = (
        "attempts_count",
        "backoff",
        "cell",
        "failed_at",
        "has_fallen_back",
        "starts_again",
        "successor",
        "up_at",
    )

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.backoff: Reminder | None = None  # it waits before its next start
        self.attempts_count = 0  # restarts since it was last stable
        self.failed_at: deque[float] = deque()  # within the window, by elapsed seconds
        self.up_at: float | None = None
        self.has_fallen_back = False
        self.starts_again = True  # once it is down; False: it is to be forgotten
        self.successor: Child | SupervisorSpec | None = None  # to be added once it is forgotten

    @property
    def is_alive(self) -> bool:
        """Whether it has still to go down before it can be started or forgotten."""
        return self.cell.state in ALIVE

    def end_backoff(self) -> None:
        """It need not wait any longer."""
        if self.backoff is not None:
            self.backoff.cancel()
            self.backoff = None

    def forgive(self) -> None:
        """Count from zero again."""
        self.attempts_count = 0
        self.failed_at.clear()


class RestartLimit:
    """How often is too often: for each child alone if it is quarantined, else for all together."""

    def __init__(self, spec: SupervisorSpec) -> None:
        self._spec = spec
        self._failed_at: deque[float] = deque()

    def is_passed(self, slot: Slot, end: Exit, now: float) -> bool:
        """Count this end of it; True if it was one too many within the window."""
        if slot.up_at is not None and now - slot.up_at >= self._spec.backoff.stable_after_s:
            slot.attempts_count = 0
        slot.up_at = None
        is_own = self._spec.exhausted is Exhausted.QUARANTINE
        failed_at = slot.failed_at if is_own else self._failed_at
        if not end.is_repeat:  # crashes on one message count once
            failed_at.append(now)
        while failed_at and now - failed_at[0] > self._spec.restarts_window_s:
            failed_at.popleft()
        return len(failed_at) > self._spec.restarts_count_max

    def fall_back(self, slot: Slot) -> bool:
        """Go on with its fallback, counting afresh; False if it has none left."""
        if slot.cell.child.fallback is None or slot.has_fallen_back:
            return False
        slot.has_fallen_back = True
        slot.forgive()
        self._failed_at.clear()
        return True


class WorkLists:
    """Who is to go down, last first, and then who is to come up, first first; one at a time."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._stops: list[Slot] = []
        self._starts: deque[Slot] = deque()

    @property
    def has_starts(self) -> bool:
        """Whether somebody is still to come up."""
        return bool(self._starts)

    def start(self, slots: Iterable[Slot]) -> None:
        """These are to come up, after those that already are."""
        self._starts.extend(slots)

    def stop_all(self, slots: Iterable[Slot]) -> None:
        """These are to go down, and nobody comes up any more."""
        self._starts.clear()
        self._stops = list(slots)

    def restart_group(self, slot: Slot, slots: list[Slot]) -> None:
        """All that restart with this one go down and come up, on top of those that already do."""
        match self._strategy:
            case Strategy.ONE_FOR_ONE:
                return
            case Strategy.ONE_FOR_ALL:
                group = slots
            case Strategy.REST_FOR_ONE:
                group = slots[slots.index(slot) :]
            case _:
                assert_never(self._strategy)
        down, up = {*group, *self._stops}, {*group, *self._starts}
        self._stops = [one for one in slots if one in down and one.is_alive]
        self._starts = deque(one for one in slots if one in up)

    def forget(self, slot: Slot) -> None:
        """It is not one of the children any more."""
        if slot in self._starts:
            self._starts.remove(slot)

    def stop_next(self) -> bool:
        """Stop the next one that is to go down; True when all of them are."""
        while self._stops:
            last = self._stops[-1]
            if last.is_alive:
                last.cell.stop()
                return False
            self._stops.pop()
        return True

    def start_next(self, start: Callable[[Slot], None]) -> bool:
        """Start the next one that is to come up and may; True when all of them are up."""
        while self._starts:
            slot = self._starts[0]
            if slot.cell.state in (State.RUNNING, State.QUARANTINED):
                self._starts.popleft()
                continue
            if slot.cell.state is State.DOWN and slot.backoff is None:
                start(slot)
            return False
        return True
