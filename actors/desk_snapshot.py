"""A snapshot: what every actor answered when the desk looked, and what the tree says of the silent.

One wedged or dead actor leaves a hole here (`None`), never an error: its row says so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from actors import realtime_trader, sessions
from actors.account_messages import AccountState
from actors.journal import JournalView
from actors.portfolio_server import HeatPicture
from actors.realtime_trader import SessionPicture
from actors.runtime import ChildStatus, State
from trader.config import Settings
from trader.ids import AccountId, InstrumentId, SessionId
from trader.session.events import TradingState
from trader.views import FeedView


@dataclass(frozen=True, slots=True)
class Seat:
    """Who bears a session now: its trader, or the guardian that stands in for it."""

    session_id: SessionId
    trader: ChildStatus | None  # None: it was not started, or nobody configured it
    guardian: ChildStatus | None

    @property
    def bearer(self) -> ChildStatus | None:
        """Who acts for it: the guardian where the trader is down for good."""
        if self.trader is None or self.trader.state is State.QUARANTINED:
            return self.guardian or self.trader
        return self.trader

    @property
    def reachable(self) -> str | None:
        """Who may be told something: never one in quarantine, whose mail is kept for another day.

        None: nobody bears it yet.
        """
        bearer = self.bearer
        return None if bearer is None or bearer.state is State.QUARANTINED else bearer.name


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at one instant. Seconds are the host's elapsed ones."""

    now: datetime
    now_s: float
    settings: Settings
    tree: ChildStatus
    seats: Mapping[SessionId, Seat]  # by id, those of guardians without a session included
    pictures: Mapping[SessionId, SessionPicture | None]  # None: no answer
    heat: HeatPicture | None
    accounts: Mapping[AccountId, AccountState | None]
    feeds: Mapping[AccountId, FeedView | None]
    journal: JournalView | None
    trading_state: TradingState  # what the operator allows, the HALT file included
    halted: str  # why the last gate lets no entry through; "" if it does

    def account_of(self, session_id: SessionId) -> AccountId | None:
        """From the configuration, else from whoever bears it; None: nobody can say."""
        config = self.settings.sessions.get(session_id)
        if config is not None:
            return AccountId(config.account)
        picture = self.pictures.get(session_id)
        return None if picture is None else picture.state.rules.account_id

    def instrument_of(self, session_id: SessionId) -> InstrumentId | None:
        """Likewise."""
        if session_id in self.settings.sessions:
            return self.settings.instrument_of(session_id)
        picture = self.pictures.get(session_id)
        return None if picture is None else picture.state.rules.instrument.id


def everybody(status: ChildStatus) -> Iterator[ChildStatus]:
    """The status and all below it."""
    yield status
    for child in status.children:
        yield from everybody(child)


def seats_in(tree: ChildStatus, configured: Iterator[SessionId]) -> dict[SessionId, Seat]:
    """Every session that is configured or guarded, by id."""
    by_name = {status.name: status for status in everybody(tree)}
    prefix = sessions.guardian_name(SessionId(""))
    guarded = (SessionId(name.removeprefix(prefix)) for name in by_name if name.startswith(prefix))
    return {
        session_id: Seat(
            session_id,
            by_name.get(realtime_trader.name_of(session_id)),
            by_name.get(sessions.guardian_name(session_id)),
        )
        for session_id in sorted({*configured, *guarded})
    }
