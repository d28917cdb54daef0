"""The portfolio's limits: its only stored state, one version a change."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from adapters.store.connect import AnyConnection, Pool, answered


@dataclass(frozen=True, slots=True)
class StoredLimits:
    """The levels of heat as ratios to equity. Source of truth: the newest version."""

    warn_ratio: Decimal
    block_ratio: Decimal
    group_caps: Mapping[str, Decimal]  # group -> ratio
    version: int = 0  # 0: not stored yet
    changed_by: str = ""
    changed_at: datetime | None = None


class PortfolioLimitsStore:
    """Loads and saves them. Raises StoreUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def load(self) -> StoredLimits | None:
        """The newest version; None before the first."""
        with answered("portfolio limits"):
            async with self._pool.acquire() as connection:
                return await _newest(connection)

    async def ensure(self, first: StoredLimits, changed_by: str) -> StoredLimits:
        """The newest version; the given one becomes it where there is none."""
        with answered("portfolio limits"):
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("lock table portfolio_limits in exclusive mode")
                if (newest := await _newest(connection)) is not None:
                    return newest
                return await _insert(connection, first, changed_by)

    async def save(self, limits: StoredLimits, changed_by: str) -> StoredLimits:
        """A new version, which is from now on the newest."""
        with answered("portfolio limits"):
            async with self._pool.acquire() as connection, connection.transaction():
                return await _insert(connection, limits, changed_by)


async def _newest(connection: AnyConnection) -> StoredLimits | None:
    row = await connection.fetchrow("select * from portfolio_limits order by version desc limit 1")
    if row is None:
        return None
    caps = await connection.fetch(
        "select group_name, cap_ratio from portfolio_group_caps where version = $1"
        " order by group_name",
        row["version"],
    )
    return StoredLimits(
        warn_ratio=row["warn_ratio"],
        block_ratio=row["block_ratio"],
        group_caps={cap["group_name"]: cap["cap_ratio"] for cap in caps},
        version=row["version"],
        changed_by=row["changed_by"],
        changed_at=row["changed_at"],
    )


async def _insert(connection: AnyConnection, limits: StoredLimits, changed_by: str) -> StoredLimits:
    version = await connection.fetchval(
        "insert into portfolio_limits (warn_ratio, block_ratio, changed_by)"
        " values ($1, $2, $3) returning version",
        *(limits.warn_ratio, limits.block_ratio, changed_by),
    )
    await connection.executemany(
        "insert into portfolio_group_caps (version, group_name, cap_ratio) values ($1, $2, $3)",
        [(version, group, cap) for group, cap in limits.group_caps.items()],
    )
    stored = await _newest(connection)
    assert stored is not None
    return stored
