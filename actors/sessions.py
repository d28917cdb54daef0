"""The sessions: which of them run, ensured at boot, and who stands in for one that cannot.

Owns: the list of desired sessions and the guardians. Before a session starts its instrument is
looked up at the venue (retried for ever: an outage is not a crash); one that the venue does not
trade is told and left out of nothing else. A quarantined session gets a guardian under its own
name at the broker, so that its position is reconciled, counted and closable; so does a position
that nobody owns.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from actors import realtime_trader
from actors.account_messages import UnownedPosition
from actors.portfolio_server import TOPIC as HEAT
from actors.portfolio_server import ExpectSessions
from actors.realtime_trader import NOTICES, Noticed
from actors.runtime import Actor, Address, Child, StartChild
from trader.ids import AccountId, InstrumentId, SessionId, symbol_of
from trader.instrument import Instrument
from trader.orders.events import QueryFailed
from trader.risk.events import HeatChanged
from trader.session.effects import Notice, Severity
from trader.session.events import HeatAsked
from trader.session.rules import SessionRules

NAME = "sessions"
TRADERS = "traders"  # the supervisor of the traders
GUARDIANS = "guardians"  # and of those that stand in
RETRY_S = 1.0

MakeTrader = Callable[[SessionRules, str], Actor]
"""Makes a trader's body; the text says why it runs exits-only, "" if it does not."""


@dataclass(frozen=True, slots=True)
class Desired:
    """A session that shall run: everything but its instrument's rules, which the venue has."""

    session_id: SessionId
    account_id: AccountId
    instrument: InstrumentId
    rules_for: Callable[[Instrument], SessionRules]


@dataclass(frozen=True, slots=True)
class SessionQuarantined:
    """A trader is down for good; its mail is kept."""

    session_id: SessionId
    reason: str


@dataclass(frozen=True, slots=True)
class DescribeSessions:
    """Ask: a Roster."""


@dataclass(frozen=True, slots=True)
class Roster:
    """Who is desired, who runs, who is guarded."""

    desired: tuple[SessionId, ...]
    running: tuple[SessionId, ...]
    guarded: tuple[SessionId, ...]
    unknown_instruments: tuple[InstrumentId, ...]


@dataclass(frozen=True, slots=True)
class _Resolved:
    account_id: AccountId
    answer: tuple[Instrument, ...] | QueryFailed


@dataclass(frozen=True, slots=True)
class _ResolveAgain:
    account_id: AccountId


@dataclass(frozen=True, slots=True)
class _Guardable:
    rules: SessionRules
    why: str


SessionsMessage = (
    SessionQuarantined
    | UnownedPosition
    | HeatAsked
    | HeatChanged
    | DescribeSessions
    | _Resolved
    | _ResolveAgain
    | _Guardable
)


