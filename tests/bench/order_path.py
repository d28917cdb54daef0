"""The order path: a closed bar, its decision, heat, the durable row, the venue's acknowledgement.

The daemon's own house on real parts: embedded PostgreSQL, the sandbox venue in its own process over
loopback. Beside it, in the same run, the floor: the same statement on the same server and the same
POST to the same venue, without the runtime.
"""

import asyncio
import contextlib
import itertools
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import aiohttp
import asyncpg
import orjson
from pykka import ActorDeadError

from actors.app.house import House, open_house
from actors.app.venues import SandboxProcess, sandbox_process
from actors.realtime_trader import DescribeSession, RealtimeTrader, SessionPicture, name_of
from actors.runtime import Address
from adapters.folders import folders
from adapters.store.batch import rows_of
from adapters.store.settlement import enqueue_settlements
from trader.config import Settings
from trader.ids import AccountId, CauseKind, SessionId, client_order_id, instrument_id
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.market.events import CandleClosed, FeedFresh, PriceMoved
from trader.money import Price, Quantity
from trader.orders.events import OrderAccepted
from trader.orders.order import Order, OrderType, Purpose, Side, TimeInForce
from trader.proofs import Cleared
from trader.records import Fence, OrderEntry

STRATEGY = '''
from decimal import Decimal
from trader import Bar, Context, Decision, Strategy, TimeInForce

class Knock(Strategy):
    """Each bar one order that the venue takes and at once lets go: far below the market, IOC."""

    def on_bar(self, ctx: Context, bar: Bar) -> Decision:
        return ctx.buy(1, limit=Decimal(1), tif=TimeInForce.IOC, reason="knock")
'''
ACCOUNT = "BENCH-1"
FLOOR_ACCOUNT = "BENCH-2"  # its own, so that the daemon never hears of the floor's orders
REST_S = 0.02  # before each measurement, ours and the floor's: both begin on an idle machine


@dataclass
class Clock:
    """When each session's bar was told and when its acknowledgement was handled."""

    told: dict[str, float] = field(default_factory=dict)
    took: dict[str, list[float]] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    all_done: asyncio.Event = field(default_factory=asyncio.Event)

    def handled(self, session_id: str) -> None:
        if session_id in self.waiting:
            self.took.setdefault(session_id, []).append(time.perf_counter() - self.told[session_id])
            self.waiting.discard(session_id)
            if not self.waiting:
                self.all_done.set()


CLOCK = Clock()


@contextlib.contextmanager
def timed_traders() -> Iterator[None]:
    """Whoever makes the traders: their acknowledgements are timed."""
    receive = RealtimeTrader.on_receive

    def timed(self: RealtimeTrader, message: object) -> object:
        answer = receive(self, message)
        if type(message) is OrderAccepted:
            CLOCK.handled(self._rules.session_id)
        return answer

    RealtimeTrader.on_receive = timed  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        RealtimeTrader.on_receive = receive  # type: ignore[method-assign]


def settings_for(symbols: list[str], folder: Path, venue: SandboxProcess) -> Settings:
    """One session a symbol; the venue is reached as any Alpaca host."""
    key, secret_file = venue.keys[ACCOUNT]
    key_file = folder / "key"
    key_file.write_text(key)
    key_file.chmod(0o600)
    strategy = folder / "knock.py"
    strategy.write_text(STRATEGY)
    strategy.chmod(0o600)
    return Settings.model_validate(
        {
            "daemon": {"data_dir": str(folder / "data"), "state_dir": str(folder / "state")},
            "accounts": {
                "bench": {
                    "venue": "alpaca",
                    "url": venue.url,
                    "stream_url": venue.stream_url,
                    "data_url": venue.url,
                    "data_stream_url": venue.data_stream_url,
                    "key_file": str(key_file),
                    "secret_file": str(secret_file),
                }
            },
            "risk": {
                "orders_per_minute_max": 1_000_000,
                "orders_per_day_max": 1_000_000,
                "collar_fraction": 1,
            },
            "portfolio": {"warn_ratio": 5, "block_ratio": 9},
            "sessions": {
                symbol.lower(): {
                    "account": "bench",
                    "symbol": symbol,
                    "strategy": f"{strategy}:Knock",
                    "isolation": "inline",
                    "warmup_bars_count": 5,
                }
                for symbol in symbols
            },
        }
    )


@contextlib.asynccontextmanager
async def bench_house(count: int) -> AsyncIterator[tuple[House, SandboxProcess, list[str]]]:
    """A house of so many sessions, ready to enter, its market standing still."""
    symbols = [f"S{number:03d}" for number in range(count)]
    with tempfile.TemporaryDirectory(prefix="trader-bench-") as name:
        folder = Path(name)
        config = Settings().sandbox.model_copy(
            update={
                "symbols": tuple(symbols),
                "requests_per_minute_max": 10**7,
                "speed": 1.0,
                "prefill_bars_count": 10,
            }
        )
        async with sandbox_process(
            config, folder / "venue", (ACCOUNT, FLOOR_ACCOUNT), "--prices", "seeded", "--paused"
        ) as venue:
            settings = settings_for(symbols, folder, venue)
            at = folders(settings.daemon.data_dir, settings.daemon.state_dir)
            with timed_traders():
                async with open_house(settings, at) as house:
                    ids = list(settings.sessions)
                    await _until_ready(house, ids)
                    yield house, venue, ids


