"""The rules of the house, read from its source. Each failure says why the rule stands."""

import ast
import graphlib
import re
from collections.abc import Callable, Iterable

import pytest
from house_parts import (
    PACKAGES,
    ROOT,
    Source,
    called,
    fields_of,
    findings,
    imports,
    is_dataclass,
    is_frozen,
    public_parts,
    sources,
)

from trader import errors
from trader.vocabulary import VOCABULARY

MAY_IMPORT = {
    "trader": {"trader"},
    "adapters": {"adapters", "trader"},
    "actors": {"actors", "trader"},
}
APP = "actors.app"
HOST = ("actors.runtime", APP)  # the rooms that own the loop and the outside

BANNED_IN_THE_CORE = {
    **dict.fromkeys(("time", "random", "uuid", "secrets"), "comes in on the event: same in, same"),
    **dict.fromkeys(
        ("asyncio", "threading", "multiprocessing", "concurrent", "queue", "signal", "sched"),
        "the core neither waits nor runs beside itself",
    ),
    **dict.fromkeys(
        ("socket", "ssl", "http", "urllib", "select", "aiohttp", "asyncpg", "websockets", "pykka"),
        "what is outside comes through a port",
    ),
    **dict.fromkeys(
        ("os", "io", "pathlib", "shutil", "tempfile", "subprocess", "sqlite3", "pickle", "fcntl"),
        "the core reads and writes no file and starts no process",
    ),
    **dict.fromkeys(("logging", "structlog", "warnings", "sys"), "the core returns notices"),
}
BANNED_IN_ACTORS = {
    "time": "an actor asks its host, which can be virtual",
    "random": "chance is the host's, from one seed",
    "uuid": "ids are the host's",
    "secrets": "ids are the host's",
    "asyncio": "a wait goes through `pipe`, a timer through `remind`",
    "threading": "one loop serves every actor",
    "concurrent": "one loop serves every actor",
    "socket": "what is outside comes through a port",
}
CLOCKS = (
    *("adapters.clock", "actors.runtime.hosts"),
    # The sandbox venue is another process and keeps its own time; real seconds are in a header.
    *("adapters.sandbox.clock", "adapters.sandbox.opening", "adapters.sandbox.guard"),
)
MAY_FLOAT = (
    "trader.indicators",
    "trader.session.strategies",  # compare indicators with a close, and order by the close
    "trader.config_values",  # a strategy's parameter: the strategy says what it becomes
    "trader.session.valid",  # where a strategy's float becomes a decimal, or is refused
)


def nothing_of(found: Iterable[str], why: str) -> None:
    """Fail with every finding and the reason of the rule."""
    listed = list(found)
    if listed:
        pytest.fail(f"{why}\n  " + "\n  ".join(listed), pytrace=False)


def calls(*names: str) -> Callable[[Source, ast.AST], str | None]:
    """Finds calls of these names; a leading dot means: of methods only."""

    def look(_: Source, node: ast.AST) -> str | None:
        whole = called(node)
        _, dot, name = whole.rpartition(".")
        return f"calls {whole}" if name in names or (dot and dot + name in names) else None

    return look


def imported(package: str, banned: dict[str, str], *, but: tuple[str, ...] = ()) -> list[str]:
    """Banned imports in a package, each with its reason."""
    return [
        source.at(node, f"imports {name}: {banned[name.partition('.')[0]]}")
        for source in sources()
        if source.package == package and not source.within(*but)
        for node, name in imports(source.tree)
        if name.partition(".")[0] in banned
    ]


# The rooms


def test_imports_go_downward() -> None:
    nothing_of(
        (
            source.at(node, f"imports {name}")
            for source in sources()
            if not source.within(APP)
            for node, name in imports(source.tree)
            if (top := name.partition(".")[0]) in PACKAGES
            and (top not in MAY_IMPORT[source.package] or name.startswith(APP))
        ),
        "the core knows nobody, the wings know the core and not each other, only actors/app joins",
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_imports_itself_by_a_detour(package: str) -> None:
    ours = {source.module: source for source in sources() if source.package == package}
    arrows = {
        name: {to for _, to in imports(source.tree) if to in ours and to != name}
        for name, source in ours.items()
    }

    try:
        graphlib.TopologicalSorter(arrows).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"neither can be read without the other: {' <- '.join(error.args[1])}")


