"""The demo beside its house: says when each part stands, watches the reconciles, ends in time."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

import structlog

from actors.app.demo_chaos import Chaos
from actors.app.demo_screen import Screen
from actors.app.doors import Doors
from actors.app.house import House
from actors.app.patience import until
from actors.desk import HouseDesk
from adapters.gateway.client import ExitCode

READY_S = 30.0
DOUBTS_MAX = 3  # looks at which the three columns may differ, a second apart

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for on the command line."""

    for_s: float | None  # None: until Ctrl-C
    fill_within_s: float  # a demo without a fill is none
    with_chaos: bool


class Tour:
    """Owns nothing; asks the desk as any client would."""

    def __init__(self, screen: Screen, wishes: Wishes, log_file: Path) -> None:
        self._screen = screen
        self._wishes = wishes
        self._log_file = log_file

    async def beside(self, house: House, desk: HouseDesk, doors: Doors) -> int:
        """The exit code of the demo. `Companion` of a run."""
        try:
            async with asyncio.timeout(self._wishes.for_s) as whole:
                return await self._guide(house, desk, doors)
        except TimeoutError:
            if not whole.expired():
                raise
        return ExitCode.OK if self._screen.fills_count else ExitCode.FAILED

    async def _guide(self, house: House, desk: HouseDesk, doors: Doors) -> int:
        if not await self._until_trading(house, desk):
            return ExitCode.FAILED
        self._say_where(doors)
        if not await self._until_a_fill():
            return ExitCode.FAILED
        reconciles = asyncio.create_task(_tell_reconciles(house, desk))
        try:
            if self._wishes.with_chaos and not await Chaos(house, desk).is_survived():
                return ExitCode.FAILED
            await reconciles
        finally:
            reconciles.cancel()
        return ExitCode.OK

    async def _until_trading(self, house: House, desk: HouseDesk) -> bool:
        sandbox = house.settings.sandbox

        async def has_bars() -> bool:
            return all(each.last_bar is not None for each in await desk.sessions())

        async def trades() -> bool:
            return all(each.phase == "TRADING" for each in await desk.sessions())

        try:
            await until(has_bars, READY_S)
            _step(
                "market data",
                f"{len(sandbox.symbols)} instruments, real recorded days replayed as minutes, "
                f"{sandbox.speed:.0f}x, warm-up {sandbox.prefill_bars_count} bars",
            )
            await until(trades, READY_S)
        except TimeoutError:
            for each in await desk.sessions():
                log.error("not_trading", session=each.id, text=f"still {each.phase}")
            return False
        names = " · ".join(each.id for each in await desk.sessions())
        _step("sessions", f"{names}  (reconciled with the broker)")
        return True

    def _say_where(self, doors: Doors) -> None:
        program = "trader" if Path(sys.argv[0]).name != "trader" else sys.argv[0]
        _say(f"PAPER  {doors.url}  (its key: {doors.token_file})", is_loud=True)
        _say(f"In another terminal: {program} status --socket {doors.socket}")
        _say("  also: why aapl-sma · positions · orders · heat · bars aapl-sma -f · close · halt")
        _say(f"Every line as the daemon wrote it: {self._log_file}")
        _say("Ctrl-C stops and keeps the data; --reset starts over; --chaos breaks things.")

    async def _until_a_fill(self) -> bool:
        async def is_seen() -> bool:
            return self._screen.fills_count > 0

        try:
            await until(is_seen, self._wishes.fill_within_s)
        except TimeoutError:
            text = f"within {self._wishes.fill_within_s:.0f} s: this is a fault, please tell us"
            log.error("no_fill", text=text)
            return False
        return True


async def _tell_reconciles(house: House, desk: HouseDesk) -> None:
    """A line each time that every session has agreed with the broker again."""
    told_s = house.host.elapsed()
    doubts_count = 0
    while True:
        await asyncio.sleep(1.0)
        positions = await desk.positions()
        ages = [each.checked_age_s for each in positions]
        oldest_s = max((age for age in ages if age is not None), default=None)
        if None in ages or oldest_s is None or house.host.elapsed() - oldest_s <= told_s:
            continue
        agreeing = sum(each.agrees for each in positions)
        if agreeing < len(positions) and doubts_count < DOUBTS_MAX:
            doubts_count += 1
            continue  # looked at in the middle of a fill
        told_s, doubts_count = house.host.elapsed(), 0
        held = ", ".join(f"{p.broker_qty} {p.instrument}" for p in positions if p.broker_qty)
        log.info(
            "demo_reconciled",
            text=f"positions {agreeing}/{len(positions)} agree: broker, memory, database"
            f" ({held or 'all flat'})",
        )


def _step(what: str, text: str) -> None:
    log.info("demo_step", what=what, text=text)


def _say(text: str, *, is_loud: bool = False) -> None:
    log.info("demo_said", text=text, is_loud=is_loud)
