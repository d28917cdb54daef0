"""The parts of the bench, in the order in which they are shown."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import structlog

from actors.runtime import AsyncioHost
from tests.bench import heart, memory, order_path, runtime


def quietly(part: Callable[[], list[str]]) -> list[str]:
    """Without the house's own log lines, but for what must not happen here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.ERROR)
    return part()


def order_path_single() -> list[str]:
    """From bar to acknowledgement, one session: quiet, and beside a job."""
    return AsyncioHost.new_loop().run_until_complete(order_path.one_session())


def order_path_many() -> list[str]:
    """The same for 100 at one instant."""
    return AsyncioHost.new_loop().run_until_complete(order_path.many_sessions())


def runtime_costs() -> list[str]:
    """Starting, telling, asking."""
    return AsyncioHost.new_loop().run_until_complete(runtime.run())


def memory_per_session() -> list[str]:
    """Of a thousand."""
    return AsyncioHost.new_loop().run_until_complete(memory.run())


def heart_alone() -> list[str]:
    """Bars per CPU second."""
    folder = os.environ.get("MARKET_DATA_DIR")
    return heart.run(Path(folder) if folder else None)


PARTS = (order_path_single, order_path_many, runtime_costs, memory_per_session, heart_alone)
