"""The corpus: worlds that once broke a promise, each as the plan that it was.

A seed means another world as soon as a kind of fault is added, so the plan itself is kept: its
sessions, its strikes, its second of booting. The seed only throws the dice of its servers.

    python -m tests.simulation.corpus --seed 29 --broke "what it showed" --since 1a2b3c4
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from actors.app.simulation.faults import KINDS
from actors.app.simulation.plan import COMMANDS, Plan, draw

CORPUS = Path(__file__).with_name("corpus.jsonl")


@dataclass(frozen=True)
class Lesson:
    """One world. `broke`: what it showed; `since`: the commit that mended it."""

    broke: str
    since: str
    plan: Plan

    @property
    def unknown(self) -> tuple[str, ...]:
        """Strikes that nobody performs any more: it would not be the world that it was."""
        known = {*KINDS, *COMMANDS}
        return tuple(strike.what for strike in self.plan.strikes if strike.what not in known)


LESSON = TypeAdapter(Lesson)


def lessons() -> tuple[Lesson, ...]:
    """All of them, oldest first."""
    return tuple(LESSON.validate_json(line) for line in CORPUS.read_text("utf-8").splitlines())


def keep(lesson: Lesson) -> None:
    """One more, for ever."""
    with CORPUS.open("ab") as file:
        file.write(LESSON.dump_json(lesson) + b"\n")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--faults", default=",".join(KINDS), help="those it was run with")
    parser.add_argument("--broke", required=True)
    parser.add_argument("--since", required=True, help="the commit that mended it")
    said = parser.parse_args()
    faults = [name for name in said.faults.split(",") if name and name != "none"]
    keep(Lesson(said.broke, said.since, draw(said.seed, faults)))


if __name__ == "__main__":
    main()