def test_the_core_does_no_input_or_output() -> None:
    nothing_of(
        imported("trader", BANNED_IN_THE_CORE),
        "a decision that asks the outside cannot be replayed",
    )


def test_actors_reach_the_outside_through_their_host_only() -> None:
    nothing_of(
        imported("actors", BANNED_IN_ACTORS, but=HOST),
        "the same actors run in virtual time under one seed",
    )


def test_only_the_clocks_read_the_clock() -> None:
    def look(_: Source, node: ast.AST) -> str | None:
        name = called(node)
        if re.search(r"\b(datetime|date)\.(now|utcnow|today)$", name) or name == "time.time":
            return name
        return None

    nothing_of(
        findings(look, *PACKAGES, but=CLOCKS),
        "a second clock disagrees with the first, and no test can turn it",
    )


def test_nothing_in_the_core_depends_on_the_order_of_a_set() -> None:
    found = findings(calls("hash", "id"), "trader")
    for source in sources():
        if source.package == "trader":
            found += _iterated_sets(source)

    nothing_of(found, "texts hash differently in each process: the same day must replay the same")


def _iterated_sets(source: Source) -> list[str]:
    names = {
        ast.unparse(node.target)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.AnnAssign)
        and re.match(r"(frozen)?set\b", ast.unparse(node.annotation))
    }
    unordered = (ast.Set, ast.SetComp)

    def is_set(node: ast.expr) -> bool:
        name = ast.unparse(node)
        return (
            isinstance(node, unordered)
            or called(node) in ("set", "frozenset")
            or name in names
            or name.removeprefix("self.") in names
        )

    nodes = list(ast.walk(source.tree))
    ordered = {id(inner) for node in nodes if called(node) == "sorted" for inner in ast.walk(node)}
    found = []
    for node in nodes:
        if id(node) in ordered:
            continue
        if isinstance(node, ast.For | ast.comprehension) and is_set(node.iter):
            found.append(source.at(node.iter, f"iterates over {ast.unparse(node.iter)}"))
        if isinstance(node, ast.Call) and called(node) in ("list", "tuple", "iter", "enumerate"):
            found += [source.at(node, ast.unparse(node)) for each in node.args if is_set(each)]
    return found


# Promises as types


def test_only_the_gate_clears() -> None:
    nothing_of(
        findings(calls("Cleared"), *PACKAGES, but=("trader.risk.gate",)),
        "`Cleared` proves that the risk gate was asked",
    )


def test_only_a_journal_says_recorded() -> None:
    nothing_of(
        findings(calls("Recorded"), *PACKAGES, but=("adapters.store", "adapters.simulated")),
        "`Recorded` proves a commit: the broker takes nothing else",
    )


def test_actors_ask_nobody_but_at_the_desk() -> None:
    nothing_of(
        findings(calls(".ask"), "actors", but=("actors.runtime", "actors.desk", APP)),
        "an asker dies of the asked one's error, and two who ask each other wait for ever",
    )


def test_money_is_never_a_float() -> None:
    def look(source: Source, node: ast.AST) -> str | None:
        is_forever = ast.unparse(node) == "float('inf')"
        return None if is_forever else calls("float")(source, node)

    nothing_of(
        findings(look, "trader", but=MAY_FLOAT),
        "a float near money is a cent lost; indicators may, and never flow back into an order",
    )


# Messages and matches


def test_messages_cannot_be_changed() -> None:
    nothing_of(
        (
            source.at(node, node.name)
            for source in sources()
            if source.module in UNFROZEN_HOMES or source.module.endswith(".events")
            for node in source.tree.body
            if isinstance(node, ast.ClassDef)
            and is_dataclass(node)
            and not is_frozen(node)
            and node.name not in PER_BAR
        ),
        "many hold the same message; only those made per bar or tick are spared the price",
    )


PER_BAR = frozenset(
    {
        *("Candle", "Tick", "CandleUpdated", "CandleClosed", "PriceMoved", "TickReceived"),
        *("BarReceived", "FeedBeat", "StrategyDecided", "AskStrategy", "DecideOnBar"),
    }
)
UNFROZEN_HOMES = frozenset(
    {
        *("trader.market.candle", "trader.market.tick", "trader.ports", "trader.records"),
        *("trader.session.effects", "actors.account_messages", "actors.strategy_host"),
    }
)


