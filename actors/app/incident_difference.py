"""Two answers to the same event, compared: the first place where they part."""

import itertools
from dataclasses import dataclass

from adapters.incidents.effects import decisions_of, did_of
from adapters.incidents.page import Step, Stepped


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where two answers part, and both sides of it."""

    place: str
    then: object
    now: object

    def __str__(self) -> str:
        return f"{self.place}: then {_short(self.then)}, now {_short(self.now)}"


def difference(step: Step, now: Stepped | None, *, is_whole: bool) -> Difference | None:
    """Where what is decided now parts from what was decided then; None: nowhere.

    `is_whole`: the moments of questions and reports count too.
    """
    if now is None:
        return Difference("the trader", "lived on", "is dead")
    if (step.at_s, step.event) != (now.at_s, now.event):
        return Difference("heard", (step.at_s, step.event), (now.at_s, now.event))
    if now.effects is None or step.raised:
        return _parting("raised", step.raised, now.raised)
    both = (step.did, did_of(now.effects))
    return _parting("", *(both if is_whole else map(decisions_of, both)))


def _parting(place: str, then: object, now: object) -> Difference | None:
    """The first place where they part."""
    match then, now:
        case dict(), dict():
            if then.get("is") != now.get("is"):
                return Difference(place, then.get("is"), now.get("is"))
            keys = sorted({*then, *now})
            parts = ((f"{place}.{key}", then.get(key), now.get(key)) for key in keys)
        case list(), list():
            pairs = enumerate(itertools.zip_longest(then, now), 1)
            parts = ((f"{place}[{n}]" if place else _effect(n, a), a, b) for n, (a, b) in pairs)
        case _:
            return None if then == now else Difference(place, then, now)
    return next(filter(None, itertools.starmap(_parting, parts)), None)


def _effect(number: int, effect: object) -> str:
    return f"effect {number}" + (f" {effect['is']}" if isinstance(effect, dict) else "")


def _short(value: object) -> str:
    if isinstance(value, dict) and "is" in value:
        value = value["is"]
    text = "nothing" if value is None or value == "" else str(value)
    return text if len(text) <= 200 else f"{text[:200]} ..."
