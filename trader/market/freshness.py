"""Whether each instrument's feed can be believed, and what the sessions were told of it."""

from collections.abc import Iterable
from datetime import datetime

from trader.ids import InstrumentId
from trader.market.events import (
    ClockUnknown,
    FeedFresh,
    FeedStale,
    MarketClosed,
    MarketOpened,
)
from trader.market.line import Line
from trader.market.staleness import (
    FRAME_AGE_S_MAX,
    NEVER_S,
    STEADY_COUNT,
    data_due_s,
    frames_due_s,
)

MarketState = MarketOpened | MarketClosed | ClockUnknown
_NOT_YET = "not connected yet"


class Freshness:
    """One per feed. Seconds are the host's elapsed ones."""

    def __init__(self) -> None:
        self.market: MarketState | None = None
        self.frame_s: float | None = None  # of the newest frame
        self._since_s = 0.0  # silence counts from a connect or an opening at the earliest
        self._data_s: dict[InstrumentId, float] = {}
        self._data_due_s: dict[InstrumentId, float] = {}  # as it was when it was last judged
        self._reasons: dict[InstrumentId, str | None] = {}

    @property
    def is_market_open(self) -> bool | None:
        """By the venue's clock; None: not known."""
        match self.market:
            case MarketOpened():
                return True
            case MarketClosed():
                return False
            case _:
                return None

    @property
    def stale(self) -> tuple[InstrumentId, ...]:
        """The instruments that are not fresh."""
        return tuple(sorted(name for name, reason in self._reasons.items() if reason is not None))

    @property
    def is_everything_fresh(self) -> bool:
        """Whether nothing is left that could turn fresh."""
        return self.frame_s is not None and not any(self._reasons.values())

    def due_s(self, judged_s: float) -> float:
        """When silence turns something stale that was fresh at `judged_s`; earlier is harmless."""
        if self.frame_s is None or isinstance(self.market, MarketClosed):
            return NEVER_S
        first_s = NEVER_S
        for due_s in (frames_due_s(self.frame_s), *self._data_due_s.values()):
            if judged_s < due_s < first_s:
                first_s = due_s
        return first_s

    def connected(self, elapsed_s: float) -> None:
        """The subscription stands (again)."""
        self.frame_s = self._since_s = elapsed_s

    def data_came(self, instrument: InstrumentId, elapsed_s: float) -> None:
        """A trade or bar of this instrument."""
        self._data_s[instrument] = elapsed_s

    def market_is(self, market: MarketState, elapsed_s: float) -> bool:
        """The venue's word; whether the sessions must hear it."""
        has_changed = type(market) is not type(self.market)
        if has_changed:
            self._since_s = elapsed_s
        self.market = market
        return has_changed

    def judge(
        self, instrument: InstrumentId, lines: Iterable[Line], speed: float, elapsed_s: float
    ) -> bool:
        """Look again; whether the sessions must hear it: another reason, or fresh."""
        reason = self._reason(instrument, lines, speed, elapsed_s)
        has_changed = reason != self._reasons.get(instrument, _NOT_YET)
        self._reasons[instrument] = reason
        return has_changed

    def told(self, instrument: InstrumentId, now: datetime) -> FeedStale | FeedFresh:
        """What the sessions are to be told."""
        reason = self._reasons.get(instrument, _NOT_YET)
        return FeedFresh(instrument) if reason is None else FeedStale(instrument, reason, now)

    def _reason(
        self, instrument: InstrumentId, lines: Iterable[Line], speed: float, elapsed_s: float
    ) -> str | None:
        if self.frame_s is None:
            return _NOT_YET
        data_s = max(self._data_s.get(instrument, 0.0), self._since_s)
        self._data_due_s[instrument] = NEVER_S
        for line in lines:
            if not line.is_possible:
                return f"the feed has no bars of {line.timeframe}"
            if line.is_doubtful:
                return "bars may be missing: history does not show them"
            if isinstance(self.market, MarketClosed):
                continue
            if elapsed_s >= frames_due_s(self.frame_s):
                return f"no frame for {FRAME_AGE_S_MAX:.0f} s"
            due_s = data_due_s(data_s, line.timeframe, speed, line.series.last(STEADY_COUNT))
            if elapsed_s >= due_s:
                return f"no data, though it traded in each of the last {STEADY_COUNT} bars"
            self._data_due_s[instrument] = min(self._data_due_s[instrument], due_s)
        return None
