"""The supervisor: an actor that starts its children in order, restarts them, and stops them.

Owns: who of its children is up, and how often each has failed.  The names and mailboxes of the
children outlive it, so a restarted supervisor finds what waits for them, late additions included.

Edge cases: a child that fails while it starts is retried by the same rules, and those after it
wait; a supervisor is up when all its children are, and down only when they are; its own crash
takes them down at once.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, assert_never

from actors.runtime.actor import Actor
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
from actors.runtime.slots import RestartLimit, Slot, WorkLists
from actors.runtime.specs import (
    NO_TIMEOUT_S,
    Child,
    Exhausted,
    Restart,
    StartChild,
    Strategy,
    SupervisorSpec,
)


@dataclass(frozen=True, slots=True)
class _Due:
    """The back-off of that child is over."""

    name: str


SupervisorMessage = StartChild | StopChild | RestartChild | WhichChildren | Up | Exit | _Due
SUPERVISOR_LANES: dict[type, Lane] = dict.fromkeys(
    (StartChild, StopChild, RestartChild, WhichChildren, Up, Exit, _Due), Lane.CONTROL
)


def plant(engine: Engine, spec: Child | SupervisorSpec) -> Cell:
    """Make the names of that part of the tree, so that mail for them waits before they start."""
    if spec.name in engine.boxes:
        raise ValueError(f"two actors of the name {spec.name!r}")
    if isinstance(spec, Child):
        cell = Cell(engine, spec)
    else:
        cells: dict[str, Cell] = {}
        child = Child(
            spec.name,
            lambda: Supervisor(spec, cells),
            stop_timeout_s=NO_TIMEOUT_S,
            start_timeout_s=NO_TIMEOUT_S,
        )
        cell = Cell(engine, child, cells)
    engine.boxes[spec.name] = cell
    if isinstance(spec, SupervisorSpec):
        cells.update((child.name, plant(engine, child)) for child in spec.children)
    return cell


class Supervisor(Actor):
    """Keeps its children alive by its spec's rules."""

    is_served_in_hooks = True

    def __init__(self, spec: SupervisorSpec, cells: dict[str, Cell]) -> None:
        super().__init__()
        self._spec = spec
        self._cells = cells
        self._is_one_for_one = spec.strategy is Strategy.ONE_FOR_ONE
        self._slots = {name: Slot(cell) for name, cell in cells.items()}
        self._work = WorkLists(spec.strategy)
        self._limit = RestartLimit(spec)
        self._settled: asyncio.Future[None] | None = None  # what on_start and on_stop wait for
        self._is_ending = False
        self._fatal: Exit | None = None  # the end of a child that was once too often

    def on_start(self) -> Awaitable[None]:
        """Start the children in order; done when the last is up."""
        self._settled = self.runtime.loop.create_future()
        self._work.start(self._slots.values())
        self._advance()
        return self._settled

    def on_stop(self) -> Awaitable[None]:
        """Stop the children in reverse; done when the first is down."""
        self._settled = self.runtime.loop.create_future()
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
        slot = self._slots[spec.name] = Slot(cell)
        if self._is_one_for_one and not self._work.has_starts:
            self._start(slot)
        else:
            self._work.start((slot,))
            self._advance()
        return True

    def _stop_child(self, name: str) -> bool:
        slot = self._slots.get(name)
        if slot is None:
            return False
        slot.starts_again = False
        slot.successor = None
        slot.cell.stop()
        if not slot.is_alive:
            self._forget(slot)
            self._advance()
        return True

    def _restart_child(self, name: str) -> bool:
        slot = self._slots.get(name)
        if slot is None or self._is_ending or not slot.starts_again:
            return False
        slot.end_backoff()
        slot.forgive()
        slot.has_fallen_back = False
        if slot.cell.state is State.QUARANTINED:
            slot.cell.stop()
        self._work.restart_group(slot, list(self._slots.values()))
        if self._is_one_for_one:
            slot.cell.stop()
            self._start(slot)  # if it is down; else when it is
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
        if slot is None or slot.cell.state is not State.DOWN:
            return  # it was forgotten, or started by hand, before this was heard
        restart = slot.cell.child.restart
        if not slot.starts_again:
            self._forget(slot)
        elif self._is_ending:
            pass
        elif end.reason is ExitReason.SHUTDOWN:
            if self._is_one_for_one:
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
        if self._is_one_for_one:
            self._start(slot)
        else:
            self._advance()

    def _restart(self, slot: Slot, end: Exit) -> None:
        """Restart it after its back-off, with its group, unless that was once too often."""
        host = self.runtime.host
        if self._limit.is_passed(slot, end, host.elapsed()):
            if not self._limit.fall_back(slot):
                self._give_up(slot, end)
                return
            self.runtime.count("fallbacks")
            self.runtime.notify(FellBack(slot.cell.name, end))
        slot.attempts_count += 1
        slot.cell.restarts_count += 1
        self.runtime.count("restarts")
        slot.end_backoff()
        delay_s = self._spec.backoff.delay_s(slot.attempts_count, host.random())
        slot.backoff = self.remind(delay_s, _Due(slot.cell.name))
        self._work.restart_group(slot, list(self._slots.values()))

    def _give_up(self, slot: Slot, end: Exit) -> None:
        if self._spec.exhausted is Exhausted.QUARANTINE:
            slot.cell.quarantine()
            self.runtime.count("quarantines")
            self.runtime.notify(Quarantined(slot.cell.name, end))
        else:
            self._fatal = end
            self._end()

    # One step further

    def _advance(self) -> None:
        """Stop who is to go down, last first; then start who is to come up, first first."""
        if not self._work.stop_next():
            return
        if self._is_ending and self._fatal is not None:
            # Heard above only now that all children are down, else their names would collide.
            raise Escalated(
                f"{self._fatal.name} failed too often, at last by {self._fatal.reason}"
            ) from self._fatal.error
        is_settled = self._is_ending or self._work.start_next(self._start)
        if is_settled and self._settled is not None and not self._settled.done():
            self._settled.set_result(None)

    def _start(self, slot: Slot) -> None:
        if slot.cell.state is State.DOWN:
            child = slot.cell.child
            factory = child.fallback if slot.has_fallen_back and child.fallback else child.factory
            slot.cell.start(factory, self._hear)

    def _hear(self, report: Up | Exit) -> None:
        self.runtime.send(self.name, Mail(report, incarnation=self.incarnation))

    def _end(self) -> None:
        self._is_ending = True
        for slot in self._slots.values():
            slot.end_backoff()
        self._work.stop_all(self._slots.values())
        self._advance()

    def _forget(self, slot: Slot) -> None:
        slot.end_backoff()
        self._work.forget(slot)
        name = slot.cell.name
        del self._slots[name], self._cells[name]
        slot.cell.close()
        if slot.successor is not None:
            self._add(slot.successor)
