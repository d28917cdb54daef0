"""The venue as a process: its command line, its one line on stdout, its end."""

import argparse
import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from importlib.util import find_spec
from pathlib import Path

from adapters.sandbox.commands import Rules
from adapters.sandbox.opening import open_sandbox
from adapters.sandbox.settings import PriceKind, SandboxSettings
from adapters.sandbox.storage import JournalUnreadable

PR_SET_PDEATHSIG = 1
EXIT_USAGE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the venue until it is told to stop. Answers the exit code: 2 = it cannot start so."""
    arguments = _parser().parse_args(argv)
    if arguments.die_with_parent:
        die_with_parent()
    try:
        settings = _settings(arguments)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(settings))
    except (ValueError, OSError, JournalUnreadable) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return EXIT_USAGE
    return 0


async def serve(settings: SandboxSettings) -> None:
    """Run the venue until SIGTERM or SIGINT; print the ready line on stdout."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGINT, stop.set)
    async with open_sandbox(settings) as sandbox:
        os.write(1, sandbox.ready_line() + b"\n")
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait((stopped, sandbox.pacing), return_when=asyncio.FIRST_COMPLETED)
        if sandbox.pacing.done():
            stopped.cancel()
            sandbox.pacing.result()  # a venue whose prices have died must not look alive


def die_with_parent() -> None:
    """End when the parent ends, however it ends: the kernel sends a SIGTERM. Linux only.

    A Ctrl-C in the terminal is for the parent, which still needs the venue to say what is open.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        # It died before the kernel knew.
        sys.exit(0)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sandbox",
        description="A trading venue on this machine: the Alpaca wire, real bars, no money.",
        argument_default=argparse.SUPPRESS,
    )
    add = parser.add_argument
    add("--data-dir", type=Path, required=True, help="where the venue keeps its books")
    add("--host", help="address of the wire (default 127.0.0.1)")
    add("--port", type=int, help="port of the wire (default: any free one)")
    add("--control-port", type=int, help="port of the control side, on loopback")
    add("--token-file", type=Path, help="token of the control port; made if it is not there")
    add("--account", dest="accounts", action="append", help="account number; may be repeated")
    add("--cash", type=_decimal, help="dollars in each new account (default 100000)")
    add("--multiplier", type=_decimal, help="buying power over equity (default 2; 1 = cash)")
    add("--no-shorting", dest="shorting_enabled", action="store_false", help="longs only")
    add("--fee-per-share", type=_decimal, help="dollars (default 0)")
    add("--fee-fraction", type=_decimal, help="of the notional (default 0)")
    add("--liquidity", dest="liquidity_fraction", type=_decimal,
        help="fraction of the volume that accounts may take (default 0.1)")  # fmt: skip
    add("--seed", type=int, help="of ids and of invented prices (default 7)")
    add("--symbols", help="comma-separated (default AAPL,IBM,MSFT)")
    add("--csv", dest="recordings", action="append", metavar="[SYMBOL=]FILE",
        help="recorded bars or trades; may be repeated (default: shipped daily bars)")  # fmt: skip
    add("--prices", choices=[kind.value for kind in PriceKind], help="replay or seeded")
    add("--first-slot", type=int, help="bar of the recording to begin at (default 0)")
    add("--prefill", dest="prefill_count", type=int, help="bars of history before the start")
    add("--timeframe", help="of the venue's bars, whatever the recording's (default 1m)")
    add("--speed", type=float, help="how much faster than real time (default 1)")
    add("--start", dest="start_at", type=datetime.fromisoformat,
        help="the venue clock's first instant, with zone (default now)")  # fmt: skip
    add("--revise", dest="revise_fraction", type=float, help="of bars updated after their close")
    add("--latency-ms", type=float, help="from an answer to its events (default 1; 0 = before it)")
    add("--requests-per-minute", type=int, help="rate limit of each account (default 200)")
    add("--fsync", action="store_true", help="every command on the disk before it is answered")
    add("--paused", action="store_true", help="prices wait for /resume on the control port")
    add("--die-with-parent", action="store_true", default=False, help="end when the parent ends")
    return parser


def _settings(arguments: argparse.Namespace) -> SandboxSettings:
    given = vars(arguments)
    given.pop("die_with_parent")
    names = set(Rules.__slots__) & set(given)
    rules = Rules(**{name: given.pop(name) for name in names})
    if "symbols" in given:
        given["symbols"] = [s.strip() for s in given["symbols"].split(",") if s.strip()]
    return SandboxSettings(rules=rules, **given)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"not a number: {text}") from None
