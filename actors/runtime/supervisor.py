"""The supervisor: an actor that starts its children in order, restarts them, and stops them.

Owns: who of its children is up, and how often each has failed.  The names and mailboxes of the
children outlive it, so a restarted supervisor finds what waits for them, late additions included.

Edge cases: a child that fails while it starts is retried by the same rules, and those after it
wait; a supervisor is up when all its children are, and down only when they are; its own crash
takes them down at once.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, assert_never

from actors.runtime.actor import Actor, Reminder
from actors.runtime.cell import Cell, Escalated, Up
from actors.runtime.engine import Engine
from actors.runtime.mailbox import Mail
from actors.runtime.messages import (
    ChildStatus,
    Exit,
    ExitReason,
    FellBack,
    Lane,
    Quarantined,
    RestartChild,
    State,
    StopChild,
    WhichChildren,
)
from actors.runtime.specs import (
    NO_TIMEOUT_S,
    Child,
    Exhausted,
    Restart,
    StartChild,
    Strategy,
    SupervisorSpec,
)

_ALIVE = (State.STARTING, State.RUNNING, State.STOPPING)


@dataclass(frozen=True, slots=True)
class _Due:
    """The back-off of that child is over."""

    name: str


SupervisorMessage = StartChild | StopChild | RestartChild | WhichChildren | Up | Exit | _Due
SUPERVISOR_LANES: dict[type, Lane] = dict.fromkeys(
    (StartChild, StopChild, RestartChild, WhichChildren, Up, Exit, _Due), Lane.CONTROL
)


class _Slot:
    """What the supervisor knows of one child."""

    __slots__ = (
        "attempts_count",
        "backoff",
        "cell",
        "has_fallen_back",
        "restarted_at",
        "starts_again",
        "successor",
        "up_at",
    )

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.backoff: Reminder | None = None  # it waits before its next start
        self.attempts_count = 0  # restarts since it was last stable
        self.restarted_at: deque[float] = deque()  # within the window, by elapsed seconds
        self.up_at: float | None = None
        self.has_fallen_back = False
        self.starts_again = True  # once it is down; False: it is to be forgotten
        self.successor: Child | SupervisorSpec | None = None  # to be added once it is forgotten

    def forgive(self) -> None:
        """Count from zero again."""
        self.attempts_count = 0
        self.restarted_at.clear()


def plant(engine: Engine, spec: Child | SupervisorSpec) -> Cell:
    """Make the names of that part of the tree, so that mail for them waits before they start."""
    cells: dict[str, Cell] | None = None
    if isinstance(spec, SupervisorSpec):
        cells = {child.name: plant(engine, child) for child in spec.children}
        child = _supervisor_child(spec, cells)
    else:
        child = spec
    if child.name in engine.boxes:
        raise ValueError(f"two actors of the name {child.name!r}")
    cell = Cell(engine, child)
    cell.children = cells
    engine.boxes[child.name] = cell
    return cell


def _supervisor_child(spec: SupervisorSpec, cells: dict[str, Cell]) -> Child:
    return Child(
        spec.name,
        lambda: Supervisor(spec, cells),
        stop_timeout_s=NO_TIMEOUT_S,
        start_timeout_s=NO_TIMEOUT_S,
    )


class Supervisor(Actor):
    """Keeps its children alive by its spec's rules."""

    is_served_in_hooks = True

    def __init__(self, spec: SupervisorSpec, cells: dict[str, Cell]) -> None:
        super().__init__()
        self._spec = spec
        self._cells = cells
        self._slots: dict[str, _Slot] = {name: _Slot(cell) for name, cell in cells.items()}
        self._starts: deque[_Slot] = deque()  # in order, each once the one before is up
        self._stops: list[_Slot] = []  # from the end, each once the one behind is down
        self._restarted_at: deque[float] = deque()  # of all children: they escalate together
        self._settled: asyncio.Future[None] | None = None
        self._is_ending = False
        self._fatal: Exit | None = None

    def on_start(self) -> Awaitable[None]:
        """Start the children in order; done when the last is up."""
        self._settled = self.runtime.loop.create_future()
        self._starts.extend(self._slots.values())
        self._advance()
        return self._settled

    def on_stop(self) -> Awaitable[None]:
        """Stop the children in reverse; done when the first is down."""
        self._settled = self.runtime.loop.create_future()
        self._fatal = None
        self._end()
        return self._settled

    def on_failure(self, *_: object) -> None:
        """Take the children down at once: none may outlive its supervisor."""
        for cell in reversed(tuple(self._cells.values())):
            cell.kill()

    def on_receive(self, message: SupervisorMessage) -> Any:
        """One line a message."""
        match message:
            case StartChild(child):
                return self._add(child)
            case StopChild(name):
                return self._stop_child(name)
            case RestartChild(name):
                return self._restart_child(name)
            case WhichChildren():
                return self._statuses()
            case Up(name):
                return self._child_up(name)
            case Exit():
                return self._child_down(message)
            case _Due(name):
                return self._child_due(name)
            case _:
                assert_never(message)

    # Commands

    def _add(self, spec: Child | SupervisorSpec) -> bool:
        leaving = self._slots.get(spec.name)
        if leaving is not None and not leaving.starts_again and leaving.successor is None:
            leaving.successor = spec  # the name is free as soon as its bearer is down
            return True
        if self._is_ending or spec.name in self.runtime.boxes:
            return False
        cell = self._cells[spec.name] = plant(self.runtime, spec)
        slot = self._slots[spec.name] = _Slot(cell)
        if self._is_independent():
            self._start(slot)
        else:
            self._starts.append(slot)
            self._advance()
        return True

    def _stop_child(self, name: str) -> bool:
        slot = self._slots.get(name)
        if slot is None:
            return False
        slot.starts_again = False
        slot.successor = None
        slot.cell.stop()
        if slot.cell.state not in _ALIVE:
            self._forget(slot)
            self._advance()
        return True

    def _restart_child(self, name: str) -> bool:
        slot = self._slots.get(name)
        if slot is None or self._is_ending or not slot.starts_again:
            return False
        self._end_backoff(slot)
        slot.forgive()
        slot.has_fallen_back = False
        if slot.cell.state is State.QUARANTINED:
            slot.cell.stop()
        self._restart_with_group(slot)
        if self._spec.strategy is Strategy.ONE_FOR_ONE:
            if slot.cell.state in _ALIVE:
                slot.cell.stop()
            else:
                self._start(slot)
        self._advance()
        return True

    def _statuses(self) -> tuple[ChildStatus, ...]:
        return tuple(slot.cell.status() for slot in self._slots.values())

    # What becomes of the children

    def _child_up(self, name: str) -> None:
        slot = self._slots.get(name)
        if slot is not None:
            slot.up_at = self.runtime.host.elapsed()
        self._advance()

    def _child_down(self, end: Exit) -> None:
        slot = self._slots.get(end.name)
        if slot is None:
            return
        restart = slot.cell.child.restart
        if slot.cell.state is not State.DOWN:
            pass  # it was started by hand before this was heard
        elif not slot.starts_again:
            self._forget(slot)
        elif self._is_ending:
            pass
        elif end.reason is ExitReason.SHUTDOWN:
            if self._spec.strategy is Strategy.ONE_FOR_ONE:
                self._start(slot)
        elif restart is Restart.TEMPORARY or (
            restart is Restart.TRANSIENT and end.reason is ExitReason.NORMAL
        ):
            self._forget(slot)
        else:
            self._restart(slot, end)
        self._advance()

    def _child_due(self, name: str) -> None:
        slot = self._slots.get(name)
        if slot is None:
            return
        slot.backoff = None
        if self._spec.strategy is Strategy.ONE_FOR_ONE:
            self._start(slot)
        else:
            self._advance()

    def _restart(self, slot: _Slot, end: Exit) -> None:
        """Restart it after its back-off, with its group, unless that was once too often."""
        now = self.runtime.host.elapsed()
        if slot.up_at is not None and now - slot.up_at >= self._spec.backoff.stable_after_s:
            slot.attempts_count = 0
        slot.up_at = None
        if self._is_exhausted(slot, end, now) and not self._fall_back(slot, end):
            self._give_up(slot, end)
            return
        slot.attempts_count += 1
        slot.cell.restarts_count += 1
        self.runtime.count("restarts")
        self._end_backoff(slot)
        delay_s = self._spec.backoff.delay_s(slot.attempts_count, self.runtime.host.random())
        slot.backoff = self.remind(delay_s, _Due(slot.cell.name))
        self._restart_with_group(slot)

    def _is_exhausted(self, slot: _Slot, end: Exit, now: float) -> bool:
        each = self._spec.exhausted is Exhausted.QUARANTINE
        restarted_at = slot.restarted_at if each else self._restarted_at
        if not end.is_repeat:  # crashes on one message count once
            restarted_at.append(now)
        while restarted_at and now - restarted_at[0] > self._spec.restarts_window_s:
            restarted_at.popleft()
        return len(restarted_at) > self._spec.restarts_count_max

    def _fall_back(self, slot: _Slot, end: Exit) -> bool:
        if slot.cell.child.fallback is None or slot.has_fallen_back:
            return False
        slot.has_fallen_back = True
        slot.forgive()
        self._restarted_at.clear()
        self.runtime.notify(FellBack(slot.cell.name, end))
        return True

    def _give_up(self, slot: _Slot, end: Exit) -> None:
        if self._spec.exhausted is Exhausted.QUARANTINE:
            slot.cell.quarantine()
            self.runtime.count("quarantines")
            self.runtime.notify(Quarantined(slot.cell.name, end))
        else:
            self._fatal = end
            self._end()

    def _restart_with_group(self, slot: _Slot) -> None:
        """Mark who goes down and comes up with it, on top of who already does."""
        slots = list(self._slots.values())
        match self._spec.strategy:
            case Strategy.ONE_FOR_ONE:
                return
            case Strategy.ONE_FOR_ALL:
                group = slots
            case Strategy.REST_FOR_ONE:
                group = slots[slots.index(slot) :]
            case _:
                assert_never(self._spec.strategy)
        self._stops = [
            one
            for one in slots
            if one.cell.state in _ALIVE and (one in group or one in self._stops)
        ]
        self._starts = deque(one for one in slots if one in group or one in self._starts)

    # One step further

    def _advance(self) -> None:
        """Stop who is to go down, last first; then start who is to come up, first first."""
        while self._stops:
            last = self._stops[-1].cell
            if last.state in _ALIVE:
                last.stop()
                return
            self._stops.pop()
        if self._is_ending:
            self._ended()
            return
        while self._starts:
            slot = self._starts[0]
            if slot.cell.state in (State.RUNNING, State.QUARANTINED) or self._is_gone(slot):
                self._starts.popleft()
            elif slot.cell.state is State.DOWN and slot.backoff is None:
                self._start(slot)
                return
            else:
                return
        if self._settled is not None and not self._settled.done():
            self._settled.set_result(None)

    def _start(self, slot: _Slot) -> None:
        if slot.cell.state is not State.DOWN:
            return
        child = slot.cell.child
        factory = child.fallback if slot.has_fallen_back and child.fallback else child.factory
        slot.cell.start(factory, self._hear)

    def _hear(self, report: Up | Exit) -> None:
        self.runtime.send(self.name, Mail(report, incarnation=self.incarnation))

    def _end(self) -> None:
        self._is_ending = True
        for slot in self._slots.values():
            self._end_backoff(slot)
        self._starts.clear()
        self._stops = list(self._slots.values())
        self._advance()

    def _ended(self) -> None:
        if self._fatal is not None:
            end = self._fatal
            raise Escalated(
                f"{end.name} failed too often, at last by {end.reason}: {end.error!r}"
            ) from end.error
        if self._settled is not None and not self._settled.done():
            self._settled.set_result(None)

    def _forget(self, slot: _Slot) -> None:
        self._end_backoff(slot)
        name = slot.cell.name
        del self._slots[name], self._cells[name]
        slot.cell.close()
        if slot.successor is not None:
            self._add(slot.successor)

    def _is_gone(self, slot: _Slot) -> bool:
        return self._slots.get(slot.cell.name) is not slot

    def _is_independent(self) -> bool:
        """Whether a new child need not wait for the others: the first start is over."""
        return self._spec.strategy is Strategy.ONE_FOR_ONE and not self._starts

    def _end_backoff(self, slot: _Slot) -> None:
        if slot.backoff is not None:
            slot.backoff.cancel()
            slot.backoff = None
