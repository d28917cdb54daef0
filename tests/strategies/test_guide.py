"""The guide's code runs, as it stands on the page."""

import re
import tomllib
from pathlib import Path

import pytest
from strategies.strategy_parts import EMA_CROSS, a_spec, daily_bars, run_inline, user_file

from trader.config import SessionConfig
from trader.session.strategy import SubmitOrder

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/guides/add-a-strategy.md").read_text()


def blocks(language: str) -> list[str]:
    """The guide's code in that language."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def test_the_first_example_is_the_one_promised() -> None:
    assert blocks("python")[0] == EMA_CROSS


@pytest.mark.parametrize("source", blocks("python"), ids=["ema_cross", "quiet_breakout"])
def test_every_strategy_of_the_guide_trades_on_real_bars(source: str, tmp_path: Path) -> None:
    decisions = run_inline(a_spec(str(user_file(tmp_path, source))), daily_bars("AAPL"))
    orders = [decision for decision in decisions if isinstance(decision, SubmitOrder)]
    assert orders
    assert all(order.is_exit or order.protective_stop for order in orders)


def test_the_session_of_the_guide_is_a_valid_one() -> None:
    (text,) = blocks("toml")
    for session in tomllib.loads(text)["sessions"].values():
        SessionConfig.model_validate(session)
