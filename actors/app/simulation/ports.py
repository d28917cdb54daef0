"""The ports of a simulated daemon that are not the venue's: rows, disk, latch, counts."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from actors.runtime import SimulationHost
from adapters.simulated.journal import MemoryJournal
from adapters.simulated.ledger import MemoryLedger
from adapters.store.portfolio import StoredLimits
from trader.ids import SessionId
from trader.operator import CommandOutcome, CommandRow, TradingStanding
from trader.orders.order import Change, Order
from trader.proofs import Durability, Recorded
from trader.records import ChangeEntry, Fence, OrderEntry
from trader.session.events import TradingState, TradingStateChanged
from trader.views import CheckView

if TYPE_CHECKING:
    from actors.app.simulation.world import World


class NoCounts:
    """Counts nothing."""

    def reconcile_broke(self, kind: str) -> None:
        """Nothing."""

    def order_acknowledged(self, took_s: float) -> None:
        """Nothing."""

    def bar_decided(self, took_s: float) -> None:
        """Nothing."""


@dataclass
class MachineDisk:
    """What outlives the process."""

    records: list[tuple[Order | Change, Fence]] = field(default_factory=list)
    halt_file: str | None = None


class StandInSpool:
    def __init__(self, disk: MachineDisk, host: SimulationHost) -> None:
        self._disk, self._host = disk, host

    def record_count(self) -> int:
        return len(self._disk.records)

    async def append(self, entry: OrderEntry | ChangeEntry) -> Any:
        item = entry.order.item if isinstance(entry, OrderEntry) else entry.change.item
        self._disk.records.append((item, entry.fence))
        return Recorded(item, self._host.now(), Durability.SPOOL)

    async def replay(self, journal: Any) -> int:
        given = list(self._disk.records)
        outcomes = await journal.adopt(given)
        del self._disk.records[: len(given)]
        return len(outcomes)


class SimulatedLatch:
    def __init__(self, disk: MachineDisk) -> None:
        self._disk = disk
        self.state = TradingStateChanged(TradingState.ACTIVE, "")

    def halted(self) -> str:
        if self.state.state is not TradingState.ACTIVE:
            return self.state.reason or "halted"
        return "" if self._disk.halt_file is None else "the HALT file exists"

    def current(self) -> TradingStateChanged:
        why = self.halted()
        if why and self.state.state is TradingState.ACTIVE:
            return TradingStateChanged(TradingState.HALTED, why)
        return self.state

    def write_file(self, reason: str) -> None:
        self._disk.halt_file = reason

    def remove_file(self) -> None:
        self._disk.halt_file = None


class StandInOperator:
    def __init__(self, world: "World", host: SimulationHost) -> None:
        self._world, self._host = world, host

    async def standing(self) -> TradingStanding:
        return self._world.standing[-1]

    async def allow(self, state: TradingState, reason: str, changed_by: str) -> TradingStanding:
        self._world.standing.append(TradingStanding(state, reason, changed_by, self._host.now()))
        return self._world.standing[-1]

    async def record(
        self, command_id: str, kind: str, session_id: SessionId | None, reason: str, asked_by: str
    ) -> CommandRow:
        row = CommandRow(
            command_id, kind, session_id, reason, asked_by, self._host.now(), None, "", None
        )
        return self._world.commands.setdefault(command_id, row)

    async def finish(self, command_id: str, outcome: CommandOutcome, detail: str) -> None:
        self._world.commands.pop(command_id, None)

    async def unfinished(self) -> tuple[CommandRow, ...]:
        return tuple(self._world.commands.values())


class StandInLimits:
    async def ensure(self, first: StoredLimits, changed_by: str) -> StoredLimits:
        return first


class SimulatedStore:
    def __init__(self, world: "World", host: SimulationHost, disk: MachineDisk, label: str) -> None:
        self.journal = MemoryJournal(world.rows, label)
        self.ledger = MemoryLedger(world.rows, label)
        self.spool = StandInSpool(disk, host)
        self.operator = StandInOperator(world, host)
        self.portfolio = StandInLimits()
        self.jobs = None
        self.reads: Any = None

    async def schema(self) -> CheckView:
        return CheckView("database", True, "simulated")
