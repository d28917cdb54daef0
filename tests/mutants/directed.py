"""Directed workloads: how a drawn plan is bent so that what a bug needs happens soon."""

import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from actors.app.simulation.plan import COMMANDS, TROUBLE_S, Plan, Strike

Bend = Callable[[Plan], Plan]


def all_of(*bends: Bend) -> Bend:
    """One after the other."""

    def bend(plan: Plan) -> Plan:
        for each in bends:
            plan = each(plan)
        return plan

    return bend


def every_session(strategy: str, **params: object) -> Bend:
    """All sessions run this strategy."""

    def bend(plan: Plan) -> Plan:
        sessions = tuple(
            replace(each, strategy=strategy, params=tuple(params.items())) for each in plan.sessions
        )
        return replace(plan, sessions=sessions)

    return bend


def wanderers(qty: int) -> Bend:
    """All sessions do anything at all, in this size."""

    def bend(plan: Plan) -> Plan:
        sessions = tuple(
            replace(
                each,
                strategy="wanderer",
                params=(("qty", qty), ("seed", 3 * plan.seed + place)),
            )
            for place, each in enumerate(plan.sessions)
        )
        return replace(plan, sessions=sessions)

    return bend


def at_the_end(kind: str) -> Bend:
    """One last strike, shortly before all is calm."""
    return lambda plan: _with(plan, [Strike(TROUBLE_S - 30, kind)])


def busy(count: int) -> Bend:
    """So many strikes more, of the kinds that the seed has drawn."""

    def bend(plan: Plan) -> Plan:
        return _struck(plan, plan.kinds, count)

    return bend


def ordered(*commands: str, count: int) -> Bend:
    """The operator gives so many of these commands."""

    def bend(plan: Plan) -> Plan:
        return _struck(plan, commands, count)

    return bend


def in_pairs(*kinds: str, apart_s: float, count: int, at_second: float | None = None) -> Bend:
    """So many times one fault after the other, so many seconds apart, at this second of a bar."""

    def bend(plan: Plan) -> Plan:
        chance = random.Random(f"pairs {kinds} {plan.seed}")
        strikes = []
        for _ in range(count):
            at_s = chance.uniform(120, TROUBLE_S - 180)
            if at_second is not None:
                at_s += (at_second - at_s) % 60
            strikes += [Strike(at_s + apart_s * n, kind) for n, kind in enumerate(kinds)]
        return _with(plan, strikes)

    return bend


def heat_up_to(ratio: str) -> Bend:
    """So much of the equity may be at risk."""
    return lambda plan: replace(plan, block_ratio=Decimal(ratio))


def wild(plan: Plan) -> Plan:
    """Prices move far."""
    return replace(plan, volatility=0.003)


def far(plan: Plan) -> Plan:
    """The venue is far away."""
    return replace(plan, latency_s=0.2)


def _struck(plan: Plan, kinds: tuple[str, ...], count: int) -> Plan:
    if not kinds:
        return plan
    chance = random.Random(f"more {kinds} {plan.seed}")
    return _with(
        plan,
        [Strike(chance.uniform(120, TROUBLE_S), chance.choice(kinds)) for _ in range(count)],
    )


def _with(plan: Plan, strikes: list[Strike]) -> Plan:
    both = sorted((*plan.strikes, *strikes), key=lambda strike: strike.at_s)
    kinds = [each.what for each in strikes if each.what not in COMMANDS]
    return replace(plan, strikes=tuple(both), kinds=tuple(dict.fromkeys((*plan.kinds, *kinds))))
