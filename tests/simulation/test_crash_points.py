"""A daemon struck at every boundary of the order path: each has a name, and every promise holds."""

import json
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

import pytest
from typer.testing import CliRunner

from actors.app import drill_points
from actors.app.drill import app
from actors.app.simulation.batch import hush
from actors.app.simulation.boundaries import How
from actors.app.simulation.crash_days import DAYS
from actors.app.simulation.crash_points import Case, Found, Struck, cases, discover, strike
from actors.app.simulation.crash_table import BESIDE, POINTS, is_beside
from actors.app.simulation.plan import Strike
from actors.app.simulation.run import run_plan
from adapters.simulated.history import FaultStruck

PARTS_COUNT = 8


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> None:
    hush()


@pytest.fixture(scope="module")
def met() -> Found:
    return discover()


def names(met: Found) -> set[str]:
    return {name for day in met.values() for name in day}


def test_every_boundary_that_a_day_meets_has_a_name_in_the_table(
    met: Found,
) -> None:
    assert sorted(each for each in names(met) if each not in POINTS and not is_beside(each)) == []


def test_every_name_in_the_table_is_met(met: Found) -> None:
    found = names(met)
    patterns = [each for group in BESIDE.values() for each in group]

    assert [each for each in POINTS if each not in found] == []
    assert [p for p in patterns if not any(fnmatchcase(each, p) for each in found)] == []
    assert [each for each in POINTS if is_beside(each)] == []


def once_each(met: Found, points: list[str]) -> Iterator[Case]:
    """Each point once, on the day on which it is met first."""
    seen: set[str] = set()
    for case in cases(met, points, (How.KILL,), 1):
        if case.point not in seen:
            seen.add(case.point)
            yield case


@pytest.mark.parametrize("part", range(PARTS_COUNT))
def test_a_daemon_killed_at_any_point_of_the_order_path_breaks_no_promise(
    met: Found, part: int
) -> None:
    points = list(POINTS)[part::PARTS_COUNT]
    struck = [strike(case) for case in once_each(met, points)]

    assert len(struck) == len(points)
    assert [each for each in struck if each.broken] == []


@pytest.mark.parametrize("how", [How.CRASH_BEFORE, How.CRASH_AFTER])
@pytest.mark.parametrize(
    "point",
    [
        "trader -> journal: RecordEntry(OrderEntry)",
        "trader -> account: SubmitOrder",
        "trader -> journal: KeepEntry(FillEntry)",
        "account -> trader: OrderFilled",
    ],
)
def test_an_actor_that_dies_half_way_through_a_handler_breaks_no_promise(
    met: Found, point: str, how: How
) -> None:
    struck = [strike(case) for case in cases({"quiet": met["quiet"]}, (point,), (how,), 2)]

    assert len(struck) == 2
    assert [each for each in struck if each.broken] == []


def test_an_entry_that_died_with_its_daemon_is_never_sent_again() -> None:
    struck = strike(Case("quiet", "venue: POST /v2/orders leaves", 1, How.KILL))

    assert struck.order == "entry buy 10"
    assert struck.fate == (
        "recorded, sent once, never arrived, in doubt, never found: EXPIRED (never_arrived)"
    )


def test_an_exit_that_died_with_its_daemon_goes_out_again() -> None:
    struck = strike(Case("quiet", "venue: POST /v2/orders leaves", 6, How.KILL))

    assert struck.order == "exit sell 5"
    assert struck.fate == "recorded, sent twice, in doubt, then found: FILLED"


def test_an_order_decided_and_not_recorded_is_gone_with_its_daemon() -> None:
    struck = strike(Case("quiet", "trader -> journal: RecordEntry(OrderEntry)", 1, How.KILL))

    assert struck.fate == "never recorded"


def test_an_order_whose_reply_died_with_the_daemon_is_found_and_not_sent_again() -> None:
    struck = strike(Case("quiet", "venue: POST /v2/orders done", 1, How.KILL))

    assert struck.fate.startswith("recorded, sent once, in doubt, then found")


def test_a_spooled_exit_whose_daemon_died_is_adopted_from_the_spool() -> None:
    struck = strike(Case("spool", "disk: flush done", 2, How.KILL))

    assert struck.order == "exit sell 5"
    assert (
        struck.fate == "adopted from the spool afterwards, sent once, in doubt, then found: FILLED"
    )


def test_the_same_case_is_the_same_story() -> None:
    case = Case("doubt", "account -> trader: OrderUnanswered", 1, How.KILL)

    assert strike(case) == strike(case)


def test_a_fault_strikes_at_a_boundary_of_the_order_path_and_in_the_middle_of_a_handler() -> None:
    kinds = ("kill_at_await", "crash_mid_handler")
    strikes = tuple(Strike(120.0 + 100 * n, kind) for n, kind in enumerate(kinds))
    plan = replace(DAYS["quiet"].plan(), kinds=kinds, strikes=strikes)
    struck: list[FaultStruck] = []
    verdict = run_plan(plan, watch=lambda world: world.history.listen(FaultStruck, struck.append))

    assert [each.kind for each in struck] == list(kinds)
    assert struck[0].event in POINTS
    assert verdict.counts["boots"] == 2
    assert verdict.holds


def test_the_drill_says_what_became_of_each_order() -> None:
    point = "venue: POST /v2/orders done"
    asked = ["crash-points", "--point", point, "--day", "quiet", "--jobs", "1"]
    answer = CliRunner().invoke(app, [*asked, "--json"])
    said = json.loads(answer.stdout)

    assert answer.exit_code == 0
    assert said["is_held"]
    assert {each["point"] for each in said["points"]} == {point}
    assert "recorded, sent once" in CliRunner().invoke(app, asked).stdout


def test_the_drill_fails_where_a_promise_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(struck_at: list[Case], jobs: int) -> Iterator[Struck]:
        assert jobs == 2
        yield Struck(struck_at[0], 1.0, "entry buy 10", "sent twice", ("I2 at 1 s: twice",))

    monkeypatch.setattr(drill_points, "strike_all", broken)
    answer = CliRunner().invoke(app, ["crash-points", "--day", "quiet", "--how", "crash"])

    assert answer.exit_code == 1
    assert "I2 at 1 s: twice" in answer.stdout


def test_a_point_that_nobody_knows_is_said_to_be_unknown() -> None:
    answer = CliRunner().invoke(app, ["crash-points", "--point", "teatime"])

    assert answer.exit_code == 2
