"""The pages say what the code says: files, functions, alarms, settings, commands, links."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from house_parts import ROOT, Source, called, sources

from actors.app import drill
from actors.app.main import app
from actors.app.simulation import cli as simulation
from actors.app.simulation.faults import KINDS
from actors.app.simulation.invariants import CHECKERS
from actors.runtime import Notice as RuntimeNotice
from actors.runtime.watchdog import EXIT_CODE_LOOP_DEAD
from adapters.gateway.client import ExitCode
from trader.config import AccountConfig, SessionConfig, Settings
from trader.risk.standing import BUDGET_AND_HEAT, SESSION
from trader.session.reporting import TOLD

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
SIMULATION = ROOT / "docs/simulation.md"
OPERATE = (ROOT / "docs/operate.md").read_text("utf-8")
FILES = frozenset({"daemon.lock"})  # look like a setting, and are none
SHOWS = ("actors.app.demo", "actors.app.drill")  # what they say is for who looks on, not for 3 a.m.

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def text_of(page: Path) -> str:
    """The page as it stands."""
    return page.read_text("utf-8")


def codes_in(page: Path) -> list[str]:
    """What stands in single backticks, outside of fenced code."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL))


# Places


@every_page
def test_every_file_and_function_of_a_page_exists(page: Path) -> None:
    missing = []
    for code in codes_in(page):
        found = re.fullmatch(r"((?:trader|actors|adapters|tests)/[\w/]+\.py)(?::([\w.]+))?", code)
        if found is None:
            continue
        path, name = ROOT / found[1], found[2]
        if not path.is_file() or (name and name not in names_in(path)):
            missing.append(code)

    assert not missing


@every_page
def test_every_folder_of_a_page_exists(page: Path) -> None:
    folders = [c for c in codes_in(page) if re.fullmatch(r"(trader|actors|adapters|tests)/\S*/", c)]

    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


@every_page
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    dead = []
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)", text_of(page)):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor[1:] not in anchors_in(target)):
            dead.append(path + anchor)

    assert not dead


def test_every_decision_is_on_the_first_page() -> None:
    index = text_of(ROOT / "docs/index.md")
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))

    assert [page.name for page in pages if f"(decisions/{page.name})" not in index] == []
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))


def names_in(path: Path) -> set[str]:
    """What a file defines at its top, and `Class.name` for what its classes define."""
    names = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        for name in defined(node):
            names.add(name)
            if isinstance(node, ast.ClassDef):
                names |= {f"{name}.{each}" for inner in node.body for each in defined(inner)}
    return names


def defined(node: ast.stmt) -> Iterator[str]:
    """The names that a statement gives to something."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield ast.unparse(target)


def anchors_in(page: Path) -> set[str]:
    """What a link may name after its `#`."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in headings}


# Settings and commands


@every_page
def test_every_setting_of_a_page_exists(page: Path) -> None:
    tables = {name: field.annotation for name, field in Settings.model_fields.items()}
    tables |= {"accounts": AccountConfig, "sessions": SessionConfig}
    unknown = []
    for code in codes_in(page):
        found = re.fullmatch(r"([a-z]+)\.(?:<[a-z]+>\.)?([a-z_]+)(?: = .*)?", code)
        if found is None or found[1] not in tables or code in FILES:
            continue
        if found[2] not in tables[found[1]].model_fields:  # type: ignore[union-attr]
            unknown.append(code)

    assert not unknown


@every_page
def test_every_command_of_a_page_can_be_typed(page: Path) -> None:
    fenced = "\n".join(re.findall(r"```sh\n(.*?)```", text_of(page), re.DOTALL)).splitlines()
    lines = [line for line in (*fenced, *codes_in(page)) if line.startswith("trader ")]

    assert [line for line in lines if not can_be_typed(shlex.split(line, comments=True)[1:])] == []


def can_be_typed(words: list[str]) -> bool:
    """Whether the verbs and the options are there."""
    command: Any = typer.main.get_command(app)
    if words[0] == "drill":
        words, command = words[1:], typer.main.get_command(drill.app)
    elif words[0] == "simulate":
        words, command = words[1:], typer.main.get_command(simulation.app)
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            return False
        command, words = command.commands[words[0]], words[1:]
    known = {option for each in command.params for option in each.opts} | {"--help"}
    return known.issuperset(word for word in words if word.startswith("-"))


# Operate: what rings, what it says, how it ends


def test_every_alarm_is_explained_and_no_other() -> None:
    assert set(column_of("Alarms")) == set(notices())


def test_every_loud_log_line_is_explained_and_no_other() -> None:
    assert set(column_of("Log lines")) == set(loud_lines())


