"""The spool: an exit is durable while the database is down."""

import asyncio
import errno
import os
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store.store_parts import (
    ACCOUNT,
    SESSION,
    a_cancel,
    a_change_entry,
    a_fence,
    a_replace,
    an_id,
    an_order,
    an_order_entry,
)

from adapters.simulated.journal import MemoryJournal
from adapters.simulated.rows import MemoryStore
from adapters.store import spool as spool_module
from adapters.store.spool import SLOT_BYTES, DiskFile, FileSpool
from trader.errors import StoreUnavailable, StoreUnsafe
from trader.money import Price, Quantity
from trader.orders.order import Change, Order
from trader.proofs import Durability
from trader.records import Entry, Fence, Outcome

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def a_spool(folder: Path, records_count_max: int = 20) -> FileSpool:
    """A small one."""
    file = DiskFile(folder / "exits.spool")
    return FileSpool(file, lambda: NOW, records_count_max=records_count_max)


def a_store() -> MemoryStore:
    """An empty one."""
    return MemoryStore(now=lambda: NOW, elapsed=lambda: 0.0)


class Away:
    """A journal whose database is away."""

    async def write(self, entries: Sequence[Entry]) -> tuple[Outcome, ...]:
        raise StoreUnavailable("away")

    async def adopt(self, records: Sequence[tuple[Order | Change, Fence]]) -> tuple[Outcome, ...]:
        raise StoreUnavailable("away")


async def test_what_was_spooled_is_there_after_a_crash(tmp_path: Path):
    spool = a_spool(tmp_path)
    order = an_order_entry(1, price=Price(Decimal("1.10")), qty=Quantity(Decimal("1E+2")))
    recorded = await spool.append(order)
    await spool.append(a_change_entry(a_cancel()))
    await spool.append(a_change_entry(a_replace()))
    assert recorded.durability is Durability.SPOOL
    assert recorded.recorded_at == NOW
    assert recorded.item == order.order.item

    after_crash = a_spool(tmp_path)  # the first one is never closed
    store = a_store()

    assert after_crash.record_count() == 3
    assert await after_crash.replay(MemoryJournal(store)) == 3
    assert store.orders[an_id(1)].order == order.order.item
    assert [row.change for row in store.changes.values()] == [a_cancel(), a_replace()]
    assert store.orders[an_id(200)].order == a_replace().successor


async def test_a_replay_empties_the_spool_for_good(tmp_path: Path):
    spool = a_spool(tmp_path)
    await spool.append(an_order_entry(1))
    await spool.replay(MemoryJournal(a_store()))

    assert spool.record_count() == 0
    assert await spool.replay(MemoryJournal(a_store())) == 0
    assert a_spool(tmp_path).record_count() == 0


async def test_a_replay_into_a_database_that_is_away_keeps_every_record(tmp_path: Path):
    spool = a_spool(tmp_path)
    await spool.append(an_order_entry(1))

    with pytest.raises(StoreUnavailable):
        await spool.replay(Away())
    await spool.append(an_order_entry(2))

    assert a_spool(tmp_path).record_count() == 2
    store = a_store()
    assert await spool.replay(MemoryJournal(store)) == 2
    assert list(store.orders) == [an_id(1), an_id(2)]
    assert a_spool(tmp_path).record_count() == 0


async def test_a_crash_between_adoption_and_emptying_replays_to_the_same_rows(tmp_path: Path):
    store = a_store()
    spool = a_spool(tmp_path)
    await spool.append(an_order_entry(1))
    before_emptying = (tmp_path / "exits.spool").read_bytes()
    await spool.replay(MemoryJournal(store))
    (tmp_path / "exits.spool").write_bytes(before_emptying)

    assert await a_spool(tmp_path).replay(MemoryJournal(store)) == 1
    assert len(store.orders) == 1


async def test_an_exit_spooled_during_a_replay_is_not_lost(tmp_path: Path):
    spool = a_spool(tmp_path)
    store = a_store()
    await spool.append(an_order_entry(1))

    class Slow(MemoryJournal):
        async def adopt(
            self, records: Sequence[tuple[Order | Change, Fence]]
        ) -> tuple[Outcome, ...]:
            await spool.append(an_order_entry(2))
            return await super().adopt(records)

    assert await spool.replay(Slow(store)) == 1

    assert spool.record_count() == 1
    assert a_spool(tmp_path).record_count() == 1
    await a_spool(tmp_path).replay(MemoryJournal(store))
    assert list(store.orders) == [an_id(1), an_id(2)]


async def test_an_exit_under_way_to_the_disk_when_a_replay_began_is_not_lost(tmp_path: Path):
    goes_on = asyncio.Event()

    class Busy(DiskFile):
        async def write(self, offset: int, data: bytes) -> None:
            if offset > SLOT_BYTES:
                await goes_on.wait()
            await super().write(offset, data)

    spool = FileSpool(Busy(tmp_path / "exits.spool"), lambda: NOW, records_count_max=20)
    store = a_store()
    await spool.append(an_order_entry(1))
    appending = asyncio.create_task(spool.append(an_order_entry(2)))
    await asyncio.sleep(0)
    assert spool.record_count() == 2

    await spool.replay(MemoryJournal(store))
    goes_on.set()
    assert (await appending).durability is Durability.SPOOL

    assert spool.record_count() == 1
    await a_spool(tmp_path).replay(MemoryJournal(store))  # we were killed there
    assert list(store.orders) == [an_id(1), an_id(2)]


