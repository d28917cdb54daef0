"""One drill: a venue that lives, a daemon that is killed again and again while orders flow."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import assert_never

import aiohttp

from actors.app import drill_setup as setup
from actors.app.drill_judge import Books, Truth, Violation, doubted, judge, truth_of
from actors.app.drill_sides import Daemon, Rows
from actors.app.venue_control import VenueControl
from actors.app.venues import SandboxProcess, sandbox_process
from actors.runtime import AsyncioHost
from trader.errors import TraderError

READY_S = 60.0  # a start on a busy machine
FLOW_S = 30.0  # by then orders must flow again
ABLE_FRACTION_MIN = 0.5  # of the sessions; the others may be in doubt since the last kill
AGREE_S = 3 * setup.POSITION_PERIOD_S  # the due reconcile, the second look before an adjustment
DOUBT_S = setup.IN_FLIGHT_BOUND_S + 15.0  # absent twice, five seconds apart, at the probes' pace
STRUCK_S = 5.0  # a fault that met nobody by then is given up, and the kill comes anyway
LOOK_S = 0.02


class DrillFailed(TraderError):
    """The drill itself could not go on; its folder is kept."""


class Aim(StrEnum):
    """Where a kill is aimed; the exact instant is chance."""

    ANYWHERE = "anywhere"
    RECORDED = "after the row"  # between the row and the write, mostly
    UNANSWERED = "before the ack"  # the venue has it, its answer is on its way
    LATE = "before arrival"  # it reaches the venue when the daemon is dead
    LOST = "ack lost"  # the daemon is just finding out
    CHANGING = "change unanswered"  # a cancel or a replace


@dataclass(frozen=True, slots=True)
class Round:
    """One kill and what was found after it. Orders and fills count from the drill's start."""

    n: int
    aim: Aim
    killed_after_ms: int  # of flow
    in_flight_count: int  # orders whose fate no row knew at the kill
    agreed_after_ms: int  # after the restarted daemon's first reconcile
    orders_count: int
    fills_count: int
    doubted_count: int  # rows that are rightly UNKNOWN: they may still be on their way
    violations: tuple[Violation, ...]


