"""Instants are aware and UTC; bars open at multiples of their timeframe since the epoch."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def require_utc(at: datetime) -> datetime:
    """The same instant in UTC. Raises ValueError for a naive one."""
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone: every instant here is aware and UTC")
    return at if at.tzinfo is UTC else at.astimezone(UTC)


class Timeframe(StrEnum):
    """How long a bar is."""

    S1 = "1s"
    S5 = "5s"
    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    D1 = "1d"

    @property
    def duration(self) -> timedelta:
        """The bar's length."""
        return _DURATIONS[self]

    def open_of(self, at: datetime) -> datetime:
        """When the bar that contains `at` opened."""
        return at - (at - EPOCH) % _DURATIONS[self]


_DURATIONS = {
    Timeframe.S1: timedelta(seconds=1),
    Timeframe.S5: timedelta(seconds=5),
    Timeframe.M1: timedelta(minutes=1),
    Timeframe.M5: timedelta(minutes=5),
    Timeframe.M15: timedelta(minutes=15),
    Timeframe.H1: timedelta(hours=1),
    Timeframe.D1: timedelta(days=1),
}
