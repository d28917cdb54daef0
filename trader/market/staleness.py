"""When a silent feed is a broken one. A closed market's silence is never asked about here."""

from collections.abc import Sequence

from trader.instants import Timeframe
from trader.market.candle import Candle

FRAME_AGE_S_MAX = 10.0  # without any frame or heartbeat
STEADY_COUNT = 20  # bars without a gap: such an instrument is expected to trade on
_SILENT_TIMEFRAMES = 2
_SLACK_S = 5.0


def stale_reason(
    frame_age_s: float,
    data_age_s: float,
    timeframe: Timeframe,
    speed: float,
    newest: Sequence[Candle],
) -> str | None:
    """Why an instrument's feed is stale while its market is open; None: it is fresh.

    Ages are by the host's elapsed clock: since any frame of the feed, and since a trade or bar of
    this instrument. `newest`: its last bars, oldest first.
    """
    if frame_age_s > FRAME_AGE_S_MAX:
        return f"no frame for {FRAME_AGE_S_MAX:.0f} s"
    if data_age_s > silence_s_max(timeframe, speed) and is_steady(newest):
        return f"no data, though it traded in each of the last {STEADY_COUNT} bars"
    return None


def silence_s_max(timeframe: Timeframe, speed: float) -> float:
    """How long an instrument that trades in every bar may say nothing."""
    return _SILENT_TIMEFRAMES * timeframe.duration.total_seconds() / speed + _SLACK_S


def is_steady(newest: Sequence[Candle]) -> bool:
    """Whether it has traded in each of the last bars."""
    if len(newest) < STEADY_COUNT:
        return False
    span = newest[-1].opened_at - newest[-STEADY_COUNT].opened_at
    return span == (STEADY_COUNT - 1) * newest[-1].timeframe.duration
