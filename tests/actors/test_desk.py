"""What the desk shows, also of what is dead, wedged or unknown."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest
from desk_stage import BAR, INSTRUMENT, Poison, Stage, a_balance, play

from actors.audience import Unwatch, Watch
from actors.runtime import StopChild
from tests.trader.order_parts import ACCOUNT, SESSION, qty
from tests.trader.session.session_world import buy
from trader.ids import InstrumentId, SessionId
from trader.market.candle import Candle
from trader.market.events import CandleClosed, CandleUpdated
from trader.money import Quantity
from trader.session.events import CloseRequested, TradingState, TradingStateChanged
from trader.views import PositionView, WhyView


def why_of(stage: Stage) -> Awaitable[WhyView | None]:
    return stage.desk.why(SESSION)


def test_a_session_in_order_is_trading_and_would_be_let_through(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        (session,) = await stage.desk.sessions()
        why = await why_of(stage)

        assert (session.phase, session.blocked_by) == ("TRADING", ())
        assert why is not None
        assert all(answer.is_ok for answer in why.answers)

    play(tmp_path, scenario)


def test_why_names_every_reason_at_once_not_only_the_first(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.world.tell(TradingStateChanged(TradingState.HALTED, "lunch"))
        stage.world.state.is_line_up = False
        stage.world.state.is_feed_fresh = False
        why = await why_of(stage)
        (session,) = await stage.desk.sessions()

        assert why is not None
        failed = [answer.answer for answer in why.answers if not answer.is_ok]
        assert failed == [
            "the operator halted entries",
            "the account's event stream is down",
            "the market data feed is stale",
        ]
        assert session.blocked_by == ("halted", "stream_down", "feed_stale")

    play(tmp_path, scenario)


def test_the_halt_file_alone_shows_in_why(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.latch.write_file("by hand")
        status, why = await stage.desk.status(), await why_of(stage)

        assert status.trading_state is TradingState.HALTED
        assert why is not None
        (failed,) = [answer for answer in why.answers if not answer.is_ok]
        assert "HALT" in failed.answer

    play(tmp_path, scenario)


def test_a_session_nobody_has_heard_of_is_none(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        nobody = SessionId("nobody")

        assert await stage.desk.session(nobody) is None
        assert await stage.desk.why(nobody) is None
        assert await stage.desk.bars(nobody) is None
        assert await stage.desk.decisions(nobody) is None
        assert await stage.desk.close(nobody, "why not") is None

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("mend", "phase"),
    [
        pytest.param(
            lambda state: setattr(state, "orders_ok_s", None), "RECOVERING", id="recovering"
        ),
        pytest.param(
            lambda state: setattr(state, "is_strategy_ready", False), "WARMING_UP", id="warming up"
        ),
        pytest.param(lambda state: setattr(state, "is_exits_only", True), "EXITS_ONLY", id="exits"),
    ],
)
def test_the_phase_is_what_the_heart_is_at(
    tmp_path: Path, mend: Callable[[object], None], phase: str
) -> None:
    async def scenario(stage: Stage) -> None:
        mend(stage.world.state)
        session = await stage.desk.session(SESSION)

        assert session is not None
        assert session.phase == phase
        assert session.blocked_by

    play(tmp_path, scenario)


def test_a_closing_session_says_so(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.world.bar(buy(10))
        stage.world.lose = {"Submit", "AskPosition"}
        stage.world.tell(CloseRequested("c", "enough"))
        session = await stage.desk.session(SESSION)

        assert session is not None
        assert (session.phase, session.position_qty) == ("CLOSING", 10)
        assert "closing" in session.blocked_by

    play(tmp_path, scenario)


async def quarantine(stage: Stage) -> None:
    """The trader crashes too often within its window."""
    for _ in range(3):
        stage.runtime.address("trader:aapl").tell(Poison())
    await asyncio.sleep(5)


def test_a_quarantined_session_is_told_from_its_guardian(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.world.bar(buy(10))
        await quarantine(stage)
        session = await stage.desk.session(SESSION)

        assert session is not None
        assert (session.phase, session.position_qty) == ("QUARANTINED", 10)

    play(tmp_path, scenario, "guarded")


def test_questions_do_not_pile_up_before_a_quarantined_trader(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await quarantine(stage)
        for _ in range(5):
            status = await stage.desk.status()

        (session,) = status.sessions
        assert (session.phase, session.blocked_by) == ("QUARANTINED", ("trader_down",))
        assert not status.ready.is_ready
        (trader,) = [
            actor
            for group in (await stage.desk.actors()).children
            for actor in group.children
            if actor.name == "trader:aapl"
        ]
        assert trader.mailbox_depth <= 3  # the poison itself

    play(tmp_path, scenario)


@pytest.mark.parametrize("name", ["portfolio", "journal", "account:paper", "feed:paper"])
@pytest.mark.parametrize("trouble", ["gone", "dies of the question"])
def test_status_answers_without_one_of_the_actors(tmp_path: Path, name: str, trouble: str) -> None:
    async def scenario(stage: Stage) -> None:
        if trouble == "gone":
            stage.runtime.address("root").tell(StopChild(name))
            await asyncio.sleep(1)
        else:
            stage.dying.add(name)
        status = await stage.desk.status()

        assert len(status.sessions) == 1
        assert not status.ready.is_ready

    play(tmp_path, scenario)


def test_a_trader_that_does_not_answer_in_time_says_so_in_its_row(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.dying.add("trader:aapl")
        status = await stage.desk.status()

        (session,) = status.sessions
        assert (session.phase, session.blocked_by) == ("NOT_ANSWERING", ("trader_down",))
        assert session.instrument == INSTRUMENT  # the configuration knows as much

    play(tmp_path, scenario)


def test_without_a_portfolio_everybody_is_missing_from_the_heat(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.dying.add("portfolio")
        heat = await stage.desk.heat()

        assert (heat.level, heat.missing, heat.ratio) == ("UNKNOWN", (SESSION,), None)

    play(tmp_path, scenario)


def test_heat_shows_who_is_missing_and_every_group_with_its_cap(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.missing = (SESSION,)
        heat = await stage.desk.heat()

        assert (heat.level, heat.missing) == ("UNKNOWN", (SESSION,))
        (share,) = heat.contributions
        assert not share.is_complete
        assert [(each.group, each.cap_ratio) for each in heat.groups] == [
            ("banks", Decimal("0.1")),
            ("tech", Decimal("0.5")),
        ]

    play(tmp_path, scenario)


# ------------------------------------------------------------------------------------- positions


async def the_position(stage: Stage) -> PositionView:
    return next(each for each in await stage.desk.positions() if each.session_id == SESSION)


def columns(position: PositionView) -> tuple[Quantity | None, Quantity | None, Quantity | None]:
    return position.broker_qty, position.memory_qty, position.database_qty


def test_three_columns_that_are_equal_agree(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.world.bar(buy(10))
        stage.rows.position = 10
        stage.account.update(positions={INSTRUMENT: qty(10)}, asked_s=stage.world.now_s + 1)
        await asyncio.sleep(2)
        position = await the_position(stage)

        assert columns(position) == (10, 10, 10)
        assert position.agrees

    play(tmp_path, scenario)


@pytest.mark.parametrize(("broker", "database"), [(9, 10), (10, 9), (0, 0)])
def test_any_two_columns_that_differ_do_not_agree(
    tmp_path: Path, broker: int, database: int
) -> None:
    async def scenario(stage: Stage) -> None:
        stage.world.bar(buy(10))
        stage.rows.position = database
        stage.account.update(positions={INSTRUMENT: qty(broker)}, asked_s=stage.world.now_s + 1)
        await asyncio.sleep(2)

        assert not (await the_position(stage)).agrees

    play(tmp_path, scenario)


def test_a_broker_that_has_said_nothing_for_two_periods_agrees_with_nobody(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.account.update(asked_s=stage.host.elapsed())
        await asyncio.sleep(60)
        assert (await the_position(stage)).agrees

        await asyncio.sleep(1)
        position = await the_position(stage)

        assert columns(position) == (None, 0, 0)
        assert not position.agrees

    play(tmp_path, scenario)


def test_a_snapshot_older_than_our_newest_fill_says_nothing_of_the_broker(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.account.update(asked_s=stage.world.now_s)
        await asyncio.sleep(1)
        stage.world.now_s = stage.host.elapsed()
        stage.world.bar(buy(10))
        position = await the_position(stage)

        assert columns(position) == (None, 10, 0)
        assert not position.agrees

    play(tmp_path, scenario)


def test_without_a_database_its_column_is_unknown_not_flat(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.rows.is_down = True
        position = await the_position(stage)

        assert columns(position) == (0, 0, None)
        assert not position.agrees

    play(tmp_path, scenario)


def test_what_the_broker_holds_and_nobody_owns_is_shown(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        msft = InstrumentId("MSFT.ALPACA")
        stage.account.update(positions={INSTRUMENT: qty(0), msft: qty(7)})
        unowned = [each for each in await stage.desk.positions() if each.session_id is None]

        assert [(each.instrument, each.broker_qty, each.agrees) for each in unowned] == [
            (msft, 7, False)
        ]

    play(tmp_path, scenario)


# ------------------------------------------------------------------------------------- readiness


def breaks(**changes: object) -> Callable[[Stage], None]:
    def break_it(stage: Stage) -> None:
        for name, value in changes.items():
            setattr(stage, name, value)

    return break_it


@pytest.mark.parametrize(
    ("break_it", "check"),
    [
        pytest.param(breaks(is_journal_up=False), "journal", id="the journal is degraded"),
        pytest.param(breaks(spooled_count=1), "spool", id="an exit waits in the spool"),
        pytest.param(breaks(missing=(SESSION,)), "heat", id="the heat has a hole"),
        pytest.param(
            lambda stage: setattr(stage.rows, "is_down", True), "database", id="no database"
        ),
        pytest.param(
            lambda stage: stage.account.update(is_line_up=False), "stream paper", id="no stream"
        ),
        pytest.param(
            lambda stage: stage.account.update(lease_left_s=None), "lease paper", id="no lease"
        ),
        pytest.param(
            lambda stage: stage.feed.update(stale=(INSTRUMENT,)), "feed paper", id="a stale feed"
        ),
        pytest.param(
            lambda stage: stage.feed.update(is_market_open=None), "feed paper", id="no market hours"
        ),
        pytest.param(
            lambda stage: setattr(stage.world.state, "positions_ok_s", None),
            "reconcile aapl",
            id="never reconciled",
        ),
        pytest.param(
            lambda stage: setattr(stage.world.state, "positions_ok_s", -60.1),
            "reconcile aapl",
            id="reconciled more than two periods ago",
        ),
    ],
)
def test_the_house_is_not_ready_where(
    tmp_path: Path, break_it: Callable[[Stage], None], check: str
) -> None:
    async def scenario(stage: Stage) -> None:
        assert (await stage.desk.ready()).is_ready
        break_it(stage)
        ready = await stage.desk.ready()

        assert not ready.is_ready
        assert [each.name for each in ready.checks if not each.is_ok] == [check]

    play(tmp_path, scenario)


# ---------------------------------------------------------------------------------------- others


def test_live_is_what_the_brokers_handshake_says(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.balance = a_balance("")
        (unknown,) = await stage.desk.accounts()
        stage.balance = a_balance("PA1")
        (paper,) = await stage.desk.accounts()

        assert (unknown.is_live, paper.is_live) == (False, False)
        assert (paper.broker_account, paper.lease_epoch) == ("PA1", 4)

    play(tmp_path, scenario)


def test_a_message_to_nobody_is_shown_with_its_instant(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.runtime.address("nobody").tell(CloseRequested("c", "x"))
        (letter,) = await stage.desk.dead_letters()

        assert (letter.to, letter.message) == ("nobody", "CloseRequested")
        assert letter.happened_at == stage.host.now()

    play(tmp_path, scenario)


def test_following_bars_shows_the_forming_bar_and_every_closed_one(tmp_path: Path) -> None:
    def bar(minute: int, *, is_final: bool) -> Candle:
        return Candle(
            BAR.instrument,
            BAR.timeframe,
            BAR.opened_at.replace(minute=minute),
            BAR.open,
            BAR.high,
            BAR.low,
            BAR.close,
            BAR.volume,
            is_final,
        )

    async def scenario(stage: Stage) -> None:
        following = stage.desk.follow_bars(SESSION)
        first = asyncio.ensure_future(anext(following))
        await asyncio.sleep(0.1)
        (watch,) = [each for each in stage.feed_heard if isinstance(each, Watch)]
        watch.reply_to.tell(CandleUpdated(bar(1, is_final=False)))
        seen = [await first]
        for message in (
            CandleClosed(bar(1, is_final=True), None),
            CandleClosed(bar(2, is_final=True), None),
            CandleUpdated(bar(3, is_final=False)),
        ):
            watch.reply_to.tell(message)
        await asyncio.sleep(0.1)
        seen += [await anext(following) for _ in range(3)]
        await following.aclose()
        await asyncio.sleep(0.1)

        assert [(each.opened_at.minute, each.is_final) for each in seen] == [
            (1, False),
            (1, True),
            (2, True),
            (3, False),
        ]
        assert any(isinstance(each, Unwatch) for each in stage.feed_heard)

    play(tmp_path, scenario)


def test_the_newest_bars_come_with_the_forming_one_last(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        bars = await stage.desk.bars(SESSION)

        assert bars is not None
        assert [each.is_final for each in bars] == [False]
        assert (await stage.desk.feeds())[0].is_connected
        assert (await stage.desk.status()).accounts[0].id == ACCOUNT

    play(tmp_path, scenario)
