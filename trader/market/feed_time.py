"""Feed time: what time it is at the venue, from the venue's own stamps.

The newest `happened_at` of any symbol, plus the seconds since it came (by the host's elapsed
clock, times the venue's speed). The local wall clock has no part in it: in real captures it is
more than a second off.
"""

from collections import deque
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from trader.instants import Timeframe
from trader.market.candle import Candle

T = TypeVar("T")

_AHEAD_S = 5.0  # further ahead than this, a stamp is doubted
_AGREEING_COUNT = 3  # with as many that agree, it is the venue's time that has moved
_HELD_COUNT_MAX = 16
_GRACE_S = 1.0  # how long a bar waits for its last trades
_LATE_S = 30.0
_NEVER_S = float("inf")


def proven_at(candle: Candle) -> datetime:
    """The latest instant that a finished bar proves to have passed at the venue."""
    # A day's bar ends with its session, hours before its 24.
    return candle.opened_at if candle.timeframe is Timeframe.D1 else candle.closes_at


class FeedTime(Generic[T]):
    """The venue's time, and the doorman for what claims to come from its future."""

    __slots__ = ("_held", "_latest", "_latest_s", "_newest", "_newest_s", "ahead_count", "speed")

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed  # venue seconds per second
        self.ahead_count = 0  # stamps that were doubted
        self._newest: datetime | None = None
        self._newest_s = 0.0
        self._latest: datetime | None = None
        self._latest_s = 0.0
        self._held: deque[tuple[datetime, float, T]] = deque(maxlen=_HELD_COUNT_MAX)

    @property
    def newest(self) -> datetime | None:
        """The newest stamp that was believed."""
        return self._newest

    def now(self, elapsed_s: float) -> datetime | None:
        """The venue's time; None before it has said anything."""
        if self._newest is None:
            return None
        return self._newest + timedelta(seconds=(elapsed_s - self._newest_s) * self.speed)

    def elapsed_at(self, at: datetime) -> float:
        """When it is that time at the venue, in elapsed seconds, if its clock goes on like this.

        Never, as long as it has said nothing.
        """
        if self._newest is None:
            return _NEVER_S
        return self._newest_s + (at - self._newest).total_seconds() / self.speed

    def latest(self, elapsed_s: float) -> datetime | None:
        """The venue's time by the quickest stamp: what comes delayed does not set it back.

        Whether something is late is judged by it: after a silence the newest stamp may be old.
        """
        if self._latest is None:
            return None
        return self._latest + timedelta(seconds=(elapsed_s - self._latest_s) * self.speed)

    def reaches_s(self, at: datetime) -> float | None:
        """The elapsed second at which the venue's time, by its latest, is that; None: not known."""
        if self._latest is None:
            return None
        return self._latest_s + (at - self._latest).total_seconds() / self.speed

    def venue_says(self, at: datetime, speed: float, elapsed_s: float) -> None:
        """The venue's own clock: sets the speed, and the time where ours is unknown or ahead."""
        now, latest = self.now(elapsed_s), self.latest(elapsed_s)
        if now is not None and latest is not None and speed != self.speed:
            self._set(now, elapsed_s)
            self._latest, self._latest_s = latest, elapsed_s
        self.speed = speed
        if now is None or now - at > self._seconds(_AHEAD_S):
            self._set(at, elapsed_s)
        if latest is None or at > latest or latest - at > self._seconds(_AHEAD_S):
            self._latest, self._latest_s = at, elapsed_s

    def admit(self, item: T, at: datetime, elapsed_s: float) -> tuple[T, ...]:
        """What may be used now that `item`, stamped `at`, has come: usually just this one.

        Nothing where it is too far ahead to be believed; with the third that agrees, all three.
        A stamp of now in between refutes them: the venue's time has not moved.
        """
        latest = self.latest(elapsed_s)
        tolerance = self._seconds(_AHEAD_S)
        if latest is None or at <= latest + tolerance:
            if latest is not None and at >= latest - tolerance:
                self._held.clear()
            self._advance(at, elapsed_s)
            return (item,)
        self.ahead_count += 1
        self._held.append((at, elapsed_s, item))
        agreeing = [
            held
            for held in self._held
            if abs(at - held[0] - self._seconds(elapsed_s - held[1])) <= tolerance
        ]
        if len(agreeing) < _AGREEING_COUNT:
            return ()
        self._held.clear()
        self._advance(at, elapsed_s)
        return tuple(held[2] for held in agreeing)

    def grace(self) -> timedelta:
        """How long after its end a bar closes at the latest."""
        return self._seconds(_GRACE_S)

    def tolerance(self) -> timedelta:
        """How far stamps of one feed may lie apart and still mean the same moment."""
        return self._seconds(_AHEAD_S)

    def late_after(self, timeframe: Timeframe) -> timedelta:
        """How long after its end a bar may still be traded on."""
        return min(timeframe.duration / 2, self._seconds(_LATE_S))

    def _seconds(self, seconds: float) -> timedelta:
        return timedelta(seconds=seconds * self.speed)

    def _advance(self, at: datetime, elapsed_s: float) -> None:
        if self._newest is None or at > self._newest:
            self._set(at, elapsed_s)
        latest = self.latest(elapsed_s)
        if latest is None or at > latest:
            self._latest, self._latest_s = at, elapsed_s

    def _set(self, at: datetime, elapsed_s: float) -> None:
        self._newest = at
        self._newest_s = elapsed_s
