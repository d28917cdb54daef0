"""The keeper of close commands: they are driven until the position is flat, over every crash.

Owns: the closes that were asked for and are not finished. A trader that crashed has forgotten what
it was closing, so the request is told again, under the same id, to whoever bears the session now;
its row is finished when the heart says that the broker holds nothing any more. What a daemon left
unfinished its successor takes up at its start.

Edge cases: while the database is away the row is written later, before it is finished. A session
that nobody bears within a while is given up: its name may come back for another position.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from actors.desk_needs import Commands
from actors.realtime_trader import NOTICES, Noticed
from actors.runtime import Actor, Address
from trader.ids import SessionId
from trader.operator import CommandOutcome, CommandRow
from trader.session.events import CloseRequested

NAME = "commands"
AGAIN_S = 5.0  # how often an unfinished close is told again
RETRY_S = 1.0
GIVE_UP_S = 600.0  # for a session that is not configured, and that nobody bears


@dataclass(frozen=True, slots=True)
class Pursue:
    """A close was asked for: see that it ends."""

    command_id: str
    session_id: SessionId
    reason: str
    asked_by: str


@dataclass(frozen=True, slots=True)
class _Loaded:
    rows: tuple[CommandRow, ...]


@dataclass(frozen=True, slots=True)
class _LoadFailed:
    error: str


@dataclass(frozen=True, slots=True)
class _LoadAgain:
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
    Pursue | Noticed | _Loaded | _LoadFailed | _LoadAgain | _TellAgain | _Finish | _FinishFailed
)


class CommandKeeper(Actor):
    """See the module. `bearer_of`: who acts for a session now; None: nobody does."""

    def __init__(
        self,
        commands: Commands,
        bearer_of: Callable[[SessionId], Address | None],
        configured: frozenset[SessionId],
    ) -> None:
        super().__init__()
        self._commands = commands
        self._bearer_of = bearer_of
        self._configured = configured
        self._closes: dict[str, Pursue] = {}  # by command id
        self._began_s: dict[str, float] = {}

    def on_start(self) -> None:
        """Take up what was left unfinished."""
        self.runtime.subscribe(NOTICES, self.address)
        self._load()
        self.remind(AGAIN_S, _TellAgain())

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
            case _Loaded():
                self._loaded(message)
            case _LoadFailed():
                self.remind(RETRY_S, _LoadAgain())
            case _LoadAgain():
                self._load()
            case _TellAgain():
                self._tell_all()
                self.remind(AGAIN_S, _TellAgain())
            case _Finish():
                self._finish(message)
            case _FinishFailed():
                self.remind(RETRY_S, message.finish)
            case _:
                assert_never(message)

    def _load(self) -> None:
        self.pipe(
            self._commands.unfinished(),
            done=_Loaded,
            failed=lambda error: _LoadFailed(repr(error)),
        )

    def _loaded(self, message: _Loaded) -> None:
        for row in message.rows:
            if row.kind == "close" and row.session_id is not None and row.id not in self._closes:
                self._pursue(Pursue(row.id, row.session_id, row.reason, row.asked_by))
        self._tell_all()

    def _pursue(self, close: Pursue) -> None:
        self._closes[close.command_id] = close
        self._began_s[close.command_id] = self.runtime.host.elapsed()

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
