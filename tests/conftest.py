"""For every room: whoever configures the log does so for himself alone."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """A simulation says nothing, a stage listens: neither may outlive its test."""
    was_configured, before = structlog.is_configured(), structlog.get_config()
    yield
    structlog.reset_defaults()
    if was_configured:
        structlog.configure(**before)
