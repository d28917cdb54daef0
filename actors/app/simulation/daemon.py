"""A daemon of a simulated world: the real wiring over simulated ports, and its service manager.

What belongs to the machine (spool, HALT file) outlives the process; everything else dies with it.
"""

import asyncio
import functools
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from actors import broker_out, realtime_trader, sessions
from actors.app.operator import Latch
from actors.app.simulation.boundaries import WatchedRuntime
from actors.app.simulation.house import (
    CalendarTimers,
    Counts,
    NoReads,
    Noticed,
    SimulatedHouse,
)
from actors.app.simulation.settings import settings_of
from actors.app.simulation.strategies import load
from actors.app.tree import feed_name
from actors.app.wiring import tree_of
from actors.desk import HouseDesk
from actors.desk_needs import Boot, Needs
from actors.lanes import CONFLATE, LANES, NEVER_AGAIN
from actors.runtime import (
    Notice,
    Quarantined,
    Runtime,
    SimulatedProcess,
    SimulationHost,
    StartFailed,
)
from actors.sessions import SessionQuarantined
from adapters.simulated.disk import Disk
from adapters.simulated.store import SimulatedStore
from adapters.strategies.inline import InlineRunner
from trader.errors import StoreUnavailable, StoreUnsafe
from trader.ids import AccountId, SessionId
from trader.records import HeldByAnother, Lease
from trader.session.events import TradingStateChanged

if TYPE_CHECKING:
    from actors.app.simulation.world import World

RESTART_S = 1.0  # the service manager's pause
FENCED_S = 5.0
RETRY_S = 1.0


class Daemon:
    """One machine of the world, and the daemon that its service manager keeps alive."""

    def __init__(self, world: "World", name: str) -> None:
        self.name = name
        self.disk = Disk(world.clock.elapsed, f"{world.plan.seed} {name}")
        self.host = SimulationHost(f"{world.plan.seed} {name}", loop=world.loop)
        self.house: SimulatedHouse | None = None  # up: its tree stands
        self.boots_count = 0
        self.is_wanted = False
        self.is_paused = False
        self._world = world
        self._process: SimulatedProcess | None = None

    @property
    def process(self) -> SimulatedProcess | None:
        """The one that runs now."""
        return self._process

    @property
    def is_alive(self) -> bool:
        """Whether a process runs, ready or not."""
        return self._process is not None

    def start(self) -> None:
        """Have the service manager keep it alive from here on."""
        self.is_wanted = True
        self._boot()

    def kill(self) -> None:
        """SIGKILL; the service manager starts it again."""
        self._end(RESTART_S)

    def shut(self) -> None:
        """SIGKILL, and never again."""
        self.is_wanted = False
        self._end(0.0)

    def pause(self) -> None:
        """SIGSTOP, or a suspended machine."""
        if self._process is not None:
            self.is_paused = True
            self._process.pause()

    def resume(self) -> None:
        """SIGCONT."""
        if self._process is not None and self.is_paused:
            self.is_paused = False
            self._process.resume()

    def crash(self, name: str) -> None:
        """Have whoever bears that name die of a message that nobody understands."""
        if self.house is not None and self._process is not None:
            runtime = self.house.runtime
            self._process.run(lambda: runtime.address(name).tell("crash"))

    @property
    def desk(self) -> HouseDesk | None:
        """Its desk, while it stands."""
        return None if self.house is None else self.house.desk

    def inside(self, work: Coroutine[Any, Any, None]) -> None:
        """Have its process do that beside everything else."""
        assert self._process is not None
        self._process.spawn(work)

    def _boot(self) -> None:
        if not self.is_wanted or self._process is not None:
            return
        self.boots_count += 1
        self._process = SimulatedProcess(self._world.loop, f"{self.name}#{self.boots_count}")
        life = self._process.spawn(self._live())
        process = self._process

        def ended() -> None:
            if self._process is process:
                code_s = life.result() if not life.cancelled() else RESTART_S
                self._end(code_s)

        context = self._world.context
        life.add_done_callback(lambda _: ended(), context=context)

    def _end(self, again_after_s: float) -> None:
        process, self._process, self.house = self._process, None, None
        self.is_paused = False
        if process is not None:
            process.kill()
            self._world.died(self)
        if self.is_wanted:
            self._world.later(again_after_s, self._boot)

    async def _live(self) -> float:
        """From boot to exit; answers how long the service manager waits."""
        world, settings = self._world, settings_of(self._world.plan)
        label = f"{self.name}#{self.boots_count}"
        latch = Latch(self.disk.halt_file)
        leases: dict[AccountId, Lease] = {}
        while True:
            try:
                store = SimulatedStore(world.database, self.disk, self.host, label)
                for name in settings.accounts:
                    account_id = AccountId(name)
                    answer = await store.ledger.claim(
                        account_id, self.name, settings.store.lease_ttl_s
                    )
                    if isinstance(answer, HeldByAnother):
                        return FENCED_S
                    leases[account_id] = answer
                await store.spool.replay(store.journal)
                standing = await store.operator.standing()
                break
            except StoreUnavailable:
                await asyncio.sleep(RETRY_S)
            except StoreUnsafe:
                return RESTART_S
        latch.state = TradingStateChanged(standing.state, standing.reason)
        runtime = WatchedRuntime(
            world.boundaries,
            self.host,
            lanes=LANES,
            conflate=CONFLATE,
            never_again=NEVER_AGAIN,
            on_lost=broker_out.lost,
        )
        elapsed = self.host.elapsed
        runtime.listen(functools.partial(_heard, runtime))
        runtime.listen(lambda notice: world.history.note(Noticed(elapsed(), label, notice)))
        venues = {
            AccountId(name): world.ports(self.host, AccountId(name), label)
            for name in settings.accounts
        }
        counts = Counts(world.history, elapsed, label)
        house = SimulatedHouse(settings, self.host, runtime, store, venues, latch, leases, counts)
        runner = world.runner(InlineRunner(load), label)
        try:
            await runtime.start(tree_of(house, CalendarTimers(self.host), runner))
        except StartFailed:
            return RESTART_S
        house.desk = self._desk(house)
        self.house = house
        ended = asyncio.create_task(runtime.wait())
        await asyncio.wait((ended, house.ousted_because), return_when=asyncio.FIRST_COMPLETED)
        return FENCED_S if house.ousted_because.done() else RESTART_S

    def _desk(self, house: SimulatedHouse) -> HouseDesk:
        boot = Boot(
            version="simulated",
            boot_id=f"{self.name}#{self.boots_count}",
            started_at=self.host.now(),
            settings=house.settings,
            config=(),
            feeds={each: house.runtime.address(feed_name(each)) for each in house.venues},
        )
        store = house.store
        needs = Needs(
            NoReads(), store.operator, house.latch, store.ledger.position_qtys, store.schema
        )
        return HouseDesk(house.runtime, boot, needs)


def _heard(runtime: Runtime, notice: Notice) -> None:
    prefix = realtime_trader.name_of(SessionId(""))
    if isinstance(notice, Quarantined) and notice.name.startswith(prefix):
        session_id = SessionId(notice.name.removeprefix(prefix))
        why = f"quarantined: {notice.last_exit.error!r}"
        runtime.address(sessions.NAME).tell(SessionQuarantined(session_id, why))
