"""Which exit rule speaks first: stop, then stale trade, then take profit; the order is fixed."""

from collections.abc import Sequence
from datetime import datetime

from trader.exits.rule import ExitRule, ExitSignal
from trader.money import Price
from trader.positions.position import Position


def first_exit(
    rules: Sequence[ExitRule],
    position: Position,
    last: Price,
    high: Price,
    low: Price,
    since: datetime,
    newest_entry_fill_at: datetime | None,
) -> ExitSignal | None:
    """The first rule that says leave, or None. A flat position has nothing to leave.

    `high` and `low` reach back to `since` (venue time). Where that is before the newest entry fill
    (None: no entry since we look), they hold prices the position never saw: only `last` counts.
    """
    if position.is_flat:
        return None
    if newest_entry_fill_at is not None and since < newest_entry_fill_at:
        high = low = last
    for rule in sorted(rules, key=lambda each: each.kind):
        signal = rule.judge(position, last, high, low)
        if signal is not None:
            return signal
    return None
