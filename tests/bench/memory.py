"""Memory of a session at 1,000 sessions, each with a warm window of 300 bars of its own.

Real: runtime, supervisor, mailboxes, traders, hearts, strategies (SMA cross, in this process) and
their bars. Stand-ins: whoever else they talk to.
"""

import asyncio
import gc
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import perf_counter
from typing import Any

from actors.audience import Subscribe
from actors.lanes import CONFLATE, LANES
from actors.realtime_trader import Neighbours, RealtimeTrader, name_of
from actors.runtime import Actor, AsyncioHost, Child, Runtime, SupervisorSpec
from actors.strategy_host import StrategyHost
from adapters.simulated.ledger import MemoryLedger
from adapters.simulated.rows import MemoryStore
from adapters.strategies.inline import InlineRunner
from tests.trader.session.session_world import RULES
from trader.ids import InstrumentId, SessionId, instrument_id
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.market.events import SeriesOpened
from trader.money import Price, Quantity
from trader.records import Lease
from trader.session.events import StrategyReady, TradingState, TradingStateChanged
from trader.session.rules import SessionRules
from trader.session.strategy import StrategySpec

SESSIONS_COUNT = 1_000
BARS_COUNT = 300
OPENED_AT = datetime(2026, 1, 5, tzinfo=UTC)


class Feed(Actor):
    """Opens each series with the bars of its instrument."""

    def __init__(self, bars: dict[InstrumentId, tuple[Candle, ...]]) -> None:
        super().__init__()
        self._bars = bars

    def on_receive(self, message: Any) -> None:
        """A subscription; nothing else is answered."""
        if isinstance(message, Subscribe):
            candles = self._bars.pop(message.instrument)
            message.reply_to.tell(SeriesOpened(message.instrument, message.timeframe, candles))


class Silent(Actor):
    """Hears and says nothing."""

    def on_receive(self, message: Any) -> None:
        """Nothing."""


def _bars_of(instrument: InstrumentId, number: int) -> tuple[Candle, ...]:
    """As they come from a wire: no two share an object but the names."""
    return tuple(
        Candle(
            instrument,
            Timeframe.M1,
            OPENED_AT + timedelta(minutes=n),
            *(Price(Decimal(f"{100 + (number + n + shift) % 900}.25")) for shift in range(4)),
            Quantity(Decimal(f"{1000 + n}")),
        )
        for n in range(BARS_COUNT)
    )


def _resident_bytes() -> int:
    """Of this process."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _rules_of(number: int) -> SessionRules:
    """The n-th session, on an instrument of its own."""
    symbol = f"S{number:04d}"
    tick, lot = RULES.instrument.tick, RULES.instrument.lot
    return replace(
        RULES,
        session_id=SessionId(symbol.lower()),
        instrument=replace(RULES.instrument, id=instrument_id(symbol, "sim")),
        strategy=StrategySpec("sma_cross", (("qty", "1"),), symbol, tick, lot),
        warmup_bars=BARS_COUNT,
    )


async def run() -> list[str]:
    """The lines of the report."""
    host = AsyncioHost()
    store = MemoryStore(host.now, host.elapsed)
    ledger = MemoryLedger(store)
    lease = await ledger.claim(RULES.account_id, "bench", 3600.0)
    assert isinstance(lease, Lease)
    warm: set[SessionId] = set()
    all_warm = asyncio.Event()

    class CountedTrader(RealtimeTrader):
        """The trader itself; counted when its strategy is warm."""

        def on_receive(self, message: Any) -> Any:
            answer = super().on_receive(message)
            if type(message) is StrategyReady:
                warm.add(self._rules.session_id)
                if len(warm) == SESSIONS_COUNT:
                    all_warm.set()
            return answer

    runtime = Runtime(host, lanes=LANES, conflate=CONFLATE)
    quiet = runtime.address("silent")
    around = Neighbours(
        broker=quiet,
        journal=quiet,
        portfolio=quiet,
        feed=runtime.address("feed"),
        strategies=runtime.address("strategies"),
    )

    def trader(rules: SessionRules) -> Child:
        return Child(
            name_of(rules.session_id),
            lambda: CountedTrader(
                rules,
                around,
                ledger,
                lambda: lease.epoch,
                lambda: TradingStateChanged(TradingState.ACTIVE, "bench"),
            ),
        )

    rules = [_rules_of(number) for number in range(SESSIONS_COUNT)]
    empty = _resident_bytes()
    bars = {each.instrument.id: _bars_of(each.instrument.id, n) for n, each in enumerate(rules)}
    with_bars = _resident_bytes()
    began = perf_counter()
    await runtime.start(
        Child("silent", Silent),
        Child("feed", lambda: Feed(bars)),
        Child("strategies", lambda: StrategyHost(InlineRunner())),
        SupervisorSpec("traders", [trader(each) for each in rules]),
    )
    async with asyncio.timeout(60.0):
        await all_warm.wait()
    took_s = perf_counter() - began
    in_all = _resident_bytes()
    await runtime.stop()
    session_kb = (in_all - empty) / SESSIONS_COUNT / 1024
    bars_kb = (with_bars - empty) / SESSIONS_COUNT / 1024
    return [
        f"memory per session at {SESSIONS_COUNT:,}, each with {BARS_COUNT} bars of its own and a "
        f"warm SMA cross: {session_kb:.0f} KB, of it the bars {bars_kb:.0f} KB; the actor, its "
        f"mailbox, heart, window and strategy {session_kb - bars_kb:.0f} KB (shared: bars of one "
        "instrument)",
        f"{SESSIONS_COUNT:,} such sessions from nothing to warm in {took_s:.1f} s",
    ]
