"""The scripted days of the crash-points drill: the same orders each time, whatever is struck."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from actors.app.simulation.plan import Plan, SessionPlan
from actors.app.simulation.world import World
from adapters.simulated.account_faults import AccountFault, AccountFaultKind
from adapters.simulated.database import Trouble

MINUTE_S = 60.0
DAY_S = 10 * MINUTE_S
PARTIAL_EXIT_AT_S = 6 * MINUTE_S  # when the bar of scene 5 is over


@dataclass(frozen=True, slots=True)
class Day:
    """One day. `arrange`: what is wrong in it, set before it begins; `kinds`: of what kinds."""

    name: str
    says: str
    arrange: Callable[[World], None]
    kinds: tuple[str, ...] = ()

    def plan(self) -> Plan:
        """The same for each run of it."""
        session = SessionPlan("aapl", "one", "AAPL", "scripted", ())
        return Plan(
            seed=1,
            accounts=("one",),
            sessions=(session,),
            boot_at_s=0.0,
            volatility=0.001,
            latency_s=0.02,
            block_ratio=Decimal("0.9"),
            kinds=("kill_at_await", *self.kinds),
            strikes=(),
            trouble_s=DAY_S,
        )


def _nothing(world: World) -> None:
    """All goes well."""


def _no_database(world: World) -> None:
    """From just before both exits until after them."""
    world.later(
        PARTIAL_EXIT_AT_S - 10, lambda: world.database.strike(Trouble.REFUSED, 100 + MINUTE_S)
    )


def _in_pieces(world: World) -> None:
    """A few shares a print."""
    world.venue.thin_out(Decimal("0.00002"))


def _replies_lost(world: World) -> None:
    """That of the entry; and the partial exit never arrives."""

    def lose(kind: AccountFaultKind) -> Callable[[], object]:
        return lambda: world.venue.strike(AccountFault(kind, method="POST", count=1))

    world.later(PARTIAL_EXIT_AT_S - MINUTE_S - 1, lose(AccountFaultKind.REPLY_LOST))
    world.later(PARTIAL_EXIT_AT_S - 1, lose(AccountFaultKind.REQUEST_LOST))


DAYS: Mapping[str, Day] = {
    day.name: day
    for day in (
        Day("quiet", "all goes well", _nothing),
        Day(
            "spool",
            "the database is down when the position is to be closed",
            _no_database,
            ("db_down",),
        ),
        Day("pieces", "no order is filled at once", _in_pieces),
        Day(
            "doubt",
            "the entry's reply is lost, and the exit itself",
            _replies_lost,
            ("reply_lost", "request_lost"),
        ),
    )
}
