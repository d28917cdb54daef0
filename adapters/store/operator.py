"""The operator's word: the latched trading state, and commands as rows that outlive their asker."""

from adapters.store.codec import Row
from adapters.store.connect import Pool, answered
from trader.ids import SessionId
from trader.operator import CommandOutcome, CommandRow, TradingStanding, Wanted
from trader.session.events import TradingState


class Operator:
    """Raises StoreUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def standing(self) -> TradingStanding:
        """What is allowed now."""
        with answered("trading state"):
            row = await self._pool.fetchrow("select * from trading_state")
        return _standing_of(row)

    async def allow(self, state: TradingState, reason: str, changed_by: str) -> TradingStanding:
        """Latch it; durable when this returns."""
        with answered("trading state"):
            row = await self._pool.fetchrow(
                "update trading_state set state = $1, reason = $2, changed_by = $3,"
                " changed_at = now() returning *",
                *(state, reason, changed_by),
            )
        return _standing_of(row)

    async def record(
        self, command_id: str, kind: str, session_id: SessionId | None, reason: str, asked_by: str
    ) -> CommandRow:
        """Record a command before its effect. The same id again gives the row that stands."""
        with answered("command"):
            await self._pool.execute(
                "insert into commands (id, kind, session_id, reason, asked_by)"
                " values ($1, $2, $3, $4, $5) on conflict do nothing",
                *(command_id, kind, session_id, reason, asked_by),
            )
            row = await self._pool.fetchrow("select * from commands where id = $1", command_id)
        return _command_of(row)

    async def finish(self, command_id: str, outcome: CommandOutcome, detail: str) -> None:
        """How it ended; the first word stands."""
        with answered("command"):
            await self._pool.execute(
                "update commands set outcome = $2, detail = $3, finished_at = now()"
                " where id = $1 and outcome is null",
                *(command_id, outcome, detail),
            )

    async def wanted(self) -> Wanted:
        """What is allowed now, and what was asked and never finished."""
        with answered("commands"):
            rows = await self._pool.fetch(
                "select * from commands where outcome is null order by asked_at, id"
            )
        return Wanted(await self.standing(), tuple(_command_of(row) for row in rows))


def _standing_of(row: Row | None) -> TradingStanding:
    assert row is not None, "the migration made the row, and nobody may delete it"
    return TradingStanding(
        TradingState(row["state"]), row["reason"], row["changed_by"], row["changed_at"]
    )


def _command_of(row: Row | None) -> CommandRow:
    assert row is not None
    return CommandRow(
        id=row["id"],
        kind=row["kind"],
        session_id=None if row["session_id"] is None else SessionId(row["session_id"]),
        reason=row["reason"],
        asked_by=row["asked_by"],
        asked_at=row["asked_at"],
        outcome=None if row["outcome"] is None else CommandOutcome(row["outcome"]),
        detail=row["detail"],
        finished_at=row["finished_at"],
    )
