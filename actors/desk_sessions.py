"""Sessions as the outside sees them: phase, why an entry would be refused, orders.

Pure: from a snapshot to views. The questions of `why` are the gate's own, in its order; what only
the house knows (the latch, the feed, the room left in the heat) follows them.
"""

from collections.abc import Iterator
from decimal import Decimal

from actors.desk_snapshot import Seat, Snapshot
from actors.realtime_trader import SessionPicture
from actors.runtime import State
from trader.ids import AccountId, InstrumentId
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.money import NO_QTY, ZERO, plain
from trader.orders.order import Status
from trader.orders.working import WorkingOrder
from trader.records import DecisionEntry
from trader.risk.standing import Check, entry_checks
from trader.session.events import TradingState
from trader.session.gating import standing
from trader.session.state import SessionState
from trader.views import BarView, DecisionView, OrderView, SessionView


def phase_of(seat: Seat, picture: SessionPicture | None) -> str:
    """Where a session is in its life, in one word."""
    if seat.trader is not None and seat.trader.state is State.QUARANTINED:
        return "QUARANTINED"
    bearer = seat.bearer
    if bearer is None or bearer.state is not State.RUNNING:
        return "DOWN"
    if picture is None:
        return "NOT_ANSWERING"
    state = picture.state
    if not state.is_ready:
        return "RECOVERING"
    if state.closing is not None:
        return "CLOSING"
    if state.is_exits_only or state.trading_state is TradingState.EXITS_ONLY:
        return "EXITS_ONLY"
    return "TRADING" if state.is_strategy_ready else "WARMING_UP"


def checks_of(look: Snapshot, seat: Seat) -> tuple[Check, ...]:
    """Everything that must hold for an entry of this session, the gate's questions first."""
    picture = look.pictures[seat.session_id]
    if picture is None:
        phase = phase_of(seat, None)
        bearer = seat.bearer
        detail = phase if bearer is None else f"{phase}: {bearer.last_error or bearer.state}"
        return (Check("trader_down", "Does the session's trader answer?", detail, False),)
    state = picture.state
    return (
        *entry_checks(standing(state, look.now_s), state.rules.limits, state.mark),
        *_house_checks(look, state),
    )


def _house_checks(look: Snapshot, state: SessionState) -> Iterator[Check]:
    if state.rules.strategy is not None:
        ready = "it is" if state.is_strategy_ready else "it is being fed its history"
        question = "Is the strategy warmed up?"
        yield Check("warming_up", question, ready, state.is_strategy_ready)
    answer = look.halted or "nothing at the socket holds an entry back"
    yield Check("halted", "Does the last gate let entries through?", answer, not look.halted)
    yield _feed_check(look, state)
    yield _room_check(look)


def _feed_check(look: Snapshot, state: SessionState) -> Check:
    question = "Does the feed deliver?"
    feed = look.feeds.get(state.rules.account_id)
    if feed is None:
        return Check("feed_down", question, "the feed's actor does not answer", False)
    if not feed.is_connected:
        return Check("feed_down", question, "not connected", False)
    age_s = feed.last_frame_age_s
    answer = "no frame yet" if age_s is None else f"the last frame came {age_s:.1f} s ago"
    return Check("feed_down", question, answer, age_s is not None)


def _room_check(look: Snapshot) -> Check:
    question = "Is there room for more heat?"
    picture = look.heat
    if picture is None or picture.limits is None or picture.heat.equity is None:
        return Check("heat_unknown", question, "nobody can say", False)
    block = picture.limits.block_ratio * picture.heat.equity
    room = block - picture.heat.high
    answer = f"{plain(room)} of {plain(block)} {look.settings.portfolio.currency}"
    return Check("heat_block", question, answer, room > 0)


def session_view(look: Snapshot, seat: Seat) -> SessionView:
    """One session as it stands; what a silent trader would know is None or zero."""
    session_id = seat.session_id
    picture = look.pictures[session_id]
    config = look.settings.sessions.get(session_id)
    bearer = seat.bearer
    failed = tuple(dict.fromkeys(one.reason_code for one in checks_of(look, seat) if not one.is_ok))
    state = None if picture is None else picture.state
    shares = () if look.heat is None else look.heat.contributions
    candles = () if state is None or state.cursor is None else state.cursor.last(1)
    open_orders = [] if state is None else state.open_orders()
    age_s = None
    if state is not None and state.positions_ok_s is not None:
        age_s = look.now_s - state.positions_ok_s
    return SessionView(
        id=session_id,
        account_id=look.account_of(session_id) or AccountId(""),
        instrument=look.instrument_of(session_id) or InstrumentId(""),
        timeframe=config.timeframe if config else Timeframe.M1,
        strategy=config.strategy if config else "",
        group=config.group if config else "",
        phase=phase_of(seat, picture),
        trading_state=look.trading_state if state is None else state.trading_state,
        blocked_by=failed,
        incarnation=0 if state is None else state.incarnation,
        restarts_count=0 if bearer is None else bearer.restarts_count,
        position_qty=NO_QTY if state is None else state.position.qty,
        avg_px=None if state is None else state.position.avg_px,
        mark=None if state is None else state.mark,
        realized=ZERO if state is None else state.position.realized,
        unrealized=None if state is None else _unrealized(state),
        heat_high=next((one.high for one, _ in shares if one.session_id == session_id), None),
        working_orders_count=len(open_orders),
        unknown_orders_count=sum(one.status is Status.UNKNOWN for one in open_orders),
        reconcile_age_s=age_s,
        reconcile_age_s_max=2 * look.settings.reconcile.position_period_s,
        feed_is_fresh=state is not None and state.is_feed_fresh,
        feed_detail="" if state is None else _feed_check(look, state).answer,
        last_bar=bar_view(candles[-1]) if candles else None,
        last_decision=decision_view(picture.decisions[0])
        if picture is not None and picture.decisions
        else None,
    )


def _unrealized(state: SessionState) -> Decimal | None:
    position = state.position
    if position.is_flat:
        return ZERO
    if position.avg_px is None or state.mark is None:
        return None
    return (state.mark - position.avg_px) * position.qty * state.multiplier


def bar_view(candle: Candle) -> BarView:
    """A bar."""
    return BarView(
        instrument=candle.instrument,
        timeframe=candle.timeframe,
        opened_at=candle.opened_at,
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        volume=candle.volume,
        is_final=candle.is_final,
        revision=candle.revision,
    )


def decision_view(entry: DecisionEntry) -> DecisionView:
    """A decision that may not have its row yet."""
    return DecisionView(
        session_id=entry.session_id,
        bar_opened_at=entry.bar_opened_at,
        action=entry.action,
        reason=entry.reason,
        reason_code=entry.reason_code,
        bar_digest=entry.bar_digest,
        order_ids=entry.order_ids,
    )


def order_view(state: SessionState, working: WorkingOrder) -> OrderView:
    """An order as its session knows it: without the database."""
    order = working.order
    proof = state.proofs.get(order.id)
    return OrderView(
        id=order.id,
        session_id=order.session_id,
        account_id=order.account_id,
        instrument=order.instrument,
        side=order.side,
        type=order.type,
        tif=order.tif,
        purpose=order.purpose,
        qty=order.qty,
        cum_qty=working.cum_qty,
        leaves_qty=working.leaves_qty,
        avg_px=working.avg_px,
        price=order.price,
        stop_price=order.stop_price,
        protective_stop=order.protective_stop,
        status=working.status,
        reason=order.reason,
        reason_code=working.reason_code,
        broker_order_id=working.broker_order_id,
        replaces=order.replaces,
        recorded_at=None if proof is None else proof.recorded_at,
    )
