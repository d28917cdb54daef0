"""Portfolio: everybody's heat in one sum, and the only place where more of it is handed out.

Owns nothing that outlives it: the sessions' reports make it complete again after a restart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from trader.ids import AccountId, ClientOrderId, SessionId
from trader.money import ZERO
from trader.risk.events import HeatRefused, ReserveHeat
from trader.risk.heat import Contribution, Grant, Heat, HeatLevel

NEVER_S = float("inf")


@dataclass(frozen=True, slots=True)
class PortfolioLimits:
    """The ladder and the caps. Ratios are of equity."""

    warn_ratio: Decimal
    block_ratio: Decimal
    group_caps: Mapping[str, Decimal]  # group of correlated instruments -> ratio
    mark_age_max_s: float
    report_age_max_s: float
    grant_ttl_s: float = 30.0  # an entry without a row by then never gets one (its deadline: 10 s)


@dataclass(frozen=True, slots=True)
class _Equity:
    """Of one account: the last known and the first of its UTC day; the smaller one counts."""

    last: Decimal
    first_of_day: Decimal
    reported_at: datetime


class Portfolio:
    """Who is expected, who reported, what is reserved. Seconds are the host's elapsed ones."""

    def __init__(self, limits: PortfolioLimits) -> None:
        self.limits = limits
        self._sessions: frozenset[SessionId] = frozenset()
        self._accounts: frozenset[AccountId] = frozenset()
        self._reports: dict[SessionId, tuple[Contribution, float]] = {}  # with when it came
        self._grants: dict[ClientOrderId, tuple[Grant, str]] = {}  # with its group
        self._equity: dict[AccountId, _Equity] = {}
        self._heat: Heat | None = None  # as it was summed last, while nothing has changed
        self._due_s = 0.0  # when time alone changes it

    def take_limits(self, limits: PortfolioLimits) -> None:
        """The ladder and the caps are these from now on."""
        self.limits = limits
        self._heat = None

    def expect(self, sessions: Iterable[SessionId], accounts: Iterable[AccountId]) -> None:
        """The roster. Who leaves it is forgotten; who never reports is missing."""
        self._sessions = frozenset(sessions)
        self._accounts = frozenset(accounts)
        self._reports = {who: at for who, at in self._reports.items() if who in self._sessions}
        self._heat = None

    def take_equity(self, account_id: AccountId, equity: Decimal, reported_at: datetime) -> None:
        """The broker's word on one account; older words are passed over."""
        known = self._equity.get(account_id)
        if known is not None and reported_at < known.reported_at:
            return
        is_same_day = known is not None and known.reported_at.date() == reported_at.date()
        first = known.first_of_day if known is not None and is_same_day else equity
        self._equity[account_id] = _Equity(equity, first, reported_at)
        self._heat = None

    def take(self, report: Contribution, now_s: float) -> bool:
        """Whether the report is taken: not one of a dead incarnation, nor an older one.

        An incomplete report cannot lower what is counted. Grants that it names are used up.
        """
        known = self._reports.get(report.session_id)
        if known is not None:
            before = known[0]
            if (report.incarnation, report.sequence) <= (before.incarnation, before.sequence):
                return False
            if not report.is_complete or report.marked_s is None:
                report = replace(report, high=max(report.high, before.high))
        if known is None or not self._says_the_same(known[0], report):
            self._heat = None
        self._reports[report.session_id] = (report, now_s)
        for order_id in report.grants:
            if self._grants.pop(order_id, None) is not None:
                self._heat = None
        return True

    def reserve(self, request: ReserveHeat, now_s: float) -> Grant | HeatRefused:
        """Reserve, or say why not. Asking again for the same order is answered by its grant."""
        held = self._grants.get(request.order_id)
        if held is not None and held[0].amount == request.amount and self._counts(held[0], now_s):
            return held[0]
        heat = self.heat(now_s)
        refusal = self._refusal(request, heat)
        if refusal is not None:
            return HeatRefused(request.order_id, *refusal)
        grant = Grant(request.order_id, request.session_id, request.amount, now_s)
        self._grants[request.order_id] = (grant, request.group)
        self._heat = None
        return grant

    def _refusal(self, request: ReserveHeat, heat: Heat) -> tuple[str, str] | None:
        if request.session_id not in self._sessions:
            return "not_expected", f"{request.session_id} is not on the portfolio's roster"
        report = self._reports.get(request.session_id)
        if report is not None and request.incarnation < report[0].incarnation:
            return "old_incarnation", f"incarnation {report[0].incarnation} has reported since"
        if not request.amount.is_finite() or request.amount < 0:
            return "bad_amount", f"{request.amount} is not an amount of money"
        if heat.level is HeatLevel.UNKNOWN or heat.equity is None:
            who = ", ".join(heat.missing) or "equity"
            return "heat_unknown", f"missing: {who}"
        if heat.level is HeatLevel.BLOCK:
            return "heat_block", f"{heat.high} of {heat.equity} at risk"
        block = self.limits.block_ratio * heat.equity
        if heat.high + request.amount > block:
            return "heat_over_block", f"{heat.high} + {request.amount} is more than {block}"
        cap = self.limits.group_caps.get(request.group)
        if cap is not None:
            part = heat.groups.get(request.group, ZERO)
            if part + request.amount > cap * heat.equity:
                most = cap * heat.equity
                detail = f"{request.group}: {part} + {request.amount} is more than {most}"
                return "group_cap", detail
        return None

    def release(self, order_id: ClientOrderId) -> None:
        """The order will not be: its grant is free."""
        self._grants.pop(order_id, None)
        self._heat = None

    def heat(self, now_s: float) -> Heat:
        """The sum now, always computed, and its level."""
        if self._heat is None or now_s >= self._due_s:
            self._heat = self._sum(now_s)
            self._due_s = self._changes_s(now_s)
        return self._heat

    def due_s(self, now_s: float) -> float:
        """When time alone may change it: a report or a mark grows old, a grant is over."""
        self.heat(now_s)
        return self._due_s

    def _sum(self, now_s: float) -> Heat:
        self._grants = {
            order_id: held
            for order_id, held in self._grants.items()
            if self._counts(held[0], now_s)
        }
        reports = [report for report, _ in self._reports.values()]
        high = sum((report.high for report in reports), ZERO)
        high += sum((grant.amount for grant, _ in self._grants.values()), ZERO)
        missing = tuple(sorted(who for who in self._sessions if self._is_missing(who, now_s)))
        equity = self._equity_sum()
        ratio = high / equity if equity is not None and equity > 0 else None
        return Heat(
            low=sum((report.low for report in reports), ZERO),
            high=high,
            missing=missing,
            as_of_s=now_s,
            equity=equity,
            ratio=ratio,
            level=HeatLevel.UNKNOWN if missing or ratio is None else self._level(ratio),
            groups=self._groups(reports),
        )

    def shares(self, now_s: float) -> tuple[tuple[Contribution, float], ...]:
        """Each session's newest report and its age in seconds, in the order of their names."""
        by_name = sorted(self._reports.items())
        return tuple((report, now_s - came_s) for _, (report, came_s) in by_name)

    def _counts(self, grant: Grant, now_s: float) -> bool:
        return now_s < grant.granted_s + self.limits.grant_ttl_s

    def _says_the_same(self, before: Contribution, report: Contribution) -> bool:
        """Whether the sum stays what it was: nothing new but that the session lives."""
        return (
            self._heat is not None
            and report.session_id not in self._heat.missing
            and report.is_complete
            and (report.low, report.high) == (before.low, before.high)
            and (report.grants, report.group) == (before.grants, before.group)
            and before.marked_s is not None
            and report.marked_s is not None
            and before.marked_s <= report.marked_s
        )

    def _changes_s(self, now_s: float) -> float:
        changes_s = [
            grant.granted_s + self.limits.grant_ttl_s for grant, _ in self._grants.values()
        ]
        for report, came_s in self._reports.values():
            changes_s.append(came_s + self.limits.report_age_max_s)
            if report.marked_s is not None:
                changes_s.append(report.marked_s + self.limits.mark_age_max_s)
        return min((each for each in changes_s if each >= now_s), default=NEVER_S)

    def _is_missing(self, session_id: SessionId, now_s: float) -> bool:
        known = self._reports.get(session_id)
        if known is None:
            return True
        report, came_s = known
        if not report.is_complete or report.marked_s is None:
            return True
        is_old = now_s > came_s + self.limits.report_age_max_s
        return is_old or now_s > report.marked_s + self.limits.mark_age_max_s

    def _equity_sum(self) -> Decimal | None:
        if not self._accounts or not self._accounts <= self._equity.keys():
            return None
        known = (self._equity[account_id] for account_id in sorted(self._accounts))
        return sum((min(each.last, each.first_of_day) for each in known), ZERO)

    def _level(self, ratio: Decimal) -> HeatLevel:
        if ratio >= self.limits.block_ratio:
            return HeatLevel.BLOCK
        return HeatLevel.WARN if ratio >= self.limits.warn_ratio else HeatLevel.CALM

    def _groups(self, reports: Iterable[Contribution]) -> Mapping[str, Decimal]:
        groups: dict[str, Decimal] = {}
        for report in reports:
            groups[report.group] = groups.get(report.group, ZERO) + report.high
        for grant, group in self._grants.values():
            groups[group] = groups.get(group, ZERO) + grant.amount
        return groups
