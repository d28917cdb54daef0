"""The house as the outside sees it: accounts, feeds, heat, tree, readiness. Pure, of a snapshot.

Readiness is never OK about what is unknown: an actor that does not answer is a check that fails.
"""

from collections.abc import Iterator
from decimal import Decimal

from actors.account_messages import AccountState
from actors.desk_snapshot import Snapshot, everybody
from actors.runtime import ChildStatus, DeadLetter, State
from trader.ids import AccountId, InstrumentId, SessionId
from trader.money import ZERO
from trader.risk.heat import HeatLevel
from trader.views import (
    AccountView,
    ActorView,
    CheckView,
    DeadLetterView,
    FeedView,
    HeatContributionView,
    HeatGroupView,
    HeatView,
    ReadyView,
)

RATIO_STEP = Decimal("0.000001")


def heat_view(look: Snapshot) -> HeatView:
    """Total risk; while the portfolio does not answer everybody is missing from it."""
    config, picture = look.settings.portfolio, look.heat
    if picture is None:
        return HeatView(
            low=ZERO,
            high=ZERO,
            equity=None,
            currency=config.currency,
            ratio=None,
            level=HeatLevel.UNKNOWN,
            warn_ratio=config.warn_ratio,
            block_ratio=config.block_ratio,
            missing=tuple(look.seats),
            contributions=(),
            groups=(),
        )
    heat, limits = picture.heat, picture.limits
    caps = limits.group_caps if limits else config.group_caps
    groups = {**dict.fromkeys(caps, ZERO), **heat.groups}
    return HeatView(
        low=heat.low,
        high=heat.high,
        equity=heat.equity,
        currency=config.currency,
        ratio=_rounded(heat.ratio),
        level=heat.level,
        warn_ratio=limits.warn_ratio if limits else config.warn_ratio,
        block_ratio=limits.block_ratio if limits else config.block_ratio,
        missing=heat.missing,
        contributions=tuple(_contributions(look, heat.missing)),
        groups=tuple(
            HeatGroupView(
                group=name,
                high=high,
                ratio=_rounded(high / heat.equity) if heat.equity else None,
                cap_ratio=caps.get(name),
            )
            for name, high in sorted(groups.items())
            if name
        ),
    )


def _rounded(ratio: Decimal | None) -> Decimal | None:
    """To a millionth: shown, never compared with a limit."""
    return None if ratio is None else ratio.quantize(RATIO_STEP)


def _contributions(
    look: Snapshot, missing: tuple[SessionId, ...]
) -> Iterator[HeatContributionView]:
    assert look.heat is not None
    told = {report.session_id: (report, age_s) for report, age_s in look.heat.contributions}
    for session_id in sorted({*told, *look.seats}):
        report, age_s = told.get(session_id, (None, None))
        yield HeatContributionView(
            session_id=session_id,
            instrument=look.instrument_of(session_id) or InstrumentId(""),
            group="" if report is None else report.group,
            low=ZERO if report is None else report.low,
            high=ZERO if report is None else report.high,
            age_s=age_s,
            is_complete=report is not None and session_id not in missing,
        )


def account_view(look: Snapshot, account_id: AccountId, state: AccountState | None) -> AccountView:
    """The broker's word on an account. Live is what its handshake says, not the configuration."""
    config = look.settings.accounts[account_id]
    balance = None if state is None else state.balance
    number = "" if balance is None else balance.broker_account
    return AccountView(
        id=account_id,
        venue=config.venue,
        is_live=bool(number) and number == config.live_account_id,
        broker_account=number,
        currency=look.settings.portfolio.currency if balance is None else balance.cash.currency,
        cash=None if balance is None else balance.cash.amount,
        equity=None if balance is None else balance.equity.amount,
        buying_power=None if balance is None else balance.buying_power.amount,
        is_blocked=balance is not None and balance.is_blocked,
        stream_is_connected=state is not None and state.is_line_up,
        reported_at=None if balance is None else balance.reported_at,
        lease_epoch=None if state is None else state.epoch,
        lease_left_s=None if state is None else state.lease_left_s,
    )


