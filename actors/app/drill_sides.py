"""Two of the three sides of a drill: our rows, and the daemon under test."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from actors.app.drill_judge import Books, Execution, OrderRow, Position
from adapters.store.embedded import embedded_postgres

ANSWER_S = 10.0
STOP_S = 20.0

_ORDERS = """
select id, session_id, status, cum_qty, reason_code, purpose, cause_kind, cause_key
from orders order by seq
"""
_EXECUTIONS = "select execution_id as id, instrument, side, qty, price from fills"
_POSITIONS = "select instrument, qty from positions"
_IN_FLIGHT = """
select count(*) from (
    select distinct on (order_id) status from order_events
    where recorded_at <= $1 order by order_id, n desc
) as last
where status in ('INITIALIZED', 'SUBMITTED', 'UNKNOWN', 'PENDING_UPDATE', 'PENDING_CANCEL')
"""


class Rows:
    """Our database, read beside the daemon that owns it."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, folder: Path) -> AsyncIterator["Rows"]:
        """Over the embedded server that the daemon on `folder` runs."""
        async with embedded_postgres(folder / "postgres") as url:
            connection = await asyncpg.connect(url, command_timeout=ANSWER_S)
            try:
                yield cls(connection)
            finally:
                connection.terminate()  # its server may be dead by now

    async def newest_order(self) -> int:
        """The number of the newest order's row; 0 where there is none."""
        return int(await self._connection.fetchval("select coalesce(max(seq), 0) from orders"))

    async def in_flight_count(self, at: datetime) -> int:
        """Orders and requests whose fate no row knew at that instant."""
        return int(await self._connection.fetchval(_IN_FLIGHT, at))

    async def books(self) -> Books:
        """Everything of ours that the venue's truth is compared with."""
        async with self._connection.transaction(isolation="repeatable_read", readonly=True):
            orders = await self._connection.fetch(_ORDERS)
            executions = await self._connection.fetch(_EXECUTIONS)
            positions = await self._connection.fetch(_POSITIONS)
        return Books(
            orders=tuple(
                OrderRow(
                    row["id"],
                    row["status"],
                    row["cum_qty"],
                    row["session_id"],
                    _decision(row),
                    row["reason_code"],
                )
                for row in orders
            ),
            executions=frozenset(
                Execution(*(row[key] for key in Execution.__slots__)) for row in executions
            ),
            positions={row["instrument"]: row["qty"] for row in positions},
        )


def _decision(row: asyncpg.Record) -> str:
    """An entry's bar. Exits are driven until they are done, so one cause may order again."""
    is_entry = row["purpose"] == "ENTRY" and row["cause_kind"] == "CANDLE"
    return f"the bar of {row['cause_key']}" if is_entry else ""


class Daemon:
    """`trader run` as a process of its own, asked over its socket."""

    def __init__(self, config_file: Path, socket: Path, environ: Mapping[str, str]) -> None:
        self._config_file = config_file
        self._environ = environ
        self._http = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(socket), force_close=True),
            timeout=aiohttp.ClientTimeout(total=ANSWER_S),
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, log_file: Path) -> None:
        """Start it; what it says goes to the file."""
        words = ("-m", "actors.app.main", "run", "--config", str(self._config_file))
        with log_file.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, *words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environ,
                start_new_session=True,  # a Ctrl-C at the terminal is the drill's to handle
            )

    @property
    def has_ended(self) -> bool:
        """It ended by itself: it must not."""
        return self._process is not None and self._process.returncode is not None

    async def kill(self) -> None:
        """kill -9, and nothing else."""
        if self._process is not None and self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGKILL)
            await self._process.wait()

    async def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_S):
            return await self._process.wait()

    async def close(self) -> None:
        """Leave nothing behind."""
        await self.kill()
        await self._http.close()

    async def items(self, resource: str) -> list[dict[str, Any]]:
        """A listing; empty while nobody answers."""
        try:
            async with self._http.get(f"http://localhost/api/v1/{resource}") as response:
                return (await response.json())["items"] if response.status == 200 else []
        except (aiohttp.ClientError, OSError, TimeoutError):
            return []

    async def memory(self) -> Position | None:
        """Positions as its actors remember them; None while one does not say."""
        found = await self.items("positions")
        if not found or any(each["memory_qty"] is None for each in found):
            return None
        return {each["instrument"]: Decimal(each["memory_qty"]) for each in found}

    async def reconciled_count(self) -> int:
        """How many sessions have had their first agreement with the broker."""
        found = await self.items("sessions")
        return sum(each["reconcile_age_s"] is not None for each in found)

    async def able_count(self) -> int:
        """How many sessions nothing keeps from an entry."""
        return sum(not each["blocked_by"] for each in await self.items("sessions"))
