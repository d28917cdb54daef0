"""The desk: what the outside may ask and order. One doorway; HTTP, socket and CLI are its doors."""

from collections.abc import AsyncGenerator
from typing import Protocol

from trader.ids import ClientOrderId, SessionId
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
    WhyView,
)


class Desk(Protocol):
    """Questions are answered within a deadline or raise TimeoutError; those about rows raise
    StoreUnavailable while the database is away. A name that nobody bears answers None.

    Lists are newest first, at most `limit` long; `after` is the last id of the page before.
    """

    async def status(self) -> StatusView:
        """The whole house on one page."""
        ...

    async def ready(self) -> ReadyView:
        """Whether the house may be relied on, check by check."""
        ...

    async def sessions(self) -> tuple[SessionView, ...]:
        """Every session, by id, the dead and quarantined ones included."""
        ...

    async def session(self, session_id: SessionId) -> SessionView | None:
        """One session."""
        ...

    async def why(self, session_id: SessionId) -> WhyView | None:
        """Why an entry would be refused now, and what was decided last."""
        ...

    async def orders(
        self,
        *,
        session_id: SessionId | None = None,
        open_only: bool = False,
        limit: int = 100,
        after: ClientOrderId | None = None,
    ) -> tuple[OrderView, ...]:
        """Orders, without timelines."""
        ...

    async def order(self, order_id: ClientOrderId) -> OrderView | None:
        """One order with its whole life."""
        ...

    async def positions(self) -> tuple[PositionView, ...]:
        """Broker, memory and database side by side."""
        ...

    async def fills(
        self, *, session_id: SessionId | None = None, limit: int = 100, after: str | None = None
    ) -> tuple[FillView, ...]:
        """Executions."""
        ...

    async def trades(
        self, *, session_id: SessionId | None = None, limit: int = 100, after: str | None = None
    ) -> tuple[TradeView, ...]:
        """Round trips; `after` is a closing execution id."""
        ...

    async def decisions(
        self, session_id: SessionId, *, limit: int = 100
    ) -> tuple[DecisionView, ...] | None:
        """What a session decided."""
        ...

    async def bars(self, session_id: SessionId, *, limit: int = 100) -> tuple[BarView, ...] | None:
        """The session's newest bars, oldest first, the forming one last."""
        ...

    def follow_bars(self, session_id: SessionId) -> AsyncGenerator[BarView, None]:
        """Every change of the forming bar and every closed bar, until the caller stops."""
        ...

    async def heat(self) -> HeatView:
        """Total risk now."""
        ...

    async def accounts(self) -> tuple[AccountView, ...]:
        """Every account."""
        ...

    async def feeds(self) -> tuple[FeedView, ...]:
        """Every feed."""
        ...

    async def actors(self) -> ActorView:
        """The tree."""
        ...

    async def dead_letters(self, *, limit: int = 100) -> tuple[DeadLetterView, ...]:
        """Messages that reached nobody."""
        ...

    async def config(self) -> tuple[ConfigKeyView, ...]:
        """Effective settings and their origin; secrets are not among them."""
        ...

    async def halt(self, reason: str) -> CommandView:
        """No more entries, latched over restarts; answers when nothing is left past the gate."""
        ...

    async def resume(self, reason: str, confirmation: str) -> CommandView:
        """Entries again. `confirmation` must be the word RESUME, typed."""
        ...

    async def close(self, session_id: SessionId, reason: str) -> CommandView | None:
        """Flatten from broker truth, in every state of the house."""
        ...

    async def reconcile(self, session_id: SessionId | None = None) -> CommandView:
        """Ask the broker now; None: for every session."""
        ...
