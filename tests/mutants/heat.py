"""Bugs of the risk: what is counted, what is granted, and what a restart refills."""

from tests.mutants.directed import (
    all_of,
    busy,
    every_session,
    heat_up_to,
    wanderers,
)
from tests.mutants.planting import Bug, Edit
from trader.risk import heat
from trader.risk.portfolio import Portfolio
from trader.session import loading, report

BUGS = (
    Bug(
        "incomplete_heat_is_complete",
        "a sum with a hole in it counts as the sum",
        (
            Edit(
                Portfolio._sum,
                "level=HeatLevel.UNKNOWN if missing or ratio is None else self._level(ratio),",
                "level=HeatLevel.UNKNOWN if ratio is None else self._level(ratio),",
            ),
        ),
        faults=("market_halted",),
        bend=all_of(wanderers(10), busy(6)),
    ),
    Bug(
        "unknown_not_in_heat",
        "an order of which nobody knows risks nothing",
        (
            Edit(
                heat.contribution,
                "orders = [each for each in working if each.is_open]",
                "orders = [w for w in working if w.is_open and w.status is not Status.UNKNOWN]",
            ),
        ),
        faults=("late_arrival",),
        bend=all_of(
            heat_up_to("0.06"), every_session("sma_cross", fast=2, slow=3, qty=40), busy(20)
        ),
    ),
    Bug(
        "working_not_in_heat",
        "only what is held is at risk, not what is about to be bought",
        (Edit(report.heat_report, "working = state.open_orders()", "working = []"),),
        bend=all_of(heat_up_to("0.03"), every_session("patient", qty=10)),
    ),
    Bug(
        "budget_refilled_by_restart",
        "a restarted session has forgotten how many entries it has sent today",
        (
            Edit(
                loading._take,
                "if not working.is_exit and stored.status is not Status.DENIED:",
                "if False:",
            ),
        ),
        faults=("kill", "crash_trader"),
        bend=all_of(every_session("patient", qty=1), busy(10)),
    ),
)