def test_every_question_of_the_gate_is_explained_and_no_other() -> None:
    asked = {question.reason_code for question in (*SESSION, *BUDGET_AND_HEAT)}
    for source in sources():
        for node in ast.walk(source.tree):
            if called(node) == "Check" and isinstance(node.args[0], ast.Constant):  # type: ignore[attr-defined]
                asked.add(node.args[0].value)  # type: ignore[attr-defined]

    assert set(column_of("Why is it not trading?")) == asked


def test_every_metric_is_explained_and_no_other() -> None:
    (source,) = (each for each in sources() if each.module == "adapters.gateway.metrics")
    names = {text for text in texts_in(source.tree) if re.fullmatch(r"trader_[a-z_]+", text)}

    # On the page they stand as Prometheus shows them: a counter has its ending.
    shown = {name.removesuffix("_total") for name in column_of("Metrics")}
    assert shown == {name.removesuffix("_total") for name in names}


def test_every_exit_code_is_explained_and_no_other() -> None:
    told = [int(code) for code in re.findall(r"^\| (\d+) \|", OPERATE, re.MULTILINE)]

    assert told == [*ExitCode, EXIT_CODE_LOOP_DEAD]


def column_of(heading: str) -> list[str]:
    """The names in the first column of the table under a heading."""
    _, _, rest = OPERATE.partition(f"\n## {heading}\n")
    section = rest.partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    assert cells, f"no table under {heading!r}"
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def notices() -> Iterator[str]:
    """Every code under which a notice is given, by whatever way it gets there."""
    for source in sources():
        for function in functions_in(source):
            for node in ast.walk(function):
                if called(node).rpartition(".")[2] == "Notice":
                    yield from codes_of(node.args[1], function, source)  # type: ignore[attr-defined]


def codes_of(code: ast.expr, function: ast.FunctionDef, source: Source) -> Iterator[str]:
    """A constant, a parameter of a small helper, or one of the two kinds that come from data."""
    parameters = [each.arg for each in function.args.args if each.arg != "self"]
    if isinstance(code, ast.Constant):
        yield code.value
    elif isinstance(code, ast.Name) and code.id in parameters:
        place = parameters.index(code.id)
        for node in ast.walk(source.tree):
            if called(node).rpartition(".")[2] == function.name:
                given = node.args[place]  # type: ignore[attr-defined]
                assert isinstance(given, ast.Constant), source.at(node, "a code made elsewhere")
                yield given.value
    elif ast.unparse(code) == "each.kind.lower()":
        yield from (kind.lower() for kind in TOLD)
    elif ast.unparse(code) == "event.reason_code":
        yield from strategy_failures()
    else:
        pytest.fail(source.at(code, "a notice whose code this test cannot follow"))


def strategy_failures() -> Iterator[str]:
    """The reason codes of `StrategyFailed`, wherever strategies run."""
    for source in sources():
        if source.within("adapters.strategies", "trader.session.seat", "actors.strategy_host"):
            logged = {event for _, event in log_calls(source.tree)}
            for text in texts_in(source.tree):
                if re.fullmatch(r"strategy_\w+|bad_decision", text) and text not in logged:
                    yield text


def loud_lines() -> Iterator[str]:
    """Log lines above info, the notices of the engine room among them; not those of a show."""
    for source in sources():
        if source.module.startswith(SHOWS):
            continue
        for method, event in log_calls(source.tree):
            if method not in ("info", "debug"):
                yield event
    for kind in get_args(RuntimeNotice):
        yield re.sub(r"(?<!^)([A-Z])", r"_\1", kind.__name__).lower()


def log_calls(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Method and event of each call that logs a constant; `write` is a method chosen before."""
    for node in ast.walk(tree):
        found = re.fullmatch(r"_?log\.(\w+)|(write)", called(node))
        if found and node.args and isinstance(node.args[0], ast.Constant):  # type: ignore[attr-defined]
            yield found[1] or found[2], node.args[0].value  # type: ignore[attr-defined]


def functions_in(source: Source) -> Iterator[ast.FunctionDef]:
    """Functions and methods."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef):
            yield node


def texts_in(tree: ast.AST) -> Iterator[str]:
    """Every constant text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


# The simulation: its faults and its promises


def test_every_kind_of_fault_is_named_and_no_other() -> None:
    page = text_of(SIMULATION)
    told = page[page.index("## What may go wrong") : page.index("## What must hold")]
    named = re.findall(r"`([a-z_]+)`", told[told.index("|---") :])

    assert sorted(named) == sorted(KINDS)


def test_every_promise_has_its_checkers_and_no_other() -> None:
    rows = re.findall(r"^\| (I\d+) .*\| (.*) \|$", text_of(SIMULATION), re.MULTILINE)
    told = {number: set(re.findall(r"`([A-Z]\w+)`", cell)) for number, cell in rows}
    checkers: dict[str, set[str]] = {number: set() for number in told}
    for checker in CHECKERS:
        checkers[checker.invariant].add(checker.__name__)

    assert list(told) == [f"I{number}" for number in range(1, 27)]
    assert told == checkers