class Sessions(Actor):
    """See the module."""

    def __init__(
        self,
        desired: Sequence[Desired],
        instruments: Callable[
            [AccountId, Sequence[InstrumentId]], Awaitable[tuple[Instrument, ...] | QueryFailed]
        ],
        make_trader: MakeTrader,
        guardian_rules: Callable[[AccountId, Instrument], SessionRules],
        portfolio: Address,
    ) -> None:
        super().__init__()
        self._desired = tuple(desired)
        self._instruments = instruments
        self._make_trader = make_trader
        self._guardian_rules = guardian_rules
        self._portfolio = portfolio
        self._rules: dict[SessionId, SessionRules] = {}
        self._guarded: dict[SessionId, None] = {}
        self._unknown: dict[SessionId, InstrumentId] = {}  # left out: they can risk nothing
        self._unguarded: dict[SessionId, None] = {}  # held at the broker, and nobody counts it yet
        self._asked_for: set[InstrumentId] = set()

    def on_start(self) -> None:
        """Everybody on the roster is expected to report from now on, started or not."""
        self.runtime.subscribe(HEAT, self.address)
        self._expect()
        for account_id in dict.fromkeys(each.account_id for each in self._desired):
            self._resolve(account_id)

    def on_stop(self) -> None:
        """Hear no more."""
        self.runtime.unsubscribe(HEAT, self.address)

    def on_receive(self, message: SessionsMessage) -> Roster | None:
        """One line a message."""
        match message:
            case _Resolved():
                self._resolved(message)
            case _ResolveAgain():
                self._resolve(message.account_id)
            case SessionQuarantined():
                self._guard_session(message)
            case UnownedPosition():
                self._guard_position(message)
            case _Guardable():
                self._start_guardian(message.rules, message.why)
            case HeatAsked():
                self._expect()  # a new portfolio server does not know of the guardians
            case HeatChanged():
                pass
            case DescribeSessions():
                return Roster(
                    tuple(each.session_id for each in self._desired),
                    tuple(self._rules),
                    tuple(self._guarded),
                    tuple(self._unknown.values()),
                )
            case _:
                assert_never(message)
        return None

    def _expect(self) -> None:
        desired = [d.session_id for d in self._desired if d.session_id not in self._unknown]
        ids = dict.fromkeys([*desired, *self._guarded, *self._unguarded])
        self._portfolio.tell(ExpectSessions(tuple(ids)))

    def _resolve(self, account_id: AccountId) -> None:
        wanted = [d.instrument for d in self._desired if d.account_id == account_id]
        self.pipe(
            self._instruments(account_id, wanted),
            done=lambda answer: _Resolved(account_id, answer),
            failed=lambda e: _Resolved(account_id, QueryFailed("instruments", repr(e), 0.0)),
        )

    def _resolved(self, message: _Resolved) -> None:
        if isinstance(message.answer, QueryFailed):
            self.remind(RETRY_S, _ResolveAgain(message.account_id))
            return
        known = {each.id: each for each in message.answer}
        for desired in self._desired:
            if desired.account_id != message.account_id or desired.session_id in self._rules:
                continue
            instrument = known.get(desired.instrument)
            if instrument is None:
                self._unknown[desired.session_id] = desired.instrument
                text = f"{desired.instrument} is not traded at the venue: the session stays out"
                self._notice(desired.session_id, Severity.CRITICAL, "unknown_symbol", text)
                continue
            self._start(desired.rules_for(instrument))
        if self._unknown:
            self._expect()

    def _start(self, rules: SessionRules) -> None:
        self._rules[rules.session_id] = rules
        child = Child(
            realtime_trader.name_of(rules.session_id),
            lambda: self._make_trader(rules, ""),
            fallback=lambda: self._make_trader(rules, "it crashed too often"),
        )
        self.runtime.address(TRADERS).tell(StartChild(child))

    def _guard_session(self, message: SessionQuarantined) -> None:
        rules = self._rules.get(message.session_id)
        if rules is not None and message.session_id not in self._guarded:
            self._start_guardian(replace(rules, strategy=None), message.reason)

    def _guard_position(self, message: UnownedPosition) -> None:
        instrument = message.position.instrument
        if instrument in self._asked_for or self._is_desired(message.account_id, instrument):
            return
        self._asked_for.add(instrument)
        self._unguarded[guardian_id(message.account_id, instrument)] = None
        self._expect()  # until its guardian reports, the sum is no sum
        why = f"{message.position.qty} {instrument} at the broker belongs to no session"

        def known(answer: tuple[Instrument, ...] | QueryFailed) -> object:
            if isinstance(answer, QueryFailed) or not answer:
                self._asked_for.discard(instrument)  # the next sweep brings it here again
                return None
            return _Guardable(self._guardian_rules(message.account_id, answer[0]), why)

        self.pipe(
            self._instruments(message.account_id, [instrument]),
            done=known,
            failed=lambda _: self._asked_for.discard(instrument),
        )

    def _is_desired(self, account_id: AccountId, instrument: InstrumentId) -> bool:
        """Its own session is on its way to it, or guarded under its own name already."""
        return any(
            each.account_id == account_id and each.instrument == instrument
            for each in self._desired
            if each.session_id not in self._unknown
        )

    def _start_guardian(self, rules: SessionRules, why: str) -> None:
        self._guarded[rules.session_id] = None
        self._unguarded.pop(rules.session_id, None)
        child = Child(guardian_name(rules.session_id), lambda: self._make_trader(rules, why))
        self.runtime.address(GUARDIANS).tell(StartChild(child))
        self._expect()
        self._notice(rules.session_id, Severity.CRITICAL, "guardian_started", why)

    def _notice(self, session_id: SessionId, severity: Severity, code: str, text: str) -> None:
        self.publish(NOTICES, Noticed(session_id, Notice(severity, code, text)))


def guardian_name(session_id: SessionId) -> str:
    """The name of whoever stands in for the session."""
    return f"guardian:{session_id}"


def guardian_id(account_id: AccountId, instrument: InstrumentId) -> SessionId:
    """The session id under which something unowned is counted and can be closed."""
    return SessionId(f"unowned-{account_id}-{symbol_of(instrument)}".lower())
