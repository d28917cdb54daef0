"""From a plan to the daemon's own settings."""

from actors.app.simulation.plan import Plan
from trader.config import (
    AccountConfig,
    Isolation,
    PortfolioConfig,
    RiskConfig,
    SandboxConfig,
    SessionConfig,
    Settings,
    StoreConfig,
    VenueKind,
)

WARMUP_BARS_COUNT = 10
SHORT_LEASE_S = 5.0  # as shipped: it is lost by whoever stands still for a moment
LONG_LEASE_S = 60.0
REPORT_AGE_S_MAX = 20.0  # a session reports twice in it: at 10 s that is every tenth message
SHORT_EVERY = 8  # this many seeds hold one with a short lease anyway
STANDING_STILL = frozenset({"pause", "suspend", "second_daemon"})
MANY_A_DAY, FEW_A_DAY = 500, 4  # entries of a session
FEW_EVERY = 7  # this many seeds hold one whose sessions soon may enter no more


def settings_of(plan: Plan) -> Settings:
    """The configuration of that world's daemons; whatever is not said is as shipped."""
    return Settings(
        store=StoreConfig(lease_ttl_s=_lease_ttl_s(plan)),
        risk=RiskConfig(
            qty_max=1_000,
            notional_max=25_000,
            orders_per_minute_max=10,
            orders_per_day_max=MANY_A_DAY if plan.seed % FEW_EVERY else FEW_A_DAY,
        ),
        portfolio=PortfolioConfig(
            warn_ratio=plan.block_ratio / 2,
            block_ratio=plan.block_ratio,
            report_age_s_max=REPORT_AGE_S_MAX,
        ),
        sandbox=SandboxConfig(symbols=tuple(each.symbol for each in plan.sessions)),
        accounts={name: AccountConfig(venue=VenueKind.SANDBOX) for name in plan.accounts},
        sessions={
            each.name: SessionConfig(
                account=each.account,
                symbol=each.symbol,
                strategy=each.strategy,
                params=dict(each.params),
                warmup_bars_count=WARMUP_BARS_COUNT,
                isolation=Isolation.INLINE,
            )
            for each in plan.sessions
        },
    )


def _lease_ttl_s(plan: Plan) -> float:
    """Short where a lease may be lost. Elsewhere four renewals each 5 s are a third of a world."""
    is_short = plan.seed % SHORT_EVERY == 0 or not STANDING_STILL.isdisjoint(plan.kinds)
    return SHORT_LEASE_S if is_short else LONG_LEASE_S
