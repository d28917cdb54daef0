"""Defaults < config.toml < TRADER__A__B < --set; and where each value came from is remembered."""

import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.config_file import Loaded, load
from adapters.folders import client_places, folders
from trader.config import AccountConfig, Section, SessionConfig, SessionLimits, Settings
from trader.errors import ConfigInvalid
from trader.ids import AccountId, SessionId

SHIPPED = Path(__file__).parents[2] / "config.toml"


def shipped(*, environ: Mapping[str, str] | None = None, overrides: Sequence[str] = ()) -> Loaded:
    return load(SHIPPED, environ=environ or {}, overrides=overrides)


def origin_of(loaded: Loaded, key: str) -> str:
    return next(one.origin for one in loaded.effective() if one.key == key)


def test_the_shipped_house_has_three_sessions_on_one_sandbox_account_and_no_finding() -> None:
    settings = shipped().settings

    assert settings.sessions_of(AccountId("demo")) == ("aapl-sma", "ibm-donchian", "msft-meanrev")
    assert settings.instrument_of(SessionId("aapl-sma")) == "AAPL.ALPACA"


def test_the_shipped_file_names_every_key_and_each_value_is_the_default() -> None:
    tables = tomllib.loads(SHIPPED.read_text("utf-8"), parse_float=Decimal)
    defaults = Settings()

    for name, section in defaults:
        if isinstance(section, Section):
            assert set(tables[name]) == set(type(section).model_fields), f"[{name}]"
            assert type(section).model_validate(tables[name]) == section, f"[{name}]"
    account = tables["accounts"]["demo"]
    assert set(account) == set(AccountConfig.model_fields)
    assert AccountConfig(**account) == AccountConfig(venue=account["venue"])
    session = tables["sessions"]["aapl-sma"]
    assert set(session) == set(SessionConfig.model_fields)
    assert SessionConfig(**session) == SessionConfig(
        account=session["account"], symbol=session["symbol"], strategy=session["strategy"]
    )


def test_the_limits_that_stand_commented_out_are_all_that_a_session_may_have() -> None:
    tail = SHIPPED.read_text("utf-8").partition("[sessions.aapl-sma.limits]")[2]
    block = tail.partition("\n\n")[0].partition("\n")[2].replace("# ", "")

    limits = SessionLimits(**tomllib.loads(block, parse_float=Decimal))

    assert limits.model_fields_set == set(SessionLimits.model_fields)


def test_every_line_of_the_shipped_file_with_a_key_says_why_or_what() -> None:
    silent = [
        line
        for line in SHIPPED.read_text("utf-8").partition("[accounts.demo]")[0].splitlines()
        if "=" in line and "#" not in line
    ]

    # The second key of a pair is explained by the first one's comment, a plain one by its name.
    assert {line.split()[0] for line in silent} <= {
        "restarts_window_s",
        "data_slack_s",
        "order_period_s",
        "orders_per_day_max",
        "connections_max",
    }


def test_the_environment_wins_over_the_file_and_the_command_line_over_both() -> None:
    loaded = shipped(
        environ={"TRADER__RISK__QTY_MAX": "7", "TRADER__RISK__COLLAR_FRACTION": "0.1"},
        overrides=["risk.qty_max=8.5"],
    )

    assert loaded.settings.risk.qty_max == Decimal("8.5")
    assert loaded.settings.risk.collar_fraction == Decimal("0.1")
    assert origin_of(loaded, "risk.qty_max") == "--set risk.qty_max"
    assert origin_of(loaded, "risk.collar_fraction") == "TRADER__RISK__COLLAR_FRACTION"
    assert origin_of(loaded, "risk.notional_max").startswith("config.toml:")


def test_a_key_that_no_layer_names_comes_from_the_default(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[admin]\nport = 0\n")

    loaded = load(environ={}, cwd=tmp_path)

    assert origin_of(loaded, "admin.port") == "config.toml:2"
    assert origin_of(loaded, "admin.host") == "default"


def test_a_session_with_a_dash_can_be_reached_by_a_variable() -> None:
    loaded = shipped(environ={"TRADER__SESSIONS__AAPL_SMA__PARAMS": "{ fast = 5 }"})

    assert loaded.settings.sessions["aapl-sma"].params == {"fast": 5}


def test_decimals_of_the_file_never_pass_through_a_float(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[portfolio]\nwarn_ratio = 0.010000000000000000001\n")

    loaded = load(environ={}, cwd=tmp_path)

    assert loaded.settings.portfolio.warn_ratio == Decimal("0.010000000000000000001")


def test_a_sessions_limits_change_only_what_they_name() -> None:
    loaded = shipped(overrides=["sessions.aapl-sma.limits.qty_max=3"])

    limits = loaded.settings.limits_of(SessionId("aapl-sma"))

    assert limits.qty_max == 3
    assert limits.notional_max == loaded.settings.risk.notional_max
    assert loaded.settings.limits_of(SessionId("ibm-donchian")) == loaded.settings.risk


def test_settings_do_not_change_after_they_were_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        shipped().settings.risk.qty_max = Decimal(1)  # type: ignore[misc]


def test_a_client_finds_the_socket_even_past_a_broken_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[daemon]\nstate_dir = '/s'\nbogus = 1\n")
    assert client_places(cwd=tmp_path, environ={}).socket == Path("/s/trader.sock")
    assert client_places(cwd=tmp_path, environ={}).halt_file == Path("/s/HALT")

    (tmp_path / "config.toml").write_text("[admin]\nsocket = '/run/x.sock'\n")
    assert client_places(cwd=tmp_path, environ={}).socket == Path("/run/x.sock")
    environ = {"TRADER__ADMIN__SOCKET": "/run/y.sock"}
    assert client_places(cwd=tmp_path, environ=environ).socket == Path("/run/y.sock")

    (tmp_path / "config.toml").write_text("not toml at all [")
    assert client_places(cwd=tmp_path, environ={}).socket == folders().socket


def test_the_folders_are_made_for_their_owner_only(tmp_path: Path) -> None:
    places = folders(str(tmp_path / "data"), str(tmp_path / "state"))

    places.make()

    assert places.data.stat().st_mode & 0o777 == 0o700
    assert places.state.stat().st_mode & 0o777 == 0o700


def test_an_unknown_variable_is_named_as_it_was_given() -> None:
    with pytest.raises(ConfigInvalid) as found:
        load(environ={"TRADER__FOO__BAR": "1"}, cwd=Path("/nonexistent"))

    assert found.value.problems == ("TRADER__FOO__BAR: foo unknown key",)


@pytest.mark.parametrize("timeframe", ["1s", "5s", "1d"])
def test_a_session_cannot_wait_for_bars_that_its_feed_never_gives(timeframe: str) -> None:
    with pytest.raises(ConfigInvalid) as found:
        load(
            overrides=[
                "accounts.demo.venue=sandbox",
                "sessions.a.account=demo",
                "sessions.a.symbol=AAPL",
                "sessions.a.strategy=sma_cross",
                f"sessions.a.timeframe={timeframe}",
            ],
            environ={},
            cwd=Path("/nonexistent"),
        )

    (problem,) = found.value.problems
    assert "the feed's bars are minutes" in problem
