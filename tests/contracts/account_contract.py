"""What every account must do, whatever venue is behind it."""

from decimal import Decimal
from typing import Protocol

import pytest
from contracts.broker_parts import (
    Ears,
    a_cancel,
    a_limit,
    a_replace,
    an_order,
    recorded,
)

from trader.accounts.events import BalanceReported, StreamConnected
from trader.ids import ClientOrderId, InstrumentId
from trader.money import price_of, quantity_of
from trader.orders.events import OrderAbsent, OrderFilled, OrderReported
from trader.orders.order import OrderReport, OrderType, Purpose, Side, Status, TimeInForce
from trader.ports import (
    Accepted,
    Account,
    AccountEvent,
    ExecutionsReported,
    NotSent,
    OrdersReported,
    Rejected,
    Unknown,
)
from trader.positions.events import PositionsReported


class Stage(Protocol):
    """An account that was started on `ears`, flat, in a market that the test moves by hand."""

    account: Account
    ears: Ears[AccountEvent]
    instrument: InstrumentId

    async def price(self, price: str) -> None:
        """Bring the market to a price, with ample liquidity there."""


def go() -> None:
    """A gate that lets everything through."""


class AccountContract:
    """Inherit, and give a fixture `stage`. The market stands at 100 when a test begins."""

    async def test_the_stream_says_that_it_is_up(self, stage: Stage) -> None:
        await stage.ears.until_a(StreamConnected)

    async def test_an_accepted_order_is_found_by_our_own_id(self, stage: Stage) -> None:
        order = a_limit("1", "90", instrument=stage.instrument)

        answer = await stage.account.submit(recorded(order), go)

        assert isinstance(answer, Accepted)
        found = await stage.account.find(order.id)
        assert isinstance(found, OrderReported)
        report = found.report
        assert report.broker_order_id == answer.broker_order_id
        assert (report.instrument, report.side, report.type, report.tif) == (
            stage.instrument, Side.BUY, OrderType.LIMIT, TimeInForce.GTC,
        )  # fmt: skip
        assert (report.qty, report.price, report.cum_qty) == (10, 90, 0)
        assert found.asked_s is not None

    async def test_an_order_that_was_never_sent_is_absent(self, stage: Stage) -> None:
        answer = await stage.account.find(ClientOrderId("t1neversent"))

        assert isinstance(answer, OrderAbsent)

    async def test_a_gate_that_refuses_keeps_the_order_from_the_venue(self, stage: Stage) -> None:
        order = an_order("1", instrument=stage.instrument)
        refusal = NotSent("halted", "by hand")

        answer = await stage.account.submit(recorded(order), lambda: refusal)

        assert answer == refusal
        assert isinstance(await stage.account.find(order.id), OrderAbsent)

    async def test_the_gate_is_asked_once_for_each_write(self, stage: Stage) -> None:
        asked: list[str] = []
        order = a_limit("1", "90", instrument=stage.instrument)
        successor = a_limit("2", "91", instrument=stage.instrument)

        first = await stage.account.submit(recorded(order), lambda: asked.append("submit"))
        assert isinstance(first, Accepted)
        await self._working(stage, order.id)
        second = await stage.account.replace(
            a_replace(order, first.broker_order_id, successor), lambda: asked.append("replace")
        )
        assert isinstance(second, Accepted)
        await self._working(stage, successor.id)
        await stage.account.cancel(
            a_cancel(successor, second.broker_order_id), lambda: asked.append("cancel")
        )

        assert asked == ["submit", "replace", "cancel"]

    async def test_the_same_order_sent_twice_is_one_order(self, stage: Stage) -> None:
        if not stage.account.capabilities.resend_safe:
            pytest.skip("this venue does not promise it")
        order = a_limit("1", "90", instrument=stage.instrument)

        await stage.account.submit(recorded(order), go)
        again = await stage.account.submit(recorded(order), go)

        assert isinstance(again, Unknown | Accepted)  # never a refusal: it exists
        listed = await stage.account.open_orders()
        assert isinstance(listed, OrdersReported)
        assert [report.client_order_id for report in listed.reports] == [order.id]

    async def test_a_fill_is_heard_and_listed_under_one_execution_id(self, stage: Stage) -> None:
        order = an_order("1", instrument=stage.instrument)

        await stage.account.submit(recorded(order), go)

        filled = await self._report(stage, order.id, Status.FILLED)
        assert filled.cum_qty == 10
        heard = {
            e.fill.execution_id: e.fill for e in stage.ears.heard if isinstance(e, OrderFilled)
        }
        assert sum(fill.qty for fill in heard.values()) == 10
        listed = await stage.account.executions(None)
        assert isinstance(listed, ExecutionsReported)
        assert {fill.execution_id for fill in listed.fills} == set(heard)
        for fill in listed.fills:
            twin = heard[fill.execution_id]
            assert (fill.client_order_id, fill.broker_order_id) == (order.id, twin.broker_order_id)
            assert (fill.side, fill.qty, fill.price) == (Side.BUY, twin.qty, twin.price)
            assert (fill.cum_qty, fill.happened_at) == (twin.cum_qty, twin.happened_at)

    async def test_reading_executions_from_a_cursor_misses_none(self, stage: Stage) -> None:
        await stage.account.submit(recorded(an_order("1", instrument=stage.instrument)), go)
        await self._report(stage, an_order("1").id, Status.FILLED)
        first = await stage.account.executions(None)
        assert isinstance(first, ExecutionsReported)
        await stage.account.submit(recorded(an_order("2", instrument=stage.instrument)), go)
        await self._report(stage, an_order("2").id, Status.FILLED)

        second = await stage.account.executions(first.cursor)

        assert isinstance(second, ExecutionsReported)
        assert not second.has_more
        known = {fill.execution_id for fill in first.fills}
        fresh = [fill for fill in second.fills if fill.execution_id not in known]
        assert sum(fill.qty for fill in fresh) == 10
        instants = [fill.happened_at for fill in second.fills]
        assert instants == sorted(instants)

    async def test_a_canceled_order_is_reported_canceled(self, stage: Stage) -> None:
        order = a_limit("1", "90", instrument=stage.instrument)
        accepted = await stage.account.submit(recorded(order), go)
        assert isinstance(accepted, Accepted)
        await self._working(stage, order.id)

        answer = await stage.account.cancel(a_cancel(order, accepted.broker_order_id), go)

        assert answer == Accepted(accepted.broker_order_id)
        report = await self._report(stage, order.id, Status.CANCELED)
        assert report.text != "replaced"
        listed = await stage.account.open_orders()
        assert isinstance(listed, OrdersReported)
        assert listed.reports == ()

    async def test_cancelling_what_is_filled_is_refused(self, stage: Stage) -> None:
        order = an_order("1", instrument=stage.instrument)
        accepted = await stage.account.submit(recorded(order), go)
        assert isinstance(accepted, Accepted)
        await self._report(stage, order.id, Status.FILLED)

        answer = await stage.account.cancel(a_cancel(order, accepted.broker_order_id), go)

        assert isinstance(answer, Rejected)
        assert answer.code == "not_cancelable"

    async def test_a_replaced_order_ends_and_its_successor_names_it(self, stage: Stage) -> None:
        order = a_limit("1", "90", instrument=stage.instrument)
        successor = a_limit("2", "91", instrument=stage.instrument, qty=quantity_of("7"))
        first = await stage.account.submit(recorded(order), go)
        assert isinstance(first, Accepted)
        await self._working(stage, order.id)

        second = await stage.account.replace(a_replace(order, first.broker_order_id, successor), go)

        assert isinstance(second, Accepted)
        old = await self._report(stage, order.id, Status.CANCELED)
        assert (old.text, old.replaced_by) == ("replaced", second.broker_order_id)
        found = await stage.account.find(successor.id)
        assert isinstance(found, OrderReported)
        assert found.report.replaces == first.broker_order_id
        assert (found.report.price, found.report.qty) == (91, 7)

    async def test_positions_are_signed_and_flat_is_an_empty_list(self, stage: Stage) -> None:
        assert await self._position(stage) is None

        await stage.account.submit(recorded(an_order("1", instrument=stage.instrument)), go)
        await self._report(stage, an_order("1").id, Status.FILLED)
        assert await self._position(stage) == 10

        out = an_order("2", instrument=stage.instrument, side=Side.SELL, purpose=Purpose.EXIT)
        await stage.account.submit(recorded(out), go)
        await self._report(stage, out.id, Status.FILLED)
        assert await self._position(stage) is None

        short = an_order("3", instrument=stage.instrument, side=Side.SELL, qty=quantity_of("4"))
        await stage.account.submit(recorded(short), go)
        await self._report(stage, short.id, Status.FILLED)
        assert await self._position(stage) == -4

    async def test_a_stop_rests_until_the_market_reaches_it(self, stage: Stage) -> None:
        await stage.account.submit(recorded(an_order("1", instrument=stage.instrument)), go)
        await self._report(stage, an_order("1").id, Status.FILLED)
        stop = an_order(
            "2", instrument=stage.instrument, side=Side.SELL, type=OrderType.STOP_MARKET,
            tif=TimeInForce.GTC, stop_price=price_of("95"), purpose=Purpose.PROTECT,
        )  # fmt: skip
        await stage.account.submit(recorded(stop), go)
        resting = await stage.account.find(stop.id)
        assert isinstance(resting, OrderReported)
        assert (resting.report.type, resting.report.stop_price) == (OrderType.STOP_MARKET, 95)

        await stage.price("94")

        await self._report(stage, stop.id, Status.FILLED)
        assert await self._position(stage) is None

    async def test_every_open_order_is_listed(self, stage: Stage) -> None:
        orders = [a_limit(str(n), "90", instrument=stage.instrument) for n in range(7)]
        for order in orders:
            await stage.account.submit(recorded(order), go)

        listed = await stage.account.open_orders()

        assert isinstance(listed, OrdersReported)
        assert {r.client_order_id for r in listed.reports} == {order.id for order in orders}

    async def test_more_than_the_account_can_pay_is_refused(self, stage: Stage) -> None:
        order = an_order("1", instrument=stage.instrument, qty=quantity_of("1000000"))

        answer = await stage.account.submit(recorded(order), go)

        assert isinstance(answer, Rejected)
        assert answer.code == "insufficient_funds"

    async def test_the_balance_is_in_decimals_and_names_the_account(self, stage: Stage) -> None:
        answer = await stage.account.balance()

        assert isinstance(answer, BalanceReported)
        assert answer.balance.equity.amount > 0
        assert isinstance(answer.balance.cash.amount, Decimal)
        assert answer.balance.broker_account
        assert not answer.balance.is_blocked

    async def _report(self, stage: Stage, order_id: str, status: Status) -> OrderReport:
        event = await stage.ears.until(
            lambda e: (
                isinstance(e, OrderReported)
                and (e.report.client_order_id, e.report.status) == (order_id, status)
            )
        )
        assert isinstance(event, OrderReported)
        return event.report

    async def _working(self, stage: Stage, order_id: str) -> None:
        """Wait until the venue has it in its book: before that some refuse to change it."""
        await self._report(stage, order_id, Status.ACCEPTED)

    async def _position(self, stage: Stage) -> Decimal | None:
        answer = await stage.account.positions()
        assert isinstance(answer, PositionsReported)
        return {p.instrument: p.qty for p in answer.positions}.get(stage.instrument)
