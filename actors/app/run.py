"""`trader run`: the daemon from its first line to its exit code.

The first SIGTERM or SIGINT ends it in order: no new entries, what is past the gate is waited for,
what is still open at the broker is said, everything stops in reverse. The second one hurries.
Before the house stands, the first one just takes down what has been put up so far.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from actors.app.doors import Doors, desk_of, open_doors
from actors.app.house import House, open_house
from actors.app.secrets import secrets_of
from actors.desk import HouseDesk
from actors.runtime import AsyncioHost, StartFailed
from adapters.config_file import Loaded
from adapters.folders import folders
from adapters.gateway.client import ExitCode
from adapters.logs import LineStream, Logs, Redactor
from trader.errors import ConfigInvalid, Fenced, TraderError
from trader.money import plain
from trader.orders.events import QueryFailed

SAY_OPEN_DEADLINE_S = 3.0

Companion = Callable[[House, HouseDesk, Doors], Coroutine[Any, Any, int]]
"""Goes on beside a house that stands; when it ends, the house is ended, with its exit code."""

log = structlog.get_logger()


class Signals:
    """What the process was told. `is_up`: the house stands, so it is ended in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()
        self.is_up = False
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._heard)

    def _heard(self) -> None:
        if self.stop.is_set():
            self.hurry.set()
        self.stop.set()


def run(
    loaded: Loaded, companion: Companion | None = None, log_stream: LineStream | None = None
) -> int:
    """Run the daemon; answers its exit code and has said on stderr why it is not 0."""
    logs = Logs(loaded.settings.logs, log_stream)
    try:
        with asyncio.Runner(loop_factory=AsyncioHost.new_loop) as runner:
            return runner.run(_run(loaded, logs.redactor, companion))
    except ConfigInvalid as error:
        return _failed(ExitCode.USAGE, *error.problems)
    except Fenced as error:
        return _failed(ExitCode.REFUSED, str(error))
    except (TraderError, StartFailed) as error:
        return _failed(ExitCode.FAILED, f"{type(error).__name__}: {error}")
    finally:
        logs.close()


def _failed(code: ExitCode, *lines: str) -> int:
    sys.stderr.write("\n".join(lines) + "\n")
    return code


async def _run(loaded: Loaded, redactor: Redactor, companion: Companion | None) -> int:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_complain)
    signals = Signals(loop)
    living = asyncio.create_task(_live(loaded, redactor, signals, companion))
    told = asyncio.create_task(signals.stop.wait())
    await asyncio.wait((living, told), return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not signals.is_up:
        living.cancel()  # done already where it failed by itself
    try:
        return await living
    except asyncio.CancelledError:
        log.warning("stopped_during_start")
        return ExitCode.OK


async def _live(
    loaded: Loaded, redactor: Redactor, signals: Signals, companion: Companion | None
) -> int:
    settings = loaded.settings
    for secret in secrets_of(settings):
        redactor.conceal(secret)
    places = folders(settings.daemon.data_dir, settings.daemon.state_dir)
    hurrying: asyncio.Task[None] | None = None
    try:
        async with contextlib.AsyncExitStack() as stack:
            house = await stack.enter_async_context(open_house(settings, places))
            desk = desk_of(house, loaded.effective())
            doors = await stack.enter_async_context(open_doors(house, desk))
            _conceal(house, doors, redactor)
            signals.is_up = True
            hurrying = asyncio.create_task(_hurry(house, signals))
            _say_ready(house, doors)
            beside = None if companion is None else companion(house, desk, doors)
            code = await _until_told(house, signals, beside)
            if code is None:
                return ExitCode.FAILED
            await _wind_down(house, desk, signals)
    finally:
        if hurrying is not None:
            hurrying.cancel()
    log.info("stopped")
    return code


def _conceal(house: House, doors: Doors, redactor: Redactor) -> None:
    """What was made at the start: the door's token, the sandbox's keys."""
    redactor.conceal(doors.token_file.read_text("ascii").strip())
    if house.sandbox is not None:
        for key, secret_file in house.sandbox.keys.values():
            redactor.conceal(key)
            redactor.conceal(secret_file.read_text("ascii").strip())


def _say_ready(house: House, doors: Doors) -> None:
    log.info(
        "daemon_ready",
        url=doors.url,
        socket=str(doors.socket),
        mode=house.settings.daemon.mode,
        trading_state=house.latch.current().state,
        sessions_count=len(house.settings.sessions),
        data_folder=str(house.folders.data),
        boot_id=house.boot_id,
    )


async def _until_told(
    house: House, signals: Signals, companion: Coroutine[Any, Any, int] | None
) -> int | None:
    """The exit code to end with. None: the tree ended by itself, its restarts are used up.

    Raises Fenced when another daemon has taken an account: half a house is none, and the service
    manager's next one waits at the door until the account is free.
    """
    ended = asyncio.create_task(house.runtime.wait())
    told = asyncio.create_task(signals.stop.wait())
    beside = None if companion is None else asyncio.create_task(companion)
    try:
        waiting: set[asyncio.Future[Any]] = {ended, told, house.ousted_because}
        if beside is not None:
            waiting.add(beside)
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if house.ousted_because.done():
            raise Fenced(house.ousted_because.result())
        if ended.done():
            log.critical(
                "house_gave_up", exit_code=ended.result(), positions="as they stand at the broker"
            )
            return None
        return ExitCode.OK if beside is None or not beside.done() else beside.result()
    finally:
        for task in (ended, told, *(() if beside is None else (beside,))):
            task.cancel()


async def _wind_down(house: House, desk: HouseDesk, signals: Signals) -> None:
    grace_s = house.settings.daemon.stop_grace_s
    log.warning("stopping", grace_s=grace_s)
    draining = asyncio.create_task(desk.wind_down("the daemon is stopping", grace_s))
    hurry = asyncio.create_task(signals.hurry.wait())
    await asyncio.wait((draining, hurry), return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if draining.done():
        left = draining.result()
        if left.unconfirmed_count:
            log.error("orders_not_confirmed", orders_count=left.unconfirmed_count)
    else:
        draining.cancel()
    await _say_what_is_open(house)


async def _say_what_is_open(house: House) -> None:
    """In the broker's own words, one line each; it stays as it is until the next start."""
    for account_id, venue in house.venues.items():
        try:
            async with asyncio.timeout(SAY_OPEN_DEADLINE_S):
                positions = await venue.account.positions()
                orders = await venue.account.open_orders()
        except TimeoutError:
            log.error("open_at_the_broker_unknown", account=account_id, reason="no answer")
            continue
        if isinstance(positions, QueryFailed) or isinstance(orders, QueryFailed):
            log.error("open_at_the_broker_unknown", account=account_id, reason="query failed")
            continue
        for held in positions.positions:
            log.warning(
                "position_stays_open",
                account=account_id,
                instrument=held.instrument,
                qty=plain(held.qty),
            )
        for order in orders.reports:
            log.warning(
                "order_stays_open",
                account=account_id,
                client_order_id=order.client_order_id,
                instrument=order.instrument,
                side=order.side,
                qty=plain(order.qty),
                status=order.status,
            )
        log.info(
            "open_at_the_broker",
            account=account_id,
            positions_count=len(positions.positions),
            orders_count=len(orders.reports),
        )


async def _hurry(house: House, signals: Signals) -> None:
    await signals.hurry.wait()
    log.warning("hurrying", reason="a second signal")
    await house.runtime.stop(0.0)


def _complain(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What belongs to no actor: said, and the house goes on."""
    log.error("loop_complaint", text=context.get("message", ""), exc_info=context.get("exception"))
