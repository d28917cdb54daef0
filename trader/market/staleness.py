"""When a silent feed is a broken one. A closed market's silence is never asked about here.

Seconds are the host's elapsed ones.
"""

from collections.abc import Sequence

from trader.instants import Timeframe
from trader.market.candle import Candle

FRAME_AGE_S_MAX = 10.0  # without any frame or heartbeat
NEVER_S = float("inf")
STEADY_COUNT = 20  # bars without a gap: such an instrument is expected to trade on
_SILENT_TIMEFRAMES = 2
_SLACK_S = 5.0


def frames_due_s(frame_s: float) -> float:
    """When the feed is stale unless another frame comes: it, or a heartbeat, came at `frame_s`."""
    return frame_s + FRAME_AGE_S_MAX


def data_due_s(
    data_s: float, timeframe: Timeframe, speed: float, newest: Sequence[Candle]
) -> float:
    """When an instrument is stale unless a trade or bar of it comes: one came at `data_s`.

    `newest`: its last bars, oldest first; never, where it does not trade in every one of them.
    """
    return data_s + silence_s_max(timeframe, speed) if is_steady(newest) else NEVER_S


def silence_s_max(timeframe: Timeframe, speed: float) -> float:
    """How long an instrument that trades in every bar may say nothing."""
    return _SILENT_TIMEFRAMES * timeframe.duration.total_seconds() / speed + _SLACK_S


def is_steady(newest: Sequence[Candle]) -> bool:
    """Whether it has traded in each of the last bars."""
    if len(newest) < STEADY_COUNT:
        return False
    span = newest[-1].opened_at - newest[-STEADY_COUNT].opened_at
    return span == (STEADY_COUNT - 1) * newest[-1].timeframe.duration
