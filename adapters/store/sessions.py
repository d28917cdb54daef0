"""Which sessions should run: ensured from the configuration, kept in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import orjson

from adapters.store.codec import Row
from adapters.store.connect import Pool, answered
from trader.errors import StoreError
from trader.ids import AccountId, InstrumentId, SessionId


@dataclass(frozen=True, slots=True)
class DesiredSession:
    """A session that should run, and how it was configured when it was last ensured."""

    id: SessionId
    account_id: AccountId
    instrument: InstrumentId
    multiplier: Decimal = Decimal(1)  # money per whole point and unit
    config: Mapping[str, object] = field(default_factory=dict)  # JSON: strategy, parameters, ...
    incarnation: int = 0  # how often it was begun


class Sessions:
    """The roster. Raises StoreUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ensure(self, configured: Sequence[DesiredSession]) -> tuple[DesiredSession, ...]:
        """Make the roster what is configured; who is not named rests, with all of its rows.

        Raises StoreError where a session has changed its account or instrument, or two share one.
        """
        owners: dict[tuple[AccountId, InstrumentId], SessionId] = {}
        for session in configured:
            owner = owners.setdefault((session.account_id, session.instrument), session.id)
            if owner != session.id:
                raise StoreError(
                    f"sessions {owner} and {session.id} both trade {session.instrument} of account"
                    f" {session.account_id}: one session an instrument"
                )
        with answered("sessions"):
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("lock table sessions in share row exclusive mode")
                await connection.execute(
                    "update sessions set is_desired = false where id <> all ($1)",
                    [session.id for session in configured],
                )
                for session in configured:
                    kept = await connection.fetchrow(
                        "insert into sessions as s (id, account_id, instrument, multiplier, config)"
                        " values ($1, $2, $3, $4, $5::text::jsonb)"
                        " on conflict (id) do update set is_desired = true,"
                        " multiplier = excluded.multiplier, config = excluded.config"
                        " returning account_id, instrument",
                        *(session.id, session.account_id, session.instrument, session.multiplier),
                        orjson.dumps(session.config).decode(),
                    )
                    assert kept is not None
                    if tuple(kept) != (session.account_id, session.instrument):
                        raise StoreError(
                            f"session {session.id} has traded {kept['instrument']} of account"
                            f" {kept['account_id']}, not {session.instrument} of"
                            f" {session.account_id}: give the new one a name of its own"
                        )
        return await self.desired()

    async def desired(self) -> tuple[DesiredSession, ...]:
        """Those that should run, by id."""
        with answered("sessions"):
            rows = await self._pool.fetch(
                "select *, config::text as config_text from sessions where is_desired order by id"
            )
        return tuple(_session_of(row) for row in rows)


def _session_of(row: Row) -> DesiredSession:
    return DesiredSession(
        id=SessionId(row["id"]),
        account_id=AccountId(row["account_id"]),
        instrument=InstrumentId(row["instrument"]),
        multiplier=row["multiplier"],
        config=orjson.loads(row["config_text"]),
        incarnation=row["incarnation"],
    )
