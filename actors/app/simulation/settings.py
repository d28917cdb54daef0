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


def settings_of(plan: Plan) -> Settings:
    """The configuration of that world's daemons; whatever is not said is as shipped."""
    return Settings(
        store=StoreConfig(lease_ttl_s=5.0),
        risk=RiskConfig(qty_max=1_000, notional_max=25_000, orders_per_minute_max=10),
        portfolio=PortfolioConfig(warn_ratio=plan.block_ratio / 2, block_ratio=plan.block_ratio),
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