async def _until_ready(house: House, ids: list[str]) -> None:
    """The first bars are refused while things warm up; ready is when every bar is acknowledged."""
    for attempt in range(100):
        done = await burst(house, ids, timeout_s=1.0)
        if done == len(ids):
            CLOCK.took.clear()
            return
        await asyncio.sleep(0.1)
        assert attempt < 99, f"only {done} of {len(ids)} sessions trade"


BAR = itertools.count(1)


async def burst(
    house: House, ids: list[str], timeout_s: float = 10.0, rest_s: float = REST_S
) -> int:
    """One new bar to every session at one instant; how many were acknowledged."""
    number = next(BAR)
    opened_at = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    price, one = Price(Decimal(100)), Quantity(Decimal(1))
    mail = []
    for session_id in ids:
        instrument = instrument_id(session_id.upper(), "alpaca")
        address = house.runtime.address(name_of(SessionId(session_id)))
        address.tell(FeedFresh(instrument))
        address.tell(PriceMoved(instrument, price, price, price, opened_at, opened_at))
        candle = Candle(instrument, Timeframe.M1, opened_at, price, price, price, price, one)
        mail.append((session_id, address, CandleClosed(candle, await _newest(address))))
    await asyncio.sleep(rest_s)
    CLOCK.waiting = set(ids)
    CLOCK.all_done.clear()
    for session_id, address, closed in mail:
        CLOCK.told[session_id] = time.perf_counter()
        address.tell(closed)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await CLOCK.all_done.wait()
    return len(ids) - len(CLOCK.waiting)


async def _newest(trader: Address) -> datetime | None:
    """What the session's cursor holds, so that the bar follows it; None before it is born."""
    try:
        picture: SessionPicture = await trader.ask(DescribeSession(), timeout_s=5.0)
    except ActorDeadError:
        return None
    cursor = picture.state.cursor
    return None if cursor is None else cursor.newest_at


@dataclass
class Floor:
    """The same statement and the same POST, bare."""

    connection: asyncpg.Connection
    session: aiohttp.ClientSession
    url: str
    headers: dict[str, str]
    fence: Fence
    number: int = 0

    def order(self) -> OrderEntry:
        self.number += 1
        session_id = self.fence.session_id
        order = Order(
            id=client_order_id(session_id, CauseKind.COMMAND, f"floor-{self.number}", "order", 0),
            session_id=session_id,
            account_id=AccountId("bench"),
            instrument=instrument_id(session_id.upper(), "alpaca"),
            side=Side.BUY,
            type=OrderType.LIMIT,
            tif=TimeInForce.IOC,
            qty=Quantity(Decimal(1)),
            purpose=Purpose.ENTRY,
            reason="knock",
            cause_kind=CauseKind.COMMAND,
            cause_key=str(self.number),
            incarnation=self.fence.incarnation,
            price=Price(Decimal(1)),
        )
        return OrderEntry(Cleared(order), self.fence, False)

    def body(self, entry: OrderEntry) -> bytes:
        order = entry.order.item
        return orjson.dumps(
            {
                "symbol": order.instrument.partition(".")[0],
                "qty": "1",
                "side": "buy",
                "type": "limit",
                "time_in_force": "ioc",
                "limit_price": "1",
                "client_order_id": order.id,
            }
        )

    async def write(self, entries: list[OrderEntry]) -> None:
        rows = [row for entry in entries for row in rows_of(entry)]
        await rows[0][0].run(self.connection, [values for _, values in rows])

    async def post(self, body: bytes) -> None:
        async with self.session.post(
            f"{self.url}/v2/orders", data=body, headers=self.headers
        ) as answer:
            assert answer.status == 200, await answer.text()
            await answer.read()

    async def once(self) -> float:
        """Seconds for one row and one POST."""
        entry = self.order()
        body = self.body(entry)
        await asyncio.sleep(REST_S)
        began = time.perf_counter()
        await self.write([entry])
        await self.post(body)
        return time.perf_counter() - began

    async def batched(self, count: int) -> list[float]:
        """Seconds until each of so many acknowledgements: one commit, then all POSTs at once."""
        entries = [self.order() for _ in range(count)]
        bodies = [self.body(entry) for entry in entries]
        await asyncio.sleep(REST_S)
        began = time.perf_counter()
        await self.write(entries)
        took: list[float] = []

        async def post(body: bytes) -> None:
            await self.post(body)
            took.append(time.perf_counter() - began)

        await asyncio.gather(*(post(body) for body in bodies))
        return took


