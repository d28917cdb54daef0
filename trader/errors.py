"""Errors: the world failed, and this is how.

Expected outcomes are return types, bugs are assertions; neither is here.

    TraderError
    ├── ConfigInvalid            the configuration cannot be used; carries every problem at once
    ├── StoreError
    │   ├── StoreUnavailable     no answer from the database: a write's outcome is unknown
    │   ├── StoreUnsafe          it would lose what it acknowledged, or its schema is too new
    │   └── Fenced               another daemon holds the account: write nothing, send nothing
    └── BrokerError
        ├── BrokerUnreachable    nothing was sent
        ├── BrokerTimeout        sent, no answer: a write's outcome is unknown
        ├── BrokerRefused        a definitive refusal with the venue's own code
        ├── BrokerAuthFailed     the keys are not accepted: the account stops and alarms
        ├── RateLimited          wait `retry_after_s`
        └── BrokerProtocolError  the venue said something we do not understand
"""

from typing import ClassVar


class TraderError(Exception):
    """The root of our errors. The message says what, with which ids, and what now."""

    retryable: ClassVar[bool] = False


class ConfigInvalid(TraderError):
    """The configuration cannot be used; `problems` holds every finding, one line each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StoreError(TraderError):
    """The store failed."""


class StoreUnavailable(StoreError):
    """The database does not answer; whether the last write took effect is unknown."""

    retryable = True


class StoreUnsafe(StoreError):
    """The database would lose what it acknowledged, or is newer than this program."""


class Fenced(StoreError):
    """Another daemon holds the account, or a newer incarnation the session."""


class BrokerError(TraderError):
    """The broker, or the way to it, failed."""


class BrokerUnreachable(BrokerError):
    """No connection: provably nothing was sent."""

    retryable = True


class BrokerTimeout(BrokerError):
    """Something was sent and no usable answer came: the outcome of a write is unknown."""

    retryable = True


class BrokerRefused(BrokerError):
    """The venue refused, definitively. `code` is the venue's, `http_status` the transport's."""

    def __init__(self, message: str, *, code: str, http_status: int) -> None:
        super().__init__(message)
        self.code = code
        self.http_status = http_status


class BrokerAuthFailed(BrokerError):
    """The venue does not accept the keys."""


class RateLimited(BrokerError):
    """Too many requests; wait `retry_after_s` seconds."""

    retryable = True

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BrokerProtocolError(BrokerError):
    """The venue answered with something outside its own protocol."""
