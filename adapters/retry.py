"""When the adapters try again, by kind of error.  Never around a write: a write is sent once.

Each call makes a fresh policy, because a policy object keeps the count of its attempts.
"""

from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from trader.errors import BrokerError, TraderError

READ_ATTEMPTS_MAX = 3
READ_DELAY_S_MAX = 12.0  # below half of the quickest duty's period (30 s)
READ_WAIT_S_MAX = 1.0


def reading() -> AsyncRetrying:
    """For questions: a few quick tries where the error says that trying again may help."""
    return AsyncRetrying(
        retry=retry_if_exception(_is_retryable),
        stop=stop_after_attempt(READ_ATTEMPTS_MAX) | stop_after_delay(READ_DELAY_S_MAX),
        wait=wait_random_exponential(multiplier=0.1, max=READ_WAIT_S_MAX),
        reraise=True,
    )


def reconnecting(wait_s_max: float) -> AsyncRetrying:
    """For streams: for ever, also with keys that are not accepted, for they may be again."""
    return AsyncRetrying(
        retry=retry_if_exception_type(BrokerError),
        wait=wait_random_exponential(multiplier=0.2, max=wait_s_max),
        reraise=True,
    )


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, TraderError) and error.retryable
