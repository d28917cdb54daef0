"""What is written down can be read again, word for word."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trader.ids import InstrumentId, SessionId
from trader.market.events import PriceMoved
from trader.money import Price
from trader.ports import AccountEvent, FeedEvent
from trader.proofs import Durability, Recorded
from trader.session.events import StrategyDecided
from trader.session.step import SessionEvent
from trader.session.strategy import CancelOrders, Nothing
from trader.vocabulary import VOCABULARY, NotAWord, decode, encode

# Finite numbers, aware instants: nothing else passes the doors.
st.register_type_strategy(
    Decimal, st.decimals(-(10**15), 10**15, allow_nan=False, allow_infinity=False)
)
st.register_type_strategy(datetime, st.datetimes(timezones=st.just(UTC)))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
st.register_type_strategy(int, st.integers(-(2**53), 2**53))
st.register_type_strategy(str, st.text(st.characters(exclude_categories=["Cs"])))
st.register_type_strategy(
    Mapping, lambda kind: st.dictionaries(*(st.from_type(each) for each in get_args(kind)))
)
st.register_type_strategy(
    Recorded,
    lambda kind: st.builds(
        Recorded,
        st.from_type(get_args(kind)[0]),
        st.from_type(datetime),
        st.sampled_from(Durability),
    ),
)


@pytest.mark.parametrize("name", VOCABULARY)
def test_what_was_written_is_read_again_as_it_was(name: str) -> None:
    @settings(max_examples=15, deadline=None)
    @given(st.from_type(VOCABULARY[name].kind))
    def holds(event: object) -> None:
        written = orjson.dumps(encode(event))

        assert decode(orjson.loads(written)) == event
        assert type(decode(orjson.loads(written))) is type(event)

    holds()


def test_every_event_that_a_session_a_feed_or_an_account_can_hear_has_a_word() -> None:
    heard = {*get_args(SessionEvent), *get_args(FeedEvent), *get_args(AccountEvent)}

    assert heard <= {word.kind for word in VOCABULARY.values()}


def test_a_decision_keeps_its_kind_though_the_kinds_look_alike() -> None:
    at = datetime(2026, 1, 5, 12, tzinfo=UTC)
    for decision in (Nothing("wait"), CancelOrders((), "wait")):
        event = StrategyDecided(SessionId("aapl"), at, decision)

        assert type(decode(encode(event)).decision) is type(decision)


def test_decimals_are_written_out_and_instants_are_iso() -> None:
    at = datetime(2026, 1, 5, 12, tzinfo=UTC)
    price = Price(Decimal("1E+2"))

    data = encode(PriceMoved(InstrumentId("AAPL.SIM"), price, price, price, at, at))["data"]

    assert data["last"] == "100"
    assert data["happened_at"] == "2026-01-05T12:00:00+00:00"


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({"event": "order_invented", "version": 1, "data": {}}, id="not a word"),
        pytest.param({"event": "heat_asked", "version": 2, "data": {}}, id="of a later version"),
        pytest.param({}, id="nothing"),
    ],
)
def test_a_record_that_is_not_understood_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(NotAWord):
        decode(record)


def test_a_record_whose_data_are_broken_is_refused() -> None:
    with pytest.raises(ValueError, match="jump_s"):
        decode({"event": "clock_suspected", "version": 1, "data": {"jump_s": "soon"}})
