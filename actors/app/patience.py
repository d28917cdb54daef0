"""Waiting for something that can only be looked at: another process, or what a person would see."""

import asyncio
from collections.abc import Awaitable, Callable

LOOK_S = 0.05


async def until(
    holds: Callable[[], Awaitable[bool]], within_s: float, every_s: float = LOOK_S
) -> None:
    """Look again and again. Raises TimeoutError where it did not come to hold in time."""
    async with asyncio.timeout(within_s):
        while not await holds():  # noqa: ASYNC110 - it tells nobody when it changes
            await asyncio.sleep(every_s)
