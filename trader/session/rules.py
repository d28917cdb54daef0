"""SessionRules: what does not change while a session runs."""

from dataclasses import dataclass
from decimal import Decimal

from trader.ids import AccountId, SessionId
from trader.instants import Timeframe
from trader.instrument import Instrument
from trader.ports import Capabilities
from trader.risk.heat import HeatRules
from trader.risk.standing import Limits
from trader.session.strategy import StrategySpec


@dataclass(frozen=True, slots=True)
class SessionRules:
    """From configuration, venue and capabilities; durations in seconds of the host's clock."""

    session_id: SessionId
    account_id: AccountId
    instrument: Instrument
    timeframe: Timeframe
    group: str  # of correlated instruments, for the portfolio's caps
    strategy: StrategySpec | None  # None: a guardian, or exits only
    warmup_bars: int
    capabilities: Capabilities
    limits: Limits
    heat: HeatRules
    entry_deadline_s: float = 10.0
    position_period_s: float = 30.0
    order_period_s: float = 300.0
    query_deadline_s: float = 10.0
    unknown_probe_s: float = 2.0  # how soon an order without an answer is asked for
    submit_deadline_s: float = 20.0  # later without an answer an order is UNKNOWN

    @property
    def tick(self) -> Decimal:
        """The instrument's price step."""
        return self.instrument.tick