def test_every_event_is_in_the_vocabulary() -> None:
    known = {(word.kind.__module__, word.kind.__name__) for word in VOCABULARY.values()}

    nothing_of(
        (
            source.at(node, node.name)
            for source in sources()
            if source.package == "trader" and source.module.endswith(".events")
            for node in source.tree.body
            if isinstance(node, ast.ClassDef)
            and is_dataclass(node)
            and (source.module, node.name) not in known | NOUNS_OF_EVENTS
        ),
        "trader/vocabulary.py is the page to read first, and the register that records go by",
    )


NOUNS_OF_EVENTS = {("trader.positions.events", "BrokerPosition")}


def test_nobody_assigns_to_a_field_of_a_message_made_per_bar() -> None:
    fields = {
        name
        for source in sources()
        for node in source.tree.body
        if isinstance(node, ast.ClassDef) and node.name in PER_BAR
        for name in fields_of(node)
    }

    def look(_: Source, node: ast.AST) -> str | None:
        if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Store | ast.Del):
            return None
        owner = ast.unparse(node.value)
        is_own = owner.split(".")[0] in ("self", "state")  # an actor's own, or the session's
        return ast.unparse(node) if node.attr in fields and not is_own else None

    nothing_of(
        findings(look, *PACKAGES),
        "they are not frozen for speed alone (3x a bar): whoever gets one shares it with others",
    )


def test_every_match_over_our_own_union_is_total() -> None:
    def look(_: Source, node: ast.AST) -> str | None:
        if not isinstance(node, ast.Match) or _is_total(node):
            return None
        return f"match {ast.unparse(node.subject)} forgets what it does not name"

    nothing_of(
        findings(look, *PACKAGES),
        "a forgotten case must be a type error (assert_never) or a crash, never a silence",
    )


def _is_total(node: ast.Match) -> bool:
    patterns = [each.pattern for each in node.cases]
    last = node.cases[-1]
    is_wild = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
    if not any(_is_ours(each) for each in patterns):
        return True  # texts and tuples of the outside: what is not understood is handled there
    end = ast.unparse(last.body[-1])
    return is_wild and bool(re.match(r"assert_never\(|raise |return |self\._fold\(", end))


def _is_ours(pattern: ast.pattern) -> bool:
    """Kinds of a closed set; errors are open-ended, so any end may follow them."""
    return any(
        isinstance(each, ast.MatchClass) and ast.unparse(each.cls) not in ERRORS
        for each in ast.walk(pattern)
    )


ERRORS = frozenset(name for name in vars(errors) if isinstance(getattr(errors, name), type))


# Words


def test_every_public_name_is_documented() -> None:
    undocumented = [
        source.at(source.tree, "the module")
        for source in sources()
        if source.tree.body and not ast.get_docstring(source.tree)
    ]
    for source in sources():
        undocumented += [
            source.at(node, name)
            for node, name in public_parts(source.tree)
            if not ast.get_docstring(node)  # type: ignore[arg-type]
        ]

    nothing_of(undocumented, "a name that needs no sentence is private; its first line says what")


def test_values_reach_the_database_as_parameters_only() -> None:
    words = re.compile(
        r"\b(select\b.+\bfrom|insert\s+into|update\b.+\bset|delete\s+from|copy\b.+\bfrom"
        r"|(alter|create|drop|truncate)\s+(table|index|schema|role|database|type|function)"
        r"|(listen|notify)\s)\b",
        re.I | re.S,
    )

    def look(_: Source, node: ast.AST) -> str | None:
        made = isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Mod)
            and isinstance(node.left, ast.Constant)
        )
        is_asked = called(node).rpartition(".")[2] in ("execute", "fetch", "fetchrow", "fetchval")
        is_asked_made = is_asked and isinstance(node.args[0], ast.JoinedStr)  # type: ignore[attr-defined]
        return (
            ast.unparse(node)
            if is_asked_made or (made and words.search(ast.unparse(node)))
            else None
        )

    nothing_of(
        findings(look, *PACKAGES, but=("adapters.store.statements",)),  # from constants, at import
        "a text built into a statement is a hole: values go as $1",
    )


def test_nothing_is_left_for_later() -> None:
    nothing_of(
        (
            f"{source.path}:{number}: {line.strip()}"
            for source in sources()
            for number, line in enumerate((ROOT / source.path).read_text("utf-8").splitlines(), 1)
            if re.search(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", line)
        ),
        "what is not built is not here; what is to be done is an issue",
    )
