"""Strategies are found by name and by path, and what cannot be loaded says why."""

import os
from pathlib import Path

import pytest
from strategies.strategy_parts import EMA_CROSS, user_file

from adapters.strategies.load import list_strategies, load_strategy
from trader.errors import ConfigInvalid
from trader.session.strategies.sma_cross import SmaCross

TWO = """
    from trader import Strategy
    class One(Strategy):
        def on_bar(self, ctx, bar): return ctx.nothing("one")
    class Two(One):
        pass
    class Unfinished(Strategy):
        pass
    number = 5
"""


def problem_with(name: str | Path) -> str:
    """What is said of a strategy that cannot be loaded."""
    with pytest.raises(ConfigInvalid) as raised:
        load_strategy(str(name))
    return str(raised.value)


def test_a_bundled_strategy_is_found_by_its_name() -> None:
    assert load_strategy("sma_cross") is SmaCross


def test_the_only_strategy_of_a_file_needs_no_name(tmp_path: Path) -> None:
    assert load_strategy(str(user_file(tmp_path, EMA_CROSS))).__name__ == "EmaCross"


def test_of_several_in_a_file_one_is_named(tmp_path: Path) -> None:
    path = user_file(tmp_path, TWO)
    assert load_strategy(f"{path}:Two").__name__ == "Two"
    assert "say which" in problem_with(path)
    assert "One, Two" in problem_with(path)


@pytest.mark.parametrize(
    ("suffix", "says"),
    [
        (":Tow", "has no Tow; it has One, Two"),
        (":number", "is no Strategy"),
        (":Unfinished", "lacks on_bar"),
    ],
)
def test_what_is_no_usable_strategy_is_refused(tmp_path: Path, suffix: str, says: str) -> None:
    assert says in problem_with(f"{user_file(tmp_path, TWO)}{suffix}")


def test_code_that_does_not_run_says_where(tmp_path: Path) -> None:
    path = user_file(tmp_path, "import nowhere_to_be_found\n")
    assert f"{path}:1" in problem_with(path)
    broken = user_file(tmp_path, "def on_bar(:\n", "broken.py")
    assert "SyntaxError" in problem_with(broken)
    leaving = user_file(tmp_path, "raise SystemExit\n", "leaving.py")
    assert "SystemExit" in problem_with(leaving)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "No such file" in problem_with(tmp_path / "gone.py")


def test_a_file_that_others_may_write_is_not_run(tmp_path: Path) -> None:
    path = user_file(tmp_path, "raise AssertionError('it ran')\n")
    path.chmod(0o620)
    assert f"chmod go-w {path}" in problem_with(path)


def test_a_file_in_a_folder_that_others_may_write_is_not_run(tmp_path: Path) -> None:
    path = user_file(tmp_path, "raise AssertionError('it ran')\n")
    tmp_path.chmod(0o777)
    assert f"chmod go-w {tmp_path}" in problem_with(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_not_run(tmp_path: Path) -> None:
    path = user_file(tmp_path, "raise AssertionError('it ran')\n")
    os.chown(path, 1234, -1)
    assert "belongs to another user" in problem_with(path)


def test_the_list_shows_what_does_not_load_with_its_reason(tmp_path: Path) -> None:
    good = user_file(tmp_path, EMA_CROSS, "good.py")
    bad = user_file(tmp_path, "1 / 0\n", "bad.py")
    listed = {each.name: each for each in list_strategies([good, bad])}
    assert listed["donchian"].origin == "trader-runtime"
    assert listed["donchian"].version
    assert listed[str(good)].error == ""
    assert "ZeroDivisionError" in listed[str(bad)].error
