"""Planted bugs are planted, are caught, and are gone afterwards."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.mutants.bugs import BUGS
from tests.mutants.hunt import in_a_process
from tests.mutants.planting import Bug, Edit, function_of

COUNT_MIN = 28
SOON_CAUGHT = (  # one of each room, with the seeds that it takes at the most
    ("timeout_is_rejected", 5),
    ("no_fill_dedupe", 5),
    ("run_on_replaced", 5),
    ("resume_without_its_row", 5),
)


def twice(number: int) -> int:
    doubled = number + number
    return doubled


def test_there_are_bugs_enough() -> None:
    assert len(BUGS) >= COUNT_MIN


@pytest.mark.parametrize("bug", BUGS.values(), ids=lambda bug: bug.name)
def test_every_bug_can_be_planted_and_is_taken_away_again(bug: Bug) -> None:
    functions = {function_of(edit) for edit in bug.edits}
    sound = {function: function.__code__ for function in functions}

    with bug.planted():
        changed = [function for function, code in sound.items() if function.__code__ != code]

    assert changed == list(sound)
    assert all(function.__code__ is code for function, code in sound.items())


def test_a_bug_acts_while_it_is_planted_wherever_its_function_was_imported() -> None:
    imported_by_name = twice
    bug = Bug("thrice", "", (Edit(twice, "number + number", "number + number + number"),))

    with bug.planted():
        assert imported_by_name(7) == 21

    assert imported_by_name(7) == 14


def test_a_bug_that_raises_in_its_planting_leaves_nothing_behind() -> None:
    bug = Bug("odd", "", (Edit(twice, "doubled = number", "doubled = = number"),))

    with pytest.raises(SyntaxError), bug.planted():
        pass

    assert twice(7) == 14


@pytest.mark.parametrize("old", ["number * number", "number"], ids=["gone", "there more than once"])
def test_a_fragment_that_does_not_stand_there_once_is_an_error_not_a_bug(old: str) -> None:
    bug = Bug("unplantable", "", (Edit(twice, old, "0"),))

    with pytest.raises(AssertionError, match="plant it anew"), bug.planted():
        pass


def test_planted_bugs_are_caught_within_their_seeds() -> None:
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawning) as pool:
        hunts = [pool.submit(in_a_process, name, 1, most) for name, most in SOON_CAUGHT]
        catches = [each.result() for each in hunts]

    missed = [each.bug for each in catches if not each.invariants]
    assert not missed, f"no checker speaks of {', '.join(missed)}"
