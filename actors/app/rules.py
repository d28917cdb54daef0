"""From the configuration to the rules of a session."""

import zlib

from actors.app.wired import VenuePorts
from actors.sessions import guardian_id
from trader.config import RiskConfig, SessionConfig, Settings
from trader.ids import AccountId, SessionId
from trader.instants import Timeframe
from trader.instrument import Instrument
from trader.risk.heat import HeatRules
from trader.risk.standing import Limits
from trader.session.rules import SessionRules
from trader.session.strategy import StrategySpec


def session_rules(
    settings: Settings, session_id: SessionId, venue: VenuePorts, instrument: Instrument
) -> SessionRules:
    """What the configuration says of a session, on the instrument that the venue described."""
    config = settings.sessions[session_id]
    return _rules(
        settings,
        session_id,
        AccountId(config.account),
        venue,
        instrument,
        settings.limits_of(session_id),
        config,
    )


def guardian_rules(
    settings: Settings, account_id: AccountId, venue: VenuePorts, instrument: Instrument
) -> SessionRules:
    """For something at the broker that no session owns: counted, reconciled, closable."""
    session_id = guardian_id(account_id, instrument.id)
    return _rules(settings, session_id, account_id, venue, instrument, settings.risk, None)


def _rules(
    settings: Settings,
    session_id: SessionId,
    account_id: AccountId,
    venue: VenuePorts,
    instrument: Instrument,
    risk: RiskConfig,
    config: SessionConfig | None,
) -> SessionRules:
    portfolio = settings.portfolio
    strategy = None
    if config is not None:
        strategy = StrategySpec(
            name=config.strategy,
            params=tuple(sorted(config.params.items())),
            symbol=config.symbol,
            tick=instrument.tick,
            lot=instrument.lot,
        )
    return SessionRules(
        session_id=session_id,
        account_id=account_id,
        instrument=instrument,
        timeframe=config.timeframe if config else Timeframe.M1,
        group=config.group if config else "",
        strategy=strategy,
        warmup_bars=config.warmup_bars_count if config else 0,
        capabilities=venue.account.capabilities,
        limits=Limits(
            qty_max=risk.qty_max,
            notional_max=risk.notional_max,
            orders_per_minute_max=risk.orders_per_minute_max,
            orders_per_day_max=risk.orders_per_day_max,
            collar_fraction=risk.collar_fraction,
            position_qty_max=risk.position_qty_max,
        ),
        heat=HeatRules(
            stopless_loss_fraction_long=portfolio.stopless_loss_fraction_long,
            stopless_loss_fraction_short=portfolio.stopless_loss_fraction_short,
            report_s=portfolio.report_age_s_max / 2,
        ),
        entry_deadline_s=settings.risk.entry_deadline_s,
        position_period_s=_spread(settings, account_id, settings.reconcile.position_period_s),
        order_period_s=_spread(settings, account_id, settings.reconcile.order_period_s),
        query_deadline_s=settings.reconcile.query_timeout_s,
        unknown_probe_s=settings.reconcile.unknown_probe_s,
    )


def _spread(settings: Settings, account_id: AccountId, period_s: float) -> float:
    """An account's own period: its sessions ask together, the accounts apart from each other."""
    phase = zlib.crc32(account_id.encode()) / 2**32 - 0.5
    return period_s * (1 + settings.reconcile.jitter_fraction * phase)
