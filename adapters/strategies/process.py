"""Strategies in processes of their own: user code never runs in the daemon's breath.

A few hosts hold many strategies each, and one warm spare waits. A strategy that loops, blocks or
crashes takes its host with it: the host is replaced by the spare at once, every strategy it held
is reported lost, so that its session opens it again, and the culprit's session is told what it
did. One that ends three hosts within ten minutes is not opened again until that time is over.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from adapters.strategies.link import HostLink, failed
from adapters.strategies.wire import Close, Decide, Open
from trader.ids import SessionId
from trader.market.candle import Candle
from trader.session.events import StrategyDecided, StrategyFailed, StrategyReady
from trader.session.seat import not_open
from trader.session.strategy import StrategySpec, View

_log = structlog.get_logger()

STRIKES_MAX = 3
STRIKES_WINDOW_S = 600.0
_RESPAWN_S = 1.0  # between attempts, when the machine gives no process
_NEIGHBOUR = "another strategy ended the host process it lived in"


class ProcessRunner:
    """Fulfils `StrategyRunner`. Deadlines are seconds of one strategy's own turn."""

    def __init__(
        self,
        *,
        host_count: int | None = None,
        decide_deadline_s: float = 0.25,
        open_deadline_s: float = 5.0,
        start_deadline_s: float = 30.0,
    ) -> None:
        self._host_count = host_count or os.cpu_count() or 1
        self._decide_deadline_s = decide_deadline_s
        self._open_deadline_s = open_deadline_s
        self._start_deadline_s = start_deadline_s
        self._lost: Callable[[StrategyFailed], None] | None = None
        self._hosts: list[HostLink] = []
        self._spare: HostLink | None = None
        self._is_running = False
        self._has_host = asyncio.Event()
        self._refilling: asyncio.Task[None] | None = None
        self._burials: set[asyncio.Task[None]] = set()
        self._homes: dict[SessionId, tuple[HostLink, int]] = {}  # and of which rebuild
        self._strikes: dict[SessionId, deque[float]] = {}

    @property
    def host_pids(self) -> tuple[int, ...]:
        """The processes, the spare last."""
        return tuple(link.pid for link in (*self._hosts, self._spare) if link is not None)

    async def start(self, lost: Callable[[StrategyFailed], None] | None = None) -> None:
        """Spawn the hosts, then the spare behind them. `lost` hears of each strategy that died
        without being asked. Started again it only changes whom it tells."""
        self._lost = lost
        if self._is_running:
            return
        self._is_running = True
        try:
            async with asyncio.timeout(self._start_deadline_s), asyncio.TaskGroup() as group:
                for _ in range(self._host_count):
                    group.create_task(self._add_host())
        except BaseException:
            await self.stop()
            raise
        self._refill()

    async def stop(self) -> None:
        """End every host."""
        self._is_running = False
        if self._refilling is not None:
            self._refilling.cancel()
            await asyncio.gather(self._refilling, return_exceptions=True)
        links = [*self._hosts, *([self._spare] if self._spare else [])]
        self._hosts, self._spare = [], None
        self._has_host.clear()
        self._homes.clear()
        await asyncio.gather(*(link.stop() for link in links), *self._burials)
        for link in links:
            for waiting in link.take_waiting():
                waiting.answer.set_result(failed(waiting, "strategy_host_died", "stopped"))

    async def open(
        self, session_id: SessionId, spec: StrategySpec, candles: Sequence[Candle], rebuild: int
    ) -> StrategyReady | StrategyFailed:
        """Make the strategy anew in a host and warm it up."""
        if self._is_barred(session_id):
            detail = (
                f"ended {STRIKES_MAX} hosts within {STRIKES_WINDOW_S / 60:.0f} minutes; mend it, "
                "then restart its session"
            )
            return not_open(session_id, "strategy_barred", detail, rebuild)
        host = await self._host_for(session_id)
        if host is None:
            detail = f"no host process within {self._start_deadline_s} s"
            return not_open(session_id, "strategy_host_died", detail, rebuild, must_rebuild=True)
        self._homes[session_id] = (host, rebuild)
        request = Open(session_id, spec, candles, rebuild)
        answer = await host.ask(request, self._open_deadline_s)
        assert not isinstance(answer, StrategyDecided)
        if isinstance(answer, StrategyFailed) and self._homes.get(session_id) == (host, rebuild):
            del self._homes[session_id]
        return answer

    async def decide(
        self, session_id: SessionId, candle: Candle, view: View, rebuild: int
    ) -> StrategyDecided | StrategyFailed:
        """Its decision on a new, final bar; late is none."""
        host, opened = self._homes.get(session_id, (None, 0))
        if host is None or opened != rebuild:
            return StrategyFailed(
                session_id, candle.opened_at, "strategy_not_open", "", rebuild, must_rebuild=True
            )
        request = Decide(session_id, candle, view, rebuild)
        answer = await host.ask(request, self._decide_deadline_s)
        assert not isinstance(answer, StrategyReady)
        return answer

    async def close(self, session_id: SessionId) -> None:
        """Forget it."""
        host, rebuild = self._homes.pop(session_id, (None, 0))
        if host is not None and host.is_up:
            await host.ask(Close(session_id, rebuild), self._open_deadline_s)

    async def _host_for(self, session_id: SessionId) -> HostLink | None:
        home, _ = self._homes.get(session_id, (None, 0))
        if home is not None:
            return home
        try:
            async with asyncio.timeout(self._start_deadline_s):
                while not self._hosts:
                    await self._has_host.wait()
        except TimeoutError:
            return None
        held = [host for host, _ in self._homes.values()]
        return min(self._hosts, key=held.count)

    async def _add_host(self) -> None:
        link = await HostLink(self._ended).spawn()
        if len(self._hosts) < self._host_count:
            self._hosts.append(link)
            self._has_host.set()
        else:
            self._spare = link

    def _refill(self) -> None:
        if self._is_running and (self._refilling is None or self._refilling.done()):
            self._refilling = asyncio.create_task(self._keep_full())

    async def _keep_full(self) -> None:
        while len(self._hosts) < self._host_count or self._spare is None:
            try:
                async with asyncio.timeout(self._start_deadline_s):
                    await self._add_host()
            except (OSError, TimeoutError) as error:
                _log.error("strategy_host_not_started", error=repr(error))
                await asyncio.sleep(_RESPAWN_S)

    def _ended(self, link: HostLink) -> None:
        _log.warning(
            "strategy_host_ended", host_pid=link.pid, code=link.end_code, detail=link.end_detail
        )
        if link is self._spare:
            self._spare = None
        elif link in self._hosts:
            self._hosts.remove(link)
            if self._spare is not None:
                self._hosts.append(self._spare)
                self._spare = None
            if not self._hosts:
                self._has_host.clear()
        burial = asyncio.get_running_loop().create_task(link.stop())
        self._burials.add(burial)
        burial.add_done_callback(self._burials.discard)
        self._refill()
        self._report(link)

    def _report(self, link: HostLink) -> None:
        rebuilds = {key: rebuild for key, (host, rebuild) in self._homes.items() if host is link}
        for session_id in rebuilds:
            del self._homes[session_id]
        code, detail = link.end_code, link.end_detail
        for waiting in link.take_waiting():
            if code:  # the head of the line
                self._strike(waiting.request.session_id)
                waiting.answer.set_result(failed(waiting, code, detail))
                code = ""
            else:
                waiting.answer.set_result(failed(waiting, "strategy_host_died", _NEIGHBOUR))
            rebuilds.pop(waiting.request.session_id, None)
        for session_id, rebuild in rebuilds.items():
            if self._lost is not None:
                self._lost(
                    not_open(
                        session_id, "strategy_host_died", _NEIGHBOUR, rebuild, must_rebuild=True
                    )
                )

    def _strike(self, session_id: SessionId) -> None:
        strikes = self._strikes.setdefault(session_id, deque(maxlen=STRIKES_MAX))
        strikes.append(asyncio.get_running_loop().time())

    def _is_barred(self, session_id: SessionId) -> bool:
        strikes = self._strikes.get(session_id)
        if strikes is None or len(strikes) < STRIKES_MAX:
            return False
        return strikes[0] > asyncio.get_running_loop().time() - STRIKES_WINDOW_S
