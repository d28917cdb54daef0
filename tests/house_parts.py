"""The source of the house as syntax trees, for the rules of `test_house.py`."""

import ast
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("trader", "adapters", "actors")


@dataclass(frozen=True)
class Source:
    """One file of the house: its dotted module name, its path from the root, its tree."""

    module: str
    path: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """`trader`, `adapters` or `actors`."""
        return self.module.partition(".")[0]

    def within(self, *modules: str) -> bool:
        """Whether it is one of these modules or lies under one of them."""
        return any(self.module == each or self.module.startswith(f"{each}.") for each in modules)

    def at(self, node: ast.AST, what: str) -> str:
        """A finding, with the place where it stands."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {what}"


@functools.cache
def sources() -> tuple[Source, ...]:
    """Every file of the three packages, in the order of their paths."""
    found = []
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            path = file.relative_to(ROOT)
            module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
            tree = ast.parse(file.read_text("utf-8"), filename=str(path))
            found.append(Source(module, str(path), tree))
    return tuple(found)


def findings(
    look: Callable[[Source, ast.AST], str | None], *packages: str, but: tuple[str, ...] = ()
) -> list[str]:
    """What `look` says of each node of these packages, except in the modules named."""
    return [
        source.at(node, what)
        for source in sources()
        if source.package in packages and not source.within(*but)
        for node in ast.walk(source.tree)
        if (what := look(source, node)) is not None
    ]


def imports(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    """Every import that runs, as the module's full name; what only a type checker reads is not."""
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names = {source.module for source in sources()}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node, whole if whole in names else str(node.module)


def called(node: ast.AST) -> str:
    """The dotted name that a call calls; "" for anything else."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def is_dataclass(node: ast.AST) -> bool:
    """Whether it is a class made by `@dataclass`."""
    return isinstance(node, ast.ClassDef) and any(
        ast.unparse(each).startswith("dataclass") for each in node.decorator_list
    )


def is_frozen(node: ast.ClassDef) -> bool:
    """Whether its dataclass decorator says frozen."""
    return any("frozen=True" in ast.unparse(each) for each in node.decorator_list)


def fields_of(node: ast.ClassDef) -> list[str]:
    """The names of its annotated fields."""
    return [
        each.target.id
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    ]


def public_parts(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Public classes, functions, and public methods of public classes, with their names."""
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in tree.body:
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node, node.name
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, kinds) and not inner.name.startswith("_"):
                    yield inner, f"{node.name}.{inner.name}"
