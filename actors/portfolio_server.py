"""The portfolio server: sums heat, knows who is missing, and pushes the level down.

Owns: the roster of expected sessions, their newest contributions, the reservations. Grants are
given one at a time, in the order of their asking. It stores nothing: after a restart the traders'
reports make it complete again; until then the level is UNKNOWN and no entry is granted.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import assert_never

from actors.account_messages import EquityAsked, EquityReported
from actors.runtime import Actor, Address, Alarm
from trader.ids import AccountId, ClientOrderId, SessionId
from trader.money import ZERO
from trader.risk.events import HeatChanged, HeatGranted, HeatRefused, ReserveHeat
from trader.risk.heat import Contribution, Heat
from trader.risk.portfolio import Portfolio, PortfolioLimits
from trader.session.events import HeatAsked

NAME = "portfolio"
TOPIC = "heat"  # HeatChanged and HeatAsked are published here
RETRY_S = 1.0  # the database did not give the limits


@dataclass(frozen=True, slots=True)
class Reserve:
    """Reserve heat for an entry. HeatGranted or HeatRefused."""

    request: ReserveHeat
    reply_to: Address


@dataclass(frozen=True, slots=True)
class ReleaseHeat:
    """The reservation is not needed any more."""

    order_id: ClientOrderId


@dataclass(frozen=True, slots=True)
class TakeContribution:
    """A session's share, right now."""

    contribution: Contribution
    reply_to: Address


@dataclass(frozen=True, slots=True)
class ExpectSessions:
    """The roster: who must report before the sum is a sum."""

    session_ids: tuple[SessionId, ...]


@dataclass(frozen=True, slots=True)
class DescribeHeat:
    """Ask: a HeatPicture."""


@dataclass(frozen=True, slots=True)
class HeatPicture:
    """The heat, the shares it is made of, and the limits it is held against."""

    heat: Heat
    contributions: tuple[tuple[Contribution, float], ...]  # with their ages in seconds
    limits: PortfolioLimits | None


@dataclass(frozen=True, slots=True)
class _Older:
    """Time may have changed the sum: a report or a mark is too old, a grant is over."""


@dataclass(frozen=True, slots=True)
class _LimitsLoaded:
    limits: PortfolioLimits


@dataclass(frozen=True, slots=True)
class _LimitsFailed:
    pass


@dataclass(frozen=True, slots=True)
class _LoadAgain:
    pass


PortfolioMessage = (
    TakeContribution
    | Reserve
    | ReleaseHeat
    | EquityReported
    | ExpectSessions
    | DescribeHeat
    | _LimitsLoaded
    | _LimitsFailed
    | _LoadAgain
    | _Older
)


class PortfolioServer(Actor):
    """See the module."""

    def __init__(
        self,
        load_limits: Callable[[], Awaitable[PortfolioLimits]],
        roster: Callable[[], tuple[SessionId, ...]],
        accounts: tuple[tuple[AccountId, Address], ...],
        currency: str,
    ) -> None:
        super().__init__()
        self._load_limits = load_limits
        self._roster = roster
        self._accounts = accounts
        self._currency = currency
        # Until the database has given the limits nothing may be at risk, so nothing is granted.
        self._portfolio = Portfolio(PortfolioLimits(ZERO, ZERO, {}, 0.0, 0.0))
        self._limits: PortfolioLimits | None = None
        self._told: Heat | None = None
        self._alarm = Alarm(self, _Older())

    def on_start(self) -> None:
        """Ask everybody for their share."""
        self._expect(self._roster())
        self._load()
        for _, address in self._accounts:
            address.tell(EquityAsked())
        self.publish(TOPIC, HeatAsked())

    def on_receive(self, message: PortfolioMessage) -> HeatPicture | None:
        """One line a message."""
        now_s = self.runtime.host.elapsed()
        match message:
            case TakeContribution():
                self._portfolio.take(message.contribution, now_s)
            case Reserve():
                self._reserve(message, now_s)
            case ReleaseHeat():
                self._portfolio.release(message.order_id)
            case EquityReported():
                self._equity(message)
            case ExpectSessions():
                self._expect(message.session_ids)
            case _LimitsLoaded():
                self._limits = message.limits
                self._portfolio.take_limits(message.limits)
            case _LimitsFailed():
                self.remind(RETRY_S, _LoadAgain())
            case _LoadAgain():
                self._load()
            case _Older():
                self._alarm.clear()
            case DescribeHeat():
                return HeatPicture(
                    self._portfolio.heat(now_s),
                    tuple(self._portfolio.shares(now_s)),
                    self._limits,
                )
            case _:
                assert_never(message)
        self._push(now_s)
        return None

    def _expect(self, session_ids: tuple[SessionId, ...]) -> None:
        self._portfolio.expect(session_ids, (account_id for account_id, _ in self._accounts))

    def _load(self) -> None:
        self.pipe(self._load_limits(), done=_LimitsLoaded, failed=lambda _: _LimitsFailed())

    def _reserve(self, message: Reserve, now_s: float) -> None:
        outcome = self._portfolio.reserve(message.request, now_s)
        message.reply_to.tell(outcome if isinstance(outcome, HeatRefused) else HeatGranted(outcome))

    def _equity(self, message: EquityReported) -> None:
        balance = message.balance
        if balance.equity.currency == self._currency:
            self._portfolio.take_equity(
                balance.account_id, balance.equity.amount, balance.reported_at
            )

    def _push(self, now_s: float) -> None:
        """Down to every trader, when the level or who is missing changed."""
        heat = self._portfolio.heat(now_s)
        told, self._told = self._told, heat
        if told is None or told.level is not heat.level or told.missing != heat.missing:
            self.publish(TOPIC, HeatChanged(heat))
        self._alarm.by(self._portfolio.due_s(now_s))
