"""The keeper of commands: closes are driven until the position is flat, and a halt is everybody's.

Owns: the closes that were asked for and are not finished. A trader that crashed has forgotten what
it was closing, so the request is told again, under the same id, to whoever bears the session now;
its row is finished when the heart says that the broker holds nothing any more. The rows are looked
at again and again: what was asked of another daemon is taken up here too. A row that stops entries
stops them here; a HALT file counts as the row, which is written as soon as the database is there.

Edge cases: while the database is away the row is written later, before it is finished. A session
that nobody bears within a while is given up: its name may come back for another position.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from actors.desk_needs import Commands, Latch
from actors.realtime_trader import NOTICES, TRADING, Noticed
from actors.runtime import Actor, Address, Alarm
from trader.ids import SessionId
from trader.operator import CommandOutcome, TradingStanding, Wanted
from trader.session.events import CloseRequested, TradingState, TradingStateChanged

NAME = "commands"
AGAIN_S = 5.0  # how often an unfinished close is told again
LOOK_S = 15.0  # how often the rows are looked at
RETRY_S = 1.0
ASKED_BY = "keeper"
GIVE_UP_S = 600.0  # for a session that is not configured, and that nobody bears


@dataclass(frozen=True, slots=True)
class Pursue:
    """A close was asked for: see that it ends."""

    command_id: str
    session_id: SessionId
    reason: str
    asked_by: str


@dataclass(frozen=True, slots=True)
class _Looked:
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class _LookFailed:
    error: str


@dataclass(frozen=True, slots=True)
class _Look:
    pass


@dataclass(frozen=True, slots=True)
class _TellAgain:
    pass


@dataclass(frozen=True, slots=True)
class _Finish:
    close: Pursue
    outcome: CommandOutcome
    detail: str


@dataclass(frozen=True, slots=True)
class _FinishFailed:
    finish: _Finish


KeeperMessage = (
    Pursue | Noticed | _Looked | _LookFailed | _Look | _TellAgain | _Finish | _FinishFailed
)


class CommandKeeper(Actor):
    """See the module. `bearer_of`: who acts for a session now; None: nobody does."""

    def __init__(
        self,
        commands: Commands,
        latch: Latch,
        bearer_of: Callable[[SessionId], Address | None],
        configured: frozenset[SessionId],
    ) -> None:
        super().__init__()
        self._commands = commands
        self._latch = latch
        self._bearer_of = bearer_of
        self._configured = configured
        self._closes: dict[str, Pursue] = {}  # by command id
        self._known: set[str] = set()  # taken up once; one that has ended may still look open
        self._has_looked = False
        self._began_s: dict[str, float] = {}
        self._again = Alarm(self, _TellAgain())

    def on_start(self) -> None:
        """Take up what was left unfinished."""
        self.runtime.subscribe(NOTICES, self.address)
        self._look()

    def on_stop(self) -> None:
        """Hear no more; what is unfinished has its row."""
        self.runtime.unsubscribe(NOTICES, self.address)

    def on_receive(self, message: KeeperMessage) -> None:
        """One line a message."""
        match message:
            case Pursue():
                self._pursue(message)
            case Noticed():
                self._noticed(message)
            case _Looked():
                self._looked(message.wanted)
                self.remind(LOOK_S, _Look())
            case _LookFailed():
                self.remind(RETRY_S, _Look())
            case _Look():
                self._look()
            case _TellAgain():
                self._again.clear()
                self._tell_all()
            case _Finish():
                self._finish(message)
            case _FinishFailed():
                self.remind(RETRY_S, message.finish)
            case _:
                assert_never(message)

    def _look(self) -> None:
        self.pipe(
            self._commands.wanted(),
            done=_Looked,
            failed=lambda error: _LookFailed(repr(error)),
        )

    def _looked(self, wanted: Wanted) -> None:
        self._heed(wanted.standing)
        news = [
            Pursue(row.id, row.session_id, row.reason, row.asked_by)
            for row in wanted.unfinished
            if row.kind == "close"
            and row.id not in self._known
            and row.session_id is not None
            and (self._is_ours(row.session_id) or not self._has_looked)
        ]
        self._has_looked = True
        for close in news:
            self._pursue(close)
        if news:
            self._tell_all()

    def _is_ours(self, session_id: SessionId) -> bool:
        """Another daemon's close is that daemon's, unless it was left to us at the start."""
        return session_id in self._configured or self._bearer_of(session_id) is not None

    def _heed(self, row: TradingStanding) -> None:
        """Row and file each stop entries for both; only a resume lets them through again."""
        latch, stops = self._latch, row.state is not TradingState.ACTIVE
        if latch.is_resuming:
            return
        is_news = latch.resumed_at is None or row.changed_at > latch.resumed_at
        if stops and is_news and latch.state.state is TradingState.ACTIVE:
            latch.state = TradingStateChanged(row.state, row.reason)
            self.publish(TRADING, latch.state)
        elif not stops and latch.has_file():
            self.pipe(
                self._commands.allow(TradingState.HALTED, latch.halted(), ASKED_BY),
                done=lambda _: None,
                failed=lambda _: None,  # the next look sees it
            )

    def _pursue(self, close: Pursue) -> None:
        self._known.add(close.command_id)
        self._closes[close.command_id] = close
        self._began_s[close.command_id] = now_s = self.runtime.host.elapsed()
        self._again.by(now_s + AGAIN_S)

    def _tell_all(self) -> None:
        now_s = self.runtime.host.elapsed()
        for close in tuple(self._closes.values()):
            bearer = self._bearer_of(close.session_id)
            if bearer is not None:
                bearer.tell(CloseRequested(close.command_id, close.reason))
            elif close.session_id in self._configured:
                pass  # its trader is on its way: an outage is no reason to forget
            elif now_s - self._began_s[close.command_id] > GIVE_UP_S:
                self._end(close, CommandOutcome.FAILED, "nobody bears that session")
        if self._closes:
            self._again.by(now_s + AGAIN_S)

    def _noticed(self, message: Noticed) -> None:
        if message.notice.code != "position_closed" or message.broker_qty != 0:
            return
        for close in tuple(self._closes.values()):
            if close.session_id == message.session_id:
                self._end(close, CommandOutcome.DONE, message.notice.text)

    def _end(self, close: Pursue, outcome: CommandOutcome, detail: str) -> None:
        del self._closes[close.command_id], self._began_s[close.command_id]
        self._finish(_Finish(close, outcome, detail))

    def _finish(self, finish: _Finish) -> None:
        async def write() -> None:
            close = finish.close
            await self._commands.record(
                close.command_id, "close", close.session_id, close.reason, close.asked_by
            )
            await self._commands.finish(close.command_id, finish.outcome, finish.detail)

        self.pipe(write(), done=lambda _: None, failed=lambda _: _FinishFailed(finish))
