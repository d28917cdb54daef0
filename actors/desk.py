"""The desk: what the outside may ask and order, over the names of the house.

The only user of `ask`. Every question goes to all it concerns at once, and whoever does not answer
in time is a hole in the answer, never an error: one wedged actor does not hide the house.
"""

from collections.abc import AsyncGenerator, Awaitable, Mapping
from typing import Any, TypeVar

from actors import journal, portfolio_server
from actors.account_messages import DescribeAccount
from actors.account_messages import name_of as account_name
from actors.audience import DescribeFeed, ReadSeries
from actors.desk_commands import EntriesLeft, OperatorDesk
from actors.desk_house import (
    account_view,
    actor_view,
    dead_letter_view,
    feed_view,
    heat_view,
    ready_view,
)
from actors.desk_needs import Boot, Needs
from actors.desk_positions import position_views
from actors.desk_sessions import (
    bar_view,
    checks_of,
    decision_view,
    session_view,
)
from actors.desk_snapshot import Seat, Snapshot, everybody, seats_in
from actors.journal import DescribeJournal
from actors.portfolio_server import DescribeHeat
from actors.realtime_trader import DescribeSession
from actors.runtime import Child, HandlerStuck, Runtime, StartChild, State, StopChild
from actors.viewer import VIEWERS, BarStream, BarViewer
from trader.errors import StoreUnavailable
from trader.ids import AccountId, ClientOrderId, InstrumentId, SessionId
from trader.instants import Timeframe
from trader.money import Quantity
from trader.views import (
    AccountView,
    ActorView,
    BarView,
    CommandView,
    ConfigKeyView,
    DeadLetterView,
    DecisionView,
    FeedView,
    FillView,
    HeatView,
    OrderView,
    PositionView,
    ReadyView,
    SessionView,
    StatusView,
    TradeView,
    WhyAnswer,
    WhyView,
)

T = TypeVar("T")


