"""What every journal with its ledger must do, whatever is behind it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Protocol

import pytest
from store.store_parts import (
    AAPL,
    ACCOUNT,
    SESSION,
    a_balance,
    a_cancel,
    a_change_entry,
    a_cursor,
    a_decision,
    a_fence,
    a_fill,
    a_replace,
    an_adjustment,
    an_id,
    an_order,
    an_order_entry,
    progress,
)

from trader.accounts.account import Balance
from trader.errors import Fenced, StoreError
from trader.ids import ClientOrderId, InstrumentId, SessionId
from trader.money import Quantity
from trader.orders.order import Order, Purpose, Status
from trader.ports import Journal, Ledger
from trader.proofs import Durability
from trader.records import HeldByAnother, Kept, Lease, NotKept, StoredOrder

TTL_S = 60.0


class StoreStage(Protocol):
    """A journal, a ledger, and eyes on the rows behind them."""

    journal: Journal
    ledger: Ledger

    async def events_of(self, order_id: ClientOrderId) -> list[tuple[str, Status]]:
        """The event rows of an order, oldest first, its recording left out."""
        ...

    async def counts(self) -> dict[str, int]:
        """Rows a table: orders, changes, fills, adjustments, balances, decisions."""
        ...

    async def expire(self, lease: Lease) -> None:
        """The server's clock passes the lease's end."""
        ...


def the_order(item: object) -> Order:
    """What a journal kept, which must be an order."""
    assert isinstance(item, Kept)
    assert item.recorded is not None
    assert isinstance(item.recorded.item, Order)
    return item.recorded.item


class JournalContract:
    """Inherit it with a fixture `stage`."""

    @pytest.fixture
    async def begun(self, stage: StoreStage) -> StoreStage:
        """The account is held, the session begun: epoch 1, incarnation 1."""
        lease = await stage.ledger.claim(ACCOUNT, "house-a", TTL_S)
        assert isinstance(lease, Lease)
        await stage.ledger.begin_session(SESSION, ACCOUNT, AAPL, lease.epoch)
        return stage

    async def loaded(self, stage: StoreStage) -> dict[ClientOrderId, StoredOrder]:
        """What the next incarnation would find."""
        rows = await stage.ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)
        return {stored.order.id: stored for stored in rows.orders}

    # ------------------------------------------------------------------ orders

    async def test_a_recorded_order_is_found_by_the_next_incarnation(self, begun: StoreStage):
        entry = an_order_entry(price=None, protective_stop=Decimal("140.10"))

        (outcome,) = await begun.journal.write([entry])

        assert the_order(outcome) == entry.order.item
        assert outcome.recorded.durability is Durability.DATABASE
        assert outcome.recorded.recorded_at.tzinfo is not None
        stored = (await self.loaded(begun))[an_id(1)]
        assert stored.order == entry.order.item
        assert stored.status is Status.INITIALIZED
        assert stored.recorded_at == outcome.recorded.recorded_at

    async def test_recording_the_same_order_twice_keeps_the_first(self, begun: StoreStage):
        first = an_order_entry(qty=Quantity(Decimal(10)))
        other = an_order_entry(qty=Quantity(Decimal(99)))
        await begun.journal.write([first])
        await begun.journal.write([progress(Status.ACCEPTED)])

        (outcome,) = await begun.journal.write([other])

        assert the_order(outcome).qty == 10
        assert outcome.was_stored
        assert outcome.stored_status is Status.ACCEPTED
        assert (await begun.counts())["orders"] == 1

    async def test_the_same_order_twice_in_one_batch_is_one_row(self, begun: StoreStage):
        outcomes = await begun.journal.write(
            [an_order_entry(1), an_order_entry(2), an_order_entry(1, qty=Quantity(Decimal(99)))]
        )

        assert [outcome.was_stored for outcome in outcomes] == [False, False, True]
        assert the_order(outcomes[2]).qty == 10
        assert (await begun.counts())["orders"] == 2

    async def test_a_hundred_orders_are_kept_in_their_order(self, begun: StoreStage):
        entries = [an_order_entry(n) for n in range(100)]

        outcomes = await begun.journal.write(entries)

        assert [the_order(o) for o in outcomes] == [e.order.item for e in entries]
        assert list(await self.loaded(begun)) == [e.order.item.id for e in entries]

    async def test_nothing_written_is_nothing_kept(self, begun: StoreStage):
        assert await begun.journal.write([]) == ()

    # ------------------------------------------------------------------ the fence

    async def test_an_older_epoch_writes_nothing(self, begun: StoreStage):
        lease = await begun.ledger.renew(Lease(ACCOUNT, "house-a", 1, 0.0), TTL_S)
        assert isinstance(lease, Lease)
        await begun.expire(lease)
        taken = await begun.ledger.claim(ACCOUNT, "house-b", TTL_S)
        assert isinstance(taken, Lease)
        assert taken.epoch == 2

        outcomes = await begun.journal.write(
            [an_order_entry(), a_cursor(), a_balance(), a_fill(), an_adjustment(), a_decision()]
        )

        reasons = [outcome.reason_code for outcome in outcomes if isinstance(outcome, NotKept)]
        assert len(reasons) == 6
        assert set(reasons) <= {"fenced_epoch", "fill_not_kept"}
        assert not any((await begun.counts()).values())
        assert await begun.ledger.executions_cursor(ACCOUNT) is None

    async def test_an_older_incarnation_writes_nothing(self, begun: StoreStage):
        await begun.ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)

        old, new = await begun.journal.write(
            [an_order_entry(1), an_order_entry(2, fence=a_fence(incarnation=2))]
        )

        assert isinstance(old, NotKept)
        assert old.reason_code == "fenced_incarnation"
        assert isinstance(new, Kept)
        assert (await begun.counts())["orders"] == 1

    async def test_an_account_that_nobody_holds_takes_no_row(self, stage: StoreStage):
        (outcome,) = await stage.journal.write([an_order_entry()])

        assert isinstance(outcome, NotKept)
        assert outcome.reason_code == "fenced_epoch"

    async def test_the_accounts_own_rows_need_no_session(self, begun: StoreStage):
        outcomes = await begun.journal.write([a_balance(), a_cursor("c7")])

        assert outcomes == (Kept(), Kept())
        assert await begun.ledger.executions_cursor(ACCOUNT) == "c7"

    # ------------------------------------------------------------------ how orders fare

    async def test_an_orders_life_is_rebuilt_from_its_rows(self, begun: StoreStage):
        await begun.journal.write([an_order_entry()])
        await begun.journal.write(
            [
                progress(Status.SUBMITTED, event="order_submitted"),
                progress(Status.ACCEPTED),
                progress(Status.PARTIALLY_FILLED, event="order_filled", cum_qty=4),
            ]
        )
        await begun.journal.write([progress(Status.FILLED, event="order_filled", cum_qty=10)])

        assert await begun.events_of(an_id(1)) == [
            ("order_submitted", Status.SUBMITTED),
            ("order_accepted", Status.ACCEPTED),
            ("order_filled", Status.PARTIALLY_FILLED),
            ("order_filled", Status.FILLED),
        ]
        stored = (await self.loaded(begun))[an_id(1)]
        assert stored.status is Status.FILLED
        assert stored.cum_qty == 10
        assert stored.avg_px == Decimal("150.25")
        assert stored.broker_order_id == "b1"

    async def test_writing_the_same_progress_again_changes_nothing(self, begun: StoreStage):
        await begun.journal.write([an_order_entry()])
        batch = [
            progress(Status.SUBMITTED, event="order_submitted"),
            progress(Status.ACCEPTED),
        ]
        await begun.journal.write(batch)

        outcomes = await begun.journal.write(batch)
        longer = await begun.journal.write([*batch, progress(Status.CANCELED, event="canceled")])

        assert outcomes == (Kept(), Kept())
        assert longer == (Kept(), Kept(), Kept())
        assert [status for _, status in await begun.events_of(an_id(1))] == [
            Status.SUBMITTED,
            Status.ACCEPTED,
            Status.CANCELED,
        ]

    async def test_a_refused_cancel_may_be_refused_again_later(self, begun: StoreStage):
        await begun.journal.write([an_order_entry()])
        for _ in range(2):
            await begun.journal.write([progress(Status.PENDING_CANCEL, event="cancel_asked")])
            await begun.journal.write([progress(Status.ACCEPTED, event="cancel_rejected")])

        assert len(await begun.events_of(an_id(1))) == 4

    async def test_progress_of_an_order_without_a_row_is_refused_alone(self, begun: StoreStage):
        kept, unknown = await begun.journal.write([an_order_entry(1), progress(n=2)])

        assert isinstance(kept, Kept)
        assert isinstance(unknown, NotKept)
        assert unknown.reason_code == "unknown_order"

    async def test_an_expired_order_revives_on_the_venues_word(self, begun: StoreStage):
        await begun.journal.write([an_order_entry(), progress(Status.EXPIRED, event="expired")])

        await begun.journal.write([progress(Status.ACCEPTED)])

        assert (await self.loaded(begun))[an_id(1)].status is Status.ACCEPTED

    async def test_the_open_orders_are_those_that_have_not_ended(self, begun: StoreStage):
        await begun.journal.write([an_order_entry(n) for n in (1, 2, 3)])
        await begun.journal.write([progress(Status.CANCELED, 1), progress(Status.UNKNOWN, 2)])

        assert await begun.ledger.open_orders(ACCOUNT) == {
            SESSION: {an_id(2): Status.UNKNOWN, an_id(3): Status.INITIALIZED}
        }

    # ------------------------------------------------------------------ changes

    async def test_a_cancel_request_is_pending_until_it_is_answered(self, begun: StoreStage):
        await begun.journal.write([an_order_entry(), progress(Status.ACCEPTED)])
        (asked,) = await begun.journal.write([a_change_entry(a_cancel())])
        assert isinstance(asked, Kept)
        assert asked.recorded is not None
        assert asked.recorded.item == a_cancel()
        before = (await self.loaded(begun))[an_id(1)]

        fence = a_fence(incarnation=2)
        await begun.journal.write(
            [progress(Status.PENDING_CANCEL, event="cancel_asked", fence=fence)]
        )
        # a partial fill in between is no answer to the request
        await begun.journal.write([progress(Status.PENDING_CANCEL, cum_qty=4, fence=fence)])
        asked_still = (await self.loaded(begun))[an_id(1)]
        fence = a_fence(incarnation=3)
        await begun.journal.write(
            [progress(Status.ACCEPTED, event="cancel_rejected", cum_qty=4, fence=fence)]
        )
        after = (await self.loaded(begun))[an_id(1)]

        assert before.pending_cancel
        assert asked_still.pending_cancel
        assert not after.pending_cancel

    async def test_a_replace_writes_its_successor_as_an_order(self, begun: StoreStage):
        await begun.journal.write([an_order_entry(), progress(Status.ACCEPTED)])
        (outcome,) = await begun.journal.write([a_change_entry(a_replace())])
        (again,) = await begun.journal.write([a_change_entry(a_replace())])

        assert isinstance(outcome, Kept)
        assert outcome.recorded is not None
        assert outcome.recorded.item == a_replace()
        assert isinstance(again, Kept)
        assert again.was_stored
        assert again.recorded == outcome.recorded
        stored = await self.loaded(begun)
        assert stored[an_id(200)].order.replaces == an_id(1)
        assert (await begun.counts())["changes"] == 1

    async def test_a_cancel_asked_twice_is_one_row(self, begun: StoreStage):
        first, again = await begun.journal.write(
            [a_change_entry(a_cancel()), a_change_entry(a_cancel())]
        )

        assert isinstance(first, Kept)
        assert isinstance(again, Kept)
        assert [first.was_stored, again.was_stored] == [False, True]
        assert again.recorded == first.recorded

    # ------------------------------------------------------------------ positions

    async def test_the_same_fill_twice_moves_the_position_once(self, begun: StoreStage):
        await begun.journal.write([an_order_entry(), a_fill("x1", qty=4, position_qty=4)])
        await begun.journal.write([a_fill("x2", qty=6, position_qty=10)])

        outcomes = await begun.journal.write([a_fill("x1", qty=4, position_qty=4)])

        assert outcomes == (Kept(),)
        assert (await begun.ledger.position_qtys(ACCOUNT)) == {SESSION: Decimal(10)}
        rows = await begun.ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)
        assert rows.position_qty == 10
        assert rows.position_avg_px == Decimal("150.25")
        assert rows.realized == Decimal("1.50")
        assert rows.execution_ids == {"x1", "x2"}
        assert rows.orders[0].applied_qty == 10

    async def test_fills_and_adjustments_move_the_position_in_their_order(self, begun: StoreStage):
        await begun.journal.write(
            [
                a_fill("x1", position_qty=4),
                an_adjustment("k1", to_qty=0),
                a_fill("x2", qty=3, position_qty=3),
            ]
        )
        after_fill = await begun.ledger.position_qtys(ACCOUNT)
        await begun.journal.write([a_fill("x3", position_qty=7), an_adjustment("k2", to_qty=1)])
        after_adjustment = await begun.ledger.position_qtys(ACCOUNT)

        assert after_fill == {SESSION: Decimal(3)}
        assert after_adjustment == {SESSION: Decimal(1)}

    async def over(self, begun: StoreStage) -> None:
        """A position was held behind a stop, and is over; two more entries rest."""
        await begun.journal.write([an_order_entry(1), an_order_entry(2), an_order_entry(3)])
        await begun.journal.write([a_fill("x1", n=1, position_qty=4)])
        await begun.journal.write([an_order_entry(4, purpose=Purpose.PROTECT)])
        await begun.journal.write([an_adjustment("k1", to_qty=0)])

    async def test_a_position_is_made_by_what_filled_since_it_was_last_flat(
        self, begun: StoreStage
    ):
        await self.over(begun)
        await begun.journal.write([a_fill("x2", n=2, position_qty=10)])
        await begun.journal.write([an_order_entry(5, purpose=Purpose.PROTECT)])

        loaded = await self.loaded(begun)

        assert [order_id for order_id, each in loaded.items() if each.is_of_position] == [
            an_id(2),
            an_id(5),
        ]

    async def test_none_of_our_orders_made_what_a_stranger_entered(self, begun: StoreStage):
        await self.over(begun)
        await begun.journal.write([a_fill("x9", n=None, position_qty=6)])

        loaded = await self.loaded(begun)

        assert not any(each.is_of_position for each in loaded.values())

    async def test_whoever_goes_through_zero_has_a_new_position(self, begun: StoreStage):
        await begun.journal.write([an_order_entry(1), an_order_entry(2)])
        await begun.journal.write([a_fill("x1", n=1, position_qty=4)])
        await begun.journal.write([a_fill("x2", n=2, position_qty=-6)])

        loaded = await self.loaded(begun)

        assert [each.is_of_position for each in loaded.values()] == [False, True]

    async def test_the_same_finding_adjusts_once(self, begun: StoreStage):
        await begun.journal.write([an_adjustment("k1", to_qty=2)])
        await begun.journal.write([a_fill("x1", position_qty=6)])

        await begun.journal.write([an_adjustment("k1", to_qty=2)])

        assert (await begun.ledger.position_qtys(ACCOUNT)) == {SESSION: Decimal(6)}
        assert (await begun.counts())["adjustments"] == 1

    async def test_a_fill_of_an_order_that_nobody_knows_is_kept(self, begun: StoreStage):
        (outcome,) = await begun.journal.write([a_fill("x9", n=None)])

        assert outcome == Kept()
        assert (await begun.counts())["fills"] == 1

    async def test_old_executions_are_not_loaded_for_ever(self, begun: StoreStage):
        old = datetime.now(UTC) - timedelta(days=8)
        await begun.journal.write([a_fill("old", happened_at=old), a_fill("new")])

        rows = await begun.ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)

        assert rows.execution_ids == {"new"}
        assert rows.newest_fill_at is not None

    async def test_a_cursor_never_passes_a_fill_that_was_refused(self, begun: StoreStage):
        await begun.journal.write([a_cursor("c1")])
        stale = a_fill("x1", fence=a_fence(incarnation=99))

        refused, cursor = await begun.journal.write([stale, a_cursor("c2")])

        assert isinstance(refused, NotKept)
        assert isinstance(cursor, NotKept)
        assert cursor.reason_code == "fill_not_kept"
        assert await begun.ledger.executions_cursor(ACCOUNT) == "c1"

    # ------------------------------------------------------------------ accounts, audit

    async def test_a_hundred_equal_polls_write_one_balance_row(self, begun: StoreStage):
        for minute in range(10):
            at = datetime(2026, 3, 2, 12, minute, tzinfo=UTC)
            await begun.journal.write([a_balance("100000.00", at) for _ in range(10)])

        assert (await begun.counts())["balances"] == 1
        last = await begun.ledger.last_balance(ACCOUNT)
        assert isinstance(last, Balance)
        assert last.says_the_same_as(a_balance("100000.00").balance)

    async def test_a_balance_that_changes_and_comes_back_is_three_rows(self, begun: StoreStage):
        await begun.journal.write([a_balance("100"), a_balance("100.00"), a_balance("101")])
        await begun.journal.write([a_balance("101.0"), a_balance("100")])

        assert (await begun.counts())["balances"] == 3

    async def test_a_decision_is_audited_once(self, begun: StoreStage):
        await begun.journal.write([a_decision(0), a_decision(1), a_decision(0)])
        await begun.journal.write([a_decision(1), a_decision(1, "another reason")])

        assert (await begun.counts())["decisions"] == 3

    # ------------------------------------------------------------------ the spool's records

    async def test_spooled_records_are_adopted_whatever_the_fence_says_by_now(
        self, begun: StoreStage
    ):
        await begun.journal.write([an_order_entry(1), progress(Status.ACCEPTED)])
        await begun.ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)
        records = [
            (an_order(1, qty=Quantity(Decimal(99))), a_fence(epoch=7)),
            (an_order(2), a_fence(epoch=7)),
            (a_cancel(target=1), a_fence(epoch=7)),
            (a_replace(target=2), a_fence(epoch=7)),
        ]

        outcomes = await begun.journal.adopt(records)
        again = await begun.journal.adopt(records)

        assert outcomes == again == (Kept(),) * 4
        stored = await self.loaded(begun)
        assert set(stored) == {an_id(1), an_id(2), an_id(200)}
        assert stored[an_id(1)].order.qty == 10
        assert stored[an_id(1)].status is Status.ACCEPTED
        assert stored[an_id(1)].pending_cancel
        assert (await begun.counts())["changes"] == 2

    async def test_nothing_spooled_is_nothing_adopted(self, begun: StoreStage):
        assert await begun.journal.adopt([]) == ()

    # ------------------------------------------------------------------ ownership

    async def test_a_second_holder_is_refused_until_the_lease_ends(self, stage: StoreStage):
        first = await stage.ledger.claim(ACCOUNT, "house-a", TTL_S)
        refused = await stage.ledger.claim(ACCOUNT, "house-b", TTL_S)
        assert isinstance(first, Lease)
        assert isinstance(refused, HeldByAnother)
        assert refused.holder == "house-a"

        await stage.expire(first)
        second = await stage.ledger.claim(ACCOUNT, "house-b", TTL_S)
        late = await stage.ledger.renew(first, TTL_S)

        assert isinstance(second, Lease)
        assert second.epoch == first.epoch + 1
        assert isinstance(late, HeldByAnother)
        assert late.epoch == second.epoch

    async def test_the_same_holder_retakes_its_lease_at_once(self, stage: StoreStage):
        first = await stage.ledger.claim(ACCOUNT, "house-a", TTL_S)
        again = await stage.ledger.claim(ACCOUNT, "house-a", TTL_S)

        assert isinstance(first, Lease)
        assert isinstance(again, Lease)
        assert again.epoch == first.epoch

    async def test_a_lease_that_ran_out_is_renewed_if_nobody_took_it(self, stage: StoreStage):
        lease = await stage.ledger.claim(ACCOUNT, "house-a", TTL_S)
        assert isinstance(lease, Lease)
        await stage.expire(lease)

        assert isinstance(await stage.ledger.renew(lease, TTL_S), Lease)

    async def test_a_lease_whose_row_is_gone_is_ours_no_more(self, stage: StoreStage):
        forgotten = Lease(ACCOUNT, "house-a", 1, 1_000.0)

        assert isinstance(await stage.ledger.renew(forgotten, TTL_S), HeldByAnother)
        await stage.ledger.release(forgotten)
        assert isinstance(await stage.ledger.claim(ACCOUNT, "house-a", TTL_S), Lease)

    async def test_a_released_lease_is_free_at_once(self, stage: StoreStage):
        lease = await stage.ledger.claim(ACCOUNT, "house-a", TTL_S)
        assert isinstance(lease, Lease)

        await stage.ledger.release(lease)
        taken = await stage.ledger.claim(ACCOUNT, "house-b", TTL_S)
        await stage.ledger.release(lease)  # too late: it is not ours any more

        assert isinstance(taken, Lease)
        refused = await stage.ledger.claim(ACCOUNT, "house-c", TTL_S)
        assert isinstance(refused, HeldByAnother)

    async def test_each_beginning_is_a_new_incarnation(self, begun: StoreStage):
        second = await begun.ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)
        third = await begun.ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)

        assert [second.incarnation, third.incarnation] == [2, 3]

    async def test_rows_are_as_old_as_the_servers_own_clock_says(self, begun: StoreStage):
        await begun.journal.write([an_order_entry()])

        rows = await begun.ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)

        age = rows.read_at - rows.orders[0].recorded_at
        assert timedelta(0) <= age < timedelta(minutes=1)

    async def test_no_session_begins_under_a_lease_that_is_not_held(self, begun: StoreStage):
        with pytest.raises(Fenced):
            await begun.ledger.begin_session(SESSION, ACCOUNT, AAPL, 2)

        assert (await begun.ledger.begin_session(SESSION, ACCOUNT, AAPL, 1)).incarnation == 2

    async def test_a_second_session_on_the_same_instrument_cannot_begin(self, begun: StoreStage):
        with pytest.raises(StoreError, match="cannot start"):
            await begun.ledger.begin_session(SessionId("other"), ACCOUNT, AAPL, 1)

    async def test_a_session_cannot_move_to_another_instrument(self, begun: StoreStage):
        with pytest.raises(StoreError, match="cannot start"):
            await begun.ledger.begin_session(SESSION, ACCOUNT, InstrumentId("IBM.ALPACA"), 1)
