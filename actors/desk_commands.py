"""What the operator may order: halt, resume, close, reconcile.

A halt needs neither database nor actors: the file is durable first, the latch in memory holds at
every socket at once. A close acts in every state of the house, and says where its row is missing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from actors import command_keeper
from actors.command_keeper import Pursue
from actors.desk_needs import Commands, Latch
from actors.desk_sessions import order_view
from actors.desk_snapshot import Seat, Snapshot
from actors.realtime_trader import TRADING
from actors.runtime import LoopFuture, Runtime, State
from trader.errors import StoreUnavailable
from trader.ids import SessionId
from trader.operator import CommandOutcome
from trader.orders.order import Status
from trader.session.events import (
    CloseRequested,
    ReconcileRequested,
    TradingState,
    TradingStateChanged,
)
from trader.views import CommandResult, CommandView, OrderView

T = TypeVar("T")

RESUME_WORD = "RESUME"
ASKED_BY = "desk"
ROW_DEADLINE_S = 2.0  # the operator is not kept waiting for a database
CLOSE_ROW_DEADLINE_S = 0.5  # nor is an exit; as long as the journal waits before it spools
HALT_DEADLINE_S = 15.0  # for the answers of what was past the gate
LOOK_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True)
class EntriesLeft:
    """What of the entries is still out there once no more can leave."""

    working: tuple[OrderView, ...]  # UNKNOWN exits among them: nobody knows of those either
    unconfirmed_count: int  # sent, and not answered: UNKNOWN, or still waited for
    silent: tuple[SessionId, ...]  # their traders did not answer


def entries_left(look: Snapshot) -> EntriesLeft:
    """Every open entry, and whatever is UNKNOWN."""
    orders: list[OrderView] = []
    unconfirmed_count = 0
    for picture in look.pictures.values():
        for working in () if picture is None else picture.state.open_orders():
            is_unconfirmed = working.status in (Status.UNKNOWN, Status.SUBMITTED)
            if not working.is_exit or working.status is Status.UNKNOWN:
                assert picture is not None
                orders.append(order_view(picture.state, working))
                unconfirmed_count += is_unconfirmed
    silent = tuple(session_id for session_id, picture in look.pictures.items() if picture is None)
    return EntriesLeft(tuple(orders), unconfirmed_count, silent)


def _is_waiting(look: Snapshot) -> bool:
    """Whether an entry is past the last gate, and neither answered nor UNKNOWN."""
    return any(
        working.status is Status.SUBMITTED and not working.is_exit
        for picture in look.pictures.values()
        if picture is not None
        for working in picture.state.open_orders()
    )


class OperatorDesk:
    """See the module. `look` shows the whole house, `seats` who bears each session."""

    def __init__(
        self,
        runtime: Runtime,
        commands: Commands,
        latch: Latch,
        look: Callable[[], Awaitable[Snapshot]],
        seats: Callable[[], dict[SessionId, Seat]],
    ) -> None:
        self._runtime = runtime
        self._commands = commands
        self._latch = latch
        self._look = look
        self._seats = seats
        self._stops_count = 0
        self._halts_under_way_count = 0

    async def halt(self, reason: str) -> CommandView:
        """File, latch, traders, row; then wait for what was past the gate already."""
        self._halts_under_way_count += 1
        try:
            return await self._halt(reason)
        finally:
            self._halts_under_way_count -= 1

    async def _halt(self, reason: str) -> CommandView:
        command_id = self._runtime.host.new_id()
        trouble = _failure(lambda: self._latch.write_file(reason))
        self.stop_entries(reason)
        no_row = await self._allow(command_id, "halt", TradingState.HALTED, reason)
        if trouble and no_row:
            detail = f"halted in memory only: {trouble}; {no_row}"
            left = await self.settled(HALT_DEADLINE_S)
            return self._said(command_id, "halt", "", CommandResult.FAILED, detail, left.working)
        left = await self.settled(HALT_DEADLINE_S)
        parts = ["no entry leaves any more"]
        if left.working:
            parts.append(f"{len(left.working)} orders still out")
        if left.unconfirmed_count:
            parts.append(f"{left.unconfirmed_count} not confirmed")
        if left.silent:
            parts.append(f"no answer from {', '.join(left.silent)}: their orders are not known")
        parts += [each for each in (trouble, no_row) if each]
        return self._said(
            command_id, "halt", "", CommandResult.DONE, "; ".join(parts), left.working
        )

    def stop_entries(self, reason: str) -> None:
        """In memory, at once: the last gates look at the latch, the traders hear it."""
        self._stops_count += 1
        self._latch.state = TradingStateChanged(TradingState.HALTED, reason)
        self._runtime.publish(TRADING, self._latch.state)

    async def settled(self, within_s: float) -> EntriesLeft:
        """Once every entry past the gate is answered or UNKNOWN, or the time is up."""
        ends_s = self._runtime.host.elapsed() + within_s
        while True:
            look = await self._look()
            if not _is_waiting(look) or look.now_s >= ends_s:
                return entries_left(look)
            await self._pause(LOOK_AGAIN_S)

    async def resume(self, reason: str, confirmation: str) -> CommandView:
        """Row first: a database that does not answer keeps the house halted."""
        command_id = self._runtime.host.new_id()
        if confirmation != RESUME_WORD:
            detail = f"type the word {RESUME_WORD} to let entries through again"
            return self._said(command_id, "resume", "", CommandResult.REFUSED, detail)
        if self._halts_under_way_count:
            detail = "it is being halted: wait for its answer"
            return self._said(command_id, "resume", "", CommandResult.REFUSED, detail)
        if self._latch.is_resuming:
            detail = "it is being resumed already"
            return self._said(command_id, "resume", "", CommandResult.REFUSED, detail)
        self._latch.is_resuming = True
        try:
            return await self._resume(command_id, reason)
        finally:
            self._latch.is_resuming = False

    async def _resume(self, command_id: str, reason: str) -> CommandView:
        stops_count = self._stops_count
        no_row = await self._allow(command_id, "resume", TradingState.ACTIVE, reason)
        if no_row:
            detail = f"{no_row}, and resuming needs its row: try again when it is back"
            return self._said(command_id, "resume", "", CommandResult.REFUSED, detail)
        if self._stops_count > stops_count:
            detail = "a halt came meanwhile, and it stands"
            return self._said(command_id, "resume", "", CommandResult.REFUSED, detail)
        trouble = _failure(self._latch.remove_file)
        if trouble:
            return self._said(command_id, "resume", "", CommandResult.FAILED, trouble)
        self._latch.state = TradingStateChanged(TradingState.ACTIVE, reason)
        self._runtime.publish(TRADING, self._latch.state)
        return self._said(command_id, "resume", "", CommandResult.DONE, "entries may leave again")

    async def close(self, session_id: SessionId, reason: str) -> CommandView | None:
        """Recorded where the database answers; done in any case."""
        seat = self._seats().get(session_id)
        if seat is None:
            return None
        command_id = self._runtime.host.new_id()
        no_row = await self._within(
            CLOSE_ROW_DEADLINE_S,
            self._commands.record(command_id, "close", session_id, reason, ASKED_BY),
        )
        pursue = Pursue(command_id, session_id, reason, ASKED_BY)
        is_kept = self._runtime.address(command_keeper.NAME).tell(pursue)
        name, parts = seat.reachable, []
        if name is None:
            parts.append("nobody bears it now: whoever comes up for it closes it")
        else:
            self._runtime.address(name).tell(CloseRequested(command_id, reason))
            parts.append(f"{name} closes it")
        if no_row:
            parts.append(f"{no_row}: the command's row is missing, its orders go to the spool")
        if not is_kept:
            parts.append("nobody drives it over a crash: look again")
        return self._said(command_id, "close", session_id, CommandResult.ACCEPTED, "; ".join(parts))

    async def reconcile(self, session_id: SessionId | None) -> CommandView:
        """Ask the broker now."""
        command_id = self._runtime.host.new_id()
        target = session_id or ""
        seats = self._seats()
        if session_id is not None:
            seats = {each: seat for each, seat in seats.items() if each == session_id}
        bearers = [seat.bearer for seat in seats.values() if seat.bearer is not None]
        running = [each.name for each in bearers if each.state is State.RUNNING]
        if not running:
            detail = "no trader is up that could ask"
            return self._said(command_id, "reconcile", target, CommandResult.FAILED, detail)
        for name in running:
            self._runtime.address(name).tell(ReconcileRequested("the operator asks"))
        detail = f"{', '.join(running)} asks the broker"
        return self._said(command_id, "reconcile", target, CommandResult.ACCEPTED, detail)

    # Parts

    async def _allow(self, command_id: str, kind: str, state: TradingState, reason: str) -> str:
        """Why the rows are missing; "" when they stand."""

        async def write() -> None:
            await self._commands.record(command_id, kind, None, reason, ASKED_BY)
            standing = await self._commands.allow(state, reason, ASKED_BY)
            if standing.state is TradingState.ACTIVE:
                self._latch.resumed_at = standing.changed_at
            await self._commands.finish(command_id, CommandOutcome.DONE, "")

        return await self._within(ROW_DEADLINE_S, write())

    async def _within(self, deadline_s: float, writing: Awaitable[object]) -> str:
        """Why it is not written; "" when it is. What comes too late may still take effect."""
        outcome: LoopFuture[BaseException | None] = LoopFuture()
        self._runtime.pipe(writing, lambda _, error: _give(outcome, error), deadline_s)
        error = await outcome
        if error is None:
            return ""
        if isinstance(error, TimeoutError | StoreUnavailable):
            return "the database does not answer"
        raise error

    async def _pause(self, delay_s: float) -> None:
        woken: LoopFuture[None] = LoopFuture()
        self._runtime.loop.call_later(delay_s, lambda: woken.succeed(None))
        await woken

    def _said(
        self,
        command_id: str,
        verb: str,
        target: str,
        result: CommandResult,
        detail: str,
        orders: tuple[OrderView, ...] = (),
    ) -> CommandView:
        return CommandView(command_id, verb, target, result, detail, orders)


def _give(outcome: LoopFuture[BaseException | None], error: BaseException | None) -> None:
    outcome.succeed(error)


def _failure(act: Callable[[], None]) -> str:
    try:
        act()
    except OSError as error:
        return f"the HALT file: {error.strerror}"
    return ""
