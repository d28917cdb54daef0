"""Client order ids: a hash of the decision's identity, the same for the same decision."""

import base64
import hashlib

from hypothesis import given
from hypothesis import strategies as st

from trader.ids import CLIENT_ORDER_ID_LENGTH, CauseKind, SessionId, client_order_id, is_ours


@given(st.text(), st.sampled_from(CauseKind), st.text(), st.integers(0, 10))
def test_the_id_is_the_base32_of_the_identitys_hash(
    session: str, kind: CauseKind, key: str, ordinal: int
) -> None:
    made = client_order_id(SessionId(session), kind, key, "entry", ordinal)

    text = "\x1f".join((session, kind, key, "entry", str(ordinal)))
    plain = base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()
    assert made == "t1" + plain[:20]
    assert len(made) == CLIENT_ORDER_ID_LENGTH
    assert is_ours(made)


def test_the_same_decision_gives_the_same_id_and_another_leg_another() -> None:
    entry = client_order_id(SessionId("a"), CauseKind.CANDLE, "t", "entry", 0)

    assert entry == client_order_id(SessionId("a"), CauseKind.CANDLE, "t", "entry", 0)
    assert entry != client_order_id(SessionId("a"), CauseKind.CANDLE, "t", "exit", 0)
    assert not is_ours("manual-order")
