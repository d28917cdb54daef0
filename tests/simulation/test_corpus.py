"""What once broke a promise never does again: these worlds run first, for ever."""

import pytest

from actors.app.simulation.run import run_plan
from tests.simulation.corpus import Lesson, lessons


@pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.broke)
def test_a_world_that_once_broke_a_promise_keeps_it(lesson: Lesson) -> None:
    assert not lesson.unknown, "kinds of faults were renamed: it is not the world that it was"

    verdict = run_plan(lesson.plan)

    assert verdict.holds, "\n".join(map(str, verdict.broken))
