"""The ledger in PostgreSQL: who owns an account, and the rows that a trader is rebuilt from."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from adapters.store.codec import balance_of, price_of, stored_order_of
from adapters.store.connect import AnyConnection, Pool, answered
from adapters.store.statements import sql
from trader.accounts.account import Balance
from trader.errors import Fenced, StoreError
from trader.ids import AccountId, ClientOrderId, InstrumentId, SessionId
from trader.money import NO_QTY, ZERO, Quantity
from trader.orders.order import TERMINAL, Status
from trader.records import HeldByAnother, Lease, SessionRows

# We stop acting a little before the server lets another in, counted from before we asked.
ACTING_PART_OF_TTL = 0.8

_CLAIM = sql("claim_lease")
_BEGIN_SESSION = sql("begin_session")
_SESSION_ORDERS = sql("session_orders")


class PostgresLedger:
    """Fulfils `trader.ports.Ledger`. `elapsed` is the host's clock for ages and deadlines."""

    def __init__(self, pool: Pool, elapsed: Callable[[], float]) -> None:
        self._pool = pool
        self._elapsed = elapsed

    async def claim(
        self, account_id: AccountId, holder: str, ttl_s: float
    ) -> Lease | HeldByAnother:
        """Take or retake the account's lease."""
        asked_s = self._elapsed()
        with answered("claim"):
            async with self._pool.acquire() as connection:
                await connection.execute(
                    "insert into leases (account_id, holder, epoch, expires_at)"
                    " values ($1, $2, 1, clock_timestamp()) on conflict do nothing",
                    *(account_id, holder),
                )
                epoch = await connection.fetchval(
                    _CLAIM, account_id, holder, timedelta(seconds=ttl_s)
                )
                if epoch is None:
                    return await _holder(connection, account_id)
        return Lease(account_id, holder, epoch, asked_s + ACTING_PART_OF_TTL * ttl_s)

    async def renew(self, lease: Lease, ttl_s: float) -> Lease | HeldByAnother:
        """Prolong it, also when it ran out and nobody took it."""
        asked_s = self._elapsed()
        with answered("renew"):
            async with self._pool.acquire() as connection:
                renewed = await connection.fetchval(
                    "update leases set expires_at = clock_timestamp() + $4::interval"
                    " where account_id = $1 and epoch = $2 and holder = $3 returning true",
                    *(lease.account_id, lease.epoch, lease.holder, timedelta(seconds=ttl_s)),
                )
                if not renewed:
                    return await _holder(connection, lease.account_id)
        deadline_s = asked_s + ACTING_PART_OF_TTL * ttl_s
        return Lease(lease.account_id, lease.holder, lease.epoch, deadline_s)

    async def release(self, lease: Lease) -> None:
        """Give it back at once; nothing happens when it is not ours any more."""
        with answered("release"):
            await self._pool.execute(
                "update leases set expires_at = clock_timestamp()"
                " where account_id = $1 and epoch = $2 and holder = $3",
                *(lease.account_id, lease.epoch, lease.holder),
            )

    async def begin_session(
        self, session_id: SessionId, account_id: AccountId, instrument: InstrumentId, epoch: int
    ) -> SessionRows:
        """Ensure the row, bump its incarnation, load its rows, in one transaction.

        Raises Fenced when the epoch is not the lease's, StoreError when the session stands for
        another account or instrument, or another session for these.
        """
        with answered("begin session"):
            async with self._pool.acquire() as connection, connection.transaction():
                await _ensure_session(connection, session_id, account_id, instrument)
                begun = await connection.fetchrow(_BEGIN_SESSION, session_id, account_id, epoch)
                if begun is None:
                    raise Fenced(f"epoch {epoch} does not hold account {account_id}")
                position = await connection.fetchrow(
                    "select * from positions where session_id = $1", session_id
                )
                orders = await connection.fetch(_SESSION_ORDERS, session_id)
                executions = await connection.fetch(
                    "select execution_id from fills where account_id = $1 and instrument = $2"
                    " and happened_at > now() - interval '7 days'",
                    *(account_id, instrument),
                )
                newest_fill_at = await connection.fetchval(
                    "select max(happened_at) from fills where account_id = $1 and instrument = $2",
                    *(account_id, instrument),
                )
        return SessionRows(
            session_id=session_id,
            incarnation=begun["incarnation"],
            position_qty=Quantity(position["qty"]) if position else NO_QTY,
            position_avg_px=price_of(position["avg_px"]) if position else None,
            realized=position["realized"] if position else ZERO,
            orders=tuple(map(stored_order_of, orders)),
            execution_ids=frozenset(row["execution_id"] for row in executions),
            newest_fill_at=newest_fill_at,
            read_at=begun["read_at"],
        )

    async def position_qtys(self, account_id: AccountId) -> Mapping[SessionId, Quantity]:
        """The position rows of the account's sessions."""
        with answered("positions"):
            rows = await self._pool.fetch(
                "select session_id, qty from positions where account_id = $1", account_id
            )
        return {SessionId(row["session_id"]): Quantity(row["qty"]) for row in rows}

    async def open_orders(
        self, account_id: AccountId
    ) -> Mapping[SessionId, Mapping[ClientOrderId, Status]]:
        """The rows of each session's orders that have not ended."""
        with answered("open orders"):
            rows = await self._pool.fetch(
                "select session_id, id, status from orders"
                " where account_id = $1 and status <> all ($2)",
                *(account_id, [str(status) for status in TERMINAL]),
            )
        by_session: dict[SessionId, dict[ClientOrderId, Status]] = {}
        for row in rows:
            orders = by_session.setdefault(SessionId(row["session_id"]), {})
            orders[ClientOrderId(row["id"])] = Status(row["status"])
        return by_session

    async def executions_cursor(self, account_id: AccountId) -> str | None:
        """How far the account's executions were read."""
        with answered("cursor"):
            cursor: str | None = await self._pool.fetchval(
                "select cursor from execution_cursors where account_id = $1", account_id
            )
        return cursor

    async def last_balance(self, account_id: AccountId) -> Balance | None:
        """The newest row."""
        with answered("balance"):
            row = await self._pool.fetchrow(
                "select * from balances where account_id = $1 order by seq desc limit 1", account_id
            )
        return None if row is None else balance_of(row)


async def _ensure_session(
    connection: AnyConnection,
    session_id: SessionId,
    account_id: AccountId,
    instrument: InstrumentId,
) -> None:
    await connection.execute(
        "insert into sessions (id, account_id, instrument) values ($1, $2, $3)"
        " on conflict do nothing",
        *(session_id, account_id, instrument),
    )
    rows = await connection.fetch(
        "select id, account_id, instrument from sessions where id = $1"
        " or (account_id = $2 and instrument = $3 and is_desired)",
        *(session_id, account_id, instrument),
    )
    ours = (session_id, account_id, instrument)
    for row in rows:
        if (row["id"], row["account_id"], row["instrument"]) != ours:
            raise StoreError(
                f"session {session_id} on {instrument} of account {account_id} cannot start: the"
                f" database has {row['id']} for {row['instrument']} of {row['account_id']}; one"
                " session trades one instrument of one account, and keeps its name"
            )


async def _holder(connection: AnyConnection, account_id: AccountId) -> HeldByAnother:
    row = await connection.fetchrow("select * from leases where account_id = $1", account_id)
    if row is None:
        return HeldByAnother.gone(account_id)
    return HeldByAnother(account_id, row["holder"], row["epoch"], row["expires_at"])
