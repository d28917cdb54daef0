"""Positions in three columns: broker, memory, database. Pure, of a snapshot.

None is "not known": no answer, no database, or a broker that has not answered for two periods, or
that was asked before our newest fill.
"""

from collections.abc import Iterator, Mapping

from actors.desk_snapshot import Snapshot
from trader.ids import AccountId, InstrumentId, SessionId
from trader.money import NO_QTY, Quantity
from trader.session.state import SessionState
from trader.views import PositionView


def position_views(
    look: Snapshot, rows: Mapping[AccountId, Mapping[SessionId, Quantity] | None]
) -> Iterator[PositionView]:
    """Three columns for every session, then what the broker holds and nobody owns."""
    owned: set[tuple[AccountId, InstrumentId]] = set()
    for session_id in look.seats:
        account_id, instrument = look.account_of(session_id), look.instrument_of(session_id)
        if account_id is None or instrument is None:
            continue
        owned.add((account_id, instrument))
        yield _position_view(look, session_id, account_id, instrument, rows.get(account_id))
    for account_id, account in look.accounts.items():
        for instrument, qty in ((account and account.positions) or {}).items():
            if (account_id, instrument) not in owned and qty != 0:
                yield PositionView(
                    session_id=None,
                    account_id=account_id,
                    instrument=instrument,
                    broker_qty=qty,
                    memory_qty=None,
                    database_qty=None,
                    agrees=False,
                    avg_px=None,
                    mark=None,
                    checked_age_s=None,
                )


def _position_view(
    look: Snapshot,
    session_id: SessionId,
    account_id: AccountId,
    instrument: InstrumentId,
    rows: Mapping[SessionId, Quantity] | None,
) -> PositionView:
    picture = look.pictures[session_id]
    state = None if picture is None or picture.state.fence is None else picture.state
    memory = None if state is None else state.position.qty
    database = None if rows is None else rows.get(session_id, NO_QTY)
    broker = _broker_qty(look, account_id, instrument, None if state is None else state)
    checked_s = None if state is None else state.positions_ok_s
    return PositionView(
        session_id=session_id,
        account_id=account_id,
        instrument=instrument,
        broker_qty=broker,
        memory_qty=memory,
        database_qty=database,
        agrees=broker is not None and broker == memory == database,
        avg_px=None if state is None else state.position.avg_px,
        mark=None if state is None else state.mark,
        checked_age_s=None if checked_s is None else look.now_s - checked_s,
    )


def _broker_qty(
    look: Snapshot, account_id: AccountId, instrument: InstrumentId, state: SessionState | None
) -> Quantity | None:
    """None where the broker has said nothing for two periods, or nothing since our newest fill."""
    account = look.accounts.get(account_id)
    if account is None or account.positions is None or account.positions_age_s is None:
        return None
    if account.positions_age_s > 2 * look.settings.reconcile.position_period_s:
        return None
    asked_s = look.now_s - account.positions_age_s
    if state is not None and state.newest_fill_s is not None and asked_s <= state.newest_fill_s:
        return None
    return account.positions.get(instrument, NO_QTY)
