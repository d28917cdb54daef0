"""The production host: real clocks, identities, chance; and the loop it likes best."""

import asyncio
import importlib.util
import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from actors.runtime import AsyncioHost
from actors.runtime.hosts import make_uuid7


async def test_the_wall_clock_is_in_utc_and_the_other_one_only_goes_forward() -> None:
    host = AsyncioHost()

    assert host.now().tzinfo is UTC
    assert abs(host.now() - datetime.now(UTC)) < timedelta(seconds=5)
    readings = [host.elapsed() for _ in range(100)]
    assert readings == sorted(readings)
    assert host.loop is asyncio.get_running_loop()


async def test_identities_are_uuids_of_version_7_and_none_is_made_twice() -> None:
    host = AsyncioHost()
    made = {host.new_id() for _ in range(1_000)}

    assert len(made) == 1_000
    assert {uuid.UUID(one).version for one in made} == {7}
    assert all(0.0 <= host.random() < 1.0 for _ in range(100))


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1), st.integers(0, 2**80), st.integers(0))
def test_a_later_identity_sorts_after_an_earlier_one(
    one_ms: int, other_ms: int, chance: int, other_chance: int
) -> None:
    one, other = make_uuid7(one_ms, chance), make_uuid7(other_ms, other_chance)

    assert uuid.UUID(one).variant == uuid.RFC_4122
    if one_ms != other_ms:
        assert (one < other) is (one_ms < other_ms)


def test_the_quicker_loop_is_taken_where_it_is_installed() -> None:
    loop = AsyncioHost.new_loop()
    try:
        is_installed = importlib.util.find_spec("uvloop") is not None
        assert (type(loop).__module__ == "uvloop") is is_installed
        assert loop.run_until_complete(asyncio.sleep(0, "runs")) == "runs"
    finally:
        loop.close()