async def test_two_replays_at_once_give_up_what_both_have_and_nothing_else(tmp_path: Path):
    spool = a_spool(tmp_path)
    store = a_store()
    goes_on = asyncio.Event()

    class Slow(MemoryJournal):
        async def adopt(
            self, records: Sequence[tuple[Order | Change, Fence]]
        ) -> tuple[Outcome, ...]:
            await goes_on.wait()
            return await super().adopt(records)

    await spool.append(an_order_entry(1))
    first = asyncio.create_task(spool.replay(Slow(store)))
    await asyncio.sleep(0)
    await spool.append(an_order_entry(2))  # the journal crashed, and its successor replays, too
    second = asyncio.create_task(spool.replay(Away()))
    with pytest.raises(StoreUnavailable):
        await second
    goes_on.set()
    await first

    assert spool.record_count() == 1
    await a_spool(tmp_path).replay(MemoryJournal(store))
    assert list(store.orders) == [an_id(1), an_id(2)]


async def test_slots_are_used_again_after_a_replay(tmp_path: Path):
    spool = a_spool(tmp_path, records_count_max=3)
    store = a_store()
    for n in range(9):
        assert (await spool.append(an_order_entry(n))).durability is Durability.SPOOL
        if n % 3 == 2:
            await spool.replay(MemoryJournal(store))

    assert list(store.orders) == [an_id(n) for n in range(9)]


async def test_a_full_spool_still_lets_an_exit_go(tmp_path: Path):
    spool = a_spool(tmp_path, records_count_max=2)

    durabilities = [(await spool.append(an_order_entry(n))).durability for n in range(3)]

    assert durabilities == [Durability.SPOOL, Durability.SPOOL, Durability.MEMORY]
    assert spool.record_count() == 3
    assert a_spool(tmp_path, records_count_max=2).record_count() == 2
    store = a_store()
    assert await spool.replay(MemoryJournal(store)) == 3
    assert list(store.orders) == [an_id(0), an_id(1), an_id(2)]


@pytest.mark.parametrize("broken", ["pwrite", "fsync"])
async def test_a_failing_disk_still_lets_an_exit_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
):
    spool = a_spool(tmp_path)

    def fails(*_: object) -> int:
        raise OSError(errno.EIO, "the disk says no")

    with monkeypatch.context() as broken_disk:
        broken_disk.setattr(os, broken, fails)
        first = await spool.append(an_order_entry(1))
    second = await spool.append(an_order_entry(2))

    assert [first.durability, second.durability] == [Durability.MEMORY, Durability.SPOOL]
    assert spool.record_count() == 2


async def test_a_hanging_disk_does_not_hold_back_an_exit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    spool = a_spool(tmp_path)
    ends = asyncio.Event()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(spool_module, "FLUSH_TIMEOUT_S", 0.05)
    monkeypatch.setattr(
        os,
        "fsync",
        lambda _: asyncio.run_coroutine_threadsafe(ends.wait(), loop).result(),
    )

    recorded = await spool.append(an_order_entry(1))
    ends.set()

    assert recorded.durability is Durability.MEMORY


async def test_a_reason_longer_than_a_slot_still_lets_an_exit_go(tmp_path: Path):
    spool = a_spool(tmp_path)

    recorded = await spool.append(an_order_entry(1, reason="x" * SLOT_BYTES))

    assert recorded.durability is Durability.MEMORY
    assert await spool.replay(MemoryJournal(a_store())) == 1


def test_the_room_is_taken_at_the_start(tmp_path: Path):
    a_spool(tmp_path, records_count_max=50)

    of = (tmp_path / "exits.spool").stat()
    assert of.st_size == SLOT_BYTES * 51
    assert of.st_blocks * 512 >= of.st_size
    assert stat.S_IMODE(of.st_mode) == 0o600


def test_no_room_for_exits_is_no_start(tmp_path: Path):
    with pytest.raises(StoreUnsafe, match="no room"):
        a_spool(tmp_path / "missing")


@given(cut=st.integers(1, SLOT_BYTES - 1), slot=st.integers(1, 4), noise=st.binary(max_size=8))
def test_a_torn_record_is_passed_over_and_the_others_stand(
    tmp_path_factory: pytest.TempPathFactory, cut: int, slot: int, noise: bytes
):
    folder = tmp_path_factory.mktemp("spool")
    spool = a_spool(folder, records_count_max=4)

    async def fill() -> None:
        for n in range(4):
            await spool.append(an_order_entry(n))

    asyncio.run(fill())
    blocks = bytearray((folder / "exits.spool").read_bytes())
    start, end = slot * SLOT_BYTES + cut, (slot + 1) * SLOT_BYTES
    blocks[start:end] = noise.ljust(end - start, b"\0")[: end - start]
    (folder / "exits.spool").write_bytes(blocks)

    found = a_spool(folder, records_count_max=4)
    store = a_store()
    asyncio.run(found.replay(MemoryJournal(store)))

    assert {an_id(n) for n in range(4) if n != slot - 1} <= set(store.orders)
    assert all(
        store.orders[an_id(n)].order == an_order(n) for n in range(4) if an_id(n) in store.orders
    )


async def test_a_record_bears_the_fence_it_was_made_under(tmp_path: Path):
    seen: list[Fence] = []

    class Looks(MemoryJournal):
        async def adopt(
            self, records: Sequence[tuple[Order | Change, Fence]]
        ) -> tuple[Outcome, ...]:
            seen.extend(fence for _, fence in records)
            return await super().adopt(records)

    spool = a_spool(tmp_path)
    await spool.append(an_order_entry(1, fence=a_fence(epoch=3, incarnation=8)))
    await a_spool(tmp_path).replay(Looks(a_store()))

    assert seen == [Fence(ACCOUNT, 3, SESSION, 8)]