def feed_view(account_id: AccountId, feed: FeedView | None) -> FeedView:
    """A feed; one that does not answer counts as not connected."""
    if feed is not None:
        return feed
    return FeedView(
        name=f"feed:{account_id}",
        is_connected=False,
        is_market_open=None,
        last_frame_age_s=None,
        lag_s=None,
        stale=(),
        series=(),
        refused_count=0,
        late_count=0,
        held_count=0,
    )


def actor_view(status: ChildStatus) -> ActorView:
    """The tree."""
    why = status.last_exit_reason or ""
    return ActorView(
        name=status.name,
        kind=status.actor_class,
        state=status.state,
        incarnation=status.incarnation,
        mailbox_depth=status.mailbox_depth_count,
        restarts_count=status.restarts_count,
        last_exit=f"{why}: {status.last_error}" if status.last_error else why,
        children=tuple(actor_view(child) for child in status.children),
    )


def dead_letter_view(letter: DeadLetter) -> DeadLetterView:
    """A message that reached nobody."""
    assert letter.happened_at is not None, "the engine stamps each"
    return DeadLetterView(
        to=letter.name,
        message=type(letter.message).__name__,
        reason=letter.reason,
        happened_at=letter.happened_at,
    )


def ready_view(look: Snapshot, schema: CheckView) -> ReadyView:
    """Check by check."""
    checks = (schema, *_checks(look))
    return ReadyView(all(check.is_ok for check in checks), checks)


def _checks(look: Snapshot) -> Iterator[CheckView]:
    journal = look.journal
    if journal is None:
        yield CheckView("journal", False, "it does not answer")
    else:
        yield CheckView("journal", journal.is_up, journal.reason or "it commits")
        count = journal.spooled_count
        yield CheckView("spool", count == 0, f"{count} exits not yet in the database")
    for account_id, account in look.accounts.items():
        yield _line(account_id, account)
        yield _lease(account_id, account)
    for account_id, feed in look.feeds.items():
        yield _feed(account_id, feed)
    for session_id in look.seats:
        yield _reconciled(look, session_id)
    down = [one.name for one in everybody(look.tree) if one.state is State.QUARANTINED]
    yield CheckView("quarantine", not down, ", ".join(down) or "nobody is quarantined")
    heat = None if look.heat is None else look.heat.heat
    if heat is None:
        yield CheckView("heat", False, "the portfolio does not answer")
    else:
        who = f"missing: {', '.join(heat.missing)}" if heat.missing else "complete"
        yield CheckView("heat", heat.level is not HeatLevel.UNKNOWN, f"{heat.level}, {who}")


def _line(account_id: AccountId, account: AccountState | None) -> CheckView:
    name = f"stream {account_id}"
    if account is None:
        return CheckView(name, False, "the account's actor does not answer")
    return CheckView(name, account.is_line_up, account.line_cause or "connected")


def _lease(account_id: AccountId, account: AccountState | None) -> CheckView:
    name = f"lease {account_id}"
    if account is None or account.lease_left_s is None:
        return CheckView(name, False, "not held")
    left_s = account.lease_left_s
    return CheckView(name, left_s > 0, f"epoch {account.epoch}, {left_s:.1f} s left")


def _feed(account_id: AccountId, feed: FeedView | None) -> CheckView:
    name = f"feed {account_id}"
    if feed is None:
        return CheckView(name, False, "the feed's actor does not answer")
    if not feed.is_connected:
        return CheckView(name, False, "not connected")
    if feed.is_market_open is None:
        return CheckView(name, False, "the venue has not said if it is open")
    stale = ", ".join(feed.stale)
    return CheckView(name, not stale, f"stale: {stale}" if stale else "fresh")


def _reconciled(look: Snapshot, session_id: SessionId) -> CheckView:
    name = f"reconcile {session_id}"
    picture = look.pictures[session_id]
    if picture is None or picture.state.positions_ok_s is None:
        return CheckView(name, False, "never" if picture else "its trader does not answer")
    age_s = look.now_s - picture.state.positions_ok_s
    age_max_s = 2 * picture.state.rules.position_period_s
    return CheckView(name, age_s <= age_max_s, f"{age_s:.1f} s ago, at most {age_max_s:.0f} s")
