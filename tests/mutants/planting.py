"""Planting a bug: the running code of the daemon is changed by a fragment, and put back afterwards.

A function keeps its identity and gets other code, so whoever imported it by name has the bug too.
A fragment that does not stand there exactly once is an error: the code has moved on, and a bug that
was never planted proves nothing.
"""

import __future__

import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from actors.app.simulation.plan import Plan


@dataclass(frozen=True)
class Edit:
    """One change of one function, method or property: `old` becomes `new`.

    Lines after the first are indented as the line is in which `old` begins.
    """

    where: Callable[..., Any] | property
    old: str
    new: str


def function_of(edit: Edit) -> FunctionType:
    """Whose code it changes."""
    function = edit.where.fget if isinstance(edit.where, property) else edit.where
    assert isinstance(function, FunctionType)
    return function


def _changed(function: FunctionType, edits: Sequence[Edit]) -> CodeType:
    name = function.__qualname__
    source = textwrap.dedent(inspect.getsource(function))
    for edit in edits:
        changed = _with(source, edit.old, edit.new)
        assert changed is not None, f"{name} has not {edit.old!r} once: plant it anew"
        source = changed
    flags = __future__.annotations.compiler_flag
    whole = compile(source, f"<{name}, with a bug>", "exec", flags=flags)
    (code,) = [
        each
        for each in whole.co_consts
        if isinstance(each, CodeType) and each.co_name == function.__name__
    ]
    return code


def _with(source: str, old: str, new: str) -> str | None:
    """The source with the fragment changed; None where it does not stand there exactly once."""
    found: list[str] = []
    first, *_ = old.splitlines()
    place = source.find(first)
    while place >= 0:
        line = source[source.rfind("\n", 0, place) + 1 :]
        margin = "\n" + " " * (len(line) - len(line.lstrip(" ")))
        fitted = old.replace("\n", margin)
        if source.startswith(fitted, place):
            found.append(source[:place] + new.replace("\n", margin) + source[place + len(fitted) :])
        place = source.find(first, place + 1)
    return found[0] if len(found) == 1 else None


@dataclass(frozen=True)
class Bug:
    """One planted bug, and the worlds in which it is looked for.

    `faults`: the only kinds that strike there; () for all kinds, as a seed draws them. `bend`: how
    the drawn plan is changed, so that what the bug needs happens soon.
    """

    name: str
    says: str
    edits: tuple[Edit, ...]
    faults: tuple[str, ...] = ()
    bend: Callable[[Plan], Plan] = lambda plan: plan

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Within it the daemon has the bug."""
        by_function: dict[FunctionType, list[Edit]] = {}
        for edit in self.edits:
            by_function.setdefault(function_of(edit), []).append(edit)
        sound = {function: function.__code__ for function in by_function}
        try:
            for function, edits in by_function.items():
                function.__code__ = _changed(function, edits)
            yield
        finally:
            for function, code in sound.items():
                function.__code__ = code
