"""The seams: what the house needs of the outside world, one Protocol each.

Each port is held by one contract suite (`tests/contracts/`), which every fulfilment passes, the
sandbox and the simulated ones included. A failed question is never an empty answer: queries return
`... | QueryFailed` and raise nothing for what the network may do.
"""

from trader.ports.broker import (
    Accepted,
    Account,
    AccountEvent,
    Answer,
    Capabilities,
    ExecutionsReported,
    IdUniqueness,
    LastGate,
    NotSent,
    OrdersReported,
    Rejected,
    Unknown,
)
from trader.ports.market import (
    BarReceived,
    BarsReported,
    CalendarJobs,
    FeedBeat,
    FeedConnected,
    FeedEvent,
    FeedKind,
    FeedLost,
    History,
    MarketFeed,
    TickReceived,
    Venue,
    VenueClock,
)
from trader.ports.store import Journal, Ledger, SessionLoader, Spool
from trader.ports.strategies import StrategyRunner

__all__ = [
    "Accepted",
    "Account",
    "AccountEvent",
    "Answer",
    "BarReceived",
    "BarsReported",
    "CalendarJobs",
    "Capabilities",
    "ExecutionsReported",
    "FeedBeat",
    "FeedConnected",
    "FeedEvent",
    "FeedKind",
    "FeedLost",
    "History",
    "IdUniqueness",
    "Journal",
    "LastGate",
    "Ledger",
    "MarketFeed",
    "NotSent",
    "OrdersReported",
    "Rejected",
    "SessionLoader",
    "Spool",
    "StrategyRunner",
    "TickReceived",
    "Unknown",
    "Venue",
    "VenueClock",
]
