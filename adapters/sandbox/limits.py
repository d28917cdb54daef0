"""The venue's rate limit: a token bucket for each account, on the host's clock."""

import math
import time
from collections.abc import Callable


class TokenBucket:
    """Holds at most one minute's allowance and refills evenly."""

    def __init__(self, per_minute: int, elapsed: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._elapsed = elapsed
        self._tokens = float(per_minute)
        self._at = elapsed()

    def take(self) -> bool:
        """Spend one token, if there is one."""
        now = self._elapsed()
        refill = (now - self._at) * self.per_minute / 60
        self._tokens = min(float(self.per_minute), self._tokens + refill)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    @property
    def remaining(self) -> int:
        """Whole tokens left."""
        return int(self._tokens)

    @property
    def full_in_s(self) -> int:
        """Whole seconds until the bucket is full again."""
        return math.ceil((self.per_minute - self._tokens) * 60 / self.per_minute)
