"""The house as the daemon opens it, in this process, at a sandbox venue in another one."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import structlog.testing

from actors.app.doors import desk_of
from actors.app.drill_judge import VENUE, Books, Truth, Violation, judge, truth_of
from actors.app.drill_sides import Rows
from actors.app.house import House, open_house
from actors.app.venue_control import VenueControl
from actors.desk import HouseDesk
from actors.desk_snapshot import everybody
from actors.realtime_trader import DescribeSession, name_of
from actors.runtime import State
from actors.sessions import guardian_name
from adapters.folders import folders
from trader.config import Settings
from trader.ids import SessionId, instrument_id
from trader.orders.order import Status
from trader.session.state import SessionState

ACCOUNT = "demo"
SYMBOLS = ("AAPL", "IBM", "MSFT")
IN_FLIGHT_BOUND_S = 3.0  # longer than any delay that is staged
LOOK_S = 0.05
UNDER_WAY = (Status.UNKNOWN, Status.PENDING_CANCEL, Status.PENDING_UPDATE)
ASK_S = 2.0
STRATEGIES = Path(__file__).with_name("stage_strategies.py")


class HouseStage:
    """An open house, both of its doors (our desk, the venue's control port), and its log."""

    def __init__(
        self, house: House, control: VenueControl, log: list[MutableMapping[str, Any]]
    ) -> None:
        self.house = house
        self.control = control
        self.log = log  # oldest first; what is noticed of a session bears its id
        self.desk: HouseDesk = desk_of(house, ())
        self.session_ids = tuple(house.settings.sessions)

    # What it is told

    def tell(self, name: str, message: object) -> None:
        """A message to the actor of that name."""
        self.house.runtime.address(name).tell(message)

    async def fault(self, kind: str, **match: object) -> None:
        """Make the venue misbehave."""
        await self.control.ask("POST", "/faults", {"kind": kind} | match)

    async def price(self, symbol: str, price: object) -> None:
        """Trade there."""
        await self.control.ask("POST", "/price", {"symbol": symbol, "price": str(price)})

    # What it says

    async def state(self, session_id: str) -> SessionState:
        """What whoever bears the session knows; to be read before anything is awaited."""
        await until(lambda: self.standing(self.bearer(session_id)) is not None)
        bearer = self.bearer(session_id)
        picture = await self.house.runtime.address(bearer).ask(DescribeSession(), ASK_S)
        return picture.state  # type: ignore[no-any-return]

    def bearer(self, session_id: str) -> str:
        """Its trader, or the guardian that stands in."""
        trader, guardian = name_of(SessionId(session_id)), guardian_name(SessionId(session_id))
        return guardian if self.standing(guardian) is State.RUNNING else trader

    def standing(self, name: str) -> State | None:
        """Where the actor is in its life; None: nobody of that name."""
        tree = everybody(self.house.runtime.tree())
        return next((each.state for each in tree if each.name == name), None)

    def said(self, event: str, **keys: object) -> list[MutableMapping[str, Any]]:
        """The lines of the log that say this, with these keys."""
        return [
            line
            for line in self.log
            if line["event"] == event and all(line.get(k) == v for k, v in keys.items())
        ]

    @property
    def crashes(self) -> list[MutableMapping[str, Any]]:
        """Every actor's unordered end."""
        return self.said("exit", reason="CRASH")

    async def refusals(self, session_id: str) -> list[str]:
        """Why its newest decisions were not carried out, newest first."""
        why = await self.desk.why(SessionId(session_id))
        assert why is not None
        return [each.reason_code for each in why.decisions if each.reason_code]

    async def truth(self) -> Truth:
        """What the venue itself has."""
        return truth_of(await self.control.truth())

    async def venue_qty(self, symbol: str) -> Decimal:
        """What the venue holds of it."""
        return (await self.truth()).positions.get(instrument_id(symbol, VENUE), Decimal(0))

    async def books(self) -> Books:
        """What the database has; read by a connection of its own, for servers come and go."""
        connection = await asyncpg.connect(self.house.store.url, timeout=ASK_S)
        try:
            return await Rows(connection).books()
        finally:
            connection.terminate()

    async def disagreements(self) -> tuple[Violation, ...]:
        """Where venue, memory and database differ now, and what nobody knows yet; empty at last."""
        memory = {
            str(view.instrument): view.memory_qty
            for view in await self.desk.positions()
            if view.memory_qty is not None
        }
        books = await self.books()
        under_way = tuple(row.id for row in books.orders if row.status in UNDER_WAY)
        found = judge(await self.truth(), books, memory)
        if under_way:
            found += (Violation("I3 none lost", "nobody looks after it", under_way),)
        for session_id in self.session_ids:
            state = await self.state(session_id)
            if not state.is_ready:
                text = f"{session_id}: position {state.positions_ok_s}, orders {state.orders_ok_s}"
                found += (Violation("I15 reconcile", text, tuple(state.doubted)),)
        return found

    async def agreed(self, within_s: float) -> None:
        """Wait until the books agree. Raises AssertionError, which says what differs."""
        found: tuple[Violation, ...] = ()

        async def is_agreed() -> bool:
            nonlocal found
            found = await self.disagreements()
            return not found

        try:
            await until(is_agreed, within_s)
        except TimeoutError:
            raise AssertionError("\n".join(map(str, found))) from None


async def until(condition: Callable[[], Awaitable[bool] | bool], within_s: float = 10.0) -> None:
    """Wait for it. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while True:
            holds = condition()
            if not isinstance(holds, bool):
                holds = await holds
            if holds:
                return
            await asyncio.sleep(LOOK_S)


def stage_settings(
    folder: Path, sessions: Mapping[str, Mapping[str, Any]], **tables: Mapping[str, Any]
) -> Settings:
    """Fast bars, short periods, wide limits; each table may be changed."""
    strategies = folder / "strategies.py"
    strategies.write_bytes(STRATEGIES.read_bytes())
    strategies.chmod(0o600)
    house: dict[str, dict[str, Any]] = {
        "daemon": {"data_dir": str(folder / "data"), "state_dir": str(folder / "state")},
        "store": {"database_url_env": "TRADER_TEST_DATABASE_URL"},
        "reconcile": {"position_period_s": 2.0, "order_period_s": 4.0, "unknown_probe_s": 0.5},
        "risk": {"orders_per_minute_max": 1_000_000, "orders_per_day_max": 1_000_000},
        "portfolio": {"warn_ratio": "0.9", "block_ratio": "0.95"},
        "sandbox": {"symbols": SYMBOLS, "speed": 300.0, "prefill_bars_count": 50},
        "accounts": {ACCOUNT: {"venue": "sandbox", "in_flight_bound_s": IN_FLIGHT_BOUND_S}},
    }
    for name, changes in tables.items():
        house[name] = house.get(name, {}) | dict(changes)
    common = {"account": ACCOUNT, "isolation": "inline", "warmup_bars_count": 20}
    told = {
        name: common | dict(own) | {"strategy": f"{strategies}:{own['strategy']}"}
        for name, own in sessions.items()
    }
    return Settings.model_validate({**house, "sessions": told})


@contextlib.asynccontextmanager
async def house_stage(settings: Settings) -> AsyncIterator[HouseStage]:
    """Open, used, closed in order."""
    places = folders(settings.daemon.data_dir, settings.daemon.state_dir)
    async with contextlib.AsyncExitStack() as stack:
        log = stack.enter_context(structlog.testing.capture_logs())
        house = await stack.enter_async_context(open_house(settings, places))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        assert house.sandbox is not None
        yield HouseStage(house, VenueControl(http, house.sandbox), log)


def owned_by(folder: Path) -> list[int]:
    """The processes that live in that folder: a database's server and its backends."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if Path(os.readlink(each / "cwd")).is_relative_to(folder):
                found.append(int(each.name))
    return found
