"""Every test of this folder runs in virtual time: a minute of the venue costs no minute."""

import asyncio
from collections.abc import Callable, Mapping

from actors.runtime import SimulatedLoop


class VirtualLoop(SimulatedLoop):
    """The simulated loop with what `asyncio.Runner` wants besides."""

    def __init__(self) -> None:
        super().__init__(7)

    def set_debug(self, enabled: bool) -> None:
        pass

    async def shutdown_asyncgens(self) -> None:
        pass

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        pass


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Asked by pytest-asyncio for each test of this folder."""
    return {"virtual": VirtualLoop}  # type: ignore[dict-item]
