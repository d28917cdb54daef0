"""A real PostgreSQL for this room's tests, and a quick place for those that are killed."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import database_url, postgres_server

__all__ = ["database_url", "in_memory", "postgres_server"]

MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 1 << 30


@pytest.fixture(scope="module")
def in_memory() -> Iterator[Path]:
    """A folder in memory, where there is some.

    What a killed process wrote is the kernel's, whatever the disk; and after each crash a server
    flushes its 1,400 files.
    """
    is_roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES_MIN
    with tempfile.TemporaryDirectory(dir=MEMORY if is_roomy else None) as name:
        yield Path(name)