class HouseDesk:
    """Fulfils `trader.desk.Desk`."""

    def __init__(self, runtime: Runtime, boot: Boot, needs: Needs) -> None:
        self._runtime = runtime
        self._boot = boot
        self._needs = needs
        self._sessions = tuple(SessionId(name) for name in boot.settings.sessions)
        self._accounts = tuple(AccountId(name) for name in boot.settings.accounts)
        self._operator = OperatorDesk(runtime, needs.commands, needs.latch, self._look, self._seats)

    # The house

    async def status(self) -> StatusView:
        """The whole house on one page."""
        boot, look = self._boot, await self._look()
        allowed = self._needs.latch.current()
        everyone = tuple(everybody(look.tree))
        return StatusView(
            version=boot.version,
            boot_id=boot.boot_id,
            mode=boot.settings.daemon.mode,
            started_at=boot.started_at,
            now=look.now,
            trading_state=allowed.state,
            trading_state_reason=allowed.reason,
            ready=ready_view(look, await self._needs.schema()),
            heat=heat_view(look),
            accounts=_accounts(look),
            sessions=_sessions(look),
            actors_count=len(everyone),
            actor_restarts_count=sum(each.restarts_count for each in everyone),
            dead_letters_count=self._runtime.dead_letters.count,
            spooled_count=0 if look.journal is None else look.journal.spooled_count,
        )

    async def ready(self) -> ReadyView:
        """Check by check."""
        look = await self._look()
        return ready_view(look, await self._needs.schema())

    async def heat(self) -> HeatView:
        """Total risk now."""
        return heat_view(await self._look())

    async def accounts(self) -> tuple[AccountView, ...]:
        """Every account."""
        return _accounts(await self._look())

    async def feeds(self) -> tuple[FeedView, ...]:
        """Every feed."""
        look = await self._look()
        return tuple(feed_view(account_id, feed) for account_id, feed in look.feeds.items())

    async def actors(self) -> ActorView:
        """The tree."""
        return actor_view(self._runtime.tree())

    async def dead_letters(self, *, limit: int = 100) -> tuple[DeadLetterView, ...]:
        """The newest first."""
        newest = list(reversed(self._runtime.dead_letters.recent))[:limit]
        return tuple(dead_letter_view(letter) for letter in newest)

    async def config(self) -> tuple[ConfigKeyView, ...]:
        """Effective settings and their origin."""
        return self._boot.config

    # Sessions

    async def sessions(self) -> tuple[SessionView, ...]:
        """Every session, by id."""
        return _sessions(await self._look())

    async def session(self, session_id: SessionId) -> SessionView | None:
        """One session."""
        look = await self._look()
        seat = look.seats.get(session_id)
        return None if seat is None else session_view(look, seat)

    async def why(self, session_id: SessionId) -> WhyView | None:
        """Every question that an entry must find in order, and what was decided last."""
        look = await self._look()
        seat = look.seats.get(session_id)
        if seat is None:
            return None
        picture = look.pictures[session_id]
        return WhyView(
            session_id=session_id,
            answers=tuple(
                WhyAnswer(one.question, one.answer, one.is_ok) for one in checks_of(look, seat)
            ),
            decisions=()
            if picture is None
            else tuple(decision_view(entry) for entry in picture.decisions),
            asked_at=look.now,
        )

    async def positions(self) -> tuple[PositionView, ...]:
        """Broker, memory and database side by side."""
        look = await self._look()
        rows: dict[AccountId, Mapping[SessionId, Quantity] | None] = {}
        for account_id in self._accounts:
            try:
                rows[account_id] = await self._needs.position_qtys(account_id)
            except (StoreUnavailable, TimeoutError):
                rows[account_id] = None
        return tuple(position_views(look, rows))

    async def bars(self, session_id: SessionId, *, limit: int = 100) -> tuple[BarView, ...] | None:
        """The newest bars, the forming one last."""
        if session_id not in self._boot.settings.sessions:
            return None
        account_id, instrument, timeframe = self._series_of(session_id)
        read = ReadSeries(instrument, timeframe, limit)
        candles = await self._ask(self._boot.feeds[account_id].name, read)
        return tuple(bar_view(candle) for candle in candles)[-limit:]

    async def follow_bars(self, session_id: SessionId) -> AsyncGenerator[BarView, None]:
        """Every change, until the caller stops; a viewer of its own hears them."""
        account_id, instrument, timeframe = self._series_of(session_id)
        feed, stream = self._boot.feeds[account_id], BarStream()
        name = f"viewer:{self._runtime.host.new_id()}"
        viewers = self._runtime.address(VIEWERS)
        viewers.tell(
            StartChild(Child(name, lambda: BarViewer(feed, instrument, timeframe, stream)))
        )
        try:
            while True:
                yield bar_view(await stream.next())
        finally:
            viewers.tell(StopChild(name))

    def _series_of(self, session_id: SessionId) -> tuple[AccountId, InstrumentId, Timeframe]:
        settings = self._boot.settings
        config = settings.sessions[session_id]
        return AccountId(config.account), settings.instrument_of(session_id), config.timeframe

    # Rows

    async def orders(
        self,
        *,
        session_id: SessionId | None = None,
        open_only: bool = False,
        limit: int = 100,
        after: ClientOrderId | None = None,
    ) -> tuple[OrderView, ...]:
        """Orders, without timelines."""
        return await self._needs.rows.orders(
            session_id=session_id, open_only=open_only, limit=limit, after=after
        )

    async def order(self, order_id: ClientOrderId) -> OrderView | None:
        """One order with its whole life."""
        return await self._needs.rows.order(order_id)

    async def fills(
        self, *, session_id: SessionId | None = None, limit: int = 100, after: str | None = None
    ) -> tuple[FillView, ...]:
        """Executions."""
        return await self._needs.rows.fills(session_id=session_id, limit=limit, after=after)

    async def trades(
        self, *, session_id: SessionId | None = None, limit: int = 100, after: str | None = None
    ) -> tuple[TradeView, ...]:
        """Round trips."""
        return await self._needs.rows.trades(session_id=session_id, limit=limit, after=after)

    async def decisions(
        self, session_id: SessionId, *, limit: int = 100
    ) -> tuple[DecisionView, ...] | None:
        """What a session decided."""
        if session_id not in self._seats():
            return None
        return await self._needs.rows.decisions(session_id, limit=limit)

    # Commands

    async def halt(self, reason: str) -> CommandView:
        """No more entries, latched over restarts."""
        return await self._operator.halt(reason)

    async def resume(self, reason: str, confirmation: str) -> CommandView:
        """Entries again."""
        return await self._operator.resume(reason, confirmation)

    async def close(self, session_id: SessionId, reason: str) -> CommandView | None:
        """Flatten from broker truth, in every state of the house."""
        return await self._operator.close(session_id, reason)

    async def reconcile(self, session_id: SessionId | None = None) -> CommandView:
        """Ask the broker now."""
        return await self._operator.reconcile(session_id)

    async def wind_down(self, reason: str, within_s: float) -> EntriesLeft:
        """The daemon ends: no more entries from now on, and what of them is still out there."""
        self._operator.stop_entries(reason)
        return await self._operator.settled(within_s)

    # Looking

    def _seats(self) -> dict[SessionId, Seat]:
        return seats_in(self._runtime.tree(), iter(self._sessions))

    async def _look(self) -> Snapshot:
        """Ask everybody at once; whoever is not up is not asked, for its mail would be kept."""
        tree = self._runtime.tree()
        running = {one.name for one in everybody(tree) if one.state is State.RUNNING}
        seats = seats_in(tree, iter(self._sessions))

        def ask(name: str, message: object) -> Awaitable[Any] | None:
            return self._ask(name, message) if name in running else None

        pictures = {
            session_id: None if seat.bearer is None else ask(seat.bearer.name, DescribeSession())
            for session_id, seat in seats.items()
        }
        accounts = {each: ask(account_name(each), DescribeAccount()) for each in self._accounts}
        feeds = {each: ask(at.name, DescribeFeed()) for each, at in self._boot.feeds.items()}
        heat = ask(portfolio_server.NAME, DescribeHeat())
        books = ask(journal.NAME, DescribeJournal())
        return Snapshot(
            pictures={each: await _answer(asked) for each, asked in pictures.items()},
            accounts={each: await _answer(asked) for each, asked in accounts.items()},
            feeds={each: await _answer(asked) for each, asked in feeds.items()},
            heat=await _answer(heat),
            journal=await _answer(books),
            now=self._runtime.host.now(),
            now_s=self._runtime.host.elapsed(),
            settings=self._boot.settings,
            tree=tree,
            seats=seats,
            trading_state=self._needs.latch.current().state,
            halted=self._needs.latch.halted(),
        )

    def _ask(self, name: str, message: object) -> Awaitable[Any]:
        timeout_s = self._boot.settings.runtime.ask_timeout_s
        return self._runtime.address(name).ask(message, timeout_s)


async def _answer(asked: Awaitable[T] | None) -> T | None:
    """None where there is none."""
    if asked is None:
        return None
    try:
        return await asked
    except (Exception, HandlerStuck):  # late, dead, or died of it: its supervisor knows
        return None


def _accounts(look: Snapshot) -> tuple[AccountView, ...]:
    return tuple(account_view(look, each, state) for each, state in look.accounts.items())


def _sessions(look: Snapshot) -> tuple[SessionView, ...]:
    return tuple(session_view(look, seat) for seat in look.seats.values())
