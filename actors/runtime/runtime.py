"""The runtime: one tree of supervised actors on one loop, from start to exit code."""

import asyncio
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from actors.runtime.actor import Actor
from actors.runtime.base import StockActor
from actors.runtime.cell import Cell, Up
from actors.runtime.engine import Engine
from actors.runtime.hosts import Host
from actors.runtime.mailbox import Rule
from actors.runtime.messages import ChildStatus, Exit, ExitReason, Lane
from actors.runtime.specs import Child, SupervisorSpec
from actors.runtime.supervisor import SUPERVISOR_LANES, plant
from actors.runtime.watchdog import Watchdog

EXIT_CODE_GAVE_UP = 1
_ENDS_IN_ORDER = (ExitReason.NORMAL, ExitReason.SHUTDOWN, ExitReason.KILLED)


class StartFailed(Exception):
    """The tree did not come up; its cause is the last child's error."""


class Runtime(Engine):
    """Starts a tree, keeps its names, stops it. Make it on the thread of the host's loop.

    `lanes` says how urgent a type is (EVENTS by default), `conflate` which market types wait only
    as the newest per key (`key` alone or `Latest`) and which close a key (`Seals`). A message of a
    `never_again` type is not served twice: when its handler crashes, `on_lost` is told instead.
    """

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
        watchdog: Watchdog | None = None,
    ) -> None:
        super().__init__(
            host,
            lanes={**lanes, **SUPERVISOR_LANES},
            conflate=conflate,
            budget_s=budget_s,
            mailbox_soft_limit=mailbox_soft_limit,
            stage_limit=stage_limit,
            never_again=never_again,
            on_lost=on_lost,
        )
        self._watchdog = watchdog
        self._root: Cell | None = None
        self._is_up: asyncio.Future[None] = self.loop.create_future()
        self._ended: asyncio.Future[Exit] = self.loop.create_future()
        self._is_closed = False

    async def start(self, *roots: SupervisorSpec | Child) -> None:
        """Start the tree in order; returns when all of it is up, raises `StartFailed` if it fails.

        Anything but one single supervisor is put under a root of its own, one for one.
        """
        assert self._root is None, "a runtime is started once"
        root = roots[0] if len(roots) == 1 else None
        if not isinstance(root, SupervisorSpec):
            root = SupervisorSpec("root", roots)
        self._root = plant(self, root)
        if self._watchdog is not None:
            self._watchdog.start(self)
        self._root.start(self._root.child.factory, self._hear_root)
        await asyncio.wait((self._is_up, self._ended), return_when=asyncio.FIRST_COMPLETED)
        if self._ended.done():
            end = self._ended.result()
            await self._close(grace_s=0.0)
            raise StartFailed(f"the tree did not start: {end.error}") from end.error

    async def stop(self, grace_s: float = 10.0) -> None:
        """Stop the tree in reverse order; what is not down in time is taken down without its hook.

        Waits that are still under way (`pipe`) have the rest of that time to end.
        """
        ends_at = self.loop.time() + grace_s
        if self._root is not None:
            self._root.stop()
            await asyncio.wait((self._ended,), timeout=grace_s)
        await self._close(grace_s=max(0.0, ends_at - self.loop.time()))

    async def wait(self) -> int:
        """Until the tree has ended: the process exit code, 0 in order, 1 when it gave up."""
        end = await asyncio.shield(self._ended)
        if end.reason in _ENDS_IN_ORDER:
            return 0
        await self._close(grace_s=0.0)
        return EXIT_CODE_GAVE_UP

    def tree(self) -> ChildStatus:
        """The whole tree as it stands now."""
        assert self._root is not None, "the runtime has not been started"
        return self._root.status()

    def adopt(self, actor: StockActor) -> None:
        """Give an actor started the stock way a name of its own (its urn), without a supervisor."""
        assert isinstance(actor, Actor)
        cell = Cell(self, Child(actor.actor_urn, lambda: actor))
        self.boxes[cell.name] = cell
        actor.actor_inbox.bind(self, cell.name, incarnation=1)

        def hear(report: Up | Exit) -> None:
            if isinstance(report, Exit):
                self.loop.call_soon(cell.close)

        self.loop.call_soon_threadsafe(cell.start, cell.child.factory, hear)

    def _hear_root(self, report: Up | Exit) -> None:
        if isinstance(report, Exit):
            self._ended.set_result(report)
        elif not self._is_up.done():
            self._is_up.set_result(None)

    async def _close(self, grace_s: float) -> None:
        """Nothing is served any more: end the waits, close the doors, bury what is left."""
        if self._is_closed:
            return
        self._is_closed = True
        tasks = [pipe.task for pipe in self._pipes]
        if tasks and grace_s > 0:
            await asyncio.wait(tasks, timeout=grace_s)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)  # one that will not be cancelled is left behind
        self._staging.close()
        for box in tuple(self.boxes.values()):
            box.close()
        if self._watchdog is not None:
            self._watchdog.stop()
