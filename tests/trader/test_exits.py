"""Exit rules: who speaks, at which price, and in what order."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from order_parts import NOON, px, qty

from trader.exits.engine import first_exit
from trader.exits.rule import ExitKind, ExitSignal
from trader.exits.stop_loss import StopLoss
from trader.money import Price
from trader.positions.position import FLAT, Position

LONG = Position(qty(10), px(100))
SHORT = Position(qty(-10), px(100))
LATER = NOON + timedelta(seconds=1)


def judged(position: Position, stop: str, last: str, high: str, low: str) -> ExitSignal | None:
    return first_exit((StopLoss(px(stop)),), position, px(last), px(high), px(low), NOON, None)


@pytest.mark.parametrize(
    ("position", "stop", "last", "high", "low", "leaves"),
    [
        pytest.param(LONG, "95", "96", "97", "95.01", False, id="long above its stop stays"),
        pytest.param(LONG, "95", "96", "97", "95", True, id="long that touched its stop leaves"),
        pytest.param(LONG, "95", "97", "98", "90", True, id="a spike between two looks counts"),
        pytest.param(SHORT, "105", "104", "104.99", "90", False, id="short below its stop stays"),
        pytest.param(SHORT, "105", "104", "105", "90", True, id="short that touched it leaves"),
        pytest.param(FLAT, "95", "90", "90", "90", False, id="nothing held, nothing to leave"),
    ],
)
def test_a_stop(
    position: Position, stop: str, last: str, high: str, low: str, leaves: bool
) -> None:
    assert (judged(position, stop, last, high, low) is not None) is leaves


def test_a_stop_says_which_price_reached_it() -> None:
    signal = judged(LONG, "95", "97", "98", "94.5")

    assert signal == ExitSignal(
        ExitKind.STOP, "stop 95 reached: price fell to 94.5", px(95), px("94.5")
    )


def test_a_low_from_before_the_entry_stops_nobody_out() -> None:
    rules = (StopLoss(px(95)),)

    before = first_exit(rules, LONG, px(99), px(100), px(94), NOON, LATER)
    last_is_below = first_exit(rules, LONG, px(95), px(100), px(94), NOON, LATER)
    since_the_entry = first_exit(rules, LONG, px(99), px(100), px(94), LATER, LATER)

    assert before is None
    assert last_is_below is not None
    assert last_is_below.price == 95
    assert since_the_entry is not None


@dataclass(frozen=True)
class Always:
    """A rule that always says leave."""

    kind: ExitKind

    def judge(self, position: Position, last: Price, high: Price, low: Price) -> ExitSignal | None:
        return ExitSignal(self.kind, "always", last, last)


def test_rules_are_asked_stop_first_then_stale_trade_then_take_profit() -> None:
    take_profit, stale, stop = (
        Always(kind) for kind in (ExitKind.TAKE_PROFIT, ExitKind.STALE_TRADE, ExitKind.STOP)
    )
    prices = (px(99), px(99), px(99), NOON, None)

    first = first_exit((take_profit, stale, stop), LONG, *prices)
    without_stop = first_exit((take_profit, StopLoss(px(95)), stale), LONG, *prices)

    assert first is not None
    assert first.kind is ExitKind.STOP
    assert without_stop is not None
    assert without_stop.kind is ExitKind.STALE_TRADE
