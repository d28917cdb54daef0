"""What one seed draws: sessions, accounts, prices, and which misfortunes strike when. Pure.

Swarm testing: each seed draws its own few kinds of faults out of all that are allowed, so that
rare combinations are met often; every tenth seed draws none.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

TROUBLE_S = 1_440.0  # faults may strike
CALM_S = 360.0  # they are over: one position period, one order period, and their deadlines
QUIET_EVERY = 10  # this many seeds hold one without faults
SYMBOLS = ("AAPL", "IBM", "MSFT")
STRATEGIES = ("wanderer", "wanderer", "restless", "guarded", "patient", "sma_cross")
COMMANDS = ("halt", "resume", "close", "reconcile")


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """One session. `params` are its strategy's own."""

    name: str
    account: str
    symbol: str
    strategy: str
    params: tuple[tuple[str, object], ...]


@dataclass(frozen=True, slots=True)
class Strike:
    """A misfortune, or a command of the operator's."""

    at_s: float  # since the start of the world
    what: str


@dataclass(frozen=True, slots=True)
class Plan:
    """One world."""

    seed: int
    accounts: tuple[str, ...]
    sessions: tuple[SessionPlan, ...]
    boot_at_s: float  # at any second of a minute
    volatility: float  # standard deviation of the return of a quarter of a bar
    latency_s: float  # of the lines, on average one way
    block_ratio: Decimal
    kinds: tuple[str, ...]  # the faults that may strike
    strikes: tuple[Strike, ...]  # in order of time
    trouble_s: float = TROUBLE_S
    calm_s: float = CALM_S
    is_thin: bool = False  # orders fill in pieces until the faults are over


def draw(seed: int, faults: Sequence[str], *, strategy: str = "", commands: bool = True) -> Plan:
    """The plan of a seed. `faults`: the names that may be drawn; `strategy`: the user's own."""
    chance = random.Random(f"plan {seed}")
    accounts = ("one", "two") if chance.random() < 0.3 else ("one",)
    sessions = tuple(
        _session(chance, symbol, accounts[place % len(accounts)], strategy)
        for place, symbol in enumerate(SYMBOLS)
    )
    boot_at_s = chance.choice((0.0, 59.0, 59.9, 60 * chance.random(), 60 * chance.random()))
    kinds = _kinds(chance, seed, faults)
    strikes = [
        Strike(boot_at_s + chance.uniform(2, TROUBLE_S - boot_at_s - 2), chance.choice(kinds))
        for _ in range(chance.randint(6, 20) if kinds else 0)
    ]
    if commands and chance.random() < 0.5:
        strikes += [
            Strike(chance.uniform(120, TROUBLE_S), chance.choice(COMMANDS))
            for _ in range(chance.randint(1, 4))
        ]
    return Plan(
        seed=seed,
        accounts=accounts,
        sessions=sessions,
        boot_at_s=boot_at_s,
        volatility=chance.choice((0.0005, 0.001, 0.003)),
        latency_s=chance.choice((0.002, 0.02, 0.2)),
        block_ratio=Decimal(chance.choice(("0.9", "0.9", "0.06", "0.03"))),
        kinds=kinds,
        is_thin=bool(kinds) and chance.random() < 0.15,
        strikes=tuple(sorted(strikes, key=lambda strike: strike.at_s)),
    )


def _kinds(chance: random.Random, seed: int, faults: Sequence[str]) -> tuple[str, ...]:
    if not faults or (len(faults) > 1 and seed % QUIET_EVERY == 0):
        return ()
    return tuple(chance.sample(list(faults), min(len(faults), chance.randint(1, 8))))


def _session(chance: random.Random, symbol: str, account: str, strategy: str) -> SessionPlan:
    name = strategy or chance.choice(STRATEGIES)
    params: tuple[tuple[str, object], ...] = ()
    if name == "sma_cross":
        params = (("fast", 2), ("slow", 3), ("qty", 10))
    elif name == "wanderer":
        params = (("qty", chance.choice((1, 10, 40))), ("seed", chance.randrange(1_000_000)))
    elif name in ("restless", "guarded", "patient"):
        params = (("qty", chance.choice((1, 10))),)
    return SessionPlan(symbol.lower(), account, symbol, name, params)