class Drill:
    """Owns the daemon's life; the venue lives as long as the drill."""

    def __init__(
        self, folder: Path, seed: int, http: aiohttp.ClientSession, venue: SandboxProcess
    ) -> None:
        self._folder = folder
        self._chance = random.Random(seed)
        self._host = AsyncioHost()
        self._control = VenueControl(http, venue)
        self._rows: Rows | None = None
        self._open = contextlib.AsyncExitStack()
        self._daemon = Daemon(
            setup.write_config(folder, venue),
            folder / "state" / "trader.sock",
            setup.environ_for(venue),
        )

    async def start(self, n: int) -> None:
        """Start the daemon, until every session has agreed with the broker once."""
        log_file = self._folder / f"daemon-{n:03}.log"
        await self._daemon.start(log_file)
        try:
            async with asyncio.timeout(READY_S):
                while await self._daemon.reconciled_count() < len(setup.SYMBOLS):
                    if self._daemon.has_ended:
                        raise DrillFailed(f"the daemon ended at its start: {log_file}")
                    await asyncio.sleep(LOOK_S)
        except TimeoutError as error:
            text = f"not reconciled {READY_S:.0f} s after its start: {log_file}"
            raise DrillFailed(text) from error
        self._rows = await self._open.enter_async_context(Rows.opened(self._folder / "data"))

    async def round(self, n: int) -> Round:
        """Let orders flow, kill, start again, judge."""
        aim = self._chance.choice(list(Aim))
        await self._control.ask("POST", "/resume")
        began_s = self._host.elapsed()
        try:
            await self._strike(aim)
        except TimeoutError:
            text = f"no order within {FLOW_S:.0f} s: nothing was drilled"
            return Round(n, aim, 0, 0, 0, 0, 0, 0, (Violation("flow", text, ()),))
        await self._daemon.kill()
        killed_at = self._host.now()
        killed_after_s = self._host.elapsed() - began_s
        await self._forget_rows()
        await self._control.ask("DELETE", "/faults")
        await self.start(n)
        await self._control.ask("POST", "/pause")  # at rest, all three sides can be compared
        began_s = self._host.elapsed()
        truth, books, violations = await self._agreed(AGREE_S)
        return Round(
            n=n,
            aim=aim,
            killed_after_ms=round(killed_after_s * 1000),
            in_flight_count=await self._books.in_flight_count(killed_at),
            agreed_after_ms=round((self._host.elapsed() - began_s) * 1000),
            orders_count=len(truth.orders),
            fills_count=len(truth.executions),
            doubted_count=len(doubted(books)),
            violations=violations,
        )

    async def end(self) -> tuple[Violation, ...]:
        """Nothing may stay in doubt: wait that out, judge once more, stop as one stops a daemon."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DOUBT_S):
                while doubted(await self._books.books()):  # noqa: ASYNC110 - theirs
                    await asyncio.sleep(LOOK_S)
        _, books, violations = await self._agreed(AGREE_S)
        if left := doubted(books):
            violations += (Violation("I3 none unknown", "in doubt past its bound", left),)
        await self._forget_rows()
        if code := await self._daemon.stop():
            violations += (Violation("stop", f"asked to stop, it ended with {code}", ()),)
        return violations

    async def close(self) -> None:
        """However it went: leave no process behind."""
        await self._forget_rows()
        await self._daemon.close()

    @property
    def _books(self) -> Rows:
        assert self._rows is not None
        return self._rows

    async def _forget_rows(self) -> None:
        self._rows = None
        await self._open.aclose()
        self._open = contextlib.AsyncExitStack()

    # Where the kill falls

    async def _strike(self, aim: Aim) -> None:
        """Return at the instant of the kill. Raises TimeoutError where no order flows."""
        async with asyncio.timeout(FLOW_S):
            able_count_min = ABLE_FRACTION_MIN * len(setup.SYMBOLS)
            while await self._daemon.able_count() < able_count_min:  # noqa: ASYNC110 - theirs
                await asyncio.sleep(LOOK_S)
            await self._next_order()
        chance = self._chance.uniform
        match aim:
            case Aim.ANYWHERE:
                await asyncio.sleep(chance(0.0, 1.0))
            case Aim.RECORDED:
                async with asyncio.timeout(FLOW_S):
                    await self._next_order()
            case Aim.UNANSWERED:
                await self._fault("slow_reply", "POST", "/v2/orders", 3000, chance(0.0, 0.03))
            case Aim.LATE:
                delay_ms = self._chance.randrange(100, 2000)
                await self._fault("slow", "POST", "/v2/orders", delay_ms, chance(0.0, 0.03))
            case Aim.LOST:
                await self._fault("ack_lost", "POST", "/v2/orders", 0, chance(0.0, 0.05))
            case Aim.CHANGING:
                method = self._chance.choice(("DELETE", "PATCH"))
                await self._fault("slow_reply", method, "/v2/orders/", 3000, chance(0.0, 0.03))
            case _:
                assert_never(aim)

    async def _next_order(self) -> None:
        """At once when the next order has its row: looked for without a pause."""
        newest = await self._books.newest_order()
        while await self._books.newest_order() == newest:
            pass

    async def _fault(
        self, kind: str, method: str, path: str, delay_ms: int, then_wait_s: float
    ) -> None:
        before = await self._control.strikes_count()
        await self._control.install(kind, method, path, delay_ms, 3)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STRUCK_S):
                while await self._control.strikes_count() == before:  # noqa: ASYNC110 - theirs
                    await asyncio.sleep(LOOK_S / 4)
        await asyncio.sleep(then_wait_s)

    # The verdict

    async def _agreed(self, within_s: float) -> tuple[Truth, Books, tuple[Violation, ...]]:
        """Look until nothing is wrong, or until it must not be any more."""
        until_s = self._host.elapsed() + within_s
        while True:
            memory = await self._daemon.memory()
            books = await self._books.books()
            truth = truth_of(await self._control.truth())
            violations: tuple[Violation, ...] = (_SILENT,)
            if memory is not None:
                violations = judge(truth, books, memory)
            if not violations or self._host.elapsed() > until_s:
                return truth, books, violations
            await asyncio.sleep(LOOK_S)


_SILENT = Violation("I26 honest", "the daemon does not say what it remembers", ())


@dataclass(frozen=True, slots=True)
class Report:
    """The rounds that were run, and what was still wrong when all was over."""

    rounds: tuple[Round, ...]
    at_the_end: tuple[Violation, ...]

    @property
    def is_held(self) -> bool:
        """Nothing was ever wrong."""
        return not self.at_the_end and not any(each.violations for each in self.rounds)


async def kill_often(folder: Path, times: int, seed: int, tell: Callable[[Round], None]) -> Report:
    """The whole drill in a prepared folder; it ends with the first round that does not hold.

    Raises DrillFailed, SandboxFailed.
    """
    rounds: list[Round] = []
    async with contextlib.AsyncExitStack() as stack:
        prices = ("--prices", "seeded")
        venue = await stack.enter_async_context(
            sandbox_process(setup.market(seed), folder / "venue", (setup.ACCOUNT,), *prices)
        )
        http = await stack.enter_async_context(aiohttp.ClientSession())
        drill = Drill(folder, seed, http, venue)
        stack.push_async_callback(drill.close)
        await drill.start(0)
        for n in range(1, times + 1):
            rounds.append(await drill.round(n))
            tell(rounds[-1])
            if rounds[-1].violations:
                return Report(tuple(rounds), ())
        return Report(tuple(rounds), await drill.end())
