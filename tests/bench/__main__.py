"""`make bench`: every figure that we claim, in one run, with its floor beside it. Ratios, medians.

Recorded bars are read from MARKET_DATA_DIR; without it the shipped daily file serves.
"""

import logging
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import structlog

from actors.runtime import AsyncioHost
from tests.bench import heart, memory, order_path, runtime


def main() -> None:
    """One part after the other, each in a process of its own: none inherits another's garbage."""
    parts = (heart_alone, runtime_costs, memory.run, order_path_single, order_path_many)
    print("medians and ratios; each floor is measured in the same run on the same machine")
    for part in parts:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            for line in process.submit(_quiet, part).result():
                print(f"- {line}", flush=True)


def _quiet(part: Callable[[], list[str]]) -> list[str]:
    """Without the house's own log lines, but for what must not happen here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.ERROR)
    return part()


def heart_alone() -> list[str]:
    """Bars per CPU second."""
    folder = os.environ.get("MARKET_DATA_DIR")
    return heart.run(Path(folder) if folder else None)


def runtime_costs() -> list[str]:
    """Starting, telling, asking."""
    loop = AsyncioHost.new_loop()
    return loop.run_until_complete(runtime.run())


def order_path_single() -> list[str]:
    """From bar to acknowledgement, one session: quiet, and beside a job."""
    return AsyncioHost.new_loop().run_until_complete(order_path.one_session())


def order_path_many() -> list[str]:
    """The same for 100 at one instant."""
    return AsyncioHost.new_loop().run_until_complete(order_path.many_sessions())


if __name__ == "__main__":
    main()
