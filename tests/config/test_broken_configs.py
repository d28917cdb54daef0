"""A wrong configuration: every problem at once, each with its line, and never a traceback."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from adapters.config_file import load
from trader.errors import ConfigInvalid

HOUSE = """\
[accounts.main]
venue = "sandbox"

[sessions.one]
account = "main"
symbol = "AAPL"
strategy = "sma_cross"
"""


def problems_of(
    folder: Path,
    text: str,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Sequence[str] = (),
) -> list[str]:
    file = folder / "config.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigInvalid) as caught:
        load(file, environ=environ or {}, overrides=overrides)
    return list(caught.value.problems)


BROKEN = [
    pytest.param(
        "[risk]\nqty_mxa = 5\n",
        ["config.toml:2: risk.qty_mxa unknown key (did you mean qty_max?)"],
        id="a key with a slip of the pen gets the key that was meant",
    ),
    pytest.param(
        "[rsik]\nqty_max = 5\n",
        ["config.toml:1: rsik unknown key (did you mean risk?)"],
        id="so does a section",
    ),
    pytest.param(
        '[daemon]\nmode = "lvie"\n',
        ["config.toml:2: daemon.mode must be paper or live (did you mean live?)"],
        id="a choice that does not exist names the choices",
    ),
    pytest.param(
        "[risk]\nqty_max = 5\n\n[admin\nport = 1\n",
        ["config.toml:4: not TOML: expected ']' at the end of a table declaration"],
        id="a file that is not TOML says where",
    ),
    pytest.param(
        "[admin]\nport = 1\nport = 2\n",
        ["config.toml:3: not TOML: cannot overwrite a value"],
        id="a key written twice is refused",
    ),
    pytest.param(
        "[admin]\nport = 99999\n",
        ["config.toml:2: admin.port should be less than or equal to 65535, not 99999"],
        id="a number out of range names the range",
    ),
    pytest.param(
        "[risk]\nqty_max = -5\n",
        ["config.toml:2: risk.qty_max should be greater than 0, not -5"],
        id="a negative limit is refused",
    ),
    pytest.param(
        "[risk]\nqty_max = nan\n",
        ["config.toml:2: risk.qty_max must be a finite decimal number, not NaN"],
        id="a limit that is not a number is refused",
    ),
    pytest.param(
        "[risk]\nqty_max = [1]\n",
        ["config.toml:2: risk.qty_max must be a finite decimal number"],
        id="a list is no quantity",
    ),
    pytest.param(
        "[portfolio]\nwarn_ratio = 0.06\nblock_ratio = 0.05\n",
        ["config.toml:3: portfolio.block_ratio must be above warn_ratio (0.06), not 0.05"],
        id="blocking below warning is refused",
    ),
    pytest.param(
        '[admin]\nhost = "0.0.0.0"\n',
        [
            "config.toml:2: admin.host must be a loopback address; "
            "use an SSH tunnel, or the socket, from afar"
        ],
        id="the door does not open to the network",
    ),
    pytest.param(
        "risk = 5\n",
        ["config.toml:1: risk must be a table"],
        id="a value where a table belongs",
    ),
    pytest.param(
        '[accounts.main]\nvenue = "sandbox"\nsecret = "canary-7d1f"\n',
        [
            "config.toml:3: accounts.main.secret a secret never stands in the configuration: "
            "name its file (…_file) or variable (…_env)"
        ],
        id="a secret is refused and not repeated",
    ),
    pytest.param(
        '[store]\ndatabase_url_file = "postgresql://me:canary-7d1f@db/trader"\n',
        [
            "config.toml:2: store.database_url_file a secret never stands in the configuration: "
            "name its file (…_file) or variable (…_env)"
        ],
        id="a URL with a password is a secret wherever it stands",
    ),
    pytest.param(
        '[accounts.main]\nvenue = "alpaca"\nsecret_env = "canary-7d1f/x"\n',
        ["config.toml:3: accounts.main.secret_env must be the name of an environment variable"],
        id="a secret in place of its variable's name is not repeated",
    ),
    pytest.param(
        HOUSE.replace('symbol = "AAPL"\n', ""),
        ["config.toml:4: sessions.one.symbol is missing"],
        id="a session without a symbol",
    ),
    pytest.param(
        HOUSE.replace('account = "main"', 'account = "mian"'),
        ["config.toml:5: sessions.one.account no [accounts.mian] in this configuration"],
        id="a session on an account that does not exist",
    ),
    pytest.param(
        HOUSE + '[sessions.two]\naccount = "main"\nsymbol = "AAPL"\nstrategy = "donchian"\n',
        ["config.toml:10: sessions.two.symbol session one trades it on this account already"],
        id="two sessions may not share an instrument",
    ),
    pytest.param(
        HOUSE.replace("AAPL", "TSLA"),
        ["config.toml:6: sessions.one.symbol not among sandbox.symbols"],
        id="a symbol that the sandbox does not trade",
    ),
    pytest.param(
        HOUSE.replace("[sessions.one]", '[sessions."Bad Name"]'),
        [
            "config.toml:4: sessions.Bad Name must be lower-case letters, digits and dashes, "
            "32 at most"
        ],
        id="a session's name has a form",
    ),
    pytest.param(
        HOUSE + "params = { fast = [1, 2] }\n",
        ["config.toml:8: sessions.one.params.fast must be a text, a number, true or false"],
        id="a strategy's parameter is one plain value",
    ),
    pytest.param(
        '[daemon]\nmode = "live"\n\n[accounts.real]\nvenue = "alpaca"\n'
        'url = "https://api.alpaca.markets"\n',
        ['config.toml:4: accounts.real.live_account_id needed with daemon.mode = "live"'],
        id="live mode asks to be configured twice",
    ),
    pytest.param(
        '[accounts.real]\nvenue = "alpaca"\nurl = "https://api.alpaca.markets"\n',
        ['config.toml:3: accounts.real.url the live host needs daemon.mode = "live"'],
        id="the live host is refused in paper mode",
    ),
    pytest.param(
        '[daemon]\nmode = "live"\n' + HOUSE,
        ["config.toml:4: accounts.main.venue the sandbox cannot trade live"],
        id="the sandbox is never live",
    ),
    pytest.param(
        "[risk]\nentry_deadline_s = 20\ngrant_ttl_s = 20\n",
        [
            "config.toml:3: risk.grant_ttl_s must be above entry_deadline_s: "
            "a grant outlives its order"
        ],
        id="a grant that would end before its order",
    ),
]


@pytest.mark.parametrize(("text", "expected"), BROKEN)
def test_a_broken_config_says_what_is_wrong_and_where(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    problems = problems_of(tmp_path, text)

    assert problems == expected
    assert "canary-7d1f" not in "\n".join(problems)


def test_every_problem_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        '[daemon]\nmode = "lvie"\n[risk]\nqty_mxa = 1\nqty_max = -1\n'
        '[sessions.a]\naccount = "nobody"\nsymbol = "AAPL"\nstrategy = "x"\n'
    )

    overrides = ["reconcile.query_timeout_s=0"]
    problems = problems_of(
        tmp_path, text, environ={"TRADER__ADMIN__PROT": "1"}, overrides=overrides
    )

    assert [re.sub(r" .*", "", problem) for problem in problems] == [
        "config.toml:2:",
        "config.toml:4:",
        "config.toml:5:",
        "config.toml:7:",
        "--set",
        "TRADER__ADMIN__PROT:",
    ]


def test_an_account_with_a_mistake_of_its_own_is_not_missing_besides(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, HOUSE.replace('"sandbox"', '"sandbx"'))

    assert problems == [
        "config.toml:2: accounts.main.venue must be sandbox or alpaca (did you mean sandbox?)"
    ]


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        (
            "TRADER__RISK__QTY_MXA",
            "5",
            "TRADER__RISK__QTY_MXA: risk.qty_mxa unknown key (did you mean qty_max?)",
        ),
        (
            "TRADER__ADMIN__PORT",
            "eighty",
            "TRADER__ADMIN__PORT: admin.port should be a valid integer, "
            "unable to parse string as an integer",
        ),
        ("TRADER__", "5", "TRADER__: no such key"),
        ("TRADER__ADMIN__PORT__X", "5", "TRADER__ADMIN__PORT__X: admin.port is not a table"),
    ],
)
def test_an_unknown_or_wrong_variable_is_an_error_too(
    tmp_path: Path, variable: str, value: str, expected: str
) -> None:
    assert problems_of(tmp_path, "[admin]\nport = 1\n", environ={variable: value}) == [expected]


def test_an_override_without_a_value_says_how_to_write_it_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    assert problems_of(tmp_path, "", overrides=["canary-7d1f"]) == [
        "--set: write it as --set section.key=value"
    ]


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"nowhere\.toml: no such file or directory"):
        load(tmp_path / "nowhere.toml", environ={})


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigInvalid, match=r"config\.toml: not UTF-8 text"):
        load(tmp_path / "config.toml", environ={})
