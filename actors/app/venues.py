"""Opening the venues: the sandbox as a child process where an account asks for it, then the logins.

The sandbox is the same wire in another process: nothing above this file knows the difference.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import SecretStr

from actors.app.secrets import secret
from actors.runtime import Host
from adapters.brokers.alpaca import AlpacaSettings, AlpacaVenue, open_alpaca
from trader.config import SandboxConfig, Settings, VenueKind
from trader.errors import ConfigInvalid, TraderError
from trader.ids import AccountId

READY_S = 20.0
STOP_S = 5.0


class SandboxFailed(TraderError):
    """The sandbox venue did not come up; its own words are in the message."""


@dataclass(frozen=True, slots=True)
class SandboxProcess:
    """A running venue: its doors and its keys."""

    url: str
    stream_url: str
    data_stream_url: str
    control_url: str
    control_token_file: Path
    keys: dict[str, tuple[str, Path]]  # account number -> key id, file of the secret
    pid: int


@contextlib.asynccontextmanager
async def sandbox_process(
    config: SandboxConfig, folder: Path, accounts: tuple[str, ...], *extra: str
) -> AsyncIterator[SandboxProcess]:
    """`trader sandbox` as a child; it ends with its parent, however that ends."""
    command = [
        *(sys.executable, "-m", "adapters.sandbox"),
        *("--data-dir", str(folder), "--die-with-parent"),
        *("--symbols", ",".join(config.symbols), "--timeframe", config.timeframe.value),
        *("--speed", str(config.speed), "--seed", str(config.seed)),
        *("--prefill", str(config.prefill_bars_count), "--cash", str(config.cash)),
        *("--requests-per-minute", str(config.requests_per_minute_max)),
        *(("--csv", config.csv) if config.csv else ()),
    ]
    for number in accounts:
        command += ["--account", number]
    process = await asyncio.create_subprocess_exec(
        *command,
        *extra,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C at the terminal is the daemon's to handle
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_S):
            line = await process.stdout.readline()
    except TimeoutError:
        line = b""
    if not line:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        _, words = await process.communicate()
        raise SandboxFailed(f"the sandbox venue did not start: {words.decode(errors='replace')}")
    drains = [asyncio.create_task(_drain(each)) for each in (process.stdout, process.stderr)]
    try:
        yield _process_of(orjson.loads(line), process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        for task in drains:
            task.cancel()


async def _drain(stream: asyncio.StreamReader | None) -> None:
    """A full pipe would stop the venue in the middle of a word."""
    while stream is not None and await stream.read(65_536):
        pass


def _process_of(ready: dict[str, Any], pid: int) -> SandboxProcess:
    return SandboxProcess(
        url=ready["url"],
        stream_url=ready["stream_url"],
        data_stream_url=ready["data_stream_url"],
        control_url=ready["control_url"],
        control_token_file=Path(ready["token_file"]),
        keys={
            each["number"]: (each["key"], Path(each["secret_file"])) for each in ready["accounts"]
        },
        pid=pid,
    )


@contextlib.asynccontextmanager
async def open_venues(
    settings: Settings, folder: Path, host: Host
) -> AsyncIterator[tuple[dict[AccountId, AlpacaVenue], SandboxProcess | None]]:
    """Every configured login, connected when first used."""
    async with contextlib.AsyncExitStack() as stack:
        sandboxed = [n for n, a in settings.accounts.items() if a.venue is VenueKind.SANDBOX]
        sandbox = None
        if sandboxed:
            sandbox = await stack.enter_async_context(
                sandbox_process(settings.sandbox, folder / "sandbox", tuple(sandboxed))
            )
        venues = {}
        for name in settings.accounts:
            login = login_of(settings, AccountId(name), sandbox)
            venues[AccountId(name)] = await stack.enter_async_context(open_alpaca(login, host))
        yield venues, sandbox


def login_of(
    settings: Settings, account_id: AccountId, sandbox: SandboxProcess | None
) -> AlpacaSettings:
    """Where an account is reached and with which keys. Raises ConfigInvalid without any."""
    account = settings.accounts[account_id]
    if account.venue is VenueKind.SANDBOX:
        assert sandbox is not None
        key, secret_file = sandbox.keys[account_id]
        return AlpacaSettings(
            account_id=account_id,
            key_id=SecretStr(key),
            secret=SecretStr(secret_file.read_text("ascii").strip()),
            url=sandbox.url,
            stream_url=sandbox.stream_url,
            data_url=sandbox.url,
            data_stream_url=sandbox.data_stream_url,
            requests_per_minute=settings.sandbox.requests_per_minute_max,
            in_flight_bound_s=account.in_flight_bound_s,
        )
    return AlpacaSettings(
        account_id=account_id,
        key_id=_secret(account.key_file, account.key_env, account_id),
        secret=_secret(account.secret_file, account.secret_env, account_id),
        mode=settings.daemon.mode,
        live_account_id=account.live_account_id,
        url=account.url,
        stream_url=account.stream_url,
        data_url=account.data_url,
        data_stream_url=account.data_stream_url,
        in_flight_bound_s=account.in_flight_bound_s,
    )


def _secret(file: str, variable: str, account_id: AccountId) -> SecretStr:
    found = secret(file, variable, f"accounts.{account_id}")
    if found is None:
        problem = f"no key: set {variable}, or name a file with key_file and secret_file"
        raise ConfigInvalid((f"accounts.{account_id}: {problem}",))
    return found
