"""Named statements over rows: one text for a single row, one for a batch, a plan kept for each.

Every statement of the journal reads its rows from `judged`: what was given, each with the verdict
of its fence (`sql/fence.sql`). A batch is unnested from one array a column: one round trip whatever
its size. A single row, the common case, is given as plain values: measured a tenth quicker.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from importlib import resources

import asyncpg

from adapters.store.connect import AnyConnection

_FENCE = {
    "fence_account": "text",
    "fence_epoch": "bigint",
    "fence_session": "text",
    "fence_incarnation": "bigint",
    "is_fenced": "boolean",
}


def sql(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (resources.files("adapters.store") / "sql" / f"{name}.sql").read_text("utf-8")


class Commit(StrEnum):
    """How a statement commits that is a transaction of its own."""

    FLUSHED = "FLUSHED"
    RELAXED = "RELAXED"  # the flush follows soon: a crash of the server may lose it


# In the statement itself, which saves the round trips of a transaction around it.
_RELAX = ", set_config('synchronous_commit', 'off', true) as relaxed"


class RowsStatement:
    """A statement over rows of known columns (name: type); each row ends with its fence's."""

    def __init__(self, name: str, columns: Mapping[str, str]) -> None:
        numbered = list(enumerate((*columns.items(), *_FENCE.items()), start=1))
        values = ", ".join(f"${n}::{type_} as {column}" for n, (column, type_) in numbered)
        arrays = ", ".join(f"${n}::{type_}[]" for n, (_, type_) in numbered)
        names = ", ".join(column for _, (column, _) in numbered)
        unnested = f"unnest({arrays}) with ordinality as g ({names}, i)"
        body = sql("fence") + sql(name)
        self._one, self._many = {}, {}
        for commit, relax in ((Commit.FLUSHED, ""), (Commit.RELAXED, _RELAX)):
            self._one[commit] = f"with given as (select {values}, 1::bigint as i{relax}), {body}"
            self._many[commit] = f"with given as (select *{relax} from {unnested}), {body}"

    async def run(
        self,
        connection: AnyConnection,
        rows: Sequence[tuple[object, ...]],
        commit: Commit = Commit.FLUSHED,
    ) -> list[asyncpg.Record]:
        """One row back for each row given, in their order."""
        if len(rows) == 1:
            return await connection.fetch(self._one[commit], *rows[0])
        return await connection.fetch(self._many[commit], *zip(*rows, strict=True))


_EVENT = {
    "event": "text",
    "status": "text",
    "broker_order_id": "text",
    "cum_qty": "numeric",
    "avg_px": "numeric",
    "reason_code": "text",
    "detail": "text",
    "happened_at": "timestamptz",
}

RECORD_ORDERS = RowsStatement(
    "record_orders",
    {
        "id": "text",
        "session_id": "text",
        "account_id": "text",
        "instrument": "text",
        "side": "text",
        "type": "text",
        "tif": "text",
        "qty": "numeric",
        "purpose": "text",
        "reason": "text",
        "cause_kind": "text",
        "cause_key": "text",
        "incarnation": "bigint",
        "price": "numeric",
        "stop_price": "numeric",
        "protective_stop": "numeric",
        "replaces": "text",
        "decided_at": "timestamptz",
        "digest": "bytea",
    },
)
RECORD_CHANGES = RowsStatement(
    "record_changes",
    {
        "id": "text",
        "kind": "text",
        "session_id": "text",
        "account_id": "text",
        "instrument": "text",
        "target": "text",
        "target_broker_id": "text",
        "reason": "text",
        "incarnation": "bigint",
    },
)
RECORD_PROGRESS = RowsStatement(
    "record_progress", {"order_id": "text", **_EVENT, "digest": "bytea"}
)
RECORD_FILLS = RowsStatement(
    "record_fills",
    {
        "account_id": "text",
        "execution_id": "text",
        "session_id": "text",
        "order_id": "text",
        "client_order_id": "text",
        "broker_order_id": "text",
        "instrument": "text",
        "side": "text",
        "qty": "numeric",
        "price": "numeric",
        "cum_qty": "numeric",
        "fee": "numeric",
        "happened_at": "timestamptz",
        "seen_at": "timestamptz",
        "position_qty": "numeric",
        "position_avg_px": "numeric",
        "realized": "numeric",
    },
)
RECORD_ADJUSTMENTS = RowsStatement(
    "record_adjustments",
    {
        "key": "text",
        "session_id": "text",
        "account_id": "text",
        "instrument": "text",
        "from_qty": "numeric",
        "to_qty": "numeric",
        "to_avg_px": "numeric",
        "cause": "text",
        "detail": "text",
        "happened_at": "timestamptz",
    },
)
RECORD_BALANCES = RowsStatement(
    "record_balances",
    {
        "account_id": "text",
        "broker_account": "text",
        "currency": "text",
        "cash": "numeric",
        "equity": "numeric",
        "buying_power": "numeric",
        "is_blocked": "boolean",
        "reported_at": "timestamptz",
        "digest": "bytea",
    },
)
RECORD_DECISIONS = RowsStatement(
    "record_decisions",
    {
        "session_id": "text",
        "bar_opened_at": "timestamptz",
        "digest": "bytea",
        "action": "text",
        "reason": "text",
        "reason_code": "text",
        "bar_digest": "text",
        "order_ids": "text",
    },
)
RECORD_CURSORS = RowsStatement("record_cursors", {"cursor": "text"})