@contextlib.asynccontextmanager
async def floor_of(house: House, venue: SandboxProcess, session_id: str) -> AsyncIterator[Floor]:
    """Its own connection and its own client, set up as the daemon's are."""
    connection = await asyncpg.connect(house.store.url)
    incarnation = await connection.fetchval(
        "select incarnation from sessions where id = $1", session_id
    )
    key, secret_file = venue.keys[FLOOR_ACCOUNT]
    headers = {
        "APCA-API-KEY-ID": key,
        "APCA-API-SECRET-KEY": secret_file.read_text().strip(),
        "Content-Type": "application/json",
    }
    lease = house.leases[AccountId("bench")]
    fence = Fence(AccountId("bench"), lease.epoch, SessionId(session_id), incarnation)
    connector = aiohttp.TCPConnector(limit=32)
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Floor(connection, session, venue.url, headers, fence)
    finally:
        await connection.close()


def quantile(values: list[float], part: float) -> float:
    """Of sorted values, the nearest."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


async def one_session(rounds: int = 400) -> list[str]:
    """Bar to acknowledgement, interleaved with the floor; then beside a background job."""
    async with bench_house(1) as (house, venue, ids), floor_of(house, venue, ids[0]) as floor:
        floors = []
        for _ in range(rounds):
            assert await burst(house, ids) == 1
            floors.append(await floor.once())
        ours = CLOCK.took[ids[0]]
        quiet, beside, jobs_s = await beside_jobs(house, ids)
    ratio = statistics.median(ours) / statistics.median(floors)
    return [
        f"one session, bar -> row -> ack: p50 {ratio:.2f}x the floor's (aim < 1.5x); p99 "
        f"{quantile(ours, 0.99) / quantile(floors, 0.99):.2f}x (same row, same POST, no runtime)",
        f"one session beside {jobs_s:.0f} s of settling {JOBS_COUNT * FILLS_COUNT:,} fills: p99 "
        f"{quantile(beside, 0.99) / quantile(quiet, 0.99):.2f}x of the quiet one (aim within "
        f"1.10x), p50 {statistics.median(beside) / statistics.median(quiet):.2f}x",
    ]


JOBS_COUNT = 4  # with as long a quiet before each, so that a drift of the machine hits both alike
FILLS_COUNT = 5_000  # a job: some 2.5 s
SEED_FILLS = """
insert into fills (account_id, execution_id, session_id, client_order_id, broker_order_id,
    instrument, side, qty, price, cum_qty, happened_at, seen_at, position_qty, realized)
select 'bench', $1 || '-' || g, $1, '', '', 'DONE.ALPACA',
    case g % 2 when 1 then 'BUY' else 'SELL' end, 1, 100 + g % 7, 1, now(), now(), g % 2, 0
from generate_series(1, $2::int) g
"""


async def beside_jobs(house: House, ids: list[str]) -> tuple[list[float], list[float], float]:
    """Bars in quiet, and while the daemon's own worker settles the fills of finished sessions, in
    turns; with the seconds that the jobs took."""
    connection = await asyncpg.connect(house.store.url)
    finished = [SessionId(f"finished-{number}") for number in range(JOBS_COUNT)]
    for session_id in finished:
        await connection.execute(
            "insert into sessions (id, account_id, instrument, is_desired)"
            " values ($1, 'bench', 'DONE.ALPACA', false)",
            session_id,
        )
        await connection.execute(SEED_FILLS, session_id, FILLS_COUNT)
    await connection.execute("analyze fills")
    quiet: list[float] = []
    beside: list[float] = []
    jobs_s = 0.0
    for done_count, session_id in enumerate(finished, start=1):
        quiet += await _bars_for(house, ids, 2.5)
        began = time.monotonic()
        await enqueue_settlements(connection, {session_id: f"{session_id}-{FILLS_COUNT}"})
        trades_count = done_count * FILLS_COUNT // 2
        while await connection.fetchval("select count(*) from trades") < trades_count:
            beside += await _bars_for(house, ids, 0.5)
            assert time.monotonic() - began < 60.0, "the worker does not settle"
        jobs_s += time.monotonic() - began
    await connection.close()
    return quiet, beside, jobs_s


async def _bars_for(house: House, ids: list[str], seconds: float) -> list[float]:
    """How long each acknowledgement took, of one bar after the other."""
    CLOCK.took.clear()
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        assert await burst(house, ids, rest_s=0.005) == 1
    return CLOCK.took[ids[0]]


async def many_sessions(count: int = 100, rounds: int = 10) -> list[str]:
    """One bar to all at one instant."""
    async with bench_house(count) as (house, venue, ids), floor_of(house, venue, ids[0]) as floor:
        halves, floors, lasts, floor_lasts = [], [], [], []
        for _ in range(rounds):
            CLOCK.took.clear()
            assert await burst(house, ids) == count
            first = min(CLOCK.told.values())
            done = [CLOCK.told[i] + took[-1] - first for i, took in CLOCK.took.items()]
            halves.append(statistics.median(done))
            lasts.append(max(done))
            bare = await floor.batched(count)
            floors.append(statistics.median(bare))
            floor_lasts.append(max(bare))
    return [
        f"{count} sessions, one bar each at one instant: half acknowledged in "
        f"{statistics.median(halves) / statistics.median(floors):.2f}x the batched floor's "
        f"(aim < 2x); all in {statistics.median(lasts) / statistics.median(floor_lasts):.2f}x"
    ]
