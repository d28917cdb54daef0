"""`trader simulate` as it is typed."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from actors.app.simulation import batch
from actors.app.simulation.cli import app
from actors.app.simulation.invariants import Broken
from actors.app.simulation.run import Options, Verdict

BUYER = '''
"""Buys and sells by turns."""
from trader import Bar, Context, Decision, Strategy


class Buyer(Strategy):
    """In, then out."""

    def on_bar(self, ctx: Context, bar: Bar) -> Decision:
        """By turns."""
        return ctx.buy(1, reason="flat") if ctx.position.is_flat else ctx.exit("long")
'''


def simulate(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def test_worlds_without_faults_hold_and_are_summed_up() -> None:
    result = simulate("--seeds", "2", "--faults", "none", "--jobs", "1")

    assert result.exit_code == 0, result.output
    assert "2 worlds, 0 broken" in result.output


def test_a_world_tells_its_story_and_the_story_changes_nothing() -> None:
    plain = simulate("--seed", "7")
    told = simulate("--seed", "7", "--trace")

    assert plain.output.strip() == told.output.strip().splitlines()[-1]
    assert "trace " in plain.output
    assert any(" rows " in line and " order " in line for line in told.output.splitlines())


def test_a_strategy_of_the_users_own_is_put_into_the_storm(tmp_path: Path) -> None:
    file = tmp_path / "buyer.py"
    file.write_text(BUYER, "utf-8")
    file.chmod(0o600)

    result = simulate("--seed", "10", "--json", "--strategy", f"{file}:Buyer")

    found = json.loads(result.output)
    assert found["broken"] == []
    assert found["orders"] > 50


def test_a_broken_promise_is_said_with_the_command_that_replays_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(seed: int, options: Options) -> Verdict:
        del options
        return Verdict(seed, broken=[Broken("I2", 12.5, "an order went out twice")])

    monkeypatch.setattr(batch, "run_seed", broken)
    result = simulate("--seeds", "1", "--from", "42", "--faults", "kill", "--jobs", "1")

    assert result.exit_code == 1
    assert "seed 42: I2 at 12.500 s: an order went out twice" in result.output
    assert "trader simulate --seed 42 --trace --faults kill" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--faults", "kil"), "kil: unknown; known are"),
        (("--trace",), "give it with --seed N"),
    ],
)
def test_what_cannot_be_is_said(words: tuple[str, ...], said: str) -> None:
    result = simulate(*words)

    assert result.exit_code == 2
    assert said in result.output.replace("\n", " ")
