"""Opening the venue: recover it from its data directory, open its doors, let prices run."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
from aiohttp import web

from adapters.sandbox import commands
from adapters.sandbox.alpaca_bars import AlpacaBars
from adapters.sandbox.alpaca_http import AlpacaTrading
from adapters.sandbox.alpaca_streams import AlpacaStreams, Severance
from adapters.sandbox.clock import VenueClock
from adapters.sandbox.control import Control
from adapters.sandbox.guard import Credentials, Guard, Keyring
from adapters.sandbox.host import Host
from adapters.sandbox.pace import Pacer
from adapters.sandbox.prices import PriceSource, RandomWalk, load_replay, shipped_recording
from adapters.sandbox.settings import PriceKind, SandboxSettings, parse_timeframe
from adapters.sandbox.storage import CommandJournal, Durability
from adapters.sandbox.venue import Venue

SHUTDOWN_S = 1.0
BODY_BYTES_MAX = 1 << 16


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A venue that is open."""

    url: str
    control_url: str
    token: str  # of the control port
    token_file: Path
    credentials: tuple[Credentials, ...]
    secret_files: tuple[Path, ...]  # one for each account, in the same order
    host: Host
    pacing: asyncio.Task[None]

    @property
    def stream_url(self) -> str:
        """Where trade_updates are."""
        return self.url.replace("http", "ws", 1) + "/stream"

    @property
    def data_stream_url(self) -> str:
        """Where the market data is."""
        return self.url.replace("http", "ws", 1) + "/v2/iex"

    def ready_line(self) -> bytes:
        """One line of JSON: the doors, the keys, and the files in which the secrets are."""
        accounts = [
            {"number": item.number, "key": item.key, "secret_file": str(path)}
            for item, path in zip(self.credentials, self.secret_files, strict=True)
        ]
        return orjson.dumps(
            {
                "url": self.url,
                "stream_url": self.stream_url,
                "data_stream_url": self.data_stream_url,
                "control_url": self.control_url,
                "token_file": str(self.token_file),
                "accounts": accounts,
                "pid": os.getpid(),
            }
        )


@asynccontextmanager
async def open_sandbox(settings: SandboxSettings) -> AsyncIterator[Sandbox]:
    """Recover the venue from its data directory, open its doors and let prices run."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    timeframe = parse_timeframe(settings.timeframe)
    source = _source(settings)
    async with AsyncExitStack() as stack:
        durability = Durability.FSYNC if settings.fsync else Durability.PROCESS
        journal = CommandJournal(settings.data_dir / "journal.jsonl", durability)
        stack.callback(journal.close)
        host = _recover(settings, journal)
        stack.callback(host.stop)
        pacer = Pacer(host, source, timeframe, settings.revise_fraction)
        if host.venue.cursor.opened_at is None:
            pacer.begin(settings.first_slot, settings.prefill_count)
        credentials, secret_files = _credentials(settings)
        keyring = Keyring(credentials)
        token_file = settings.token_file or settings.data_dir / "control.token"
        token = _secret(token_file)
        streams = AlpacaStreams(host, keyring)
        guard = Guard(host, keyring, settings.requests_per_minute)
        wire = web.Application(client_max_size=BODY_BYTES_MAX)
        wire.add_routes(streams.routes())
        wire.add_routes(AlpacaTrading(host, timeframe, streams.flush).routes(guard))
        wire.add_routes(AlpacaBars(host, timeframe).routes(guard))
        control = Control(host, pacer, streams, guard.log, token).application()
        url = await _open_door(stack, wire, settings.host, settings.port)
        control_url = await _open_door(stack, control, "127.0.0.1", settings.control_port)
        stack.push_async_callback(streams.sever, None, None, Severance.CLOSE)
        host.resume_pending()
        if not settings.paused:
            pacer.resume()
        pacing = asyncio.create_task(pacer.run())
        stack.push_async_callback(_cancel, pacing)
        yield Sandbox(url, control_url, token, token_file, credentials, secret_files, host, pacing)


def _source(settings: SandboxSettings) -> PriceSource:
    if settings.prices is PriceKind.SEEDED:
        return RandomWalk(
            settings.symbols,
            settings.rules.seed,
            settings.walk_start,
            settings.walk_volatility,
        )
    if not settings.recordings:
        with shipped_recording() as path:
            return load_replay({None: path}, settings.symbols)
    paths: dict[str | None, Path] = {}
    for text in settings.recordings:
        symbol, separator, path_text = text.partition("=")
        paths[symbol if separator else None] = Path(path_text if separator else text)
    return load_replay(paths, settings.symbols)


def _recover(settings: SandboxSettings, journal: CommandJournal) -> Host:
    """Replay the journal, then add what the settings have and the journal has not."""
    venue = Venue()
    for command in journal.replay():
        venue.apply(command)
        venue.ledger.outbox.clear()
    first = not venue.markets
    start = (settings.start_at or datetime.now(UTC)) if first else venue.ledger.now
    host = Host(venue, VenueClock(start, settings.speed), journal, settings.latency_ms / 1000)
    if first or venue.ledger.rules != settings.rules:
        host.perform(commands.SetRules(host.now(), settings.rules), venue.set_rules)
    for symbol in settings.symbols:
        if symbol not in venue.markets:
            host.perform(commands.ListSymbol(host.now(), symbol), venue.list_symbol)
    for number in settings.accounts:
        if number not in venue.ledger.accounts:
            opening = commands.OpenAccount(host.now(), number, settings.cash)
            host.perform(opening, venue.open_account)
    return host


async def _open_door(stack: AsyncExitStack, app: web.Application, host: str, port: int) -> str:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, host, port).start()
    address = runner.addresses[0]
    return f"http://{address[0]}:{address[1]}"


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _credentials(settings: SandboxSettings) -> tuple[tuple[Credentials, ...], tuple[Path, ...]]:
    """Each account's key and secret, made once and kept in files only their owner can read."""
    keys = settings.data_dir / "keys"
    keys.mkdir(exist_ok=True, mode=0o700)
    paths = tuple(keys / f"{number}.secret" for number in settings.accounts)
    found = tuple(
        Credentials(number, _secret(keys / f"{number}.key"), _secret(path))
        for number, path in zip(settings.accounts, paths, strict=True)
    )
    return found, paths


def _secret(path: Path) -> str:
    """The secret in a file, which is made if it is not there."""
    with suppress(FileExistsError):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(file, secrets.token_hex(16).encode())
        finally:
            os.close(file)
    return path.read_text(encoding="ascii").strip()
