"""For every room: whoever configures the log does so for one test."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """A simulation says nothing, a stage listens: neither may outlive the test."""
    yield
    structlog.reset_defaults()
